"""S101 to S116: the file, its characters and its YAML."""

from __future__ import annotations

from onestory_cli.codes.row import Code

TEXT = (
    Code(
        code="S101",
        title="The story file cannot be read",
        explanation="There is no such file, it is a folder, or you may not read it. "
        "Nothing was checked. Look at the path, from the folder that you are in.",
        bad="onestory validate flim.story.yaml",
        good="onestory validate film.story.yaml",
    ),
    Code(
        code="S102",
        title="The file is not UTF-8",
        explanation="A story is UTF-8 text, so that it reads the same on every machine. "
        "Some byte of the file is not: it was saved as Latin-1, UTF-16, or is no text at all. "
        "Save it as UTF-8 in your editor.",
        bad="title: Le Caf\\xe9        (saved as Latin-1)",
        good="title: Le Café           (saved as UTF-8)",
    ),
    Code(
        code="S103",
        title="A control character in the text",
        explanation="Control characters, and those that turn the direction of text, are not shown by editors: "
        "what you read would not be what the model reads. They mostly come along with pasted text. "
        "Delete the character at the place that the finding names; right-to-left letters themselves are welcome.",
        bad='caption: "A fox\\u202E waves."',
        good="caption: A fox waves.",
    ),
    Code(
        code="S104",
        title="Unknown character or setting",
        explanation="A caption refers to `$id`, but nothing under `characters:` or `settings:` has that id. "
        "Mend the spelling, declare it, or write `$$` where you want a dollar sign.",
        bad="caption: $foks waves.",
        good="caption: $fox waves.",
    ),
    Code(
        code="S105",
        title="A byte order mark",
        explanation="The file starts with an invisible mark that some editors add to UTF-8. "
        "Other tools take it for a part of the first key. Save the file without it.",
        bad="\\ufeffstory: 1",
        good="story: 1",
    ),
    Code(
        code="S106",
        title="The file is not YAML",
        explanation="The reader cannot tell which keys and values are meant. Often a quote or bracket is not closed, "
        "or a line is indented unlike its neighbours. Everything after that place is unread, "
        "so more findings may follow when it is mended.",
        bad='title: "The Lost Kite',
        good="title: The Lost Kite",
    ),
    Code(
        code="S107",
        title="A colon inside text",
        explanation="In YAML a colon and a space make a key, so text that holds them has to be set apart. "
        "Write `|` after the key and the text indented on the next line: there a colon is a colon. "
        "Quotes work too.",
        bad="caption: A sign says: closed.",
        good="caption: |\n  A sign says: closed.",
    ),
    Code(
        code="S108",
        title="A tab indents a line",
        explanation="YAML knows what belongs together by its indentation, and tabs have no agreed width. "
        "Indent with spaces; most editors can write them for the Tab key.",
        bad="defaults:\n\\tsteps: 24",
        good="defaults:\n  steps: 24",
    ),
    Code(
        code="S109",
        title="A key is given twice",
        explanation="YAML would silently keep the last of the two, and the other is lost. Keep the one that you mean.",
        bad="{steps: 24, steps: 8}",
        good="{steps: 24}",
    ),
    Code(
        code="S110",
        title="An anchor, an alias or a tag",
        explanation="`&name`, `*name` and `!type` are YAML's means to repeat values and to make objects. "
        "Stories do without: what repeats belongs into `defaults:` and `profiles:`, and a story must be safe to read. "
        "Text that starts with one of these signs goes into quotes.",
        bad="caption: *fox",
        good='caption: "*fox"',
    ),
    Code(
        code="S111",
        title="More than one document",
        explanation="A line `---` starts a second YAML document. One file holds one story, so that its shots can see "
        "each other. Delete the line, or put the rest into a file of its own.",
        bad="title: One\n---\ntitle: Two",
        good="title: One",
    ),
    Code(
        code="S112",
        title="An empty file",
        explanation="There is nothing in the file, or only comments. `onestory new NAME` writes a story to start from.",
        bad="# to be written",
        good="story: 1\ntitle: The Lost Kite\nshots: [{id: opening, caption: A kite in the sky.}]",
    ),
    Code(
        code="S113",
        title="The file is too large",
        explanation="A story may have 4 MiB of text and 50000 values, far more than a film needs. "
        "A larger file is most likely something else. Name pictures by their path, and split very long films.",
        bad="film.story.yaml with 5 MiB",
        good="film-1.story.yaml, film-2.story.yaml",
    ),
    Code(
        code="S114",
        title="Too deep",
        explanation="Lists and maps stand inside of each other more than 32 levels deep. A story needs six. "
        "Most likely a bracket too many was opened.",
        bad="note: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[ ... ]]]",
        good="note: [one, two]",
    ),
    Code(
        code="S115",
        title="A number that is none",
        explanation="NaN and infinity cannot be computed with, and numbers of more than 19 digits cannot be kept "
        "exactly. Write an ordinary decimal number.",
        bad="guidance: .inf",
        good="guidance: 4.0",
    ),
    Code(
        code="S116",
        title="A key that is no word",
        explanation="YAML lets lists and maps be keys; a story has plain words there. "
        "Look for a stray `?`, or a bracket where a key should stand.",
        bad="? [fox, bear]\n: {look: a fox}",
        good="fox: {look: a fox}",
    ),
)
