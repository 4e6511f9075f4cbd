"""The lines of `--json` while something is made, one per event of `onestory_cli.events`: one row per kind of event.

A line has its kind as "event"; in `events.jsonl` of a run it has a "time" too, in seconds since 1970.
"""

from __future__ import annotations

from onestory_cli.schemas.documents import NUMBER, TEXT, WHOLE, Schema, many, record, told

NAME = "events"
SECONDS = told(NUMBER, "Of wall time.")
PAIR: Schema = {"type": "array", "items": [TEXT, WHOLE], "minItems": 2, "maxItems": 2}
COUNTS: Schema = {"type": "object", "additionalProperties": WHOLE}

EVENTS: dict[str, Schema] = {
    "RunStarted": record(run=TEXT, title=TEXT, model=TEXT, shots=WHOLE, kept=told(WHOLE, "Shots that may stand.")),
    "TakesStarted": record(run=TEXT, title=TEXT, model=TEXT, shot=TEXT, takes=told(WHOLE, "How many are wanted.")),
    "ModelLoading": record(model=TEXT, device=TEXT),
    "ModelLoaded": record(model=TEXT, seconds=SECONDS),
    "ShotKept": record(shot=TEXT, take=TEXT, reason=TEXT),
    "ShotStarted": record(
        shot=TEXT,
        index=told(WHOLE, "From 0."),
        shots=WHOLE,
        reason=TEXT,
        steps=WHOLE,
        goes_on=told(TEXT, "At which step, where earlier work is gone on with; else empty."),
    ),
    "Remembered": record(
        shot=TEXT,
        frames=many(PAIR, "Source and latent frame, by relevance."),
        tokens=WHOLE,
        visible=told(WHOLE, "Latent frames that it could have remembered."),
    ),
    "StepDone": record(shot=TEXT, step=told(WHOLE, "From 1."), steps=WHOLE, seconds=SECONDS),
    "PartialKept": record(shot=TEXT, step=WHOLE, steps=WHOLE),
    "TakeCommitted": record(shot=TEXT, take=TEXT, seconds=SECONDS, memory_bytes=told(WHOLE, "The most so far.")),
    "Warned": record(code=TEXT, message=TEXT, help=TEXT, shot=told(TEXT, "Empty where it is about no shot.")),
    "FilmMuxed": record(path=TEXT, shots=WHOLE, film_seconds=told(NUMBER, "The length of the film.")),
    "RunFinished": record(
        path=TEXT,
        rendered=WHOLE,
        kept=WHOLE,
        seconds=SECONDS,
        faulty=told(WHOLE, "Kept takes with faults that nobody has accepted."),
    ),
    "StopAsked": record(),
    "RunInterrupted": record(run=TEXT, finished=WHOLE, shots=WHOLE),
    "StageStarted": record(stage=TEXT, step=WHOLE, steps=WHOLE, parameters=WHOLE),
    "TrainingProgress": record(
        stage=TEXT,
        step=WHOLE,
        steps=WHOLE,
        losses={"type": "object", "additionalProperties": NUMBER},
        samples_per_second=NUMBER,
        seconds_left=told(NUMBER, "Of this stage."),
    ),
    "DataPrepared": record(what=TEXT, done=WHOLE, total=WHOLE),
    "StageFinished": record(stage=TEXT, steps=WHOLE, seconds=SECONDS),
    "BatchStarted": record(films=WHOLE, shots=WHOLE, workers=WHOLE, where={"enum": ["local", "ray", "slurm"]}),
    "FilmStarted": record(film=TEXT, worker=TEXT, shots=WHOLE, attempt=told(WHOLE, "From 1.")),
    "FilmTold": record(film=TEXT, kind=told(TEXT, "Which event."), told=told({"type": "object"}, "Its fields.")),
    "WorkerLost": record(worker=TEXT, film=told(TEXT, "Empty where it was at none."), why=TEXT),
    "FilmEnded": record(
        film=TEXT,
        state=told(TEXT, "As in batch.json."),
        rendered=WHOLE,
        kept=WHOLE,
        seconds=SECONDS,
        code=told(TEXT, "Of the error that ended it; else empty."),
        message=TEXT,
        help=TEXT,
    ),
    "BatchEnded": record(states=COUNTS, seconds=SECONDS),
}


def events_schema() -> Schema:
    """The JSON Schema of one line."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": f"urn:onestory:{NAME}:v1",
        "title": "a line of --json while something is made, and of events.jsonl, version 1",
        "description": "Later versions may tell of more, so readers pass over what they do not know.",
        "type": "object",
        "required": ["event"],
        "oneOf": [_line(kind, row) for kind, row in EVENTS.items()],
    }


def _line(kind: str, row: Schema) -> Schema:
    return {
        **row,
        "required": ["event", *row["required"]],
        "properties": {"event": {"const": kind}, **row["properties"]},
    }
