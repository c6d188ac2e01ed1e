"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from extractor.errors import DigitsError, ExitCode

PARTIAL = ".partial-"
"""How the names of unfinished files begin; one that outlives its process was left by a kill and may go."""


class StorageError(DigitsError):
    """A file that could not be written; what stood there before is untouched."""

    code = "storage"
    exit_code = ExitCode.UNAVAILABLE


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder that takes the place of `path` when the block succeeds.

    The block may make a file or a folder there. The name keeps its suffix, by which some writers choose their format.

    Args:
        path: The final file or folder. Its parent is made when missing.

    Raises:
        StorageError: Writing failed: no space left, no permission. Nothing half-written is left.
    """
    temporary = path.with_name(f"{PARTIAL}{os.getpid()}-{path.name}")
    new_folder = not path.parent.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if temporary.is_dir():
            remove(path)
        else:
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        with suppress(OSError):
            remove(temporary)
            if new_folder:
                path.parent.rmdir()  # Refuses when the file came to be.


def storage_error(path: Path, error: OSError) -> StorageError:
    """Put a failed write into one line.

    Args:
        path: What was to be written.
        error: What the operating system said.
    """
    reason = error.strerror or str(error)
    full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
    hint = "free some space and give the same command again" if full else "choose a folder that you may write to"
    return StorageError(f"Cannot write {path}: {reason}", hint)


def remove(path: Path) -> None:
    """Remove a file or a whole folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file, whole or not at all.

    Raises:
        StorageError: Writing failed.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all.

    Raises:
        StorageError: Writing failed.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
