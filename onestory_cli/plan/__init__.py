"""Story -> Plan: one ShotJob per shot, resolved to the last number, and everything wrong said before any work.

No torch here, no network and no look at a run directory: `store/reuse.py` decides what is kept and what must run.
"""

from onestory_cli.plan.jobs import (
    REFERENCE_MARK,
    ImageInput,
    MemoryJob,
    OtherModel,
    Plan,
    Reference,
    Seed,
    ShotJob,
    Shown,
    Sound,
    Tokens,
    derive_seed,
    retake,
)
from onestory_cli.plan.make import make_plan
from onestory_cli.plan.reasons import Reason, ReasonKind

__all__ = [
    "REFERENCE_MARK",
    "ImageInput",
    "MemoryJob",
    "OtherModel",
    "Plan",
    "Reason",
    "ReasonKind",
    "Reference",
    "Seed",
    "ShotJob",
    "Shown",
    "Sound",
    "Tokens",
    "derive_seed",
    "make_plan",
    "retake",
]
