"""Pictures that appear whole or not at all."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from extractor.errors import UsageError
from extractor.names import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def write_picture(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write a PNG file; one that is there is replaced.

    Args:
        path: The file.
        picture: Grey (H, W) or BGR (H, W, 3).

    Raises:
        UsageError: It cannot be written.
    """
    import cv2

    _, data = cv2.imencode(".png", picture)
    part = path.with_name(f".digits-{secrets.token_hex(6)}.part")
    try:
        try:
            part.write_bytes(data.tobytes())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {printable(str(path))}: {error.strerror}") from None
