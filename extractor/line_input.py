"""What the line network sees: a line image at its own height, nothing thresholded away."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.lines import LineImage
from extractor.preprocess import percentile

HEIGHT = 32
"""Rows of the line network's input."""
TYPICAL = 21.0
"""Height of a typical digit in it."""
STRETCH = 1.3
"""How much wider than high a pixel is drawn: narrow digits that touch need steps of their own."""
STRIDE = 4
"""Columns of input for one step of output."""
MAX_WIDTH = 2048
"""Longer lines are squeezed to this."""
SLANTS = (0.0, -0.3)
"""Each line is looked at as it is and leaning to the left, since most hands lean to the right: what is misread at one
slant is often read at another."""


def line_views(line: LineImage, slants: Sequence[float] = SLANTS) -> list[NDArray[np.uint8]]:
    """Draw looks at a line, each as `line_input` does: all of them, or those of some slants."""
    return [line_input(line, slant=slant) for slant in slants]


def line_input(line: LineImage, *, zoom: float = 1.0, slant: float = 0.0, cleaned: bool = False) -> NDArray[np.uint8]:
    """Scale a line image to the line network's height and pad it to whole steps.

    Args:
        line: The line at working scale.
        zoom: Digits this much larger than typical: another view for a second look.
        slant: Leans the writing to the right, in pixels per pixel of height, or to the left when negative.
        cleaned: Take the ink without printed lines instead of the ink as scanned.

    Returns:
        (32, W) uint8 coverage, W a multiple of `STRIDE`.
    """
    source = line.ink if cleaned else line.raw
    centre = _centre(line)
    scale = zoom * TYPICAL / line.digit_height
    # What leans reaches farther to both sides.
    aside = abs(slant) * HEIGHT / 2
    across = min(scale * STRETCH, (MAX_WIDTH - 2 * aside) / source.shape[1])
    scale = min(scale, across)
    width = int(np.ceil((source.shape[1] * across + 2 * aside) / STRIDE)) * STRIDE
    width = min(max(width, STRIDE * 2), MAX_WIDTH)
    smooth = cv2.GaussianBlur(source, (0, 0), 0.35 / scale) if scale < 0.8 else source
    # Rows are moved by `slant` pixels a pixel above the middle.
    matrix = np.array(
        [
            [across, -slant * scale, 0.5 * across - 0.5 + aside + slant * centre * scale],
            [0, scale, HEIGHT / 2 - centre * scale],
        ],
        np.float32,
    )
    return cv2.warpAffine(smooth, matrix, (width, HEIGHT), flags=cv2.INTER_LINEAR).astype(np.uint8, copy=False)


def shown_rows(line: LineImage) -> tuple[float, float]:
    """Return the first row of a line image that `line_input` shows, and the one after the last.

    Args:
        line: The line at working scale.
    """
    reach = 0.5 * HEIGHT * line.digit_height / TYPICAL
    return _centre(line) - reach, _centre(line) + reach


def _centre(line: LineImage) -> float:
    rows = np.count_nonzero(line.mask, axis=1)
    return (percentile(rows, 5) + percentile(rows, 95)) / 2 if rows.any() else line.mask.shape[0] / 2
