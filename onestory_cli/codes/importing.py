"""I701 to I704 and W701 to W703: stories of other tools."""

from __future__ import annotations

from onestory_cli.codes.row import Code

IMPORTING = (
    Code(
        code="I701",
        title="A format that cannot be told",
        explanation="`onestory import` knows formats by the suffix of the file or by the keys in it, and this file "
        "says neither. Name the format with `--from`.",
        bad="onestory import film.txt",
        good="onestory import film.txt --from fountain",
    ),
    Code(
        code="I702",
        title="Not of its format",
        explanation="The file does not hold what stories of that format hold: it is no JSON, a key is missing, or a "
        "value is of another kind. All such places are named at once; nothing is guessed and nothing was written.",
        bad='{"scenes": [{"video_prompts": 7}]}',
        good='{"scenes": [{"video_prompts": ["A fox waves."]}]}',
    ),
    Code(
        code="I703",
        title="Too much for a story",
        explanation="A caption has at most 8000 characters, a look or style 2000, a title 200, and a film 5000 shots. "
        "The source has more. Shorten it there, or tell it in several stories.",
        bad='{"prompts": ["(ten thousand characters)"]}',
        good='{"prompts": ["A fox waves."]}',
    ),
    Code(
        code="I704",
        title="Which story of the file?",
        explanation="A .jsonl file holds a story in each of its lines, and one file of ours holds one story. "
        "Choose a line with `--number`. A .csv table names the files of stories: import those.",
        bad="onestory import prompts.jsonl      (of 100 lines)",
        good="onestory import prompts.jsonl --number 3",
    ),
    Code(
        code="W701",
        title="Left out of the story",
        explanation="The source holds something that the import does not understand or that a story has no place for. "
        "It is not in the story that was written; this warning is all that is left of it.",
        bad='{"prompts": ["A fox waves."], "camera": "dolly"}',
        good='{"prompts": ["A fox waves. The camera moves on a dolly."]}',
    ),
    Code(
        code="W702",
        title="Kept in another place",
        explanation="The source says something that a story says elsewhere or not at all. It is kept under the key "
        "that the warning names; keys that start with `x-`, and `note`, never change a film.",
        bad='{"video_prompt": "A fox waves.", "first_frame": "A fox on a beach."}',
        good="caption: A fox waves.\nimage: refs/fox-on-a-beach.png",
    ),
    Code(
        code="W703",
        title="A look that is only a name",
        explanation="A screenplay names who speaks and need not say how they look. A model can draw no name, and will "
        "make up somebody else in each film. Describe the look in the story that was written, or in the screenplay, "
        "in brackets behind the first mention.",
        bad="MAYA runs along the pier.",
        good="MAYA (a girl in a red coat) runs along the pier.",
    ),
)
