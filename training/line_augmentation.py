"""Varies lines: a synthetic line, or one of a user's few, must stand for many hands, pens and scans."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.line_input import HEIGHT, STRIDE

BENT = 0.55
"""Share of lines whose shapes are bent."""
BEND = 1.0
"""Largest standard deviation of a bend, in pixels: a twentieth of a digit."""
_KNOTS = 11
"""Distance between the knots of a bend, in pixels: about the width of a digit."""


def vary(
    picture: NDArray[np.uint8], least_steps: int, rng: np.random.Generator, strength: float = 1.0
) -> NDArray[np.float32]:
    """Vary width, slant, height, place, shapes, stroke width, contrast and noise of a line, and break strokes.

    Args:
        picture: (32, W) uint8.
        least_steps: The result is at least this many times `STRIDE` wide.
        rng: Source of randomness.
        strength: 1 for all of it, less for smaller and rarer changes.

    Returns:
        (32, W') float32, 0-255, W' a multiple of `STRIDE`.
    """
    width = picture.shape[1]
    across = float(np.exp(strength * np.clip(rng.normal(0, 0.15), -0.35, 0.35)))
    across = max(across, least_steps * STRIDE / width)
    down = float(np.exp(strength * np.clip(rng.normal(0, 0.08), -0.2, 0.2)))
    shear, slope, shift = strength * rng.normal(0, (0.14, 0.006, 1.3))
    new_width = -(-round(width * across) // STRIDE) * STRIDE
    middle = HEIGHT / 2
    matrix = np.array(
        [
            [across, -shear, shear * middle],
            [slope * across, down, middle * (1 - down) - slope * new_width / 2 + shift],
        ],
        np.float32,
    )
    values: NDArray[np.integer[Any] | np.floating[Any]]
    if rng.random() < BENT * strength:
        values = _bend(picture, matrix, new_width, strength * rng.uniform(0.2, 1.0) * BEND, rng)
    else:
        values = cv2.warpAffine(picture, matrix, (new_width, HEIGHT), flags=cv2.INTER_LINEAR)
    kind = rng.random() / strength
    if kind < 0.25:
        change = cv2.dilate if kind < 0.12 else cv2.erode
        values = cv2.addWeighted(values, rng.uniform(0, 0.8), change(values, np.ones((2, 2), np.uint8)), 1.0, 0.0)
    elif kind < 0.4:
        values = cv2.GaussianBlur(values, (0, 0), rng.uniform(0.3, 0.9))
    shown = np.clip(values.astype(np.float32) / 255, 0, 1) ** float(np.exp(strength * rng.normal(0, 0.25)))
    if rng.random() < 0.25 * strength:
        for _ in range(int(rng.integers(1, 5))):
            x, y, size = int(rng.integers(new_width)), int(rng.integers(4, HEIGHT - 4)), int(rng.integers(1, 4))
            shown[y : y + size, x : x + size] = 0.0
    shown *= float(rng.uniform(1 - 0.35 * strength, 1.1))
    if rng.random() < 0.3 * strength:
        shown += rng.normal(0, rng.uniform(0.01, 0.1), shown.shape).astype(np.float32)
    return np.asarray(np.clip(shown * 255, 0, 255), np.float32)


def _bend(
    picture: NDArray[np.uint8], matrix: NDArray[np.float32], width: int, size: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Warp a line by a matrix and, about the knots of a grid, a little each its own way.

    Wigington et al., "Data augmentation for recognition of handwritten words and lines using a CNN-LSTM network", 2017.
    """
    grid = rng.normal(0, size, (2, HEIGHT // _KNOTS + 2, width // _KNOTS + 2)).astype(np.float32)
    aside, below = (cv2.resize(knots, (width, HEIGHT), interpolation=cv2.INTER_CUBIC) for knots in grid)
    back = cv2.invertAffineTransform(matrix).astype(np.float32)
    aside += np.arange(width, dtype=np.float32)
    below += np.arange(HEIGHT, dtype=np.float32)[:, None]
    columns = back[0, 0] * aside + back[0, 1] * below + back[0, 2]
    rows = back[1, 0] * aside + back[1, 1] * below + back[1, 2]
    return np.asarray(cv2.remap(picture, columns, rows, cv2.INTER_LINEAR), np.uint8)
