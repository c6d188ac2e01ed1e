"""What happens to digits on paper and in a camera: fifteen corruptions after the list of MNIST-C.

The list follows Mu and Gilmer, "MNIST-C: A Robustness Benchmark for Computer Vision" (2019). The pictures are made by
this module's own code, at one severity each, so figures compare between networks measured here, not with the paper's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
"""(N, 28, 28) uint8, ink 255 on paper 0."""
Corruption = Callable[[Images, np.random.Generator], Images]

SIDE = 28


def corrupt(name: str, x: Images, seed: int = 0) -> Images:
    """Apply one corruption, the same way at each call.

    Args:
        name: A key of `CORRUPTIONS`.
        x: (N, 28, 28) uint8.
        seed: Of the random part.

    Returns:
        (N, 28, 28) uint8, a new array.
    """
    return CORRUPTIONS[name](x, np.random.default_rng(seed))


def shot_noise(x: Images, rng: np.random.Generator) -> Images:
    """Few photons: Poisson noise."""
    photons = 8.0
    return _pixels(rng.poisson(x / 255.0 * photons) / photons * 255)


def impulse_noise(x: Images, rng: np.random.Generator) -> Images:
    """Dead and hot pixels: a tenth of all, half of them black, half white."""
    chance = rng.random(x.shape)
    return np.where(chance < 0.05, np.uint8(0), np.where(chance > 0.95, np.uint8(255), x))


def glass_blur(x: Images, rng: np.random.Generator) -> Images:
    """Frosted glass: each pixel from a random place within two pixels, then a slight blur."""
    offsets = rng.integers(-2, 3, (2, *x.shape))
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    source_rows = np.clip(rows + offsets[0], 0, SIDE - 1)
    source_columns = np.clip(columns + offsets[1], 0, SIDE - 1)
    scattered = x[np.arange(len(x))[:, None, None], source_rows, source_columns]
    return _each(scattered, lambda image, _: np.asarray(cv2.GaussianBlur(image, (0, 0), 0.7), np.uint8))


def motion_blur(x: Images, rng: np.random.Generator) -> Images:
    """A moving camera: a mean along a line of seven pixels in a random direction."""
    angles = rng.uniform(0, math.pi, len(x))

    def blur(image: Images, index: int) -> Images:
        kernel = np.zeros((7, 7), np.float32)
        dx, dy = 3 * math.cos(angles[index]), 3 * math.sin(angles[index])
        cv2.line(kernel, (round(3 - dx), round(3 - dy)), (round(3 + dx), round(3 + dy)), 1.0)
        return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)

    return _each(x, blur)


def shear(x: Images, rng: np.random.Generator) -> Images:
    """Slanted writing: 22 to 31 degrees to either side."""
    slants = np.tan(np.radians(rng.uniform(22, 31, len(x)))) * rng.choice([-1, 1], len(x))
    return _warp(x, lambda index: np.array([[1.0, slants[index]], [0.0, 1.0]]))


def scale(x: Images, rng: np.random.Generator) -> Images:
    """Small writing: 0.55 to 0.7 of the size along each axis."""
    factors = rng.uniform(0.55, 0.7, (len(x), 2))
    return _warp(x, lambda index: np.diag(factors[index]))


def rotate(x: Images, rng: np.random.Generator) -> Images:
    """Turned paper: 20 to 30 degrees to either side."""
    angles = np.radians(rng.uniform(20, 30, len(x))) * rng.choice([-1, 1], len(x))

    def turn(index: int) -> NDArray[np.float64]:
        cosine, sine = math.cos(angles[index]), math.sin(angles[index])
        return np.array([[cosine, -sine], [sine, cosine]])

    return _warp(x, turn)


def translate(x: Images, rng: np.random.Generator) -> Images:
    """A crop off its centre: three to four pixels along each axis."""
    shifts = rng.uniform(3, 4, (len(x), 2)) * rng.choice([-1, 1], (len(x), 2))
    return _warp(x, lambda _: np.eye(2), shifts)


def brightness(x: Images, rng: np.random.Generator) -> Images:
    """Paper that is not white: everything is lifted by 90 of 255 levels."""
    return _pixels(x.astype(np.float64) + 90 + rng.normal(0, 3, x.shape))


def faint(x: Images, rng: np.random.Generator) -> Images:
    """Faint pencil: 25 to 35 % of the contrast."""
    return _pixels(x * rng.uniform(0.25, 0.35, (len(x), 1, 1)))


def fog(x: Images, rng: np.random.Generator) -> Images:
    """Stains and shadow: a smooth random veil over the picture."""
    veil = np.zeros(x.shape, np.float32)
    for cells, weight in ((3, 0.6), (6, 0.3), (12, 0.1)):
        coarse = rng.random((len(x), cells, cells), dtype=np.float32)
        veil += weight * np.stack([cv2.resize(field, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for field in coarse])
    return _pixels(0.6 * x + 190 * veil)


def stripe(x: Images, rng: np.random.Generator) -> Images:
    """A ruled line through the digit: two pixels of ink right across, at a random height of the middle half."""
    heights = rng.integers(7, 20, len(x))
    result = x.copy()
    for offset in (0, 1):
        result[np.arange(len(x)), heights + offset] = 255
    return result


def dotted_line(x: Images, rng: np.random.Generator) -> Images:
    """A dotted guide line across the digit at a random slant."""

    def draw(image: Images, start: NDArray[np.float64], end: NDArray[np.float64]) -> None:
        for step in np.arange(0, 1, 4.0 / 28):
            column, row = start + step * (end - start)
            cv2.circle(image, (round(column), round(row)), 1, 210, -1)

    return _lines(x, rng, draw)


def zigzag(x: Images, rng: np.random.Generator) -> Images:
    """A scribbled zigzag across the digit at a random slant."""

    def draw(image: Images, start: NDArray[np.float64], end: NDArray[np.float64]) -> None:
        along = (end - start) / 8
        across = np.array([-along[1], along[0]]) * 0.8
        points = [start + step * along + across * (-1) ** step for step in range(9)]
        cv2.polylines(image, [np.array(points, np.int32)], isClosed=False, color=210, thickness=1)

    return _lines(x, rng, draw)


def spatter(x: Images, rng: np.random.Generator) -> Images:
    """Ink drops: blurred blobs over four per cent of the picture, and bald spots as large."""
    result = np.empty_like(x)
    for index, image in enumerate(x):
        field = cv2.GaussianBlur(rng.normal(size=(SIDE, SIDE)).astype(np.float32), (0, 0), 1.2)
        low, high = np.percentile(field, (4, 96))
        result[index] = np.where(field > high, np.uint8(230), np.where(field < low, np.uint8(0), image))
    return result


CORRUPTIONS: Mapping[str, Corruption] = MappingProxyType(
    {
        corruption.__name__: corruption
        for corruption in (
            shot_noise,
            impulse_noise,
            glass_blur,
            motion_blur,
            shear,
            scale,
            rotate,
            translate,
            brightness,
            faint,
            fog,
            stripe,
            dotted_line,
            zigzag,
            spatter,
        )
    }
)
"""Every corruption by its name."""


def _pixels(values: NDArray[np.floating]) -> Images:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def _each(x: Images, change: Callable[[Images, int], Images]) -> Images:
    return np.stack([change(image, index) for index, image in enumerate(x)])


def _warp(x: Images, linear: Callable[[int], NDArray[np.float64]], shifts: NDArray[np.float64] | None = None) -> Images:
    """Map each image about its centre by a (2, 2) matrix, then shift it by (x, y) pixels."""
    centre = np.full(2, (SIDE - 1) / 2)

    def warp(image: Images, index: int) -> Images:
        matrix = linear(index)
        offset = centre - matrix @ centre + (shifts[index] if shifts is not None else 0)
        return np.asarray(cv2.warpAffine(image, np.column_stack([matrix, offset]), (SIDE, SIDE)), np.uint8)

    return _each(x, warp)


def _lines(
    x: Images, rng: np.random.Generator, draw: Callable[[Images, NDArray[np.float64], NDArray[np.float64]], None]
) -> Images:
    """Draw a line of some kind from the left edge to the right edge of a copy of each image."""
    heights = rng.uniform(5, 23, (len(x), 2))
    result = x.copy()
    for image, (left, right) in zip(result, heights, strict=True):
        draw(image, np.array([0.0, left]), np.array([SIDE - 1.0, right]))
    return result
