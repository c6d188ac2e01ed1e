"""Varies crops: each is moved, turned, slanted, stretched and bent by an amount of its own."""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

_KNOTS = (5, 5)
"""Places of a crop whose displacement is drawn; between them it is smooth."""
_NO_MAP = np.empty(0, np.float32)
"""OpenCV's second map, where the first holds both coordinates."""


class Limits(Protocol):
    """How far crops are varied, see `training.reference_recipe.CropSettings`."""

    @property
    def rotation(self) -> float:
        """Degrees to either side."""

    @property
    def scale(self) -> float:
        """Largest change of size in each direction, logarithmic."""

    @property
    def shear(self) -> float:
        """Pixels per pixel."""

    @property
    def shift(self) -> float:
        """Pixels."""

    @property
    def bend(self) -> float:
        """Standard deviation of a smooth displacement, pixels."""


def distort(planes: NDArray[np.uint8], limits: Limits, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Move, turn, slant, stretch and bend each example by an amount of its own, both planes alike.

    An affine map and a smooth random displacement: Simard, Steinkraus and Platt, "Best practices for convolutional
    neural networks applied to visual document analysis" (2003).

    Args:
        planes: (N, 28, 28, 2) uint8.
        limits: How far.
        rng: Source of randomness.

    Returns:
        (N, 28, 28, 2) uint8.
    """
    count, size = planes.shape[:2]
    angle = np.deg2rad(rng.uniform(-limits.rotation, limits.rotation, count))
    shear = rng.uniform(-limits.shear, limits.shear, count)
    scale_x = np.exp(rng.uniform(-limits.scale, limits.scale, count))
    scale_y = np.exp(rng.uniform(-limits.scale, limits.scale, count))
    shift = rng.uniform(-limits.shift, limits.shift, (count, 2))
    rows = np.array(
        [
            [np.cos(angle) * scale_x, (np.sin(angle) + shear) * scale_x],
            [-np.sin(angle) * scale_y, np.cos(angle) * scale_y],
        ]
    ).transpose(2, 0, 1)
    at = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1) - (size - 1) / 2
    maps = np.einsum("nij,yxj->nyxi", rows, at) + (size - 1) / 2 + shift[:, None, None]
    bends = rng.normal(0, limits.bend, (count, *_KNOTS, 2)).astype(np.float32)
    moved = np.empty_like(planes)
    for index, (picture, where, bend) in enumerate(zip(planes, maps.astype(np.float32), bends, strict=True)):
        where += cv2.resize(bend, (size, size), interpolation=cv2.INTER_CUBIC)
        moved[index] = cv2.remap(picture, where, _NO_MAP, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return moved
