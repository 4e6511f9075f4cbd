"""Schemas of the JSON documents that commands write with `--json`, one row per document.

Documents described by a file in `schemas/` are not listed. Fields of version 1 keep their names and types. New fields
may be added, so readers must ignore unknown ones.
"""

from __future__ import annotations

from onestory_cli.schemas.build import (
    ANY,
    BOOLEAN,
    INTEGER,
    NUMBER,
    TEXT,
    Schema,
    array,
    described,
    nullable,
    obj,
    with_optional,
)

PLACE = obj(path=TEXT, line=INTEGER, column=INTEGER, length=INTEGER, source_line=TEXT)
FINDING = obj(
    code=described(TEXT, "`onestory explain CODE` prints the explanation."),
    message=TEXT,
    severity={"enum": ["error", "warning"]},
    place=nullable(PLACE, "Null if the finding has no place in a file."),
    help=described(TEXT, "The next step, or empty."),
    further=array(PLACE, "Other places with the same fault."),
)
FINDINGS = array(FINDING)
RUN = described(TEXT, "The run directory.")
REASON = obj(kind=TEXT, detail=TEXT)
ACTION: Schema = {"enum": ["keep", "render", "undecided"]}
CHECK = obj(name=TEXT, value=nullable(NUMBER, "Null if it could not be measured."), limit=NUMBER, bad=BOOLEAN)
FRAME = obj(source=TEXT, digest=TEXT, index=INTEGER, score=NUMBER, level=TEXT, tokens=INTEGER)
CAUSE = obj(
    shot=TEXT,
    action=ACTION,
    reason=REASON,
    take=nullable(INTEGER, "The reused take, or null."),
    id=nullable(TEXT, "The id of that take."),
    changes=array(obj(field=TEXT, old=ANY, new=ANY), "Differences from the latest take."),
    remembers=array(FRAME, "The frames that its take remembers."),
    because=array({"type": "object"}, "The same document for the shots that it waits for or that changed."),
)
PLANNED = obj(
    index=described(INTEGER, "From 0."),
    shot=TEXT,
    caption=described(TEXT, "The resolved caption: what the model reads."),
    negative=TEXT,
    frames=described(INTEGER, "Frames of video."),
    width=INTEGER,
    height=INTEGER,
    fps=INTEGER,
    seed=INTEGER,
    steps=INTEGER,
    guidance=NUMBER,
    scheduler=TEXT,
    shift=NUMBER,
    accept={"enum": ["first", "ask"]},
    image=nullable({"type": "object"}, "The first frame, or null."),
    memory=obj(frames=INTEGER, budget=NUMBER, policy=TEXT, sources=array(TEXT)),
    tokens=obj(noise=INTEGER, context=INTEGER, per_frame=INTEGER),
    action=ACTION,
    reason=REASON,
    take=nullable(TEXT, "The id of the take that is or may be reused."),
)
MODEL = obj(
    name=TEXT,
    licence=TEXT,
    about=TEXT,
    width=INTEGER,
    height=INTEGER,
    fps=INTEGER,
    frames=INTEGER,
    max_frames=INTEGER,
    task=TEXT,
    hub=described(TEXT, "The hub id; empty for models in the package."),
    memory_gb=described(NUMBER, "Weights on a GPU, in GB."),
    words=nullable(array(TEXT), "The vocabulary; null if it is open."),
    remembers=TEXT,
    from_text=described(BOOLEAN, "Whether a film can start without a picture."),
    present=TEXT,
)
ORIGINAL = nullable(TEXT, "The file that an external model delivered, if it was kept.")
TAKE = obj(
    shot=TEXT,
    take=INTEGER,
    id=TEXT,
    seed=INTEGER,
    accepted=BOOLEAN,
    fits=described(BOOLEAN, "Whether it matches the current story."),
    checks=array(CHECK),
    reason=TEXT,
    clip=TEXT,
    original=ORIGINAL,
    imported=nullable(TEXT, "The name of the imported file; null for a generated take."),
)
COSINE = nullable({**NUMBER, "minimum": -1, "maximum": 1}, "Null if it was not found.")
SCORED = obj(
    shot=TEXT,
    clip=described(TEXT, "The SHA-256 of the clip's file."),
    identity=described(
        {"type": "object", "additionalProperties": COSINE},
        "Each character that the caption names: the cosine to the first shot in which it was found.",
    ),
)
NETWORK = nullable(obj(source=TEXT), "Null if the role has no network.")
MEASURED_BY = obj(networks={"type": "object", "additionalProperties": NETWORK})
FILM_MEASURED = obj(
    schema={"const": "onestory.evaluation.v1"},
    benchmark={"const": "videos"},
    scores={"type": "object"},
    shots=array(SCORED),
    provenance=MEASURED_BY,
)
TALLY = described(obj(asked=array(NUMBER), right=array(NUMBER)), "One number per film.")
MODEL_MEASURED = obj(
    schema={"const": "onestory.evaluation.v1"},
    benchmark={"const": "storyworld"},
    model=TEXT,
    suite=TEXT,
    films=array(TEXT),
    variants=array(obj(name=TEXT, policy=TEXT, frames=INTEGER, budget=NUMBER), "The memory options of each column."),
    tallies={"type": "object", "additionalProperties": {"type": "object", "additionalProperties": TALLY}},
    provenance=obj(fingerprint=TEXT, conduct={"type": "object"}),
)
SIGNATURE = obj(
    state=described(
        {"enum": ["trusted", "valid", "invalid", "unchecked"]},
        "trusted: valid, and this machine trusts the signer; unchecked: the extra `sign` is not installed.",
    ),
    signer=TEXT,
    organisation=TEXT,
    made_by_a_model=described(BOOLEAN, "Whether the signature declares the film as AI-generated."),
    pictures=array(TEXT, "The pictures that the signature lists as ingredients."),
    problems=array(TEXT, "C2PA status codes of the problems."),
)
NEXT = array(TEXT, "Commands that make sense now.")
MADE = with_optional(obj(film=TEXT, run=RUN, next=NEXT), signed=described(TEXT, "The signed copy, with `--sign`."))
SECTION = obj(topic=TEXT, section=TEXT, line=TEXT)
ABOUT_CODE = obj(code=TEXT, title=TEXT, explanation=TEXT, bad=TEXT, good=TEXT, severity=TEXT)

PRICE = described(
    obj(
        seconds=nullable(NUMBER, "Estimated time; null without finished takes to estimate from."),
        gigabytes=nullable(NUMBER, "Memory of the device, in 10^9 bytes; null if the size of the model is not known."),
        passes=nullable(INTEGER, "Evaluations of the transformer at most; null for an external model."),
    ),
    "What the pending shots cost.",
)

OUTLOOK = obj(
    model=TEXT,
    parts=described({"type": "object"}, "Bytes of each component in its compute dtype."),
    work=obj(frames=INTEGER, width=INTEGER, height=INTEGER, noise=INTEGER, context=INTEGER),
    step=described(INTEGER, "Working memory of a step, in bytes."),
    decode=described(INTEGER, "Working memory of decoding a shot, in bytes."),
    gpu=BOOLEAN,
    memory=described(INTEGER, "Memory of the GPU in bytes, or of the machine if there is no GPU."),
    usable=described(INTEGER, "Usable part of `memory`, in bytes."),
    host=described(INTEGER, "Memory of the machine, in bytes."),
    loading=described(INTEGER, "Host memory used while loading the weights, in bytes."),
    ways=array(
        obj(fitting=TEXT, card=INTEGER, machine=INTEGER, fits=BOOLEAN), "The candidates, down to the chosen one."
    ),
    chosen=nullable(TEXT, "What `--vram auto` chooses, given enough host memory; null if nothing fits the GPU."),
    ram=described(INTEGER, "Host memory needed at most, in bytes."),
    ram_fits=BOOLEAN,
    fits=described(BOOLEAN, "Whether GPU and host memory suffice."),
)
FIT = obj(
    models=array(OUTLOOK, "The models whose sizes are known."),
    disk=nullable(obj(folder=TEXT, needed=INTEGER, free=INTEGER), "Null if only a model was given."),
    seconds=nullable(
        obj(shot=NUMBER, film=NUMBER),
        "Of the longest shot and of the film; null without finished takes to estimate from.",
    ),
)

DOCUMENTS: dict[str, Schema] = {
    "error": obj(command=TEXT, exit=described(INTEGER, "The exit code."), diagnostics=FINDINGS),
    "new": obj(path=TEXT, next=NEXT),
    "validate": obj(ok=BOOLEAN, files=array(obj(file=TEXT, ok=BOOLEAN, shots=INTEGER, findings=FINDINGS)), next=NEXT),
    "plan": obj(
        title=TEXT,
        model=obj(name=TEXT, fingerprint=TEXT),
        include=array(obj(path=TEXT, ids=array(TEXT)), "The files of `include:` and the ids that they declare."),
        pending=described(INTEGER, "Shots that are not certain to be reused."),
        seconds=nullable(NUMBER, "Estimated time; null without finished takes to estimate from."),
        price=PRICE,
        shots=array(PLANNED),
        findings=FINDINGS,
        next=NEXT,
    ),
    "why": CAUSE,
    "render": MADE,
    "resume": MADE,
    "import": obj(
        path=TEXT,
        format=TEXT,
        title=TEXT,
        shots=array(TEXT),
        characters=array(TEXT),
        settings=array(TEXT),
        counts={"type": "object", "additionalProperties": INTEGER, "description": "What is kept and dropped."},
        model=TEXT,
        written={"type": "boolean"},
        findings=FINDINGS,
        next=NEXT,
    ),
    "take-list": obj(run=RUN, takes=array(TAKE), set_aside=array(TEXT, "Folders of damaged takes.")),
    "take-new": obj(run=RUN, shot=TEXT, takes=array(obj(take=INTEGER, id=TEXT, clip=TEXT)), next=NEXT),
    "take-import": obj(
        run=RUN,
        shot=TEXT,
        take=INTEGER,
        id=TEXT,
        clip=TEXT,
        source=described(TEXT, "The name of the imported file."),
        changes=array(TEXT, "How the clip was conformed."),
        accepted=BOOLEAN,
        next=NEXT,
    ),
    "take-accept": obj(run=RUN, shot=TEXT, take=INTEGER, id=TEXT, next=NEXT),
    "diff": obj(
        left=described(TEXT, "Run directory A."),
        right=described(TEXT, "Run directory B."),
        shots=array(
            obj(
                shot=TEXT,
                state={"enum": ["same", "changed", "only left", "only right"]},
                pictures=nullable(BOOLEAN, "Whether both clips have the same bytes; null if one run has no such shot."),
                differences=array(obj(what=TEXT, left=TEXT, right=TEXT)),
            )
        ),
    ),
    "take-sheet": obj(run=RUN, picture=TEXT, takes=INTEGER),
    "take-show": obj(run=RUN, shot=TEXT, take=INTEGER, clip=TEXT, original=ORIGINAL),
    "verify": obj(
        run=RUN,
        takes=described(INTEGER, "Number of intact takes."),
        damages=array(obj(path=TEXT, why=TEXT)),
        set_aside=array(TEXT, "Folders of damaged takes that new takes replaced."),
        next=NEXT,
    ),
    "prune": obj(
        run=RUN,
        takes=array(TEXT, "Each is SHOT/ID."),
        partials=array(TEXT),
        references=array(TEXT),
        damaged=array(TEXT),
        bytes=INTEGER,
        removed=described(BOOLEAN, "False for --dry-run."),
    ),
    "report": obj(run=RUN, page=TEXT, bytes=INTEGER),
    "summary": obj(run=RUN, summary=TEXT, picture=nullable(TEXT, "Null if none was requested.")),
    "contact-sheet": obj(
        run=RUN, picture=TEXT, unwritten=described(TEXT, "Characters in captions that no installed font has.")
    ),
    "export": obj(run=RUN, to=TEXT, path=TEXT, shots=INTEGER, missing=array(TEXT)),
    "inspect": obj(
        film=TEXT,
        extracted=nullable(TEXT, "The file that the story was written to; null without --extract."),
        signature=nullable(SIGNATURE, "Null for an unsigned film."),
        tool=TEXT,
        title=TEXT,
        model=obj(name=TEXT, fingerprint=TEXT),
        story=described(TEXT, "A story that renders the same film."),
        shots=array({"type": "object"}),
    ),
    "models": obj(models=array(MODEL), missing=array(TEXT, "Models with missing weights.")),
    "models-fetch": obj(model=TEXT, folder=TEXT, present=TEXT),
    "models-template": obj(
        templates=array(TEXT, "All names."), path=nullable(TEXT, "The written file; null without a name.")
    ),
    "models-check": obj(model=TEXT, ok=BOOLEAN, found=array(TEXT, "What was found, in words."), findings=FINDINGS),
    "models-accept": obj(model=TEXT, licence=TEXT, needed=BOOLEAN),
    "schema": obj(name=TEXT, json_schema={"type": "object"}),
    "explain": obj(codes=array(ABOUT_CODE), matches=array(SECTION, "Sections of the manual, for a search.")),
    "help": obj(
        pages=array(with_optional(obj(topic=TEXT, title=TEXT), text=described(TEXT, "The page as Markdown."))),
        matches=array(SECTION, "Sections of the manual, for a search."),
        codes=array(obj(code=TEXT, title=TEXT), "Error codes, for a search."),
    ),
    "doctor": obj(
        ok=BOOLEAN,
        checks=array(obj(name=TEXT, ok=BOOLEAN, optional=BOOLEAN, found=TEXT, help=TEXT)),
        fit=nullable(FIT, "Null if no story was given."),
        next=NEXT,
    ),
    "curate": obj(
        manifest=described(TEXT, "The manifest that `train` reads."),
        report=described(TEXT, "The page with strips, captions and rejects."),
        videos=INTEGER,
        shots=described(INTEGER, "Shots found."),
        kept=described(INTEGER, "Shots in sequences."),
        sequences=INTEGER,
        rejected={"type": "object", "additionalProperties": INTEGER, "description": "Rejected shots by reason."},
        faults=array(obj(video=TEXT, fault=TEXT), "Videos without shots."),
        explained=array(TEXT, "The verdict on the shot of --explain."),
        stories=array(TEXT, "Stories that --as story wrote."),
    ),
    "train": obj(model=described(TEXT, "The model folder.")),
    "evaluation": {
        **obj(benchmark={"enum": ["storyworld", "videos"]}, seconds=NUMBER, provenance={"type": "object"}),
        "oneOf": [
            obj(benchmark={"const": "storyworld"}, rows={"type": "object"}, differences={"type": "object"}),
            obj(benchmark={"const": "videos"}, scores={"type": "object"}, shots=array(SCORED), provenance=MEASURED_BY),
        ],
    },
    "export-vbench": obj(folder=TEXT, clips=INTEGER, command=TEXT),
}


def document_schema(name: str) -> Schema:
    """The JSON Schema of the document `onestory.<name>.v1`.

    Raises:
        KeyError: unknown name.
    """
    row = DOCUMENTS[name]
    named = {"schema": {"const": f"onestory.{name}.v1"}, **row["properties"]}
    head = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": f"urn:onestory:{name}:v1",
        "title": f"JSON document onestory.{name}, version 1",
    }
    return {**head, **row, "required": ["schema", *row["required"]], "properties": named}
