"""Curate videos as tasks on a Ray cluster. All nodes must see the videos and `--out` at the same paths.

Ray runs a task again, on any node, when its worker or its node dies. A worker process keeps its models between tasks.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from onestory_cli.batch.ray_workers import connect
from onestory_cli.curation.video_curator import CuratorConfig, VideoCurator, find_device
from onestory_cli.curation.video_stages import CuratedVideo, damaged_video
from onestory_cli.curation.worker_pool import DIED, CurationPool
from onestory_cli.errors import OnestoryError

MAX_RETRIES = 3  # of a video whose worker died


@dataclass
class _Task:
    path: Path
    digest: str
    answer: Any = None  # Ray's reference to the result, once the task is started


class RayTasks:
    """A CurationPool of Ray tasks, each with a GPU if the cluster has some and networks run, else with a CPU."""

    def __init__(self, config: CuratorConfig, count: int) -> None:
        import ray

        self._ray, self._count = ray, count
        self._waiting: deque[_Task] = deque()
        self._running: dict[Any, _Task] = {}
        needs = {"num_gpus": 1} if _count_gpus(config) else {"num_cpus": 1}
        self._remote = ray.remote(max_retries=MAX_RETRIES, **needs)(_curate)
        self._config = ray.put(replace(config, out=config.out.absolute(), folder=config.folder.absolute()))

    def submit(self, path: Path, digest: str) -> Callable[[], CuratedVideo]:
        task = _Task(path, digest)
        self._waiting.append(task)
        self._start()
        return lambda: self._result(task)

    def _start(self) -> None:
        """Start tasks that wait; `count` of them run at a time."""
        while self._waiting and len(self._running) < self._count:
            task = self._waiting.popleft()
            task.answer = self._remote.remote(self._config, task.path.absolute(), task.digest)
            self._running[task.answer] = task

    def _result(self, task: _Task) -> CuratedVideo:
        while task.answer is None or task.answer in self._running:
            done, _ = self._ray.wait([*self._running], num_returns=1)
            for answer in done:
                del self._running[answer]
            self._start()
        try:
            video = self._ray.get(task.answer)
        except self._ray.exceptions.RayTaskError as fault:
            if isinstance(fault.cause, OnestoryError):
                raise fault.cause from fault
            raise
        except self._ray.exceptions.RayError:
            return damaged_video(task.path, task.digest, DIED)
        assert isinstance(video, CuratedVideo)
        return replace(video, path=task.path)


def _curate(config: CuratorConfig, path: Path, digest: str) -> CuratedVideo:
    return _curator(config).curate(path, digest)


@cache
def _curator(config: CuratorConfig) -> VideoCurator:
    """The curator of this worker process; Ray exposes only the GPU of the task."""
    import ray

    config = replace(config, device=find_device(config.device, config.recipe))
    return VideoCurator(config, worker=f"ray-{ray.get_runtime_context().get_worker_id()}")


def count_workers(address: str, config: CuratorConfig) -> int:
    """Connect to the cluster and count the tasks that run at a time.

    Raises:
        OnestoryError: M514 without Ray, B804 if the cluster cannot be reached.
    """
    connect(address)
    import ray

    return max(1, _count_gpus(config) or int(ray.cluster_resources().get("CPU", 1)))


def _count_gpus(config: CuratorConfig) -> int:
    """The GPUs of the cluster that this curation uses; 0 if it runs on CPUs."""
    import ray

    uses_gpus = config.recipe.uses_networks and config.device != "cpu"
    return int(ray.cluster_resources().get("GPU", 0)) if uses_gpus else 0


@contextmanager
def ray_pool(config: CuratorConfig, address: str, count: int) -> Iterator[CurationPool]:
    """Pool of `count` tasks at a time. Queued videos are dropped at the end of the block.

    Raises:
        OnestoryError: as `count_workers`.
    """
    connect(address)
    import ray

    # Ray prints warnings about lost workers to stdout, which must hold only the result
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        try:
            yield RayTasks(config, count)
        finally:
            with suppress(Exception):
                ray.shutdown()
