"""S140 to S163: captions, pictures and memory."""

from __future__ import annotations

from onestory_cli.codes.row import Code

MEANING = (
    Code(
        code="S140",
        title="A lone dollar sign",
        explanation="In a caption a dollar sign starts a reference. This one is not followed by a name. "
        "Write `$$` for the sign itself.",
        bad="caption: A price tag of $5.",
        good="caption: A price tag of $$5.",
    ),
    Code(
        code="S141",
        title="Empty text",
        explanation="A caption, a look, a title or a path has nothing in it but white space. "
        "Without a caption a model draws anything. Write the text, or leave an optional key out.",
        bad='caption: " "',
        good="caption: A beach. Wide shot.",
    ),
    Code(
        code="S142",
        title="Captions that grow too long",
        explanation="With all its looks written out the caption has more than 20000 characters, or the captions of the "
        "film refer to characters and settings more than 20000 times. "
        "Models read a few hundred words. Use `$id` in place of `$id!`, and mention less at once.",
        bad="caption: $fox! $fox! $fox! ...",
        good="caption: $fox waves.",
    ),
    Code(
        code="S150",
        title="A picture outside of the story's folder",
        explanation="Paths are relative to the story file and stay inside its folder, so that a story can be moved, "
        "shared and rendered by others, and cannot read what is not its own. "
        "Copy the picture beside the story, or allow the path with `--allow-outside`.",
        bad="image: ../../photos/fox.png",
        good="image: refs/fox.png",
    ),
    Code(
        code="S151",
        title="A link out of the story's folder",
        explanation="The path itself stays inside of the story's folder, but a symbolic link on it leads out. "
        "Copy the picture in place of the link, or allow it with `--allow-outside`.",
        bad="image: refs/fox.png      (refs -> /home/me/photos)",
        good="image: refs/fox.png      (refs is a folder)",
    ),
    Code(
        code="S152",
        title="No such picture",
        explanation="There is no file at the path, which is relative to the story file and not to where you are. "
        "Upper and lower case count.",
        bad="image: refs/Fox.png",
        good="image: refs/fox.png",
    ),
    Code(
        code="S153",
        title="Not a picture",
        explanation="The file is there but cannot be read as PNG, JPEG or WebP: it is of another kind, damaged, a "
        "folder, or not readable for you. Other formats are refused because reading them safely is hard.",
        bad="image: refs/fox.psd",
        good="image: refs/fox.png",
    ),
    Code(
        code="S154",
        title="A picture that is too large",
        explanation="The file has more than 64 MiB or would unpack to more than 2^25 pixels. "
        "Models look at about a million. Save it smaller.",
        bad="image: refs/poster-20000x20000.png",
        good="image: refs/poster-2000x2000.png",
    ),
    Code(
        code="S155",
        title="A model outside of the story's folder",
        explanation="A model that is a folder or a file lies beside the story or below the folder that you are in, so "
        "that a story of somebody else cannot make you read what is not its own. "
        "Names of `onestory models` and of the hub are free. `--allow-outside` allows any path.",
        bad="model: /models/wan",
        good="onestory render film.story.yaml --allow-outside",
    ),
    Code(
        code="S156",
        title="Too many or too large pictures",
        explanation="All pictures of a story together have at most 256 MiB and are at most 1000 files, because each of "
        "them is read before any work. Models look at about a million pixels: save them smaller.",
        bad="image: refs/scan-0001.png      (and 500 more of 10 MiB)",
        good="image: refs/photo-0001.webp",
    ),
    Code(
        code="S157",
        title="A LoRA file that cannot be used",
        explanation="`lora:` names .safetensors files in the story's folder. Files of other kinds are pickles, which "
        "can run any code when they are opened.",
        bad="lora: [{path: ink.pt}]",
        good="lora: [{path: ink.safetensors, weight: 0.8}]",
    ),
    Code(
        code="S171",
        title="No such sound",
        explanation="There is no file at the path, which is relative to the story file and not to where you are. "
        "Upper and lower case count.",
        bad="audio: {file: sound/Wind.wav}",
        good="audio: {file: sound/wind.wav}",
    ),
    Code(
        code="S172",
        title="Not a sound",
        explanation="The file is there but holds no sound that can be read, or its ending is none of .wav, .flac, "
        ".mp3, .ogg, .opus, .m4a and .aac. Lists of other files are refused: a stranger could name any file in them.",
        bad="audio: {file: sound/list.m3u8}",
        good="audio: {file: sound/wind.wav}",
    ),
    Code(
        code="S173",
        title="Too many or too large sounds",
        explanation="A sound has at most 128 MiB, and all sounds of a story together at most 256 MiB in at most 1000 "
        "files, because each of them is read before any work.",
        bad="audio: {file: sound/two-hours.wav}",
        good="audio: {file: sound/two-hours.opus}",
    ),
    Code(
        code="S160",
        title="Memory of an unknown shot",
        explanation="`memory.from` names the earlier shots that this one may remember, and no shot has that id.",
        bad="memory: {from: [openning]}",
        good="memory: {from: [opening]}",
    ),
    Code(
        code="S161",
        title="Memory of a later shot",
        explanation="A film is made shot by shot, and a shot remembers what was there before it. "
        "Name an earlier shot, or change the order.",
        bad="shots: [{id: a, caption: A fox., memory: {from: [b]}}, {id: b, caption: A bear.}]",
        good="shots: [{id: b, caption: A bear.}, {id: a, caption: A fox., memory: {from: [b]}}]",
    ),
    Code(
        code="S162",
        title="Memory of the shot itself",
        explanation="A shot is not there yet while it is made, so it cannot remember itself. "
        "Leave `from` out to let it see all earlier shots, or write `[]` for none.",
        bad="{id: opening, caption: A fox., memory: {from: [opening]}}",
        good="{id: opening, caption: A fox., memory: {from: []}}",
    ),
    Code(
        code="S163",
        title="A shot is named twice",
        explanation="`memory.from` is a set of shots; naming one twice does not make it count more. "
        "Relevance decides that, by the caption.",
        bad="memory: {from: [opening, opening]}",
        good="memory: {from: [opening]}",
    ),
)
