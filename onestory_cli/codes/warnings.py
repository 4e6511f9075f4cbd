"""W301 to W324: what is allowed and likely not meant: in stories, and in takes."""

from __future__ import annotations

from onestory_cli.codes.row import Code

WARNINGS = (
    Code(
        code="W301",
        title="A phrase that refers to nothing",
        explanation='"the same ...", "again" and "back in ..." lean on what earlier shots showed. Here nothing was '
        "shown, or nothing that the shot can remember was called so, and the model will make something up. "
        "Describe it in full, or declare it and write `$id`: then first and later mentions come out right by "
        "themselves.",
        bad="shots: [{id: opening, caption: The same fox waves.}]",
        good="shots: [{id: opening, caption: A red fox waves.}]",
    ),
    Code(
        code="W302",
        title="A character in no caption",
        explanation="The character is declared but no caption mentions its `$id`, so it is not in the film. "
        "A caption that names it in plain words gets no look and no reference.",
        bad="characters: {fox: {look: a red fox}}\nshots: [{id: opening, caption: The fox waves.}]",
        good="characters: {fox: {look: a red fox}}\nshots: [{id: opening, caption: $fox waves.}]",
    ),
    Code(
        code="W303",
        title="A setting in no caption",
        explanation="The setting is declared but no caption mentions its `$id`, so no shot plays there.",
        bad="settings: {beach: {look: a beach}}\nshots: [{id: opening, caption: A fox waves.}]",
        good="settings: {beach: {look: a beach}}\nshots: [{id: opening, caption: A fox waves on $beach.}]",
    ),
    Code(
        code="W304",
        title="A reference without a memory",
        explanation="The caption says no more than `again`, as after a first mention, but no shot that this one can "
        "see has shown it: `memory.from` leaves them out, or the memory is off. "
        "Write `$id!` to spell the look out, or let the shot remember one that shows it.",
        bad="{id: return, caption: $fox waves., memory: {from: [city]}}",
        good="{id: return, caption: $fox! waves., memory: {from: [city]}}",
    ),
    Code(
        code="W305",
        title="A very long caption",
        explanation="With its looks and the style the caption has more than 300 words. "
        "Text encoders read about as many and drop the rest without a word. Put what matters first, or cut.",
        bad="caption: (a page of prose)",
        good="caption: Wide shot. $fox walks right on $beach.",
    ),
    Code(
        code="W306",
        title="again says the same as look",
        explanation="`again` is how later captions refer back; models are trained to look into the memory there. "
        "A full look in its place tells them to draw it anew. Leave `again` out, or make it short.",
        bad="fox: {look: a red fox, again: a red fox}",
        good="fox: {look: a red fox, again: the same fox}",
    ),
    Code(
        code="W307",
        title="A comment cuts text short",
        explanation="In YAML, # after a space starts a comment, in the middle of a sentence too. "
        "Write `|` after the key and the text on the next line if # belongs to it; "
        "put two spaces before # if it is a comment.",
        bad="caption: A robot # 7 waves.",
        good="caption: |\n  A robot # 7 waves.",
    ),
    Code(
        code="W308",
        title="A reference outside of captions",
        explanation="Only captions are resolved: in `look`, `again`, `style`, `negative` and `title` a `$id` stays as "
        "it is, and the model reads the dollar sign. Write the words out.",
        bad="again: the friend of $fox",
        good="again: the friend of the fox",
    ),
    Code(
        code="W309",
        title="A look with a full stop",
        explanation="Looks are put into the middle of sentences, where a full stop breaks them. "
        "A look is a part of a sentence, without a full stop at its end.",
        bad="look: A red fox with a blue scarf.",
        good="look: a red fox with a blue scarf",
    ),
    Code(
        code="W310",
        title="A word that the model does not know",
        explanation="The model was trained on a small world and reads only the words of that world; others mean "
        "nothing to it. Use one of the words that it knows, or a model with an open vocabulary.",
        bad="caption: A zebra gallops.",
        good="caption: A rabbit jumps.",
    ),
    Code(
        code="W311",
        title="A base that remembers nothing",
        explanation="A text-to-video base takes text alone: without an adapter no shot knows of the others, and the "
        "same character looks different in each. wan2.1-vace-1.3b and -14b remember without training.",
        bad="model: wan2.1-t2v-1.3b",
        good="model: wan2.1-vace-1.3b",
    ),
    Code(
        code="W320",
        title="A cut within a take",
        explanation="From one frame to the next most of the picture changes, three times as much as beside it, and "
        "it stays so: the clip goes over to another picture. A shot is one uninterrupted clip, and what is after the "
        "cut would be remembered too. Render another take and accept it.",
        bad="onestory render film.story.yaml",
        good="onestory render film.story.yaml --retry-bad 2",
    ),
    Code(
        code="W321",
        title="A flash in a take",
        explanation="For one or two frames the picture is much brighter or darker, or another one, and then what it "
        "was. If the story wants lightning, ignore it; else render another take and accept it.",
        bad="onestory render film.story.yaml",
        good="onestory render film.story.yaml --retry-bad 2",
    ),
    Code(
        code="W322",
        title="A take in which nothing moves",
        explanation="No frame differs from the one before it by a thousandth. It is asked of shots that show a "
        "declared character, and of all shots where the story declares none. Render another take, or say in "
        "the caption what moves.",
        bad="caption: $fox on $beach.",
        good="caption: $fox waves on $beach.",
    ),
    Code(
        code="W323",
        title="A black take",
        explanation="At least half of its frames are black. If the story does not want that, render another take; if "
        "all are, the model or its weights are at fault.",
        bad="onestory render film.story.yaml",
        good="onestory render film.story.yaml --retry-bad 2",
    ),
    Code(
        code="W324",
        title="A take with other colours than its memory",
        explanation="The caption names a setting, and the clip's mean colour is further from every frame of that "
        "setting which it remembers than framing alone explains. Later shots would drift along. Render another "
        "take, or say in the caption what changed the light.",
        bad="onestory render film.story.yaml",
        good="onestory render film.story.yaml --retry-bad 2",
    ),
)
