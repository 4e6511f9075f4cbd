"""Schemas of the progress lines of `--json` and of `events.jsonl`, one row per event of `onestory_cli.events`.

Each line has the event class as "event". In `events.jsonl` it also has "time", in seconds since 1970.
"""

from __future__ import annotations

from onestory_cli.schemas.build import INTEGER, NUMBER, TEXT, Schema, array, described, obj

NAME = "events"
SECONDS = described(NUMBER, "Wall time in seconds.")
PAIR: Schema = {"type": "array", "items": [TEXT, INTEGER], "minItems": 2, "maxItems": 2}
COUNTS: Schema = {"type": "object", "additionalProperties": INTEGER}

EVENTS: dict[str, Schema] = {
    "RunStarted": obj(
        run=TEXT, title=TEXT, model=TEXT, shots=INTEGER, kept=described(INTEGER, "Shots whose takes may be reused.")
    ),
    "TakesStarted": obj(
        run=TEXT, title=TEXT, model=TEXT, shot=TEXT, takes=described(INTEGER, "Number of requested takes.")
    ),
    "ModelLoading": obj(model=TEXT, device=TEXT),
    "ModelLoaded": obj(model=TEXT, seconds=SECONDS),
    "ShotKept": obj(shot=TEXT, take=TEXT, reason=TEXT),
    "ShotStarted": obj(
        shot=TEXT,
        index=described(INTEGER, "From 0."),
        shots=INTEGER,
        reason=TEXT,
        steps=INTEGER,
        goes_on=described(TEXT, "The step at which a checkpoint is resumed, or empty."),
    ),
    "Remembered": obj(
        shot=TEXT,
        frames=array(PAIR, "Source and latent frame, by relevance."),
        tokens=INTEGER,
        visible=described(INTEGER, "Number of latent frames in the visible memory."),
    ),
    "StepDone": obj(shot=TEXT, step=described(INTEGER, "From 1."), steps=INTEGER, seconds=SECONDS),
    "NodeStep": obj(
        shot=TEXT,
        node=described(TEXT, "Title or class of a node of a ComfyUI workflow."),
        step=described(INTEGER, "Steps of the node that are done."),
        steps=described(INTEGER, "Steps of the node; 0 if it has none."),
    ),
    "PartialKept": obj(shot=TEXT, step=INTEGER, steps=INTEGER),
    "TakeCommitted": obj(
        shot=TEXT, take=TEXT, seconds=SECONDS, memory_bytes=described(INTEGER, "Peak memory so far, in bytes.")
    ),
    "Warned": obj(code=TEXT, message=TEXT, help=TEXT, shot=described(TEXT, "Empty if it is not about a shot.")),
    "FilmMuxed": obj(path=TEXT, shots=INTEGER, film_seconds=described(NUMBER, "Duration of the film, in seconds.")),
    "RunFinished": obj(
        path=TEXT,
        rendered=INTEGER,
        kept=INTEGER,
        seconds=SECONDS,
        faulty=described(INTEGER, "Reused takes with faults that the user has not accepted."),
    ),
    "StopAsked": obj(),
    "RunInterrupted": obj(run=TEXT, finished=INTEGER, shots=INTEGER),
    "StageStarted": obj(stage=TEXT, step=INTEGER, steps=INTEGER, parameters=INTEGER),
    "TrainingProgress": obj(
        stage=TEXT,
        step=INTEGER,
        steps=INTEGER,
        losses={"type": "object", "additionalProperties": NUMBER},
        samples_per_second=NUMBER,
        seconds_left=described(NUMBER, "Remaining time of this stage, in seconds."),
    ),
    "DataPrepared": obj(what=TEXT, done=INTEGER, total=INTEGER),
    "StageFinished": obj(stage=TEXT, steps=INTEGER, seconds=SECONDS),
    "CurationStarted": obj(
        videos=INTEGER,
        seconds=described(NUMBER, "Estimated length of all videos."),
        disk_bytes=described(INTEGER, "Estimated size of the set."),
        free_bytes=INTEGER,
        workers=INTEGER,
    ),
    "VideoCurated": obj(
        video=TEXT,
        shots=described(INTEGER, "Shots found."),
        kept=described(INTEGER, "Shots in sequences."),
        fault=described(TEXT, "Why the video has no shots; else empty."),
        done=INTEGER,
        videos=INTEGER,
        seconds_left=described(NUMBER, "Estimate; 0 until something was computed."),
    ),
    "BatchStarted": obj(films=INTEGER, shots=INTEGER, workers=INTEGER, where={"enum": ["local", "ray", "slurm"]}),
    "FilmStarted": obj(film=TEXT, worker=TEXT, shots=INTEGER, attempt=described(INTEGER, "From 1.")),
    "FilmTold": obj(
        film=TEXT,
        kind=described(TEXT, "The class of the event."),
        told=described({"type": "object"}, "The fields of the event."),
    ),
    "WorkerLost": obj(worker=TEXT, film=described(TEXT, "Empty if it had no film."), why=TEXT),
    "FilmEnded": obj(
        film=TEXT,
        state=described(TEXT, "As in batch.json."),
        rendered=INTEGER,
        kept=INTEGER,
        seconds=SECONDS,
        code=described(TEXT, "The code of the error that ended it, or empty."),
        message=TEXT,
        help=TEXT,
    ),
    "BatchEnded": obj(states=COUNTS, seconds=SECONDS),
}


def events_schema() -> Schema:
    """The JSON Schema of one line."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": f"urn:onestory:{NAME}:v1",
        "title": "a progress line of --json and of events.jsonl, version 1",
        "description": "Later versions may add events and fields, so readers must ignore unknown ones.",
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
