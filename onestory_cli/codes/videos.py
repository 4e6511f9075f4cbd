"""M531, M532 and T631 to T634: the evaluation of films."""

from __future__ import annotations

from onestory_cli.codes.row import Code

VIDEOS = (
    Code(
        code="M531",
        title="The weights of a measuring network are not here",
        explanation="`onestory evaluate` measures films with published networks, and fetches none by itself. "
        "The message names the weights that are missing; fetch them once, or name a folder that holds them.",
        bad="onestory evaluate film.run      (before anything was fetched)",
        good="onestory models fetch facebook/dinov2-base",
    ),
    Code(
        code="M532",
        title="A measuring network that cannot be used",
        explanation="The files are damaged, or those of another kind of network than this role can use: "
        "DINOv2 embeds, GroundingDINO and D-FINE detect, X-CLIP and SigLIP2 align clips with captions.",
        bad="onestory evaluate film.run --embedder microsoft/xclip-base-patch32",
        good="onestory evaluate film.run --embedder facebook/dinov2-small",
    ),
    Code(
        code="T631",
        title="No such measuring network",
        explanation="A role takes a name of its table, a folder, a hub id like owner/name, or none.",
        bad="onestory evaluate film.run --detector yolo",
        good="onestory evaluate film.run --detector dfine-small",
    ),
    Code(
        code="T632",
        title="Nothing to evaluate",
        explanation="The folder is no model, no run directory with finished shots, and holds no video files.",
        bad="onestory evaluate examples/",
        good="onestory evaluate examples/the-lost-kite.run",
    ),
    Code(
        code="T633",
        title="Clips that are not those of the story",
        explanation="With `--story`, each clip of a folder is taken for the shot whose id is its name. "
        "Clips with other names are taken in order, if there is one for each shot.",
        bad="onestory evaluate clips/ --story film.story.yaml      (with a clip too many)",
        good="clips/opening.mp4, clips/city.mp4, clips/return.mp4",
    ),
    Code(
        code="T634",
        title="Not a film of the storyworld",
        explanation="The read-out tells species, colours and places of the storyworld, and would find them in any "
        "picture. So it is asked only about run directories whose model was trained on that world.",
        bad="onestory evaluate wan-film.run --readout",
        good="onestory evaluate wan-film.run --embedder dinov2-base --detector grounding-dino-tiny",
    ),
)
