"""The JSON documents that commands write with `--json`, where no file of its own describes them: one row per document.

A document of version 1 keeps the fields that are here, of these types; later ones may be added, so readers pass over
what they do not know.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
YES_NO: Schema = {"type": "boolean"}
ANYTHING: Schema = {}


def told(schema: Schema, description: str) -> Schema:
    """The schema with a sentence about it."""
    return {**schema, "description": description}


def maybe(schema: Schema, description: str) -> Schema:
    """The schema, or null, with a sentence about when."""
    return {"anyOf": [schema, {"type": "null"}], "description": description}


def many(items: Schema, description: str = "") -> Schema:
    """A list."""
    return {"type": "array", "items": items} | ({"description": description} if description else {})


def record(**fields: Schema) -> Schema:
    """An object with these fields, and perhaps more."""
    return {"type": "object", "required": [*fields], "properties": fields}


def perhaps(document: Schema, **fields: Schema) -> Schema:
    """The object with fields that it need not have."""
    return {**document, "properties": {**document["properties"], **fields}}


PLACE = record(path=TEXT, line=WHOLE, column=WHOLE, length=WHOLE, source_line=TEXT)
FINDING = record(
    code=told(TEXT, "`onestory explain CODE` tells more."),
    message=TEXT,
    severity={"enum": ["error", "warning"]},
    place=maybe(PLACE, "Null where it is about no line of a file."),
    help=told(TEXT, "The next step; empty where there is none."),
)
FINDINGS = many(FINDING)
RUN = told(TEXT, "The run directory.")
REASON = record(kind=TEXT, detail=TEXT)
ACTION: Schema = {"enum": ["keep", "render", "undecided"]}
CHECK = record(name=TEXT, value=maybe(NUMBER, "Null where it could not be told."), limit=NUMBER, bad=YES_NO)
FRAME = record(source=TEXT, digest=TEXT, index=WHOLE, score=NUMBER, level=TEXT, tokens=WHOLE)
CAUSE = record(
    shot=TEXT,
    action=ACTION,
    reason=REASON,
    take=maybe(WHOLE, "The take that is kept; null where none is."),
    id=maybe(TEXT, "The id of that take."),
    changes=many(record(field=TEXT, old=ANYTHING, new=ANYTHING), "What differs from the latest take."),
    remembers=many(FRAME, "What its take remembers."),
    because=many({"type": "object"}, "The same of the shots that it waits for or that changed."),
)
PLANNED = record(
    index=told(WHOLE, "From 0."),
    shot=TEXT,
    caption=told(TEXT, "The resolved caption: what the model reads."),
    negative=TEXT,
    frames=told(WHOLE, "Frames of video."),
    width=WHOLE,
    height=WHOLE,
    fps=WHOLE,
    seed=WHOLE,
    steps=WHOLE,
    guidance=NUMBER,
    scheduler=TEXT,
    shift=NUMBER,
    accept={"enum": ["first", "ask"]},
    image=maybe({"type": "object"}, "The first frame; null where none is given."),
    memory=record(frames=WHOLE, budget=NUMBER, policy=TEXT, sources=many(TEXT)),
    tokens=record(noise=WHOLE, context=WHOLE, per_frame=WHOLE),
    action=ACTION,
    reason=REASON,
    take=maybe(TEXT, "The id of the take that stands or may stand."),
)
MODEL = record(
    name=TEXT,
    licence=TEXT,
    about=TEXT,
    width=WHOLE,
    height=WHOLE,
    fps=WHOLE,
    frames=WHOLE,
    max_frames=WHOLE,
    task=TEXT,
    hub=told(TEXT, "The hub id; empty for what is in the package."),
    memory_gb=told(NUMBER, "Weights on a GPU, in GB."),
    words=maybe(many(TEXT), "The words that it knows; null for any word."),
    remembers=TEXT,
    from_text=told(YES_NO, "Whether a film can begin without a picture."),
    present=TEXT,
)
TAKE = record(
    shot=TEXT,
    take=WHOLE,
    id=TEXT,
    seed=WHOLE,
    accepted=YES_NO,
    fits=told(YES_NO, "Whether it is of the story as it is."),
    checks=many(CHECK),
    reason=TEXT,
    clip=TEXT,
)
COSINE = maybe({**NUMBER, "minimum": -1, "maximum": 1}, "Null where it was not found.")
SCORED = record(
    shot=TEXT,
    clip=told(TEXT, "The SHA-256 of the clip's file."),
    identity=told(
        {"type": "object", "additionalProperties": COSINE},
        "Each character that the caption names: the cosine to the first shot in which it was found.",
    ),
)
NETWORK = maybe(record(source=TEXT), "Null for a role without one.")
MEASURED_BY = record(networks={"type": "object", "additionalProperties": NETWORK})
FILM_MEASURED = record(
    schema={"const": "onestory.evaluation.v1"},
    benchmark={"const": "videos"},
    scores={"type": "object"},
    shots=many(SCORED),
    provenance=MEASURED_BY,
)
TALLY = told(record(asked=many(NUMBER), right=many(NUMBER)), "A number for each film.")
MODEL_MEASURED = record(
    schema={"const": "onestory.evaluation.v1"},
    benchmark={"const": "storyworld"},
    model=TEXT,
    suite=TEXT,
    films=many(TEXT),
    variants=many(
        record(name=TEXT, policy=TEXT, frames=WHOLE, budget=NUMBER), "How the films of each column remember."
    ),
    tallies={"type": "object", "additionalProperties": {"type": "object", "additionalProperties": TALLY}},
    provenance=record(fingerprint=TEXT, conduct={"type": "object"}),
)
SIGNATURE = record(
    state=told(
        {"enum": ["trusted", "valid", "invalid", "unchecked"]},
        "trusted: it holds, and this machine knows who vouches for the signer; unchecked: the extra `sign` is missing.",
    ),
    signer=TEXT,
    organisation=TEXT,
    made_by_a_model=told(YES_NO, "Whether it is signed as made by a model."),
    pictures=many(TEXT, "What it is signed to be made from."),
    problems=many(TEXT, "Why it does not hold: status codes of C2PA."),
)
MADE = perhaps(record(film=TEXT, run=RUN), signed=told(TEXT, "The signed copy, with `--sign`."))
SECTION = record(topic=TEXT, section=TEXT, line=TEXT)
ABOUT_CODE = record(code=TEXT, title=TEXT, explanation=TEXT, bad=TEXT, good=TEXT, severity=TEXT)

OUTLOOK = record(
    model=TEXT,
    parts=told({"type": "object"}, "Bytes of each part, as it is computed with."),
    work=record(frames=WHOLE, width=WHOLE, height=WHOLE, noise=WHOLE, context=WHOLE),
    step=told(WHOLE, "Bytes that a step works with."),
    decode=told(WHOLE, "Bytes that the decoding of a shot works with."),
    gpu=YES_NO,
    memory=told(WHOLE, "Bytes of the GPU, or of the machine where there is none."),
    usable=told(WHOLE, "Bytes of them that can be counted on."),
    host=told(WHOLE, "Bytes of the machine's memory."),
    loading=told(WHOLE, "Bytes of it that reading the weights takes."),
    ways=many(record(fitting=TEXT, card=WHOLE, machine=WHOLE, fits=YES_NO), "Down to the one that is chosen."),
    chosen=maybe(TEXT, "What `--vram auto` takes; null where nothing fits."),
    fits=YES_NO,
)
FIT = record(
    models=many(OUTLOOK, "Those whose sizes are known."),
    disk=maybe(record(folder=TEXT, needed=WHOLE, free=WHOLE), "Null for a model alone."),
    seconds=maybe(record(shot=NUMBER, film=NUMBER), "Of the longest shot and of all; null where no take tells."),
)

DOCUMENTS: dict[str, Schema] = {
    "error": record(command=TEXT, exit=told(WHOLE, "The exit code."), diagnostics=FINDINGS),
    "new": record(path=TEXT),
    "validate": record(ok=YES_NO, files=many(record(file=TEXT, ok=YES_NO, shots=WHOLE, findings=FINDINGS))),
    "plan": record(
        title=TEXT,
        model=record(name=TEXT, fingerprint=TEXT),
        pending=told(WHOLE, "Shots that are not kept for sure."),
        seconds=maybe(NUMBER, "How long they may take; null where no take tells."),
        shots=many(PLANNED),
        findings=FINDINGS,
    ),
    "why": CAUSE,
    "render": MADE,
    "resume": MADE,
    "import": record(
        path=TEXT,
        format=TEXT,
        title=TEXT,
        shots=many(TEXT),
        characters=many(TEXT),
        settings=many(TEXT),
        findings=FINDINGS,
    ),
    "take-list": record(run=RUN, takes=many(TAKE)),
    "take-new": record(run=RUN, shot=TEXT, takes=many(record(take=WHOLE, id=TEXT, clip=TEXT))),
    "take-accept": record(run=RUN, shot=TEXT, take=WHOLE, id=TEXT),
    "take-show": record(run=RUN, shot=TEXT, take=WHOLE, clip=TEXT),
    "verify": record(run=RUN, takes=told(WHOLE, "Whole takes."), damages=many(record(path=TEXT, why=TEXT))),
    "prune": record(
        run=RUN,
        takes=many(TEXT, "SHOT/ID each."),
        partials=many(TEXT),
        references=many(TEXT),
        bytes=WHOLE,
        removed=told(YES_NO, "False for --dry-run."),
    ),
    "report": record(run=RUN, page=TEXT, bytes=WHOLE),
    "summary": record(run=RUN, summary=TEXT, picture=maybe(TEXT, "Null where none was asked for.")),
    "contact-sheet": record(run=RUN, picture=TEXT, unwritten=told(TEXT, "Letters of captions that no font here has.")),
    "export": record(run=RUN, to=TEXT, path=TEXT, shots=WHOLE, missing=many(TEXT)),
    "inspect": record(
        film=TEXT,
        extracted=maybe(TEXT, "Where the story was written; null without --extract."),
        signature=maybe(SIGNATURE, "Null for a film that nobody signed."),
        tool=TEXT,
        title=TEXT,
        model=record(name=TEXT, fingerprint=TEXT),
        story=told(TEXT, "A story that makes the film again."),
        shots=many({"type": "object"}),
    ),
    "models": record(models=many(MODEL), missing=many(TEXT, "Models without all of their weights.")),
    "models-fetch": record(model=TEXT, folder=TEXT, present=TEXT),
    "models-accept": record(model=TEXT, licence=TEXT, needed=YES_NO),
    "schema": record(name=TEXT, json_schema={"type": "object"}),
    "explain": record(codes=many(ABOUT_CODE), matches=many(SECTION, "Sections of the manual, for a search.")),
    "help": record(
        pages=many(perhaps(record(topic=TEXT, title=TEXT), text=told(TEXT, "The page as Markdown."))),
        matches=many(SECTION, "Sections of the manual, for a search."),
        codes=many(record(code=TEXT, title=TEXT), "Error codes, for a search."),
    ),
    "doctor": record(
        ok=YES_NO,
        checks=many(record(name=TEXT, ok=YES_NO, optional=YES_NO, found=TEXT, help=TEXT)),
        fit=maybe(FIT, "Null where no story was named."),
    ),
    "train": record(model=told(TEXT, "The model folder.")),
    "evaluation": {
        **record(benchmark={"enum": ["storyworld", "videos"]}, seconds=NUMBER, provenance={"type": "object"}),
        "oneOf": [
            record(benchmark={"const": "storyworld"}, rows={"type": "object"}, differences={"type": "object"}),
            record(
                benchmark={"const": "videos"}, scores={"type": "object"}, shots=many(SCORED), provenance=MEASURED_BY
            ),
        ],
    },
    "export-vbench": record(folder=TEXT, clips=WHOLE, command=TEXT),
}


def document_schema(name: str) -> Schema:
    """The JSON Schema of the document `onestory.<name>.v1`.

    Raises:
        KeyError: no row has that name.
    """
    row = DOCUMENTS[name]
    named = {"schema": {"const": f"onestory.{name}.v1"}, **row["properties"]}
    head = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": f"urn:onestory:{name}:v1",
        "title": f"the JSON document onestory.{name}, version 1",
    }
    return {**head, **row, "required": ["schema", *row["required"]], "properties": named}
