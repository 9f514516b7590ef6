"""Who does the work of a build: this process, several on this machine (one per GPU), or actors of Ray.

All of them take tasks and give outcomes; the process that asked is the only one that writes into the store.
"""

from __future__ import annotations

from functools import partial

from retclip.config import Settings
from retclip.device import all_like
from retclip.workflows.building.unit_work import Starter, in_this_process


def others_work(settings: Settings) -> bool:
    """Whether `build.executor` and `build.workers` give the work of a build to other processes."""
    return settings.build.executor == "ray" or len(_devices(settings)) != 1


def starter(settings: Settings, address: str) -> Starter:
    """What `build.executor` and `build.workers` ask for. address: of the source, which every worker opens itself."""
    if settings.build.executor == "ray":
        from retclip.executors.ray_actors import ray_actors

        return partial(ray_actors, settings, address)
    if not others_work(settings):
        return in_this_process
    from retclip.executors.processes import processes

    return partial(processes, settings, address, _devices(settings))


def _devices(settings: Settings) -> list[str]:
    """A device for each worker, dealt out in turn; where nobody says how many, each has its own."""
    devices = all_like(settings.device)
    return [devices[n % len(devices)] for n in range(settings.build.workers or len(devices))]
