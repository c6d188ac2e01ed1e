"""Printed lines in pieces: where a straight piece of ink runs, on a small picture of a page and on the page itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Binary = NDArray[np.uint8]
"""0 or 1, (H, W)."""
Course = tuple[NDArray[np.int_], NDArray[np.float64]]
"""A line that runs across: pixel columns, and its centre in each."""


@dataclass(frozen=True, slots=True)
class LinePart:
    """A straight piece of ink that runs across: its pixel columns, its centre and its thickness in each."""

    xs: NDArray[np.int_]
    ys: NDArray[np.float64]
    thickness: float

    @property
    def length(self) -> int:
        """Its pixel columns."""
        return int(self.xs[-1] - self.xs[0] + 1)


def course_of(part: LinePart, scale: float, width: int) -> Course:
    """Lay a piece's course in page pixels, evened out over the strokes that cross it.

    Args:
        part: The piece, in pixels of the small picture.
        scale: Size of the small picture relative to the page.
        width: Of the page.
    """
    first, last = int(part.xs[0] / scale), int((part.xs[-1] + 1) / scale)
    xs = np.arange(max(first, 0), min(last + 1, width))
    window, smooth = 31, part.ys
    if len(smooth) > window:
        # Mirrored in its ends, as `numpy.pad` does it for any shape.
        half = window // 2
        before, after = 2 * smooth[0] - smooth[half:0:-1], 2 * smooth[-1] - smooth[-2 : -half - 2 : -1]
        smooth = np.convolve(np.concatenate((before, smooth, after)), np.ones(window) / window, mode="valid")
    ys = np.interp((xs + 0.5) * scale - 0.5, part.xs, smooth)
    return xs, (ys + 0.5) / scale - 0.5


def pixels_at(mask: NDArray[Any], rows: NDArray[np.intp], xs: NDArray[np.int_]) -> NDArray[Any]:
    """Look up pixels; a row outside is the nearest one inside.

    Args:
        mask: (H, W).
        rows: (N, M).
        xs: Their columns, (M,).

    Returns:
        (N, M).
    """
    rows = np.minimum(np.maximum(rows, 0), mask.shape[0] - 1)
    return np.asarray(mask.ravel().take(rows * mask.shape[1] + xs))
