"""R, I, X and B codes: run directories, imports, exports and batches."""

from __future__ import annotations

from onestory_cli.codes.code import Code

RUN = (
    Code(
        code="R401",
        title="The run directory is in use",
        explanation="Another process is writing there, and two writers would damage each other's takes. Wait until "
        "it has finished. The lock of a dead process on this machine is taken over automatically; remove the lock of "
        "another machine yourself, once you are certain that its process has ended.",
        bad="onestory render film.story.yaml & onestory render film.story.yaml",
        good="onestory render film.story.yaml && onestory render film.story.yaml",
    ),
    Code(
        code="R402",
        title="Not a run directory",
        explanation="The folder does not exist or has no run.json. `onestory render film.story.yaml` writes a run "
        "directory, film.run, next to the story.",
        bad="onestory resume ~/Documents",
        good="onestory resume film.run",
    ),
    Code(
        code="R403",
        title="A run directory of another format version",
        explanation="A newer version of onestory wrote it. Use that version, or render to another directory.",
        bad="onestory resume film.run",
        good="onestory render film.story.yaml --run film-2.run",
    ),
    Code(
        code="R404",
        title="run.json is damaged",
        explanation="The file that lists the accepted takes is damaged. Delete it and render from the story file "
        "again: the takes have their own records and are kept.",
        bad="onestory resume film.run",
        good="rm film.run/run.json && onestory render film.story.yaml",
    ),
    Code(
        code="R405",
        title="The disk is full",
        explanation="There was not enough space to finish a take. Finished shots are complete and kept. Free disk "
        "space, then rerun the command.",
        bad="onestory render film.story.yaml",
        good="onestory render film.story.yaml --run /large-disk/film.run",
    ),
    Code(
        code="R406",
        title="A take changed while it was being used",
        explanation="The latents of a take no longer match the checksum in its record. Another program wrote to the "
        "run directory, or the disk is failing. Rerun the command to regenerate the take; damaged data never enters "
        "a film.",
        bad="onestory resume film.run",
        good="onestory resume film.run",
    ),
    Code(
        code="R407",
        title="The run directory cannot be written",
        explanation="The folder or a file in it is read-only, or belongs to another user. Change its permissions, or "
        "choose another directory.",
        bad="onestory render film.story.yaml",
        good="onestory render film.story.yaml --run ~/film.run",
    ),
    Code(
        code="R408",
        title="The disk reports an error",
        explanation="The system could not read or write a file of the run directory; the message comes from the "
        "system. Finished shots are kept. Check the disk or the network share, then rerun the command. A folder, a "
        "link, a pipe or a device in the place of a file is reported too: delete it.",
        bad="onestory resume film.run",
        good="onestory resume film.run",
    ),
    Code(
        code="R409",
        title="The folder holds other files",
        explanation="A run directory must be new, empty or already a run directory, so that takes are not mixed with "
        "your other files. Choose another one with --run.",
        bad="onestory render film.story.yaml --run ~/Documents",
        good="onestory render film.story.yaml --run ~/Documents/film.run",
    ),
    Code(
        code="R410",
        title="A take must be accepted",
        explanation="The story says `accept: ask`: onestory renders the takes of a shot and waits until you accept "
        "one. Later shots are not rendered before that, because they remember only accepted takes.",
        bad="onestory render film.story.yaml",
        good="onestory take accept film.run opening 0 && onestory resume film.run",
    ),
    Code(
        code="R411",
        title="No such take",
        explanation="The shot has no complete take with this number or id, or the take was made from an earlier "
        "version of the story. `onestory take list` shows the takes.",
        bad="onestory take accept film.run opening 7",
        good="onestory take accept film.run opening 1",
    ),
    Code(
        code="R412",
        title="Earlier shots are missing",
        explanation="A new take is generated from the memory of the shot, so all earlier shots that it can see must "
        "have a valid take.",
        bad="onestory take new film.run return",
        good="onestory resume film.run && onestory take new film.run return",
    ),
    Code(
        code="R413",
        title="Not enough scores to select again",
        explanation="`inspect-memory` tries other settings with the scores in a take's record. Policies that select "
        "by position record no scores, so frames that came into view later have none; or a source is missing.",
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
        explanation="A file or folder of the run is a symbolic link, or the run directory next to the story is one. "
        "Writing through it would change files elsewhere, and a run may come from someone else. Remove the link. To "
        "keep a run on another disk, use --run.",
        bad="film.run/events.jsonl -> /home/me/.profile",
        good="onestory render film.story.yaml --run /large-disk/film.run",
    ),
    Code(
        code="R417",
        title="A file without scores",
        explanation="The page reads scores from the JSON that `onestory evaluate FILM --out FILE` writes. This file "
        "cannot be read or holds something else, for example the scores of a model or of an older version.",
        bad="onestory report film.run --scores notes.json",
        good="onestory evaluate film.run --out scores.json && onestory report film.run --scores scores.json",
    ),
    Code(
        code="R418",
        title="Scores of other clips",
        explanation="Scores belong to the exact clips that were measured. These are from another film, or a shot was "
        "rendered again or another take accepted since. Measure the film again.",
        bad="onestory report film.run --scores yesterday.json",
        good="onestory evaluate film.run --out scores.json && onestory report film.run --scores scores.json",
    ),
    Code(
        code="R419",
        title="The story or options of the run changed",
        explanation="While `resume` or `take new` was starting, another process rendered an edited story or other "
        "options in the same run directory. Continuing would have restored the older story. Nothing was changed; "
        "rerun the command to continue with the new one.",
        bad="onestory resume film.run & onestory render film.story.yaml",
        good="onestory render film.story.yaml && onestory resume film.run",
    ),
    Code(
        code="R420",
        title="File locking is not supported",
        explanation="A run directory is locked while it is written, so that no second process damages its takes. Its "
        "file system does not support that: for example NFS without a lock service, or Lustre mounted without `-o "
        "flock`. Use a run directory on another disk, or mount this one with locking.",
        bad="onestory render film.story.yaml",
        good="onestory render film.story.yaml --run /other-disk/film.run",
    ),
    Code(
        code="R421",
        title="The run directory was moved or deleted",
        explanation="While a command was writing to a run directory, the directory or its lock file was moved, deleted "
        "or replaced. The command stopped instead of creating a second directory in the old place. Finished shots are "
        "in the moved directory.",
        bad="onestory render film.story.yaml & mv film.run other.run",
        good="onestory resume other.run",
    ),
    Code(
        code="I701",
        title="An unknown format",
        explanation="`onestory import` recognises formats by the suffix of the file or by its keys, and recognises "
        "neither here. Name the format with `--from`.",
        bad="onestory import film.dat",
        good="onestory import film.dat --from fountain",
    ),
    Code(
        code="I702",
        title="Not in the expected format",
        explanation="The file is not what the format requires: it is not valid JSON, a key is missing, or a value "
        "has the wrong type. All such places are listed; nothing was written.",
        bad='{"scenes": [{"video_prompts": 7}]}',
        good='{"scenes": [{"video_prompts": ["A fox waves."]}]}',
    ),
    Code(
        code="I703",
        title="Too much for a story",
        explanation="A caption has at most 8000 characters, a look or style 2000, a title 200, and a film 5000 "
        "shots. The source has more. Shorten it there, or split it into several stories.",
        bad='{"prompts": ["(ten thousand characters)"]}',
        good='{"prompts": ["A fox waves."]}',
    ),
    Code(
        code="I704",
        title="Which story of the file?",
        explanation="A .jsonl file holds one story per line. Choose a line with `--number`.",
        bad="onestory import prompts.jsonl      (of 100 lines)",
        good="onestory import prompts.jsonl --number 3",
    ),
    Code(
        code="I705",
        title="A library for this format is missing",
        explanation="Workbooks (.xlsx) are read by openpyxl, which is not installed. Install the extra, or save the "
        "sheet as CSV.",
        bad="onestory import shots.xlsx",
        good="pip install 'onestory[xlsx]'",
    ),
    Code(
        code="X801",
        title="The file already exists",
        explanation="An export does not overwrite a file by itself, because an editor may have changed it. Choose "
        "another path, or pass --force. A file or folder that is not an earlier export is never replaced.",
        bad="onestory export film.run --to otio      (twice)",
        good="onestory export film.run --to otio --force",
    ),
    Code(
        code="X802",
        title="OpenTimelineIO is not installed",
        explanation="Timelines are written by the OpenTimelineIO library, which the extra `export` installs. All "
        "other exports work without it.",
        bad="pip install onestory",
        good="pip install 'onestory[export]'",
    ),
    Code(
        code="X803",
        title="No shot has a subtitle",
        explanation="Subtitles are the text under `subtitle:` of each shot, and no rendered shot has one. Adding "
        "subtitles does not render a shot again.",
        bad="- {id: opening, caption: $fox looks up.}",
        good="- {id: opening, caption: $fox looks up., subtitle: The kite was gone.}",
    ),
    Code(
        code="X804",
        title="A frame rate without timecode",
        explanation="An EDL counts in timecode of 24, 25, 30, 48, 50 or 60 frames per second. A film whose frame "
        "rate divides one of these keeps every cut exact; others do not.",
        bad="fps: 7",
        good="fps: 8",
    ),
    Code(
        code="X805",
        title="The run has no current film",
        explanation="The film.mp4 of the run is missing, damaged, or older than the accepted takes. `onestory "
        "resume` joins it again without rendering finished shots.",
        bad="rm film.run/film.mp4 && onestory export film.run --to mp4",
        good="onestory resume film.run && onestory export film.run --to mp4",
    ),
    Code(
        code="X806",
        title="No workflow to export",
        explanation="`onestory export --to comfyui` fills a ComfyUI workflow for each shot. The model of this run is "
        "not a workflow, so name one with --template. `onestory models template` lists those of the package.",
        bad="onestory export film.run --to comfyui      (with model: storyworld)",
        good="onestory export film.run --to comfyui --template wan2.1-vace-1.3b.json",
    ),
    Code(
        code="B801",
        title="No stories",
        explanation="`onestory batch` takes story files, folders, which it searches for *.story.yaml at any depth, "
        "and patterns. One of them contains no story.",
        bad="onestory batch drafts/      (with no .story.yaml in it)",
        good="onestory batch stories/ 'more/**/*.story.yaml'",
    ),
    Code(
        code="B802",
        title="A setting that does not apply",
        explanation="`--set PATH=VALUE` sets a value in every story. PATH is made of keys, shot ids, and * for all "
        "shots or all keys. Everything before the last key must exist in every story; the value is then checked as "
        "if it were in the story.",
        bad="onestory batch stories/ --set steps:40",
        good="onestory batch stories/ --set 'shots.*.steps=40' --set defaults.memory.budget=0.5",
    ),
    Code(
        code="B803",
        title="A film that lost its workers",
        explanation="The processes that rendered this film were killed repeatedly, most likely because memory ran "
        "out. Finished shots are kept. Render it alone, with fewer workers, or at a smaller size.",
        bad="onestory batch stories/ --workers 8      (with memory for two)",
        good="onestory batch stories/ --workers 2",
    ),
    Code(
        code="B804",
        title="Workers cannot be started",
        explanation="No worker could be started: the processes died before their first film, the cluster cannot be "
        "reached, or it does not have the requested resources. The message says what happened.",
        bad="onestory batch stories/ --ray 10.0.0.1:6379      (where nothing listens)",
        good="onestory batch stories/ --ray auto",
    ),
    Code(
        code="B805",
        title="Invalid Slurm parameters",
        explanation="`--slurm` takes parameters as NAME=VALUE, separated by commas, and passes them to submitit; "
        "`auto` passes none. Slurm's own parameters begin with slurm_, for example slurm_partition.",
        bad="onestory batch stories/ --out films --slurm gpu",
        good="onestory batch stories/ --out films --slurm slurm_partition=gpu,gpus_per_node=1",
    ),
)
