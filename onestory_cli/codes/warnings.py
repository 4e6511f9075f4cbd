"""All W codes: warnings, after which the command continues."""

from __future__ import annotations

from onestory_cli.codes.code import Code

WARNINGS = (
    Code(
        code="W301",
        title="A phrase that refers to nothing",
        explanation='Phrases like "the same ...", "again" and "back in ..." refer to earlier shots, but no shot in '
        "the memory of this one mentions it. The model will invent something. Describe it in full, or declare it and "
        "write `$id`: onestory then writes first and later mentions correctly.",
        bad="shots: [{id: opening, caption: The same fox waves.}]",
        good="shots: [{id: opening, caption: A red fox waves.}]",
    ),
    Code(
        code="W302",
        title="A character in no caption",
        explanation="The character is declared, but no caption mentions its `$id`, so it is not in the film. A "
        "caption that names it in plain words gets neither its look nor its reference picture.",
        bad="characters: {fox: {look: a red fox}}\nshots: [{id: opening, caption: The fox waves.}]",
        good="characters: {fox: {look: a red fox}}\nshots: [{id: opening, caption: $fox waves.}]",
    ),
    Code(
        code="W303",
        title="A setting in no caption",
        explanation="The setting is declared, but no caption mentions its `$id`, so no shot is set there.",
        bad="settings: {beach: {look: a beach}}\nshots: [{id: opening, caption: A fox waves.}]",
        good="settings: {beach: {look: a beach}}\nshots: [{id: opening, caption: A fox waves on $beach.}]",
    ),
    Code(
        code="W304",
        title="A reference without memory",
        explanation="The caption uses the short phrase of a later mention, but no shot in the memory of this one "
        "shows it: `memory.from` excludes them, or the memory is off. Write `$id!` for the full look, or let the "
        "shot remember one that shows it.",
        bad="{id: return, caption: $fox waves., memory: {from: [city]}}",
        good="{id: return, caption: $fox! waves., memory: {from: [city]}}",
    ),
    Code(
        code="W305",
        title="A very long caption",
        explanation="With looks and style the caption has more than 300 words. Text encoders read about as many and "
        "silently drop the rest. Put the important part first, or shorten it.",
        bad="caption: (a page of prose)",
        good="caption: Wide shot. $fox walks right on $beach.",
    ),
    Code(
        code="W306",
        title="`again` repeats `look`",
        explanation="`again` is how later captions refer back; models are trained to look into the memory for it. A "
        "full look there makes the model draw the character from the text instead. Remove `again`, or make it short.",
        bad="fox: {look: a red fox, again: a red fox}",
        good="fox: {look: a red fox, again: the same fox}",
    ),
    Code(
        code="W307",
        title="A comment cuts off text",
        explanation="In YAML, # after a space starts a comment, even in the middle of a sentence. If # belongs to "
        "the text, write `|` after the key and put the text on the next line. If it is a comment, put two spaces "
        "before it.",
        bad="caption: A robot # 7 waves.",
        good="caption: |\n  A robot # 7 waves.",
    ),
    Code(
        code="W308",
        title="A reference outside captions",
        explanation="Only captions are resolved. In `look`, `again`, `style`, `negative` and `title` a `$id` stays "
        "as written, and the model reads the dollar sign. Write the words out.",
        bad="again: the friend of $fox",
        good="again: the friend of the fox",
    ),
    Code(
        code="W309",
        title="A look that ends with a full stop",
        explanation="Looks are inserted into sentences, where a full stop breaks them. Write a look as part of a "
        "sentence, without a full stop at the end.",
        bad="look: A red fox with a blue scarf.",
        good="look: a red fox with a blue scarf",
    ),
    Code(
        code="W310",
        title="Words that the model does not know",
        explanation="The model was trained on a small world and knows only the words of that world. It ignores all "
        "others, so the picture will not show them. Use words that it knows (`onestory models --words`), or a model "
        "with an open vocabulary.",
        bad="caption: A zebra gallops.",
        good="caption: A rabbit jumps.",
    ),
    Code(
        code="W311",
        title="A base without memory",
        explanation="A text-to-video base without an adapter has no memory, so the same character looks different in "
        "every shot. wan2.1-vace-1.3b and wan2.1-vace-14b remember without training.",
        bad="model: wan2.1-t2v-1.3b",
        good="model: wan2.1-vace-1.3b",
    ),
    Code(
        code="W312",
        title="A character named without a dollar sign",
        explanation="The caption has the name of a declared character as a plain word. Only `$id` gets the look at the "
        "first mention, the referential phrase afterwards, and frames of the character from the memory.",
        bad="characters: {fox: {look: a red fox}}\nshots: [{id: opening, caption: The fox waves.}]",
        good="characters: {fox: {look: a red fox}}\nshots: [{id: opening, caption: $fox waves.}]",
    ),
    Code(
        code="W313",
        title="Known words in an unknown combination",
        explanation="The model knows each of the words, but has seen some of them only as part of certain phrases. The "
        "embedded model has seen a city at night and no other night, so a desert at night comes out as a desert by "
        "day. Use one of the phrases that it knows.",
        bad="caption: A fox waves in a desert at night.",
        good="caption: A fox waves in a city at night.",
    ),
    Code(
        code="W314",
        title="Guidance for a distilled model",
        explanation="The model was trained to generate in a few steps what its teacher generates with guidance, so its "
        "output is guided already. More guidance exaggerates colours and contrast and takes two or three times as "
        "long. Remove the key, or use the teacher: storyworld-quality for storyworld.",
        bad="defaults: {guidance: 3}",
        good="model: storyworld-quality\ndefaults: {guidance: 3}",
    ),
    Code(
        code="W320",
        title="A cut within a take",
        explanation="Most of the picture changes from one frame to the next, three times as much as in the frames "
        "around it, and the change stays: the clip cuts to another picture. A shot is one uninterrupted clip, and "
        "later shots would remember what follows the cut. Render another take and accept it.",
        bad="onestory render film.story.yaml",
        good="onestory render film.story.yaml --retry-bad 2",
    ),
    Code(
        code="W321",
        title="A flash in a take",
        explanation="For one or two frames the picture is much brighter, darker or different, and then returns. If "
        "the story wants lightning, ignore this; otherwise render another take and accept it.",
        bad="onestory render film.story.yaml",
        good="onestory render film.story.yaml --retry-bad 2",
    ),
    Code(
        code="W322",
        title="A take in which nothing moves",
        explanation="No frame differs from the previous one by more than a thousandth. This is checked for shots "
        "that show a declared character, and for all shots if the story declares none. Render another take, or "
        "describe the motion in the caption.",
        bad="caption: $fox on $beach.",
        good="caption: $fox waves on $beach.",
    ),
    Code(
        code="W323",
        title="A black take",
        explanation="At least half of the frames are black. If the story does not want that, render another take. If "
        "all frames are black, check the model and its weights.",
        bad="onestory render film.story.yaml",
        good="onestory render film.story.yaml --retry-bad 2",
    ),
    Code(
        code="W324",
        title="A take with different colours from its memory",
        explanation="The caption names a setting, and the mean colour of the clip is further from every remembered "
        "frame of that setting than framing explains. Later shots would drift along with it. Render another take, or "
        "say in the caption what changed the light.",
        bad="onestory render film.story.yaml",
        good="onestory render film.story.yaml --retry-bad 2",
    ),
    Code(
        code="W330",
        title="Shots that are skipped",
        explanation="Some shots of the manifest are shorter than the recipe's `frames`, or are alone in their video "
        "after such shots are dropped, and the recipe says to drop them. Fewer `frames` keep more of them.",
        bad="data: {manifest: shots.jsonl, short: drop}      (with 81 frames, and shots of 3 seconds)",
        good="frames: 49",
    ),
    Code(
        code="W331",
        title="A processor without bfloat16",
        explanation="The recipe trains in bfloat16. On a processor without bfloat16 instructions that is many times "
        "slower, so everything runs in float32, with slightly different numbers.",
        bad="dtype: bfloat16      (on a processor with AVX2 alone)",
        good="dtype: float32",
    ),
    Code(
        code="W332",
        title="A level that stays untrained",
        explanation="The levels of an adapter share the budget: every remembered frame gets the coarsest level, and "
        "the rest goes to the most relevant frames. With the recipe's `remembered` and `budgets`, no frame gets this "
        "level, so its weights stay as they were copied from the base. Add a level in between, raise the budget, or "
        "remember fewer frames.",
        bad="memory: {remembered: [8], budgets: [1.0]}",
        good="memory: {remembered: [8, 4, 1], budgets: [1.0], levels: [2, 3, 4, 8]}",
    ),
    Code(
        code="W406",
        title="A damaged file in the run directory",
        explanation="A file is missing or does not match its checksum, so it is not used. The take is rendered "
        "again, and so are later shots that really remembered it; partial work and the latents of reference pictures "
        "are recomputed.",
        bad="film.run/shots/opening/3f9a12c0ffee/clip.mp4, cut short",
        good="onestory resume film.run",
    ),
    Code(
        code="W701",
        title="Left out of the story",
        explanation="The source has something that the import does not understand or that a story cannot express. It "
        "is not in the story that was written.",
        bad='{"prompts": ["A fox waves."], "camera": "dolly"}',
        good='{"prompts": ["A fox waves. The camera moves on a dolly."]}',
    ),
    Code(
        code="W702",
        title="Kept in another place",
        explanation="The source has something that a story expresses elsewhere or not at all. It is kept under the "
        "key that the warning names; keys that start with `x-`, and `note`, never change a film.",
        bad='{"video_prompt": "A fox waves.", "first_frame": "A fox on a beach."}',
        good="caption: A fox waves.\nimage: refs/fox-on-a-beach.png",
    ),
    Code(
        code="W703",
        title="A look that is only a name",
        explanation="A screenplay names the speakers and often does not describe them. A model cannot draw a name "
        "and invents a different person in each film. Describe the look in the imported story, or in brackets after "
        "the first mention in the screenplay.",
        bad="MAYA runs along the pier.",
        good="MAYA (a girl in a red coat) runs along the pier.",
    ),
    Code(
        code="W801",
        title="Shots without a take are skipped",
        explanation="Some shots of the story are not rendered yet, or their takes are damaged. The export holds the "
        "others, one after the other, as the film does. Render the rest and export again.",
        bad="onestory render film.story.yaml --until city && onestory export film.run --to edl",
        good="onestory resume film.run && onestory export film.run --to edl --force",
    ),
    Code(
        code="W802",
        title="A timeline with less sound",
        explanation="Timelines hold the sounds of a film as separate clips, for an editor to mix. An EDL has no "
        "sound, OpenTimelineIO has no gain and no fades, and none of them lowers music under narration. The film and "
        "ProRes have the full mix.",
        bad="onestory export film.run --to edl",
        good="onestory export film.run --to fcpxml",
    ),
)
