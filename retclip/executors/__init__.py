"""Who does the work of a build: this process, several on this machine (one per GPU), or actors of Ray.

All of them take tasks and give outcomes; the process that asked is the only one that writes into the store.
"""

from __future__ import annotations

from functools import partial

from retclip.config import Settings
from retclip.device import all_like
from retclip.workflows.unit_work import Starter, in_this_process


def starter(settings: Settings, address: str) -> Starter:
    """What `build.executor` and `build.workers` ask for. address: of the source, which every worker opens itself."""
    section = settings.build
    if section.executor == "ray":
        from retclip.executors.ray_actors import ray_actors

        return partial(ray_actors, settings, address)
    devices = all_like(settings.device)
    if (section.workers or len(devices)) == 1:
        return in_this_process
    from retclip.executors.processes import processes

    return partial(processes, settings, address, devices)
