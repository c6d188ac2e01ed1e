"""A candidate's ink becomes 28x28 pixels exactly as MNIST was made.

The steps follow the reconstruction of MNIST from NIST Special Database 19 by Yadav and Bottou, "Cold Case: The Lost
MNIST Digits" (2019), their "hsf" resampling in its simple form: the ink's box is padded to a square, small ones are
doubled, the square is area-averaged to 20x20, the brightest pixel becomes 255, and the result is pasted with its centre
of mass in the middle.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 28
"""Side of a normalised digit in pixels."""
INNER = 20
"""Side of the box that the ink fills."""

Crop = NDArray[np.uint8]
"""A normalised digit, (28, 28) uint8, ink 255 on 0."""


def ink_box(ink: NDArray[np.uint8]) -> tuple[int, int, int, int] | None:
    """Find the tight box around all ink.

    Args:
        ink: Coverage, (H, W) uint8, 0 where there is no ink.

    Returns:
        x, y, width, height; None when there is no ink.
    """
    x, y, width, height = cv2.boundingRect(ink)
    return (x, y, width, height) if width and height else None


def to_mnist(ink: NDArray[np.uint8]) -> Crop:
    """Normalise one digit.

    Args:
        ink: Coverage, (H, W) uint8, 0 paper, 255 ink.

    Returns:
        The digit in MNIST's format; all zero when there is no ink.
    """
    return to_mnist_with_context(ink, None)[0]


def to_mnist_with_context(ink: NDArray[np.uint8], other: NDArray[np.uint8] | None) -> tuple[Crop, Crop]:
    """Normalise one digit and, in the same frame and scale, the ink around it that is not its own.

    MNIST's format discards size, position and neighbours; the second picture gives the neighbours back.

    Args:
        ink: The digit's coverage, (H, W) uint8.
        other: The other ink on the same (H, W) canvas, or None.

    Returns:
        The digit and its surroundings, each (28, 28) uint8.
    """
    crop = np.zeros((SIZE, SIZE), np.uint8)
    context = np.zeros((SIZE, SIZE), np.uint8)
    box = ink_box(ink)
    if box is None:
        return crop, context
    x, y, width, height = box
    side = max(width, height, 10)
    left, top = (side - width) // 2, (side - height) // 2
    square = np.zeros((side, side), np.uint8)
    square[top : top + height, left : left + width] = ink[y : y + height, x : x + width]
    inner = _shrink(square)
    column, row = _paste_position(inner)
    crop[row : row + INNER, column : column + INNER] = inner
    if other is not None:
        scale = side / INNER
        context = _window(other, x - left - column * scale, y - top - row * scale, SIZE * scale)
    return crop, context


def _shrink(square: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Area-average a square to 20x20 and stretch its maximum to 255."""
    while square.shape[0] < INNER:
        square = np.repeat(np.repeat(square, 2, axis=0), 2, axis=1)
    small = cv2.resize(square, (INNER, INNER), interpolation=cv2.INTER_AREA)
    peak = int(small.max())
    stretched = cv2.convertScaleAbs(small, alpha=255.0 / peak) if peak else small
    return stretched.astype(np.uint8, copy=False)


def _paste_position(inner: NDArray[np.uint8]) -> tuple[int, int]:
    """Say where 20x20 ink goes in 28x28 so that its centre of mass is at about 14, 14."""
    moments = cv2.moments(inner)
    mass = moments["m00"]
    if mass == 0:
        return 4, 4
    # Pixel centres are at +0.5: the barycentre of a single pixel at 0, 0 is 0.5, 0.5.
    column = int(15 - (moments["m10"] / mass + 0.5))
    row = int(15 - (moments["m01"] / mass + 0.5))
    limit = SIZE - INNER
    return min(max(column, 0), limit), min(max(row, 0), limit)


def _window(canvas: NDArray[np.uint8], left: float, top: float, side: float) -> NDArray[np.uint8]:
    """Cut a square window, zero outside the canvas, and area-average it to 28x28."""
    x0, y0, size = round(left), round(top), max(1, round(side))
    height, width = canvas.shape
    patch = np.zeros((size, size), np.uint8)
    ax, ay = max(x0, 0), max(y0, 0)
    bx, by = min(x0 + size, width), min(y0 + size, height)
    if ax < bx and ay < by:
        patch[ay - y0 : by - y0, ax - x0 : bx - x0] = canvas[ay:by, ax:bx]
    return cv2.resize(patch, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
