"""How much memory a process has."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path


def resident_mb() -> float:
    """Return the resident memory of the calling process in MiB; its peak where the system tells only that."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    except (OSError, ValueError, IndexError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
