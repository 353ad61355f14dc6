"""Who computes a run's units: worker processes of this machine, or those of a Ray cluster."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.run.executors.pool import Pool
    from benchmarks.run.units import Job


def _local(job: "Job", workers: int | None, _address: str | None) -> "Pool":
    from benchmarks.run.executors.local import LocalPool

    return LocalPool(job, workers or 1)


def _ray(job: "Job", workers: int | None, address: str | None) -> "Pool":
    from benchmarks.run.executors.ray_workers import RayPool

    return RayPool(job, workers, address)


EXECUTORS: dict[str, "Callable[[Job, int | None, str | None], Pool]"] = {"local": _local, "ray": _ray}
"""What makes a pool, by name, of the job, the number of workers and the cluster's address."""
