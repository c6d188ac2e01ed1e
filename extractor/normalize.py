"""A candidate's ink becomes 28x28 pixels exactly as MNIST was made.

The steps follow the reconstruction of MNIST from NIST Special Database 19 by Yadav and Bottou, "Cold Case: The Lost
MNIST Digits" (2019), their "hsf" resampling in its simple form: the ink's box is padded to a square, small ones are
doubled, the square is area-averaged to 20x20, the brightest pixel becomes 255, and the result is pasted with its centre
of mass in the middle.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

SIZE = 28
"""Side of a normalised digit in pixels."""
INNER = 20
"""Side of the box that the ink fills."""
LEAST_SIDE = 10
"""Smaller ink than this many pixels is not enlarged to fill the box."""
FAINTEST = 96
"""What belongs to a piece of ink counts as at least this dark: a cut leaves the thin edges of strokes."""

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
    side = max(width, height, LEAST_SIDE)
    left, top = (side - width) // 2, (side - height) // 2
    square = np.zeros((side, side), np.uint8)
    square[top : top + height, left : left + width] = ink[y : y + height, x : x + width]
    inner = np.empty((1, INNER, INNER), np.uint8)
    _shrink(square, inner[0])
    inner = _stretched(inner)
    column, row = _paste_positions(inner)[0].tolist()
    crop[row : row + INNER, column : column + INNER] = inner[0]
    if other is not None:
        scale = side / INNER
        context = _window(other, x - left - column * scale, y - top - row * scale, SIZE * scale)
    return crop, context


def normalize_runs(
    ink: NDArray[np.uint8], labels: NDArray[np.int32] | NDArray[np.uint8], runs: NDArray[np.int64]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Normalise many digits of one line, each a run of neighbouring pieces, with their surroundings.

    Each comes out as from `to_mnist_with_context`; what can be done for all at once is.

    Args:
        ink: Coverage, (H, W) uint8.
        labels: Piece of each pixel from 1; 0 paper; (H, W) int32 or uint8.
        runs: For each of N digits its first and last label and the tight box of its pixels (x, y, w, h), (N, 6).

    Returns:
        The digits and their surroundings, each (N, 28, 28) uint8.
    """
    crops = np.zeros((len(runs), SIZE, SIZE), np.uint8)
    context = np.zeros((len(runs), SIZE, SIZE), np.uint8)
    inner = np.empty((len(runs), INNER, INNER), np.uint8)
    dark = np.maximum(ink, FAINTEST)
    known = np.where(labels > 0, ink, 0).astype(np.uint8)
    if runs[:, 1].max(initial=0) < 255 and labels.max(initial=0) <= 255:  # A quarter of the memory to look through.
        labels = labels.astype(np.uint8)
    for small, (first, last, x, y, width, height) in zip(inner, runs.tolist(), strict=True):
        window = (slice(y, y + height), slice(x, x + width))
        square = cv2.bitwise_and(dark[window], cv2.inRange(labels[window], first, last))
        side = max(width, height, LEAST_SIDE)
        left, top = (side - width) // 2, (side - height) // 2
        _shrink(_padded(square, (top, side - height - top, left, side - width - left)), small)
    inner = _stretched(inner)
    positions = _paste_positions(inner)
    frames = _frames(runs, positions, known.shape)
    for index, (column, row) in enumerate(positions.tolist()):
        crops[index, row : row + INNER, column : column + INNER] = inner[index]
    for out, (first, last, ax, ay, bx, by, *margins) in zip(context, frames, strict=True):
        if ax < bx and ay < by:
            other = cv2.subtract(known[ay:by, ax:bx], cv2.inRange(labels[ay:by, ax:bx], first, last))
            cv2.resize(_padded(other, margins), (SIZE, SIZE), dst=out, interpolation=cv2.INTER_AREA)
    return crops, context


def _frames(runs: NDArray[np.int64], positions: NDArray[np.int64], shape: tuple[int, ...]) -> list[list[int]]:
    """Say what to cut out around each run of pieces, in the frame in which it was pasted at its position.

    Args:
        runs: As for `normalize_runs`.
        positions: Columns and rows, (N, 2).
        shape: Of the picture.

    Returns:
        For each run its first and last label, left, top, right and bottom (exclusive) of what of the frame is looked
        at, and how far the frame goes on above, below, left and right of it.
    """
    first, last, x, y, width, height = runs.T
    side = np.maximum(np.maximum(width, height), LEAST_SIDE)
    # The frame reaches 0.7 sides from the middle of the ink, and a little more where its mass lies aside.
    margin = side // 2 + 4
    x0, y0 = np.maximum(x - margin, 0), np.maximum(y - margin, 0)
    x1, y1 = np.minimum(x + width + margin, shape[1]), np.minimum(y + height + margin, shape[0])
    scale = side / INNER
    column, row = positions.T
    left = np.rint(x - x0 - (side - width) // 2 - column * scale).astype(np.int64) + x0
    top = np.rint(y - y0 - (side - height) // 2 - row * scale).astype(np.int64) + y0
    size = np.maximum(np.rint(SIZE * scale).astype(np.int64), 1)
    ax, ay = np.maximum(left, x0), np.maximum(top, y0)
    bx, by = np.minimum(left + size, x1), np.minimum(top + size, y1)
    margins = (ay - top, top + size - by, ax - left, left + size - bx)
    found: list[list[int]] = np.column_stack((first, last, ax, ay, bx, by, *margins)).tolist()
    return found


def _padded(picture: cv2.typing.MatLike, margins: Sequence[int]) -> cv2.typing.MatLike:
    """Add no ink above, below, left and right of a picture."""
    if not any(margins):
        return picture
    above, below, left, right = margins
    return cv2.copyMakeBorder(picture, above, below, left, right, cv2.BORDER_CONSTANT)


def _shrink(square: cv2.typing.MatLike, out: NDArray[np.uint8]) -> None:
    """Area-average a square to 20x20 into `out`."""
    while square.shape[0] < INNER:
        square = np.repeat(np.repeat(square, 2, axis=0), 2, axis=1)
    cv2.resize(square, (INNER, INNER), dst=out, interpolation=cv2.INTER_AREA)


def _stretched(inner: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Stretch the maximum of each 20x20 picture to 255, (N, 20, 20)."""
    peak = np.maximum(inner.max(axis=(1, 2), initial=0), 1)
    factor = (255.0 / peak).astype(np.float32)
    return np.asarray(np.rint(inner * factor[:, None, None]), np.uint8)


def _paste_positions(inner: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Say where 20x20 ink goes in 28x28 so that its centre of mass is at about 14, 14: (N, 2) columns and rows."""
    steps = np.arange(INNER)
    columns = inner.sum(axis=1, dtype=np.int64)
    rows = inner.sum(axis=2, dtype=np.int64)
    mass = columns.sum(axis=1)
    moments = np.stack((columns @ steps, rows @ steps), axis=1)
    # Pixel centres are at +0.5: the barycentre of a single pixel at 0, 0 is 0.5, 0.5.
    places = np.trunc(15 - (moments / np.maximum(mass, 1)[:, None] + 0.5))
    places[mass == 0] = 4
    return np.asarray(np.clip(places, 0, SIZE - INNER), np.int64)


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
