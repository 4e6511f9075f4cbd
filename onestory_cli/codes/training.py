"""T601 to T605, W330, W331, M520 and M521: training, adapters and LoRAs."""

from __future__ import annotations

from onestory_cli.codes.row import Code

TRAINING = (
    Code(
        code="T601",
        title="A recipe that cannot be used",
        explanation="`onestory train` reads a recipe: the data, the model and the stages. An entry is unknown, "
        "missing, or of the wrong kind; the finding names it. examples/recipes/ has recipes that work.",
        bad="stages: [{name: base, kind: bass}]",
        good="stages: [{name: base, kind: base}]",
    ),
    Code(
        code="T602",
        title="A manifest that cannot be used",
        explanation="A manifest of shots is JSON lines: one video each, with its shots in order of time. A line is no "
        "JSON, or does not fit the schema that `onestory schema shots` prints; all such lines are named.",
        bad='{"video": "a.mp4", "shots": [{"start": 2, "end": 1, "caption": "A fox."}]}',
        good='{"video": "a.mp4", "shots": [{"start": 0, "end": 2, "caption": "A fox."}, '
        '{"start": 2, "end": 4, "caption": "The same fox runs."}]}',
    ),
    Code(
        code="T603",
        title="A shot that cannot be read",
        explanation="The video is not there, does not play, ends before the shot does, or the shot is shorter than the "
        "recipe's frames. Short shots are left out where the recipe says so.",
        bad="frames: 81      (for shots of two seconds)",
        good="data: {manifest: shots.jsonl, short: drop}",
    ),
    Code(
        code="T604",
        title="An image encoder that cannot be read",
        explanation="Shots whose manifest states no relevance get it from the embeddings of DINOv2 and CLIP. "
        "Their weights are not on this machine and cannot be fetched, or the folder holds something else.",
        bad="data: {manifest: shots.jsonl, labels: [encoders/resnet]}",
        good="data: {manifest: shots.jsonl, labels: [encoders/dinov2-base]}",
    ),
    Code(
        code="T605",
        title="The checkpoint of another training",
        explanation="The folder holds the checkpoint of a training with other settings or other shots; going on with "
        "it would mix the two. More steps, and how it reports, may be changed.",
        bad="onestory train recipe.yaml --resume      (after `rate` was changed)",
        good="onestory train recipe.yaml --out runs/second",
    ),
    Code(
        code="T620",
        title="Results that cannot be compared",
        explanation="`onestory evaluate --against` compares two results film by film. The file must be one that "
        "`--out` wrote, of the same suite, with a column of the same name (or one column each) and at least two of "
        "the same stories; the stories are the same where the two models know the same part of the world.",
        bad="onestory evaluate --suite ladder --against stories.json",
        good="onestory evaluate --suite stories --against stories.json",
    ),
    Code(
        code="W330",
        title="Shots that are left out",
        explanation="Some shots of the manifest are shorter than the recipe's frames, or alone in their video once "
        "those are gone, and the recipe says to drop them. Fewer `frames` keep more of them.",
        bad="data: {manifest: shots.jsonl, short: drop}      (with 81 frames, and shots of 3 seconds)",
        good="frames: 49",
    ),
    Code(
        code="W331",
        title="A processor without bfloat16",
        explanation="The recipe trains in bfloat16. Processors without instructions for it need many times as long, "
        "so that all is done in float32: more slowly than with them, and with other last digits.",
        bad="dtype: bfloat16      (on a processor with AVX2 alone)",
        good="dtype: float32",
    ),
    Code(
        code="M521",
        title="A LoRA that does not fit",
        explanation="The names or the shapes of the LoRA's weights are not those of the model's transformer: it was "
        "trained for another model. A LoRA of the 14B models does not fit those of 1.3B.",
        bad="model: wan2.1-t2v-1.3b\nlora: [{path: ink-14b.safetensors}]",
        good="model: wan2.1-t2v-14b\nlora: [{path: ink-14b.safetensors}]",
    ),
    Code(
        code="M520",
        title="An adapter of another base",
        explanation="An adapter is trained for one base and means nothing to another, even of the same shapes. "
        "Its config.json names the base.",
        bad="an adapter of Wan2.1-T2V-1.3B-Diffusers with the base Wan2.1-T2V-14B-Diffusers",
        good="the base that the adapter names",
    ),
)
