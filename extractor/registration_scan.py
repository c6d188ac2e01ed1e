"""A scan as registration looks at it: grey at full size, and small enough to search."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.preprocess import reduce_by

Grey = NDArray[np.uint8]
"""Grey picture, (H, W) uint8."""
Matrix = NDArray[np.float64]
"""A homography, (3, 3) float64, acting on (x, y, 1) with pixel centres at whole numbers."""

SEARCH_SIDE = 1000
"""Longest side, in pixels, at which a page is looked for; the real one is within a third of it."""


@dataclass(frozen=True, slots=True)
class Scan:
    """A scan, ready to be laid onto templates.

    Attributes:
        grey: The scan, (H, W) uint8.
        small: The same, about `SEARCH_SIDE` pixels long, (h, w) uint8.
        to_full: Pixels of `small` -> pixels of `grey`, (3, 3).
    """

    grey: Grey
    small: Grey
    to_full: Matrix

    def stretched(self, across: float, down: float) -> Scan:
        """Stretch the small picture, as a fax must be whose pixels are not square.

        Args:
            across: Factor of the width.
            down: Factor of the height.
        """
        small = cv2.resize(self.small, None, fx=across, fy=down, interpolation=cv2.INTER_LINEAR)
        return Scan(self.grey, small.astype(np.uint8, copy=False), self.to_full @ shrinking(1 / across, 1 / down))


def scan_of(image: NDArray[np.uint8]) -> Scan:
    """Prepare a scan.

    Args:
        image: Grey (H, W) or BGR (H, W, 3), uint8.
    """
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
    small, factor = shrink(grey)
    return Scan(grey, small, shrinking(factor, factor))


def shrink(grey: Grey, side: int = SEARCH_SIDE) -> tuple[Grey, int]:
    """Make a picture about `side` pixels long; a whole factor is three times as fast as any other.

    Returns:
        The small picture, and the whole factor.
    """
    factor = max(1, round(max(grey.shape) / side))
    if factor == 1 or min(grey.shape) < factor:
        return grey, 1
    return reduce_by(grey, factor), factor


def shrinking(across: float, down: float) -> Matrix:
    """The homography from a picture made smaller by these factors to the picture it was made of."""
    return np.array([[across, 0, 0.5 * across - 0.5], [0, down, 0.5 * down - 0.5], [0, 0, 1]])


def transform(homography: Matrix, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Carry points (..., 2) through a homography."""
    carried = points @ homography[:, :2].T + homography[:, 2]
    return np.asarray(carried[..., :2] / carried[..., 2:], np.float64)
