"""Random affine distortion of training digits."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from training.recipe import Augmentation


def distort(x: NDArray[np.uint8], augmentation: Augmentation, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Rotate, scale, shear and shift each image at random about its centre.

    Args:
        x: (N, 28, 28) uint8, paper 0.
        augmentation: The largest distortion of each kind; every amount up to it is equally likely.
        rng: Where the amounts come from.

    Returns:
        (N, 28, 28) uint8, a new array.
    """
    amounts = rng.uniform(-1, 1, (len(x), 6))
    result = np.empty_like(x)
    for index, image in enumerate(x):
        matrix = _matrix(augmentation, amounts[index], image.shape[0])
        result[index] = cv2.warpAffine(image, matrix, (image.shape[1], image.shape[0]), flags=cv2.INTER_LINEAR)
    return result


def _matrix(augmentation: Augmentation, amounts: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """The (2, 3) matrix of one distortion; `amounts` are six numbers in [-1, 1]."""
    angle = math.radians(augmentation.rotation * amounts[0])
    slant = math.tan(math.radians(augmentation.shear * amounts[1]))
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    linear = rotation @ np.array([[1.0, slant], [0.0, 1.0]]) @ np.diag(1 + augmentation.scale * amounts[2:4])
    centre = np.full(2, (side - 1) / 2)
    offset = centre - linear @ centre + augmentation.shift * amounts[4:6]
    return np.column_stack([linear, offset])
