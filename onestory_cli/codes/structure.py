"""S120 to S132: keys, values and ids."""

from __future__ import annotations

from onestory_cli.codes.row import Code

STRUCTURE = (
    Code(
        code="S120",
        title="Unknown key",
        explanation="A misspelt key would change nothing, and nobody would notice; therefore unknown keys are refused. "
        "For notes use `note:`, and for keys of your own tools a name that starts with `x-`: both are free everywhere.",
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
        explanation="Text stands where a number is needed, or the other way round. Only true, false, null and decimal "
        "numbers are special in a story: `no`, `1:30`, `010`, `0x1f` and `1e3` are text. "
        "Quotes make text of a number.",
        bad="{title: 1984, steps: 1e3}",
        good='{title: "1984", steps: 1000}',
    ),
    Code(
        code="S123",
        title="Not one of the choices",
        explanation="The key takes one of a few words, and this is none of them. The finding lists them.",
        bad="output: {filter: linear}",
        good="output: {filter: lanczos}",
    ),
    Code(
        code="S124",
        title="Unknown format version",
        explanation="`story:` names the version of the format, and this onestory reads version 1. "
        "A story of a newer version needs a newer onestory; nothing is guessed.",
        bad="story: 2",
        good="story: 1",
    ),
    Code(
        code="S125",
        title="A number out of range",
        explanation="No model could use the number: zero steps, a negative seed, a quality beyond the scale. "
        "The finding names the limit. Narrower limits of one model are reported under S2 codes.",
        bad="steps: 0",
        good="steps: 24",
    ),
    Code(
        code="S126",
        title="Text of the wrong form",
        explanation="Durations are seconds with their unit, `2s` or `2.5s`; sizes are width x height in pixels, "
        "`64x64`. There is one way to write each, so that all stories read alike.",
        bad="{duration: 2 sec, size: 64*64}",
        good="{duration: 2s, size: 64x64}",
    ),
    Code(
        code="S127",
        title="Not an id",
        explanation="Ids name shots, characters, settings and profiles, and the folders of a run directory. "
        "They are made of lower-case letters, digits and inner dashes, and start with a letter.",
        bad="id: The Opening!",
        good="id: the-opening",
    ),
    Code(
        code="S128",
        title="Text that is too long",
        explanation="The text is far longer than any model reads. The limits are 8000 characters for a caption, "
        "2000 for a look or style, 500 for `again`, 200 for a title and 64 for an id.",
        bad="id: a-shot-in-which-the-fox-finds-the-kite-that-the-wind-had-taken-from-it",
        good="id: kite-found",
    ),
    Code(
        code="S129",
        title="Too few or too many items",
        explanation="A film has at least one shot and at most 5000. "
        "Add a shot, or tell a very long film in several stories.",
        bad="shots: []",
        good="shots: [{id: opening, caption: A beach.}]",
    ),
    Code(
        code="S130",
        title="Two shots of one id",
        explanation="The id is how a shot is found again: its takes, its seed and the memory of later shots hang on "
        "it. Every shot needs one of its own.",
        bad="shots: [{id: walk, caption: A fox.}, {id: walk, caption: A bear.}]",
        good="shots: [{id: fox-walks, caption: A fox.}, {id: bear-walks, caption: A bear.}]",
    ),
    Code(
        code="S131",
        title="An id of a character and a setting",
        explanation="Captions refer to both by `$id`, so one id cannot be both. Rename one of them.",
        bad="characters: {moon: {look: a white ghost}}\nsettings: {moon: {look: a moon}}",
        good="characters: {ghost: {look: a white ghost}}\nsettings: {moon: {look: a moon}}",
    ),
    Code(
        code="S132",
        title="Two keys for one thing",
        explanation="`duration` and `frames` are both the length of a shot, and `seed` at the top and in `defaults:` "
        "are both the seed of the story. Together in one map they could contradict each other; keep one. "
        "In different maps the usual rule holds: shot before profile before defaults.",
        bad="{id: walk, caption: A fox., duration: 2s, frames: 17}",
        good="{id: walk, caption: A fox., duration: 2s}",
    ),
)
