"""What the line network sees: a line image at its own height, nothing thresholded away."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.lines import LineImage

HEIGHT = 32
"""Rows of the line network's input."""
TYPICAL = 21.0
"""Height of a typical digit in it."""
STRIDE = 4
"""Columns of input for one step of output."""
MAX_WIDTH = 1600
"""Longer lines are squeezed to this."""


def line_input(line: LineImage, *, zoom: float = 1.0, cleaned: bool = False) -> NDArray[np.uint8]:
    """Scale a line image to the line network's height and pad it to whole steps.

    Args:
        line: The line at working scale.
        zoom: Digits this much larger than typical: another view for a second look.
        cleaned: Take the ink without printed lines instead of the ink as scanned.

    Returns:
        (32, W) uint8 coverage, W a multiple of `STRIDE`.
    """
    source = line.ink if cleaned else line.raw
    rows = np.nonzero(line.mask)[0]
    centre = (float(np.percentile(rows, 5)) + float(np.percentile(rows, 95))) / 2 if rows.size else source.shape[0] / 2
    scale = zoom * TYPICAL / line.digit_height
    scale = min(scale, MAX_WIDTH / source.shape[1])
    width = int(np.ceil(source.shape[1] * scale / STRIDE)) * STRIDE
    width = min(max(width, STRIDE * 2), MAX_WIDTH)
    smooth = cv2.GaussianBlur(source, (0, 0), 0.35 / scale) if scale < 0.8 else source
    matrix = np.array([[scale, 0, 0.5 * scale - 0.5], [0, scale, HEIGHT / 2 - centre * scale]], np.float32)
    return cv2.warpAffine(smooth, matrix, (width, HEIGHT), flags=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
