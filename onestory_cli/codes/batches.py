"""B801 to B805: batches."""

from __future__ import annotations

from onestory_cli.codes.row import Code

BATCHES = (
    Code(
        code="B801",
        title="No stories",
        explanation="`onestory batch` takes story files, folders, in which it looks for *.story.yaml at any depth, and "
        "patterns. One of them has no story.",
        bad="onestory batch drafts/      (with no .story.yaml in it)",
        good="onestory batch stories/ 'more/**/*.story.yaml'",
    ),
    Code(
        code="B802",
        title="A setting that fits nowhere",
        explanation="`--set PATH=VALUE` puts a value into every story. PATH is made of keys, of ids of shots, and of * "
        "for all shots or all keys. Every story must have what comes before the last key; the value is "
        "then checked as if it stood in the story.",
        bad="onestory batch stories/ --set steps:40",
        good="onestory batch stories/ --set 'shots.*.steps=40' --set defaults.memory.budget=0.5",
    ),
    Code(
        code="B803",
        title="A film that lost its workers",
        explanation="The processes that made this film were killed again and again, most likely because memory ran "
        "out. What was finished of the film is kept. Try it alone, with fewer workers, or smaller.",
        bad="onestory batch stories/ --workers 8      (with memory for two)",
        good="onestory batch stories/ --workers 2",
    ),
    Code(
        code="B804",
        title="Workers that cannot be had",
        explanation="No worker could be started: processes died before they had a film, the cluster cannot be "
        "reached, or it has nothing of what is asked for. The message says what happened.",
        bad="onestory batch stories/ --ray 10.0.0.1:6379      (where nothing listens)",
        good="onestory batch stories/ --ray auto",
    ),
    Code(
        code="B805",
        title="Parameters that Slurm does not take",
        explanation="`--slurm` takes parameters as NAME=VALUE, with commas between them, and hands them to submitit; "
        "`auto` stands for none. Those of Slurm itself begin with slurm_, as slurm_partition does.",
        bad="onestory batch stories/ --out films --slurm gpu",
        good="onestory batch stories/ --out films --slurm slurm_partition=gpu,gpus_per_node=1",
    ),
)
