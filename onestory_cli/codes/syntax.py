"""S101 to S133: the file, its YAML, keys, values and ids."""

from __future__ import annotations

from onestory_cli.codes.code import Code

SYNTAX = (
    Code(
        code="S101",
        title="The story file cannot be read",
        explanation="The file does not exist, is a folder, or you are not allowed to read it. Nothing was checked. "
        "Check the path; it is relative to the current folder.",
        bad="onestory validate flim.story.yaml",
        good="onestory validate film.story.yaml",
    ),
    Code(
        code="S102",
        title="The file is not UTF-8",
        explanation="A story is UTF-8 text, so that it reads the same on every machine. This file contains bytes "
        "that are not valid UTF-8: it was saved as Latin-1 or UTF-16, or is not a text file. Save it as UTF-8 in "
        "your editor.",
        bad="title: Le Caf\\xe9        (saved as Latin-1)",
        good="title: Le Café           (saved as UTF-8)",
    ),
    Code(
        code="S103",
        title="A control character in the text",
        explanation="Editors do not show control characters or characters that change the direction of text, so what "
        "you read would differ from what the model reads. They usually come from pasted text. Delete the character "
        "at the place that the finding names. Right-to-left letters themselves are allowed.",
        bad='caption: "A fox\\u202E waves."',
        good="caption: A fox waves.",
    ),
    Code(
        code="S104",
        title="Unknown character or setting",
        explanation="A caption refers to `$id`, but nothing under `characters:` or `settings:` has that id. Correct "
        "the spelling, declare the id, or write `$$` for a dollar sign.",
        bad="caption: $foks waves.",
        good="caption: $fox waves.",
    ),
    Code(
        code="S105",
        title="A byte order mark",
        explanation="The file starts with an invisible mark that some editors add to UTF-8. Other tools read it as "
        "part of the first key. Save the file without it.",
        bad="\\ufeffstory: 1",
        good="story: 1",
    ),
    Code(
        code="S106",
        title="The file is not valid YAML",
        explanation="The parser cannot tell which keys and values are meant. Often a quote or bracket is not closed, "
        "or a line has a different indentation from the lines around it. Nothing after that place was read, so "
        "fixing it may reveal more findings.",
        bad='title: "The Lost Kite',
        good="title: The Lost Kite",
    ),
    Code(
        code="S107",
        title="A colon inside text",
        explanation="In YAML a colon followed by a space makes a key, so text that contains one must be quoted or "
        "written as a block. Write `|` after the key and indent the text on the next line. Quotes work too.",
        bad="caption: A sign says: closed.",
        good="caption: |\n  A sign says: closed.",
    ),
    Code(
        code="S108",
        title="A tab indents a line",
        explanation="YAML uses indentation for structure, and tabs have no agreed width. Indent with spaces; most "
        "editors can insert spaces for the Tab key.",
        bad="defaults:\n\\tsteps: 24",
        good="defaults:\n  steps: 24",
    ),
    Code(
        code="S109",
        title="A duplicate key",
        explanation="YAML would silently use the last of the two values and drop the other. Keep the one that you "
        "mean.",
        bad="{steps: 24, steps: 8}",
        good="{steps: 24}",
    ),
    Code(
        code="S110",
        title="An anchor, an alias or a tag",
        explanation="`&name`, `*name` and `!type` repeat values and create objects in YAML. Stories do not support "
        "them: use `defaults:` and `profiles:` for repeated values, and a story from an unknown source stays safe to "
        "read. Quote text that starts with one of these characters.",
        bad="caption: *fox",
        good='caption: "*fox"',
    ),
    Code(
        code="S111",
        title="More than one document",
        explanation="A line `---` starts a second YAML document, but a file holds one story. Delete the line, or "
        "move the rest to another file.",
        bad="title: One\n---\ntitle: Two",
        good="title: One",
    ),
    Code(
        code="S112",
        title="An empty file",
        explanation="The file is empty or has only comments. `onestory new NAME` writes a story to start from.",
        bad="# to be written",
        good="story: 1\ntitle: The Lost Kite\nshots: [{id: opening, caption: A kite in the sky.}]",
    ),
    Code(
        code="S113",
        title="The file is too large",
        explanation="A story may have 4 MiB of text and 50000 values, far more than a film needs. A larger file is "
        "probably something else. Refer to pictures by path, and split very long films.",
        bad="film.story.yaml with 5 MiB",
        good="film-1.story.yaml, film-2.story.yaml",
    ),
    Code(
        code="S114",
        title="Nested too deeply",
        explanation="Lists and maps are nested more than 32 levels deep. A story needs six. There is probably an "
        "extra opening bracket.",
        bad="note: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[ ... ]]]",
        good="note: [one, two]",
    ),
    Code(
        code="S115",
        title="A number that cannot be used",
        explanation="NaN and infinity cannot be used in calculations, and numbers of more than 19 digits cannot be "
        "stored exactly. Write an ordinary decimal number.",
        bad="guidance: .inf",
        good="guidance: 4.0",
    ),
    Code(
        code="S116",
        title="A key that is not a word",
        explanation="YAML allows lists and maps as keys; a story uses plain words. Look for a stray `?`, or a "
        "bracket in the place of a key.",
        bad="? [fox, bear]\n: {look: a fox}",
        good="fox: {look: a fox}",
    ),
    Code(
        code="S117",
        title="A special space in the place of a space",
        explanation="A no-break space, or another space of Unicode, looks like a space but is a letter to YAML, so "
        "that the line has another meaning. It often comes from web pages and word processors. Replace it by a normal "
        "space.",
        bad="title:\u00a0The Lost Kite",
        good="title: The Lost Kite",
    ),
    Code(
        code="S120",
        title="Unknown key",
        explanation="Unknown keys are refused, because a misspelt key would have no effect and be easy to miss. Use "
        "`note:` for notes, and names that start with `x-` for keys of your own tools; both are allowed everywhere.",
        bad="captoin: $fox waves.",
        good="caption: $fox waves.",
    ),
    Code(
        code="S121",
        title="A key is missing",
        explanation="A story needs `story`, `title` and `shots`; a shot needs `id` and `caption`; a character or "
        "setting needs `look`. Everything else has a default.",
        bad="shots: [{caption: $fox waves.}]",
        good="shots: [{id: hello, caption: $fox waves.}]",
    ),
    Code(
        code="S122",
        title="A value of the wrong type",
        explanation="The value is text where a number is expected, or the reverse. Only true, false, null and "
        "decimal numbers are special in a story: `no`, `1:30`, `010`, `0x1f` and `1e3` are text. Quote a number to "
        "make it text.",
        bad="{title: 1984, steps: 1e3}",
        good='{title: "1984", steps: 1000}',
    ),
    Code(
        code="S123",
        title="Not one of the choices",
        explanation="The key takes one of a few words, and this is not one of them. The finding lists them.",
        bad="output: {filter: linear}",
        good="output: {filter: lanczos}",
    ),
    Code(
        code="S124",
        title="Unknown format version",
        explanation="`story:` is the version of the format, and this version of onestory reads version 1. Update "
        "onestory to read a newer story.",
        bad="story: 2",
        good="story: 1",
    ),
    Code(
        code="S125",
        title="A number out of range",
        explanation="No model can use this number: zero steps, a negative seed, a quality outside the scale. The "
        "finding names the limit. Narrower limits of a specific model have S2 codes.",
        bad="steps: 0",
        good="steps: 24",
    ),
    Code(
        code="S126",
        title="Text in the wrong format",
        explanation="Durations are seconds with a unit, `2s` or `2.5s`. Sizes are width x height in pixels, `64x64`. "
        "There is one way to write each, so that all stories look alike.",
        bad="{duration: 2 sec, size: 64*64}",
        good="{duration: 2s, size: 64x64}",
    ),
    Code(
        code="S127",
        title="Not an id",
        explanation="Ids name shots, characters, settings and profiles, and the folders of a run directory. They "
        "start with a lower-case letter and contain lower-case letters, digits and inner dashes. Names that Windows "
        "reserves for devices, such as con and nul, cannot be ids of shots.",
        bad="id: The Opening!",
        good="id: the-opening",
    ),
    Code(
        code="S128",
        title="Text that is too long",
        explanation="The text is far longer than any model reads. The limits are 8000 characters for a caption, 2000 "
        "for a look or style, 500 for `again`, 200 for a title and 64 for an id.",
        bad="id: a-shot-in-which-the-fox-finds-the-kite-that-the-wind-had-taken-from-it",
        good="id: kite-found",
    ),
    Code(
        code="S129",
        title="Too few or too many items",
        explanation="A film has between 1 and 5000 shots. Add a shot, or split a very long film into several stories.",
        bad="shots: []",
        good="shots: [{id: opening, caption: A beach.}]",
    ),
    Code(
        code="S130",
        title="Two shots with the same id",
        explanation="The id identifies a shot: its takes, its seed and the memory of later shots depend on it. Give "
        "every shot its own id.",
        bad="shots: [{id: walk, caption: A fox.}, {id: walk, caption: A bear.}]",
        good="shots: [{id: fox-walks, caption: A fox.}, {id: bear-walks, caption: A bear.}]",
    ),
    Code(
        code="S131",
        title="An id used for a character and a setting",
        explanation="Captions refer to both by `$id`, so an id cannot belong to both. Rename one of them.",
        bad="characters: {moon: {look: a white ghost}}\nsettings: {moon: {look: a moon}}",
        good="characters: {ghost: {look: a white ghost}}\nsettings: {moon: {look: a moon}}",
    ),
    Code(
        code="S132",
        title="Two keys for one value",
        explanation="`duration` and `frames` both set the length of a shot, and `seed` at the top and in `defaults:` "
        "both set the seed of the story. Keep one of them in each map. Across maps the usual rule applies: shot "
        "before profile before defaults.",
        bad="{id: walk, caption: A fox., duration: 2s, frames: 17}",
        good="{id: walk, caption: A fox., duration: 2s}",
    ),
    Code(
        code="S133",
        title="An id declared in two files",
        explanation="The story and a file of `include:`, or two such files, declare the same id, so that it is unclear "
        "which look is meant. Rename or delete one of the two.",
        bad="include: [cast.yaml]      (which declares fox)\ncharacters: {fox: {look: a red fox}}",
        good="include: [cast.yaml]      (which declares fox)\ncharacters: {young-fox: {look: a red fox cub}}",
    ),
)
