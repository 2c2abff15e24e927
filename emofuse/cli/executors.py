"""The option ``--ray`` beside ``--jobs``: where many runs are made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from emofuse.errors import EmofuseError

if TYPE_CHECKING:
    from emofuse.cluster.executor import RayCluster
    from emofuse.runs.executor import Executor

RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="HOST:PORT|local",
        help="work on a Ray cluster, or on one that lives as long as this command",
    ),
]


@contextmanager
def chosen_executor(jobs: int, ray: str | None, *, in_this_process: int = 1) -> Iterator[Executor | None]:
    """Where runs are made; None is this process, one after the other.

    Args:
        jobs: of ``--jobs``.
        ray: of ``--ray``.
        in_this_process: the number of jobs that asks for no process beside this one.

    Raises:
        EmofuseError: both were given, or the cluster cannot be joined.
    """
    from emofuse.runs.executor import LocalProcesses

    with joined_cluster(ray, jobs) as cluster:
        yield cluster or (LocalProcesses(jobs) if jobs > in_this_process else None)


@contextmanager
def joined_cluster(ray: str | None, jobs: int, option: str = "--jobs") -> Iterator[RayCluster | None]:
    """The cluster of ``--ray``, where it was given.

    Args:
        ray: of ``--ray``.
        jobs: processes of this machine that were asked for.
        option: that asked for them.

    Raises:
        EmofuseError: both were given, or the cluster cannot be joined.
    """
    if ray is None:
        yield None
        return
    if jobs > 1:
        raise EmofuseError(f"{option} is for this machine alone: with --ray the cluster's processors decide")
    from emofuse.cluster.executor import ray_cluster

    with ray_cluster(ray) as cluster:
        yield cluster
