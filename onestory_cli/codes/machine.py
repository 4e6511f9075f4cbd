"""M501 to M514 and U601 to U609: models, this machine and usage."""

from __future__ import annotations

from onestory_cli.codes.row import Code

MACHINE = (
    Code(
        code="M501",
        title="Unknown model",
        explanation="`model:` is neither a name of the catalogue nor a folder, beside the story or where you are. "
        "`onestory models` lists the names.",
        bad="model: storyword",
        good="model: storyworld",
    ),
    Code(
        code="M502",
        title="Not a model folder",
        explanation="The folder has no onestory.json that says what the model can do, or one that cannot be used. "
        "`onestory train` writes it beside the weights.",
        bad="model: examples/",
        good="model: my-training/model",
    ),
    Code(
        code="M503",
        title="Weights are missing",
        explanation="The model is known, but its weights are not there or cannot be read. "
        "The embedded model comes with the package: install it again. Other models have to be fetched first.",
        bad="model: my-training/model      (without transformer/*.safetensors)",
        good="model: storyworld",
    ),
    Code(
        code="M504",
        title="The device is not available",
        explanation="The named device is not in this machine, or this build of torch cannot use it. "
        "`onestory doctor` shows what there is; without --device the best one is taken.",
        bad="onestory render film.story.yaml --device cuda:3",
        good="onestory render film.story.yaml",
    ),
    Code(
        code="M505",
        title="No H.264 encoder",
        explanation="Clips are encoded by PyAV with x264, and this build of PyAV has none. "
        "Its wheels from PyPI do; builds of distributions may not.",
        bad="pip install --no-binary av av",
        good="pip install --force-reinstall --only-binary av av",
    ),
    Code(
        code="M506",
        title="A size that H.264 cannot hold",
        explanation="Colour is stored at half the resolution, so width and height of a clip are even. "
        "An even `output.scale` makes them so.",
        bad="output: {scale: 1}      (for pictures of 63x63)",
        good="output: {scale: 2}",
    ),
    Code(
        code="M507",
        title="Clips that do not fit together",
        explanation="A film is joined from its clips without encoding them again, so they must have one size, one "
        "frame rate and one encoding. Render the shots that the finding names again.",
        bad="shots: [{id: a, caption: A fox., size: 64x64}, {id: b, caption: A bear., size: 128x128}]",
        good="defaults: {size: 64x64}",
    ),
    Code(
        code="M508",
        title="A clip that cannot be read",
        explanation="The file is cut short, damaged or no video. Render that shot again: "
        "its clip is then made from the latents that its take keeps, or anew.",
        bad="film.run/shots/opening/3f9a12c0ffee/clip.mp4, cut short",
        good="onestory render film.story.yaml --force opening",
    ),
    Code(
        code="M509",
        title="Weights are not fetched",
        explanation="The model is known, but its weights are not on this machine, or not all of them. "
        "They are downloaded once, into the cache of the Hugging Face Hub, which other programs share.",
        bad="onestory render film.story.yaml      (with model: wan2.1-vace-1.3b, never fetched)",
        good="onestory models fetch wan2.1-vace-1.3b",
    ),
    Code(
        code="M510",
        title="The hub cannot be reached",
        explanation="There is no way to the Hugging Face Hub from here, or HF_HUB_OFFLINE forbids it. Download the "
        "model where there is a network and bring the folder here: `model:` takes a folder too.",
        bad="HF_HUB_OFFLINE=1 onestory models fetch wan2.1-vace-1.3b",
        good="hf download Wan-AI/Wan2.1-VACE-1.3B-diffusers --local-dir vace      (elsewhere)",
    ),
    Code(
        code="M511",
        title="Pickled weights",
        explanation="Weights in .bin, .pt, .pth or .ckpt are Python pickles, which can run any code when they are "
        "opened. Only safetensors and GGUF are read.",
        bad="model: weights/wan.pth",
        good="model: weights/wan.safetensors",
    ),
    Code(
        code="M512",
        title="A licence to be accepted",
        explanation="The licence of the model may restrict what it is used for, or where. Read it, then accept it "
        "once with `onestory models accept`. On machines without a person the variable "
        "ONESTORY_ACCEPT_LICENCES names the models whose licences were accepted.",
        bad="onestory render film.story.yaml      (with a model under cc-by-nc-4.0)",
        good="onestory models accept org/name",
    ),
    Code(
        code="M513",
        title="A repository that wants a login",
        explanation="The owner of the model gives it to those who ask. Ask for access on its page, then log in with "
        "`hf auth login`.",
        bad="onestory models fetch org/gated-model",
        good="hf auth login && onestory models fetch org/gated-model",
    ),
    Code(
        code="M514",
        title="A package that is not installed",
        explanation="Some things need a package that onestory does not bring by itself: GGUF files need gguf, a recipe "
        "that tracks to TensorBoard or Weights & Biases needs those. "
        "The message names the extra that has it.",
        bad="model: wan2.1-t2v-14b-q4.gguf      (without the package gguf)",
        good="pip install 'onestory[gguf]'",
    ),
    Code(
        code="M515",
        title="A film without a recipe",
        explanation="A film of onestory carries its story, its seeds and the fingerprints of its models in its own "
        "metadata. Other programs drop them when they save a film again; keep the one that was rendered.",
        bad="onestory inspect edited-elsewhere.mp4",
        good="onestory inspect film.run/film.mp4",
    ),
    Code(
        code="M516",
        title="A sound that cannot be read",
        explanation="The file began like a sound when the story was checked, and cannot be read to its end: it is cut "
        "short, damaged, or of a kind that this build of FFmpeg does not know.",
        bad="audio: {file: sound/half-downloaded.mp3}",
        good="audio: {file: sound/whole.mp3}",
    ),
    Code(
        code="M517",
        title="A film that cannot be signed",
        explanation="`--sign` takes a chain of certificates in PEM, the signer's own first, and the private key of "
        "that one, in PEM and without a password. C2PA asks that the certificate is for signing (key usage), has an "
        "extended key usage such as e-mail protection, and is not its own issuer.",
        bad="onestory render film.story.yaml --sign web-server.pem web-server.key",
        good="onestory render film.story.yaml --sign signer-chain.pem signer.key",
    ),
    Code(
        code="M518",
        title="The signature of a film does not hold",
        explanation="`onestory inspect` found a C2PA manifest in the film that does not fit it, or that is not whole: "
        "somebody changed the film or the manifest after it was signed. What either says is not to be believed.",
        bad="onestory inspect film.signed.mp4    # from somewhere, by way of a program that cut it",
        good="onestory resume film.run --sign chain.pem key.pem && onestory inspect film.run/film.signed.mp4",
    ),
    Code(
        code="U601",
        title="No such code",
        explanation="`onestory explain` takes a code as it stands in a finding: a letter and three digits. "
        "Without one it lists them all.",
        bad="onestory explain S999",
        good="onestory explain S104",
    ),
    Code(
        code="U602",
        title="No such profile",
        explanation="`--profile` names a set of settings under `profiles:` of the story, and there is none of that "
        "name.",
        bad="onestory render film.story.yaml --profile darft",
        good="onestory render film.story.yaml --profile draft",
    ),
    Code(
        code="U603",
        title="A training is there already",
        explanation="The folder holds the checkpoints of a training, which a new one would overwrite. "
        "Go on with it by --resume, or name another folder.",
        bad="onestory train recipe.yaml",
        good="onestory train recipe.yaml --resume",
    ),
    Code(
        code="U604",
        title="Which run directory?",
        explanation="The command works on a run directory, none was named, and there is not exactly one here.",
        bad="onestory inspect-memory",
        good="onestory inspect-memory film.run",
    ),
    Code(
        code="U605",
        title="The file exists already",
        explanation="`onestory new` never overwrites a story. Choose another name, or delete the file first.",
        bad="onestory new film      (with film.story.yaml there)",
        good="onestory new film-2",
    ),
    Code(
        code="U606",
        title="A command line that cannot be understood",
        explanation="A command, an option or an argument is unknown, missing, or of the wrong kind. The message names "
        "it, and `--help` after any command shows what it takes.",
        bad="onestory rendr film.story.yaml",
        good="onestory render film.story.yaml",
    ),
    Code(
        code="U607",
        title="Not enough memory",
        explanation="The model, or a shot of this size and length, does not fit into the memory of this machine or of "
        "its GPU. Close other programs, or ask for less: a smaller size, fewer frames, a smaller memory budget, fewer "
        "workers.",
        bad="size: 1280x720",
        good="size: 832x480",
    ),
    Code(
        code="U608",
        title="A file that cannot be written",
        explanation="The disk is full, or this user may not write there. Finished shots are kept: "
        "make room, or name another place, and give the same command again.",
        bad="onestory new /film",
        good="onestory new film",
    ),
    Code(
        code="U609",
        title="A bug in onestory",
        explanation="Something happened that should not be possible. It is no fault of the story. The report file "
        "that the message names holds what is needed to mend it: versions, the command, and where it happened.",
        bad="a bug of ours",
        good="a report with that file",
    ),
)
