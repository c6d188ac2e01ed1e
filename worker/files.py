"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from extractor.errors import UsageError
from extractor.names import printable


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """Open a text file that takes its name when it is complete.

    Args:
        path: The file; one that is there is replaced.

    Raises:
        UsageError: It cannot be written.
    """
    part = path.with_name(f".digits-{secrets.token_hex(6)}.part")
    try:
        try:
            with part.open("w", encoding="utf-8", newline="") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {printable(str(path))}: {error.strerror}") from None
