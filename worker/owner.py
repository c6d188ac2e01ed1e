"""Which process holds a page or job, written so that another process of the same machine can tell whether it lives.

A process number alone is not enough: numbers are used again, and every container counts from one. An owner therefore
names the host, the namespace of its process numbers, the number, and when the process started.
"""

from __future__ import annotations

import os
import socket
from functools import lru_cache
from pathlib import Path


def this_process() -> str:
    """Return the owner string of the calling process."""
    return f"{_place()}|{os.getpid()}|{_start_time(os.getpid())}"


def is_gone(owner: str) -> bool:
    """Tell whether an owner is certainly dead.

    Args:
        owner: What `this_process` returned, here or elsewhere.

    Returns:
        True only for a process of this machine that no longer runs; False when it lives or lives elsewhere, where
        only its lease can tell.
    """
    try:
        place, pid_text, started = owner.rsplit("|", 2)
        pid = int(pid_text)
    except ValueError:
        return False
    if place != _place():
        return False
    return _state(pid) in ("gone", "Z") or _start_time(pid) != started


@lru_cache(maxsize=4)
def _place_of(_pid: int) -> str:
    try:
        namespace = str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        namespace = "-"
    return f"{socket.gethostname()}|{namespace}"


def _place() -> str:
    return _place_of(os.getpid())


def _fields(pid: int) -> list[str]:
    # The command's name, in brackets, may hold spaces and brackets itself.
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def _start_time(pid: int) -> str:
    try:
        return _fields(pid)[19]
    except (OSError, IndexError):
        return "-"


def _state(pid: int) -> str:
    try:
        return _fields(pid)[0]
    except (OSError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "gone"
    except PermissionError:
        return "alive"
    return "alive"
