"""U codes: the command line."""

from __future__ import annotations

from onestory_cli.codes.code import Code

COMMAND_LINE = (
    Code(
        code="U601",
        title="No such code",
        explanation="`onestory explain` takes the code of a finding: a letter and three digits. Without a code it "
        "lists all of them.",
        bad="onestory explain S999",
        good="onestory explain S104",
    ),
    Code(
        code="U602",
        title="No such profile",
        explanation="`--profile` names a set of values under `profiles:` of the story. The story has no profile of "
        "this name.",
        bad="onestory render film.story.yaml --profile darft",
        good="onestory render film.story.yaml --profile draft",
    ),
    Code(
        code="U603",
        title="A training already exists",
        explanation="The folder holds the checkpoints of a training, which a new one would overwrite. Continue it "
        "with --resume, or choose another folder.",
        bad="onestory train recipe.yaml",
        good="onestory train recipe.yaml --resume",
    ),
    Code(
        code="U604",
        title="Which run directory?",
        explanation="The command needs a run directory. You did not name one, and the current folder does not have "
        "exactly one.",
        bad="onestory inspect-memory",
        good="onestory inspect-memory film.run",
    ),
    Code(
        code="U605",
        title="The file already exists",
        explanation="No command overwrites a file by itself. `--force` replaces the result of an earlier call, "
        "and nothing else. Choose another name, or delete the file first.",
        bad="onestory new film      (with film.story.yaml there)",
        good="onestory new film-2",
    ),
    Code(
        code="U606",
        title="An invalid command line",
        explanation="A command, option or argument is unknown, missing, or of the wrong type. The message names it. "
        "Add `--help` to any command to see what it takes.",
        bad="onestory rendr film.story.yaml",
        good="onestory render film.story.yaml",
    ),
    Code(
        code="U607",
        title="Not enough memory",
        explanation="The model, or a shot of this size and length, does not fit into the memory of this machine or "
        "its GPU. Close other programs, or use a smaller size, fewer frames, a smaller memory budget or fewer "
        "workers.",
        bad="size: 1280x720",
        good="size: 832x480",
    ),
    Code(
        code="U608",
        title="A file that cannot be read or written",
        explanation="The disk is full or fails, too many files are open, or you may not write there. Finished shots "
        "are kept. Free disk space, check the disk or choose another path, then rerun the command.",
        bad="onestory new /film",
        good="onestory new film",
    ),
    Code(
        code="U609",
        title="A bug in onestory",
        explanation="Something happened that should be impossible. The story is fine. The report file named in the "
        "message has what we need to fix it: versions, the command, and the traceback.",
        bad="error[U609]: this is a bug in onestory (KeyError)",
        good="an issue with the report file attached",
    ),
    Code(
        code="U610",
        title="An extra that is not installed",
        explanation="This command needs a library that only an extra of the package brings. The message names it.",
        bad="pip install onestory && onestory lsp",
        good="pip install 'onestory[lsp]' && onestory lsp",
    ),
)
