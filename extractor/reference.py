"""The scan of a blank form that a template names."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.documents import load_page
from extractor.errors import DocumentError
from extractor.names import printable

_PROPORTIONS = 0.02
"""The reference may be this much wider or narrower, for its height, than the template's page."""


def load_reference(path: Path, sha256: str | None, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Load the first page of a reference scan.

    Args:
        path: The file.
        sha256: What its content must be, or None for whatever it is.
        size: Width and height that it is brought to.

    Returns:
        Grey (H, W) uint8.

    Raises:
        DocumentError: It cannot be read, is another picture, or has other proportions than the page.
    """
    image = load_page(path, 1)
    if sha256 is not None:
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != sha256:
            raise DocumentError(
                f"{printable(str(path))}: the reference scan has changed since the job was submitted",
                "submit the job again",
                "reference",
            )
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if image.ndim == 3 else image
    width, height = size
    if abs(grey.shape[1] * height / (grey.shape[0] * width) - 1) > _PROPORTIONS:
        raise DocumentError(
            f"{printable(str(path))}: the reference scan has {grey.shape[1]} x {grey.shape[0]} pixels, which are not "
            f"the proportions of the template's page of {width} x {height}",
            "give the page the size of the reference scan",
            "reference",
        )
    if grey.shape != (height, width):
        method = cv2.INTER_AREA if grey.shape[0] > height else cv2.INTER_CUBIC
        grey = cv2.resize(grey, (width, height), interpolation=method)
    return grey.astype(np.uint8, copy=False)
