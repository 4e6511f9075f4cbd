"""M codes: models and this machine."""

from __future__ import annotations

from onestory_cli.codes.code import Code

MACHINE = (
    Code(
        code="M501",
        title="Unknown model",
        explanation="`model:` is not a name in the catalog, and not a folder next to the story or in the current "
        "folder. `onestory models` lists the names.",
        bad="model: storyword",
        good="model: storyworld",
    ),
    Code(
        code="M502",
        title="Not a model folder",
        explanation="The folder has no usable onestory.json, the file that describes the model. `onestory train` "
        "writes it next to the weights.",
        bad="model: examples/",
        good="model: my-training/model",
    ),
    Code(
        code="M503",
        title="Weights are missing",
        explanation="The model is known, but its weights are missing or cannot be read. The embedded model is part "
        "of the package: reinstall it. Download other models with `onestory models fetch`; restore the missing files "
        "of your own.",
        bad="model: my-training/model      (without transformer/*.safetensors)",
        good="model: storyworld",
    ),
    Code(
        code="M504",
        title="The device is not available",
        explanation="This machine does not have the device, or this build of torch cannot use it. `onestory doctor` "
        "shows what is available; without --device onestory takes the best one.",
        bad="onestory render film.story.yaml --device cuda:3",
        good="onestory render film.story.yaml",
    ),
    Code(
        code="M505",
        title="No H.264 encoder",
        explanation="Clips are encoded by PyAV with x264, which this build of PyAV does not have. The wheels on PyPI "
        "include it; packages of Linux distributions may not.",
        bad="pip install --no-binary av av",
        good="pip install --force-reinstall --only-binary av av",
    ),
    Code(
        code="M506",
        title="A size that H.264 cannot hold",
        explanation="H.264 stores colour at half the resolution, so width and height of a clip must be even. An even "
        "`output.scale` makes them so.",
        bad="output: {scale: 1}      (for pictures of 63x63)",
        good="output: {scale: 2}",
    ),
    Code(
        code="M507",
        title="Clips that do not fit together",
        explanation="A film is joined from its clips without encoding them again, so all clips must have the same "
        "size, frame rate and encoding. Render the shots that the finding names again.",
        bad="shots: [{id: a, caption: A fox., size: 64x64}, {id: b, caption: A bear., size: 128x128}]",
        good="defaults: {size: 128x128}",
    ),
    Code(
        code="M508",
        title="A video that cannot be read",
        explanation="The file is cut short, damaged or not a video. If it is the clip of a take, render that shot "
        "again: the clip is made from the latents of its take, or the take is regenerated.",
        bad="film.run/shots/opening/3f9a12c0ffee/clip.mp4, cut short",
        good="onestory render film.story.yaml --force opening",
    ),
    Code(
        code="M509",
        title="Weights are not downloaded",
        explanation="The model is known, but its weights are not, or not completely, on this machine. They are "
        "downloaded once into the Hugging Face cache, which other programs share.",
        bad="onestory render film.story.yaml      (with model: wan2.1-vace-1.3b, never fetched)",
        good="onestory models fetch wan2.1-vace-1.3b",
    ),
    Code(
        code="M510",
        title="The hub cannot be reached",
        explanation="The Hugging Face Hub cannot be reached, or HF_HUB_OFFLINE forbids it. Download the model on a "
        "machine with network access and copy the folder here: `model:` takes a folder too.",
        bad="HF_HUB_OFFLINE=1 onestory models fetch wan2.1-vace-1.3b",
        good="hf download Wan-AI/Wan2.1-VACE-1.3B-diffusers --local-dir vace      (elsewhere)",
    ),
    Code(
        code="M511",
        title="Pickled weights",
        explanation="Weights in .bin, .pt, .pth or .ckpt files are Python pickles, which can run any code when they "
        "are opened. onestory reads only safetensors and GGUF.",
        bad="model: weights/wan.pth",
        good="model: weights/wan.safetensors",
    ),
    Code(
        code="M512",
        title="A licence that must be accepted",
        explanation="The licence of the model may restrict what it is used for, or where. Read it, then accept it "
        "once with `onestory models accept`. On a machine without a user, set ONESTORY_ACCEPT_LICENCES to the models "
        "whose licences you accept.",
        bad="onestory render film.story.yaml      (with a model under cc-by-nc-4.0)",
        good="onestory models accept org/name",
    ),
    Code(
        code="M513",
        title="A repository that needs a login",
        explanation="The owner of the model grants access on request. Ask for access on its page, then log in with "
        "`hf auth login`.",
        bad="onestory models fetch org/gated-model",
        good="hf auth login && onestory models fetch org/gated-model",
    ),
    Code(
        code="M514",
        title="A package that is not installed",
        explanation="This feature needs an optional package: GGUF files need gguf, and recipes that log to "
        "TensorBoard or Weights & Biases need those. The message names the extra to install.",
        bad="model: wan2.1-t2v-14b-q4.gguf      (without the package gguf)",
        good="pip install 'onestory[gguf]'",
    ),
    Code(
        code="M515",
        title="A film without a recipe",
        explanation="A film rendered by onestory carries its story, seeds and model fingerprints in its metadata. "
        "Other programs drop them when they save the film; keep the original file.",
        bad="onestory inspect edited-elsewhere.mp4",
        good="onestory inspect film.run/film.mp4",
    ),
    Code(
        code="M516",
        title="A sound that cannot be read",
        explanation="The file looked like a sound when the story was checked, but cannot be decoded to its end: it "
        "is cut short, damaged, or in a format that this build of FFmpeg does not support.",
        bad="audio: {file: sound/half-downloaded.mp3}",
        good="audio: {file: sound/whole.mp3}",
    ),
    Code(
        code="M517",
        title="A film that cannot be signed",
        explanation="`--sign` takes a certificate chain in PEM, the signer's own certificate first, and its private "
        "key in PEM without a password. C2PA requires key usage for signing, an extended key usage such as e-mail "
        "protection, and a certificate that is not self-signed.",
        bad="onestory render film.story.yaml --sign web-server.pem web-server.key",
        good="onestory render film.story.yaml --sign signer-chain.pem signer.key",
    ),
    Code(
        code="M518",
        title="The signature of a film is not valid",
        explanation="The C2PA manifest of the film is incomplete or does not match it: the film or the manifest "
        "changed after signing. Do not trust either.",
        bad="onestory inspect film.signed.mp4      (cut by another program)",
        good="onestory resume film.run --sign chain.pem key.pem && onestory inspect film.run/film.signed.mp4",
    ),
    Code(
        code="M520",
        title="An adapter of another base",
        explanation="An adapter is trained for one base and does not work with another, even of the same shapes. Its "
        "config.json names the base.",
        bad="an adapter of Wan2.1-T2V-1.3B-Diffusers with the base Wan2.1-T2V-14B-Diffusers",
        good="the base that the adapter names",
    ),
    Code(
        code="M521",
        title="A LoRA that does not fit",
        explanation="The names or shapes of the LoRA's weights do not match the transformer: it was trained for "
        "another model. A LoRA for the 14B models does not fit the 1.3B models.",
        bad="model: wan2.1-t2v-1.3b\nlora: [{path: ink-14b.safetensors}]",
        good="model: wan2.1-t2v-14b\nlora: [{path: ink-14b.safetensors}]",
    ),
    Code(
        code="M531",
        title="The weights of a metric network are missing",
        explanation="`onestory evaluate` measures films with published networks, and `memory: {crop: ...}` of a story "
        "finds characters with one. They are not downloaded automatically. The message names the missing weights; "
        "fetch them once. `evaluate` also accepts a folder that has them.",
        bad="onestory evaluate film.run      (before anything was fetched)",
        good="onestory models fetch facebook/dinov2-base",
    ),
    Code(
        code="M532",
        title="A metric network that cannot be used",
        explanation="The files are damaged, or belong to a network that cannot take this role: DINOv2 embeds, "
        "GroundingDINO and D-FINE detect, X-CLIP and SigLIP2 compare clips with captions.",
        bad="onestory evaluate film.run --embedder microsoft/xclip-base-patch32",
        good="onestory evaluate film.run --embedder facebook/dinov2-small",
    ),
    Code(
        code="M533",
        title="A plug-in that cannot be loaded",
        explanation="An installed package registers this name as an entry point, but importing it fails. The message "
        "has the error of the package. Names of onestory itself never need a plug-in.",
        bad="policy: nearest      (of a package that is broken)",
        good="pip install --force-reinstall onestory-nearest",
    ),
    Code(
        code="M534",
        title="A memory policy that returned impossible frames",
        explanation="A policy returns at most `frames` different positions in the list of visible frames. A policy of "
        "an installed package did something else, or raised an error, so the shot is not rendered. Finished shots are "
        "kept; choose another policy, or fix the package.",
        bad="return [0, 0]",
        good="return [1, 0]",
    ),
    Code(
        code="M541",
        title="A clip of another length than its shot",
        explanation="An imported clip must last as long as the shot: frames are picked by time, so 3 s at 30 fps "
        "become 3 s at 16 fps. A shorter clip is refused. A longer one is cut with `--trim`, from `--start TIME` on. "
        "The shot's length is `frames` divided by the fps of the story.",
        bad="onestory take import film.run city long.mov",
        good="onestory take import film.run city long.mov --trim --start 2.5",
    ),
    Code(
        code="M542",
        title="A clip of another aspect ratio than its shot",
        explanation="An imported clip is scaled to the size of the shot. If the aspect ratios differ, choose what to "
        "do: `--fit cover` crops it evenly, `--fit contain` adds black bars.",
        bad="onestory take import film.run city wide.mov",
        good="onestory take import film.run city wide.mov --fit cover",
    ),
    Code(
        code="M551",
        title="A workflow or a card that cannot be used",
        explanation="A workflow must be exported from ComfyUI in API format. The titles of its nodes say which inputs "
        "onestory sets: `onestory:caption`, `onestory:seed` and `onestory:output` are required. A card names sizes and "
        "lengths that the workflow does not have at titled inputs.",
        bad="model: {workflow: saved-by-the-editor.json}",
        good="model: {workflow: exported-for-the-api.json}",
    ),
    Code(
        code="M552",
        title="The server cannot be used",
        explanation="ComfyUI does not run at the address of `server:`, or something else answers there. Requests are "
        "repeated for some seconds, so a server that is starting is found. Redirects are not followed.",
        bad="model: {workflow: wan-vace.json, server: http://127.0.0.1:1}",
        good="model: {workflow: wan-vace.json, server: http://127.0.0.1:8188}",
    ),
    Code(
        code="M553",
        title="The server rejects the workflow",
        explanation="A node class or a model file of the workflow is missing on the server, or a value is out of "
        "range. `onestory models check` lists what is missing before any work.",
        bad="onestory render film.story.yaml      (with a custom node that is not installed)",
        good="onestory models check my-vace",
    ),
    Code(
        code="M554",
        title="An external model failed",
        explanation="A node of the workflow failed, for example for lack of memory, or the command ended with an "
        "error. The message has its first line. Finished shots are kept; rerun the command when the cause is gone.",
        bad="onestory render film.story.yaml",
        good="onestory resume film.run",
    ),
    Code(
        code="M555",
        title="An external model gave a wrong result",
        explanation="The result must have exactly the frames and the size of the shot, and its rate if it is a video. "
        "Otherwise no take is made. Bind length and size by titles, or state those of the workflow in its card.",
        bad="a workflow that gives 80 frames for a shot of 81",
        good="a workflow whose length has the title onestory:frames",
    ),
    Code(
        code="M556",
        title="A server on another machine",
        explanation="A story or a run may only name a server on this machine: otherwise captions and pictures would "
        "leave it. Pass `--allow-outside` if you trust the story and the server.",
        bad="model: {workflow: wan-vace.json, server: http://gpu.example:8188}",
        good="model: {workflow: wan-vace.json, server: http://127.0.0.1:8188}",
    ),
    Code(
        code="M557",
        title="The story runs a command",
        explanation="With `model: {command: [...]}`, rendering starts that program with your rights. It is refused "
        "unless you allow it, each time, with `--allow-commands`.",
        bad="onestory render film.story.yaml",
        good="onestory render film.story.yaml --allow-commands",
    ),
    Code(
        code="M558",
        title="An external model has no weights",
        explanation="A workflow or a command generates whole shots in another program. `load_model` of the Python API, "
        "`evaluate` and `train` load weights, so they need a model that is on this machine.",
        bad="load_model(plan)      (of a story with model: {workflow: wan-vace.json})",
        good="render(plan)",
    ),
)
