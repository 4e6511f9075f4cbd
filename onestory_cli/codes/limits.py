"""S210 to S220 and S230: what a story asks and its model cannot do."""

from __future__ import annotations

from onestory_cli.codes.row import Code

LIMITS = (
    Code(
        code="S158",
        title="A LoRA for an expert that is not there",
        explanation="Models with two experts (Wan 2.2 A14B) have one for high noise and one for low noise, and often a "
        "LoRA for each. Other models have one transformer: their LoRAs name no expert.",
        bad="model: storyworld\nlora: [{path: ink.safetensors, expert: high}]",
        good="model: storyworld\nlora: [{path: ink.safetensors}]",
    ),
    Code(
        code="S210",
        title="A number of frames that the model cannot make",
        explanation="Video models fold frames in time: the first alone, then four at a time, so most make 4k+1 of "
        "them. A length is never rounded in silence; the finding names the two nearest that work.",
        bad="frames: 18",
        good="frames: 17",
    ),
    Code(
        code="S211",
        title="A duration that the model cannot make",
        explanation="The duration times the frames per second, plus one, must be a number of frames that the model can "
        "make. The finding names the two nearest durations that work.",
        bad="duration: 2.1s",
        good="duration: 2s",
    ),
    Code(
        code="S212",
        title="A shot that is too long",
        explanation="The model was not trained on clips of that length and would fall apart. "
        "Tell it in two shots; the second remembers the first.",
        bad="duration: 60s",
        good="duration: 2s",
    ),
    Code(
        code="S213",
        title="A size that the model cannot make",
        explanation="The model works on patches of pixels, so width and height are multiples of a number of its own. "
        "A size is never rounded in silence; the finding names the two nearest that work.",
        bad="size: 70x64",
        good="size: 64x64",
    ),
    Code(
        code="S214",
        title="Shots of different sizes",
        explanation="The memory holds frames of one size, and so does a film. Give all shots one size, best in "
        "`defaults:`; a profile may change it for all of them at once.",
        bad="shots: [{id: a, caption: A fox., size: 64x64}, {id: b, caption: A bear., size: 128x128}]",
        good="defaults: {size: 64x64}",
    ),
    Code(
        code="S215",
        title="A memory budget that is too small",
        explanation="The budget is the price of the memory in units of one latent frame, and every frame that is kept "
        "costs something even at the coarsest level. This one does not pay for a single frame. "
        "Raise it, or write `memory: {frames: 0}` for no memory.",
        bad="memory: {budget: 0.01}",
        good="memory: {budget: 1.0}",
    ),
    Code(
        code="S216",
        title="A picture that cannot be read",
        explanation="A picture of the story, or the copy of it that a run directory keeps, is not there any more or is "
        "damaged. Put it back, or render from the story file again.",
        bad="image: refs/gone.png",
        good="image: refs/fox.png",
    ),
    Code(
        code="S217",
        title="More remembered frames than the base can begin from",
        explanation="A picture-to-video base without an adapter remembers by going on from one frame of an earlier "
        "shot. Several frames need a base that takes reference images, or an adapter.",
        bad="memory: {frames: 4}      (with model: wan2.2-ti2v-5b)",
        good="memory: {frames: 1}",
    ),
    Code(
        code="S218",
        title="A shot with nothing to begin from",
        explanation="The model makes video of a picture. A shot after the first goes on from what it remembers; the "
        "first, or one without memory, needs `image:`, or another model that begins from words: `first_shot_model:` "
        "makes all such shots of the story.",
        bad="model: wan2.1-i2v-14b-480p",
        good="model: wan2.1-i2v-14b-480p\nfirst_shot_model: wan2.1-t2v-14b",
    ),
    Code(
        code="S219",
        title="A picture for a model of text alone",
        explanation="The model makes video of text and has no way to take a first picture in. Others have: "
        "`onestory models` shows the task of each (i2v, ti2v and vace take pictures).",
        bad="model: wan2.1-t2v-1.3b      (and a shot with image: start.png)",
        good="model: wan2.1-vace-1.3b",
    ),
    Code(
        code="S220",
        title="A first model that does not fit",
        explanation="What `first_shot_model` makes is remembered by the story's model, so both must have latents of "
        "one layout, those of Wan 2.1 or those of Wan 2.2 TI2V; and it must be able to begin from words.",
        bad="model: wan2.1-i2v-14b-480p\nfirst_shot_model: wan2.2-ti2v-5b",
        good="model: wan2.1-i2v-14b-480p\nfirst_shot_model: wan2.1-t2v-1.3b",
    ),
    Code(
        code="S221",
        title="Guidance of a memory without an adapter",
        explanation="`guidance` in `memory:` weighs what a shot makes of its memory against what it would make without "
        "one. Only a memory adapter can leave its memory out of a step; a base without one begins from a frame or from "
        "reference pictures, or remembers nothing.",
        bad="model: wan2.1-t2v-1.3b\ndefaults: {memory: {guidance: 3}}",
        good="model: storyworld\ndefaults: {memory: {guidance: 3}}",
    ),
    Code(
        code="S230",
        title="No such shot",
        explanation="An option or a command names a shot, and the story has none of that id.",
        bad="onestory render film.story.yaml --until retrun",
        good="onestory render film.story.yaml --until return",
    ),
)
