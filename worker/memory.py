"""How much memory a process has, how much a page may take, and a wall behind that.

A page that needs more than there is must fail alone, with a line that says so, and not take its process or the machine
with it. So what a page will need is estimated from its header, before a pixel is decoded; should that be wrong, an
allocation fails and is caught, because the process's data has a limit too. Behind both stands the ledger's delivery
cap: a process killed by the system counts as a delivery.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from pathlib import Path

from extractor.documents import Limits
from worker.settings import Settings

_SHARE = 0.8
"""Of the machine's or container's memory; the rest is for the system and for processes that wait."""

_RESERVED_MB = 2048
"""What libraries reserve without using it: threads' stacks, arenas."""

_CGROUPS = Path("/sys/fs/cgroup")


def resident_mb() -> float:
    """Return the resident memory of the calling process in MiB; its peak where the system tells only that."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    except (OSError, ValueError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def available_mb() -> float:
    """Return the memory in MiB that this machine has or, where that is less, this container may use."""
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20
    return min([physical, *_container_limits()])


def page_memory_mb(settings: Settings) -> float:
    """Return the MiB that a process may take for one page."""
    return settings.page_memory_mb or _SHARE * available_mb()


def page_limits(settings: Settings) -> Limits:
    """Return what a document may ask for, memory included."""
    return Limits(max_memory=int(page_memory_mb(settings) * 2**20))


def limit_data(settings: Settings) -> None:
    """Let an allocation far beyond a page's share fail in this process, instead of having the system kill something."""
    # Reserved memory counts, and twice the share is what the least thrifty stage reserves for a page of that size.
    limit = int((2 * page_memory_mb(settings) + _RESERVED_MB) * 2**20)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    with contextlib.suppress(ValueError, OSError):  # not every system has this limit
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error says that an allocation failed, in Python or in a native library."""
    if isinstance(error, MemoryError):
        return True
    text = str(error)
    return type(error).__module__ == "cv2" and ("Insufficient memory" in text or "bad_alloc" in text)


def _container_limits() -> list[float]:
    """Return the limits in MiB of the control groups that this process is in, of either version."""
    files = [_CGROUPS / "memory" / "memory.limit_in_bytes"]
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("0::"):
                group = _CGROUPS / line.removeprefix("0::").lstrip("/")
                files += [
                    folder / "memory.max" for folder in (group, *group.parents) if folder.is_relative_to(_CGROUPS)
                ]
    limits = []
    for file in files:
        with contextlib.suppress(OSError, ValueError):  # absent, or "max"
            limits.append(int(file.read_text(encoding="ascii")) / 2**20)
    return limits
