"""R401 to R420 and W406: run directories."""

from __future__ import annotations

from onestory_cli.codes.row import Code

RUNS = (
    Code(
        code="R401",
        title="The run directory is in use",
        explanation="Another process writes there, and two would spoil each other's takes. Wait until it is done. "
        "The lock of a process of this machine that is gone is taken over by itself; "
        "one of another machine has to be removed by hand, when that process is gone for certain.",
        bad="onestory render film.story.yaml & onestory render film.story.yaml",
        good="onestory render film.story.yaml && onestory render film.story.yaml",
    ),
    Code(
        code="R402",
        title="Not a run directory",
        explanation="The folder is not there or has no run.json. "
        "A run directory is what `onestory render` writes: film.run beside film.story.yaml.",
        bad="onestory resume film.story.yaml",
        good="onestory resume film.run",
    ),
    Code(
        code="R403",
        title="A run directory of another format",
        explanation="A newer version of onestory wrote it, and this one does not guess what its records mean. "
        "Use the newer version, or render to another directory.",
        bad="onestory resume film.run",
        good="onestory render film.story.yaml --run film-2.run",
    ),
    Code(
        code="R404",
        title="run.json is damaged",
        explanation="The file that lists the accepted takes is not what was written. "
        "Remove it and render from the story file again: the takes themselves carry their own records and are kept.",
        bad="onestory resume film.run",
        good="rm film.run/run.json && onestory render film.story.yaml",
    ),
    Code(
        code="R405",
        title="The disk is full",
        explanation="There was no room to finish a take. Finished shots are whole and kept. "
        "Make room and give the same command again.",
        bad="onestory render film.story.yaml",
        good="onestory render film.story.yaml --run /large-disk/film.run",
    ),
    Code(
        code="R406",
        title="A take changed while it was in use",
        explanation="The latents of a take no longer match the digest in its record. Something else wrote to the run "
        "directory, or the disk fails. The same command makes the take anew; no damaged byte enters a film.",
        bad="onestory resume film.run",
        good="onestory resume film.run",
    ),
    Code(
        code="R407",
        title="The run directory cannot be written",
        explanation="The folder or a file in it is read-only, or belongs to somebody else. "
        "Change its permissions, or name another directory.",
        bad="onestory render film.story.yaml",
        good="onestory render film.story.yaml --run ~/film.run",
    ),
    Code(
        code="R408",
        title="The disk reports an error",
        explanation="The system could not read or write a file of the run directory; the message is its own. "
        "Finished shots are kept. Check the disk or the network share, then give the same command again.",
        bad="onestory resume film.run",
        good="onestory resume film.run",
    ),
    Code(
        code="R409",
        title="The folder holds other things",
        explanation="A run directory is written only into a folder that is new, empty or a run directory already, "
        "so that nothing of yours is mixed up with takes. Name another one with --run.",
        bad="onestory render film.story.yaml --run ~/Documents",
        good="onestory render film.story.yaml --run ~/Documents/film.run",
    ),
    Code(
        code="R410",
        title="A take waits to be accepted",
        explanation="The story says `accept: ask`, so a shot's takes are made and then somebody looks at them. Nothing "
        "after the shot is made before one is accepted, because only accepted takes are remembered.",
        bad="onestory render film.story.yaml",
        good="onestory take accept film.run opening 0 && onestory resume film.run",
    ),
    Code(
        code="R411",
        title="No such take",
        explanation="The shot has no whole take of this number or id, or it was made from another story and cannot "
        "count in this one. `onestory take list` shows what there is.",
        bad="onestory take accept film.run opening 7",
        good="onestory take accept film.run opening 1",
    ),
    Code(
        code="R412",
        title="Earlier shots come first",
        explanation="A new take is made from what the shot can see, so all shots before it that it can see must have "
        "takes that stand.",
        bad="onestory take new film.run return",
        good="onestory resume film.run && onestory take new film.run return",
    ),
    Code(
        code="R413",
        title="Not enough on record to select again",
        explanation="`inspect-memory` tries other settings on the scores in a take's record. A policy that goes by "
        "place asks for none, so what came into view after the take was made has no scores; and a source may be gone.",
        bad="onestory inspect-memory film.run --shot return --policy adaptive      (of a shot rendered with `recent`)",
        good="onestory inspect-memory film.run --shot return --policy uniform",
    ),
    Code(
        code="R414",
        title="Nothing is rendered yet",
        explanation="A picture of the film needs at least one finished shot, and the run has none. Render it first.",
        bad="onestory contact-sheet film.run",
        good="onestory resume film.run && onestory contact-sheet film.run",
    ),
    Code(
        code="R416",
        title="A link in a run directory",
        explanation="A file or folder of the run is a symbolic link, or the folder beside the story is one. Whatever "
        "is written there would land elsewhere, and a run can come with the story of somebody else. Remove the link. "
        "A run on another disk is named with --run.",
        bad="film.run/events.jsonl -> /home/me/.profile",
        good="onestory render film.story.yaml --run /large-disk/film.run",
    ),
    Code(
        code="R417",
        title="No scores of a film",
        explanation="The page takes scores from the JSON that `onestory evaluate FILM --out FILE` wrote. This file "
        "cannot be read, or holds something else: the scores of a model, say, or those of an older version.",
        bad="onestory report film.run --scores notes.json",
        good="onestory evaluate film.run --out scores.json && onestory report film.run --scores scores.json",
    ),
    Code(
        code="R418",
        title="Scores of other clips",
        explanation="Scores belong to the clips that were measured, byte by byte. These are of another film, or some "
        "shot was rendered again since, or another take counts now. Nothing is drawn from scores of something else.",
        bad="onestory report film.run --scores yesterday.json",
        good="onestory evaluate film.run --out scores.json && onestory report film.run --scores scores.json",
    ),
    Code(
        code="R419",
        title="The run was given something else meanwhile",
        explanation="While `resume` or `take new` got ready, another process rendered an edited story, or with other "
        "options, in the same run directory. Going on would have brought the older story back. Nothing was changed; "
        "the same command goes on with what the run has now.",
        bad="onestory resume film.run & onestory render film.story.yaml",
        good="onestory render film.story.yaml && onestory resume film.run",
    ),
    Code(
        code="R420",
        title="The disk knows no locks",
        explanation="A run directory is locked while it is written, so that no second process spoils its takes. "
        "Its disk cannot do that: NFS without a lock service, say, or Lustre that was mounted without `-o flock`. "
        "Name a run directory on another disk, or have this one mounted with locks.",
        bad="onestory render film.story.yaml",
        good="onestory render film.story.yaml --run /other-disk/film.run",
    ),
    Code(
        code="W406",
        title="A damaged file in the run directory",
        explanation="A file does not match its digest, or is not there. It is not used: a take is made again, and so "
        "is what really remembered it; work that was cut off and the latents of reference pictures are made anew.",
        bad="film.run/shots/opening/3f9a12c0ffee/clip.mp4, cut short",
        good="onestory resume film.run",
    ),
)
