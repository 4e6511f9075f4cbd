"""A local Ray cluster of two nodes. Needs onestory[ray]."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Nodes:
    """A head without CPUs, and two nodes with one each: a worker per node."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self._nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def remove(self, worker: int) -> None:
        """Remove the node of the worker with this process id, with all its processes, and add another node."""
        (node,) = (node for node in self._nodes if _raylet(node) == _parent(worker))
        self._nodes.remove(node)
        self._cluster.remove_node(node, allow_graceful=False)
        self._nodes.append(self._cluster.add_node(num_cpus=1))


@contextmanager
def two_nodes() -> Iterator[Nodes]:
    """Run the cluster inside the context, with this process as its driver."""
    os.environ.setdefault("RAY_worker_niceness", "0")  # by default, other processes have priority over workers
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        nodes = Nodes(cluster)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        yield nodes
    finally:
        ray.shutdown()
        cluster.shutdown()


def _raylet(node: Any) -> int:
    return int(node.all_processes["raylet"][0].process.pid)


def _parent(process: int) -> int:
    # the name in brackets can contain spaces
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
