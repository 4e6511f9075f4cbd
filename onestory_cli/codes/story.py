"""S140 to S230: captions, pictures, sounds, memory, and the limits of the model."""

from __future__ import annotations

from onestory_cli.codes.code import Code

STORY = (
    Code(
        code="S140",
        title="A lone dollar sign",
        explanation="In a caption a dollar sign starts a reference, but no name follows this one. Write `$$` for a "
        "dollar sign.",
        bad="caption: A price tag of $5.",
        good="caption: A price tag of $$5.",
    ),
    Code(
        code="S141",
        title="Empty text",
        explanation="A caption, look, title or path contains only white space. Without a caption a model draws "
        "anything. Write the text, or remove the key if it is optional.",
        bad='caption: " "',
        good="caption: A beach. Wide shot.",
    ),
    Code(
        code="S142",
        title="Captions that grow too long",
        explanation="With all looks written out the caption has more than 20000 characters, or the captions of the "
        "film refer to characters and settings more than 20000 times. Models read a few hundred words. Use `$id` "
        "instead of `$id!`, and mention fewer things at once.",
        bad="caption: $fox! $fox! $fox! ...",
        good="caption: $fox waves.",
    ),
    Code(
        code="S150",
        title="A picture outside the story's folder",
        explanation="Paths are relative to the story file and stay inside its folder, so that a story can be moved "
        "and shared and cannot read other files. Copy the picture into the folder, or pass `--allow-outside`.",
        bad="image: ../../photos/fox.png",
        good="image: refs/fox.png",
    ),
    Code(
        code="S151",
        title="A link out of the story's folder",
        explanation="The path is inside the story's folder, but a symbolic link in it leads out. Replace the link by "
        "a copy of the picture, or pass `--allow-outside`.",
        bad="image: refs/fox.png      (refs -> /home/me/photos)",
        good="image: refs/fox.png      (refs is a folder)",
    ),
    Code(
        code="S152",
        title="No such picture",
        explanation="There is no file at this path. Paths are relative to the story file, not to the current folder, "
        "and are case-sensitive.",
        bad="image: refs/Fox.png",
        good="image: refs/fox.png",
    ),
    Code(
        code="S153",
        title="Not a picture",
        explanation="The file cannot be read as PNG, JPEG or WebP: it has another format, is damaged or cut off, is a "
        "folder, or you may not read it. Every picture is decoded once, before any work. Other formats are refused "
        "because they are hard to read safely.",
        bad="image: refs/fox.psd",
        good="image: refs/fox.png",
    ),
    Code(
        code="S154",
        title="A picture that is too large",
        explanation="The file has more than 64 MiB or would decode to more than 2^25 pixels, or it is a JPEG of more "
        "than 200 scans. Models look at about a million pixels. Save a smaller copy.",
        bad="image: refs/poster-20000x20000.png",
        good="image: refs/poster-2000x2000.png",
    ),
    Code(
        code="S155",
        title="A model outside the story's folder",
        explanation="A model that is a folder or a file must be in the story's folder or below the current folder, "
        "so that a story from someone else cannot read your other files. Names from `onestory models` and from the "
        "hub are always allowed. `--allow-outside` allows any path.",
        bad="model: /models/wan",
        good="onestory render film.story.yaml --allow-outside",
    ),
    Code(
        code="S156",
        title="Too many or too large pictures",
        explanation="A story may use at most 1000 pictures of at most 256 MiB together, because all of them are read "
        "before rendering starts. Models look at about a million pixels: save smaller copies.",
        bad="image: refs/scan-0001.png      (and 500 more of 10 MiB)",
        good="image: refs/photo-0001.webp",
    ),
    Code(
        code="S157",
        title="A LoRA file that cannot be used",
        explanation="An entry of `lora:` is the `path` of a .safetensors file in the story's folder, or the `file` of "
        "a repository of the `hub`. Other files are pickles, which can run any code when they are opened.",
        bad="lora: [{path: ink.pt}]",
        good="lora: [{path: ink.safetensors, weight: 0.8}]",
    ),
    Code(
        code="S158",
        title="A LoRA for an expert that does not exist",
        explanation="Models with two experts (Wan 2.2 A14B) have one for high noise and one for low noise, and often "
        "a LoRA for each. Other models have one transformer: do not set `expert` for their LoRAs.",
        bad="model: storyworld\nlora: [{path: ink.safetensors, expert: high}]",
        good="model: storyworld\nlora: [{path: ink.safetensors}]",
    ),
    Code(
        code="S159",
        title="A preset that the model does not have",
        explanation="`preset:` of a profile names published LoRA files with the steps, guidance, scheduler and shift "
        "that they were trained for. Each preset belongs to certain bases; `onestory models` lists them.",
        bad="model: storyworld\nprofiles: {fast: {preset: lightx2v-4step}}",
        good="model: wan2.2-t2v-a14b\nprofiles: {fast: {preset: lightx2v-4step}}",
    ),
    Code(
        code="S160",
        title="Memory of an unknown shot",
        explanation="`memory.from` lists the earlier shots that this shot may remember. No shot has this id.",
        bad="memory: {from: [openning]}",
        good="memory: {from: [opening]}",
    ),
    Code(
        code="S161",
        title="Memory of a later shot",
        explanation="Shots are rendered in order, and a shot remembers only earlier ones. Name an earlier shot, or "
        "change the order.",
        bad="shots: [{id: a, caption: A fox., memory: {from: [b]}}, {id: b, caption: A bear.}]",
        good="shots: [{id: b, caption: A bear.}, {id: a, caption: A fox., memory: {from: [b]}}]",
    ),
    Code(
        code="S162",
        title="Memory of the shot itself",
        explanation="A shot cannot remember itself. Leave `from` out to let it see all earlier shots, or write `[]` "
        "for none.",
        bad="{id: opening, caption: A fox., memory: {from: [opening]}}",
        good="{id: opening, caption: A fox., memory: {from: []}}",
    ),
    Code(
        code="S163",
        title="A shot named twice",
        explanation="`memory.from` is a set of shots; naming one twice does not make it count more. Relevance to the "
        "caption decides that.",
        bad="memory: {from: [opening, opening]}",
        good="memory: {from: [opening]}",
    ),
    Code(
        code="S164",
        title="An included file that cannot be read",
        explanation="`include:` lists YAML files with `characters:` and `settings:`, and nothing else. Their paths are "
        "relative to the story file. This one does not exist, is a folder, or you may not read it.",
        bad="include: [Cast.yaml]",
        good="include: [cast.yaml]",
    ),
    Code(
        code="S171",
        title="No such sound",
        explanation="There is no file at this path. Paths are relative to the story file, not to the current folder, "
        "and are case-sensitive.",
        bad="audio: {file: sound/Wind.wav}",
        good="audio: {file: sound/wind.wav}",
    ),
    Code(
        code="S172",
        title="Not a sound",
        explanation="The file contains no sound that can be read, is damaged or cut off, has samples that are not "
        "numbers (NaN), or its suffix is not one of .wav, .flac, .mp3, .ogg, .opus, .m4a and .aac. The content decides "
        "how a file is read, so an MP3 named .wav works. Playlists are refused, because they could name any other "
        "file.",
        bad="audio: {file: sound/list.m3u8}",
        good="audio: {file: sound/wind.wav}",
    ),
    Code(
        code="S173",
        title="Too many or too large sounds",
        explanation="A sound may have at most 128 MiB, and all sounds of a story together at most 256 MiB in at most "
        "1000 files, because all of them are read before rendering starts.",
        bad="audio: {file: sound/two-hours.wav}",
        good="audio: {file: sound/two-hours.opus}",
    ),
    Code(
        code="S210",
        title="A number of frames that the model cannot make",
        explanation="Video models compress frames in time: the first alone, then four at a time, so most can make "
        "4k+1 frames. onestory never rounds a length; the finding names the two nearest that work.",
        bad="frames: 18",
        good="frames: 17",
    ),
    Code(
        code="S211",
        title="A duration that the model cannot make",
        explanation="The duration times the frames per second, plus one, must be a number of frames that the model "
        "can make. The finding names the two nearest durations that work.",
        bad="duration: 2.1s",
        good="duration: 2s",
    ),
    Code(
        code="S212",
        title="A shot that is too long",
        explanation="The model was not trained on clips of this length, and quality breaks down. Use two shots; the "
        "second remembers the first.",
        bad="duration: 60s",
        good="duration: 2s",
    ),
    Code(
        code="S213",
        title="A size that the model cannot make",
        explanation="The model works on patches of pixels, so width and height must be multiples of a fixed number. "
        "onestory never rounds a size; the finding names the two nearest that work.",
        bad="size: 130x128",
        good="size: 128x128",
    ),
    Code(
        code="S214",
        title="Shots of different sizes",
        explanation="The memory holds frames of one size, and so does a film. Give all shots the same size, best in "
        "`defaults:`; a profile may change it for all of them at once.",
        bad="shots: [{id: a, caption: A fox., size: 64x64}, {id: b, caption: A bear., size: 128x128}]",
        good="defaults: {size: 128x128}",
    ),
    Code(
        code="S215",
        title="A memory budget that is too small",
        explanation="The budget is the cost of the memory in units of one latent frame, and every remembered frame "
        "costs something even at the coarsest level. This budget is too small for a single frame. Raise it, or write "
        "`memory: {frames: 0}` for no memory.",
        bad="memory: {budget: 0.01}",
        good="memory: {budget: 1.0}",
    ),
    Code(
        code="S216",
        title="A picture that cannot be read",
        explanation="A picture of the story, or the copy of it in the run directory, is missing or damaged. Restore "
        "it, or render from the story file again.",
        bad="image: refs/gone.png",
        good="image: refs/fox.png",
    ),
    Code(
        code="S217",
        title="More remembered frames than the base can use",
        explanation="A picture-to-video base without an adapter remembers by starting from one frame of an earlier "
        "shot. To use several frames, choose a base that takes reference images, or an adapter.",
        bad="memory: {frames: 4}      (with model: wan2.2-ti2v-5b)",
        good="memory: {frames: 1}",
    ),
    Code(
        code="S218",
        title="A shot without a first frame",
        explanation="This model makes video from a picture. A shot after the first starts from what it remembers. "
        "The first shot, and every shot without memory, needs `image:`, or `first_shot_model:` with a model that "
        "starts from text.",
        bad="model: wan2.1-i2v-14b-480p",
        good="model: wan2.1-i2v-14b-480p\nfirst_shot_model: wan2.1-t2v-14b",
    ),
    Code(
        code="S219",
        title="A picture for a text-to-video model",
        explanation="The model makes video from text and cannot take a first picture. `onestory models` shows the "
        "task of each model: i2v, ti2v and vace take pictures.",
        bad="model: wan2.1-t2v-1.3b      (and a shot with image: start.png)",
        good="model: wan2.1-vace-1.3b",
    ),
    Code(
        code="S220",
        title="An incompatible first-shot model",
        explanation="The story's model remembers what `first_shot_model` makes, so both must have the same latent "
        "layout, that of Wan 2.1 or that of Wan 2.2 TI2V. It must also be able to start from text.",
        bad="model: wan2.1-i2v-14b-480p\nfirst_shot_model: wan2.2-ti2v-5b",
        good="model: wan2.1-i2v-14b-480p\nfirst_shot_model: wan2.1-t2v-1.3b",
    ),
    Code(
        code="S221",
        title="Memory guidance without an adapter",
        explanation="`guidance` in `memory:` compares a step with memory to a step without memory. Only a model with "
        "a memory adapter can make the step without; a base alone starts from a frame or from reference pictures, or "
        "remembers nothing.",
        bad="model: wan2.1-t2v-1.3b\ndefaults: {memory: {guidance: 3}}",
        good="model: storyworld\ndefaults: {memory: {guidance: 3}}",
    ),
    Code(
        code="S222",
        title="A value that the workflow has no input for",
        explanation="A shot sets something that this external model cannot change. Remove it, or bind an input of the "
        "workflow by the title of its node, such as `onestory:steps`. Without a bound input, the length, size and rate "
        "of every shot are those of the card.",
        bad="model: {workflow: fixed-length.json}\ndefaults: {steps: 8}",
        good="model: {workflow: fixed-length.json}",
    ),
    Code(
        code="S223",
        title="Another number of steps than the scheduler takes",
        explanation="The scheduler `dmd` samples models that were distilled for exactly three timesteps. Other numbers "
        "of steps have no trained timesteps.",
        bad="defaults: {scheduler: dmd, steps: 8}",
        good="defaults: {scheduler: dmd, steps: 3, guidance: 1, shift: 8}",
    ),
    Code(
        code="S230",
        title="No such shot",
        explanation="An option or a command names a shot that the story does not have.",
        bad="onestory render film.story.yaml --until retrun",
        good="onestory render film.story.yaml --until return",
    ),
)
