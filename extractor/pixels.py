"""Encoded images to the pixels that the rest of the package works on: 8 bits, no opacity, upright.

OpenCV is imported inside functions: processes that only list and count documents never load it.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from extractor.errors import DocumentError

_AGAIN = "copy or scan it again"
_stderr_lock = threading.Lock()
_EXTRANEOUS = re.compile(rb"Corrupt JPEG data: (\d+) extraneous bytes before marker")
_HARMLESS_EXTRANEOUS_BYTES = 16
_ROWS_AT_ONCE = 256


def decode(data: bytes) -> NDArray[Any]:
    """Decode a PNG, a JPEG or a TIFF of one page, orientation not applied.

    The image libraries under OpenCV report flaws by writing to the process's stderr and go on with grey pixels. Those
    lines are kept from the user's screen, and the ones that mean lost image data are errors here.

    Args:
        data: The encoded image.

    Returns:
        (H, W), (H, W, 3) BGR or (H, W, 4) BGRA; uint8 or uint16.

    Raises:
        DocumentError: ``truncated``, ``damaged``, ``unsupported`` or ``memory``.
    """
    import cv2

    image: NDArray[Any] | None
    with _captured_stderr() as stderr:
        # libtiff's errors arrive through OpenCV's log, which the environment may have switched off.
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_WARNING)
        try:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        except (cv2.error, MemoryError):
            image = None
        finally:
            cv2.utils.logging.setLogLevel(level)
        stderr.seek(0)
        messages = stderr.read()
    if b"Insufficient memory" in messages:
        raise DocumentError("there is not enough memory for this page", "scan it at a lower resolution", "memory")
    if b"remature end" in messages or b"Premature EOF" in messages:
        raise DocumentError("the image ends before it is complete", _AGAIN, "truncated")
    if image is None or _means_damage(messages):
        raise DocumentError("the image data is damaged and cannot be decoded", _AGAIN, "damaged")
    if image.dtype not in (np.uint8, np.uint16) or (image.ndim == 3 and image.shape[2] not in (3, 4)):
        raise DocumentError("this kind of pixels is not read", "save it as an ordinary 8-bit image", "unsupported")
    return image


def to_eight_bits(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Bring samples of 16 bits to 8.

    Scanners and cameras store 10, 12 or 14 bits in 16 without saying so; taken at face value such a page is nearly
    black. So full scale is the smallest of 10, 12, 14 and 16 bits that holds the brightest sample of the page. One
    linear scale for the whole page keeps every contrast in proportion.

    Args:
        image: uint8 or uint16, any shape.

    Returns:
        The same shape, uint8; the very same array when it was 8 bits already.
    """
    if image.dtype == np.uint8:
        return image
    import cv2

    brightest = int(image.max(initial=0))
    bits = next(bits for bits in (10, 12, 14, 16) if brightest < 2**bits)
    return np.asarray(cv2.convertScaleAbs(image, alpha=255 / (2**bits - 1)), np.uint8).reshape(image.shape)


def on_white(image: NDArray[Any], *, premultiplied: bool = False) -> NDArray[Any]:
    """Lay an image with opacity onto white paper.

    Args:
        image: (H, W, 4) BGRA, uint8 or uint16.
        premultiplied: Whether colours are already multiplied by their opacity.

    Returns:
        (H, W, 3) BGR of the same dtype.
    """
    white = np.iinfo(image.dtype).max
    flat = np.ascontiguousarray(image[..., :3])
    for top in range(0, len(image), _ROWS_AT_ONCE):
        rows = slice(top, top + _ROWS_AT_ONCE)
        opacity = image[rows, :, 3:].astype(np.uint32)
        if (opacity == white).all():
            continue
        ink = flat[rows].astype(np.uint32)
        if not premultiplied:
            ink = (ink * opacity + white // 2) // white
        flat[rows] = np.minimum(ink + (white - opacity), white)
    return flat


def upright(image: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Apply an Exif orientation.

    Args:
        image: (H, W) or (H, W, C).
        orientation: 1 to 8, Exif 3.0 tag 274.

    Returns:
        The image as a person sees it, contiguous.
    """
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    return np.ascontiguousarray(image)


def _means_damage(messages: bytes) -> bool:
    """Tell whether libtiff or libjpeg met lost data; a few stray bytes before a JPEG marker are harmless."""
    stray = max((int(count) for count in _EXTRANEOUS.findall(messages)), default=0)
    if b"TIFF_Error" in messages or stray > _HARMLESS_EXTRANEOUS_BYTES:
        return True
    return b"Corrupt JPEG data" in _EXTRANEOUS.sub(b"", messages)


@contextmanager
def _captured_stderr() -> Iterator[BinaryIO]:
    """Collect what is written to file descriptor 2, by C code as by anyone.

    The descriptor belongs to the whole process, so only one thread at a time may do this.
    """
    with _stderr_lock, tempfile.TemporaryFile() as collected:
        try:
            sys.stderr.flush()
            kept = os.dup(2)
        except (OSError, ValueError, AttributeError):  # started without a stderr: nothing to keep clean
            yield collected
            return
        try:
            os.dup2(collected.fileno(), 2)
            yield collected
        finally:
            os.dup2(kept, 2)
            os.close(kept)
