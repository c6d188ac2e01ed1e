"""A page image becomes ink on paper: how dark each pixel is against its own background, and which pixels are ink.

The background is taken out per colour channel, so that a shadow, a colour cast or tinted paper leaves no trace and
blue or pencil strokes count like black ones. What follows works on ink coverage alone (0 paper, 255 ink) and knows no
colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Ink = NDArray[np.uint8]
"""Ink coverage, (H, W) uint8: 0 paper, 255 full ink."""
Mask = NDArray[np.bool_]
"""True where there is ink, (H, W)."""

MIN_CONTRAST = 10.0
"""Ink fainter than this many of 255 grey levels below its paper is not told from noise."""


_BACKGROUND_SIDE = 480
"""Longest side, in pixels, at which the paper is estimated: paper and light change slowly."""
_MOST_NOISE = 16.0
"""Unevenness beyond this many grey levels is the texture of what lies around the paper, not noise."""
_LIGHT = 140.0
"""A page whose mean is lighter than this is a light page."""
_MANY = 4_000_000
"""Of so many pixels every other row tells how dark the ink is."""
_NEIGHBOURS = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, slots=True)
class CleanPage:
    """A page without its paper.

    Attributes:
        ink: Ink coverage, (H, W) uint8, 0 paper, 255 the darkest ink of the page.
        mask: Pixels that are ink, (H, W) bool.
        stroke: Typical stroke width in pixels; 0 when there is no ink.
    """

    ink: Ink
    mask: Mask
    stroke: float


def clean(image: NDArray[np.uint8]) -> CleanPage:
    """Take the paper out of a page image.

    Args:
        image: Grey (H, W) or BGR (H, W, 3), uint8.

    Returns:
        The page as ink coverage with its mask.
    """
    darkness = ink_darkness(image)
    mask, level = binarize(darkness)
    ink = coverage(darkness, level)
    return CleanPage(ink=ink, mask=mask, stroke=stroke_width(mask))


def ink_darkness(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Measure how much darker each pixel is than the paper around it.

    A page of light strokes on a dark ground is turned over first. Each channel is divided by its own background (a
    grey closing at low resolution, after Vincent's and Sauvola's background normalisation); of the channels, the one in
    which the ink is darkest counts half and their mean half, which finds blue and pencil strokes and still averages out
    chroma noise.

    Args:
        image: Grey (H, W) or BGR (H, W, 3), uint8.

    Returns:
        Darkness, (H, W) uint8: 0 paper, 255 black on white.
    """
    if is_light_on_dark(image):
        image = cv2.bitwise_not(image).astype(np.uint8, copy=False)
    if image.ndim == 3 and _is_grey(image):
        image = np.ascontiguousarray(image[:, :, 0])
    ratio = cv2.divide(image, background(image), scale=255)
    darkness: NDArray[np.uint8] = cv2.bitwise_not(ratio, dst=ratio).astype(np.uint8, copy=False)
    if darkness.ndim == 2:
        return darkness
    blue, green, red = cv2.split(darkness)
    darkest = cv2.max(cv2.max(blue, green), red)
    luma = cv2.cvtColor(darkness, cv2.COLOR_BGR2GRAY)
    return cv2.addWeighted(darkest, 0.5, luma, 0.5, 0).astype(np.uint8, copy=False)


def is_light_on_dark(image: NDArray[np.uint8]) -> bool:
    """Tell whether the strokes are lighter than the ground.

    Strokes are the minority that sticks out of the local background: the sign of the third moment of the high-pass
    image says to which side.

    Args:
        image: Grey (H, W) or BGR (H, W, 3), uint8.
    """
    step = max(1, max(image.shape) // 1200)
    image = np.ascontiguousarray(image[::step, ::step])
    gray = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    if cv2.mean(gray)[0] > _LIGHT + 5:  # Most pages; made small, their mean stays within a level or two.
        return False
    scale = min(1.0, 600 / max(gray.shape))
    small = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else gray
    if float(np.mean(small)) > _LIGHT:  # The strokes are the minority: a light page cannot be light on dark.
        return False
    size = max(3, min(small.shape) // 4 | 1)
    high = small.astype(np.float32) - cv2.blur(small, (size, size), borderType=cv2.BORDER_REPLICATE)
    return bool(np.mean(high**3) > 0 and np.percentile(small, 99.8) > 2.0 * np.median(small) + 40)


def background(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Estimate the paper under the ink by a grey closing at low resolution, each channel by itself.

    Args:
        image: Grey (H, W) or BGR (H, W, 3), uint8.

    Returns:
        Paper brightness, same shape, uint8, at least 1.
    """
    height, width = image.shape[:2]
    side = min(height, width)
    factor = max(1, -(-max(height, width) // _BACKGROUND_SIDE))
    if factor > 1:
        # The brightest of each block: thin strokes are gone before any are averaged into the paper.
        top, left = min(factor // 2, height - 1), min(factor // 2, width - 1)
        small = cv2.dilate(image, np.ones((factor, factor), np.uint8))[top::factor, left::factor]
    else:
        small = image
    kernel = int(max(9, min(side // 12, 160) // factor, 24 // factor)) | 1
    small = cv2.medianBlur(np.ascontiguousarray(small), 3)
    border = kernel
    padded = cv2.copyMakeBorder(small, border, border, border, border, cv2.BORDER_REPLICATE)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (kernel, kernel)))
    closed = cv2.GaussianBlur(closed, (0, 0), kernel / 3)[border:-border, border:-border]
    paper = np.maximum(closed, 1)
    return cv2.resize(paper, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)


def binarize(darkness: NDArray[np.uint8]) -> tuple[Mask, float]:
    """Split ink from paper.

    Otsu's threshold (1979) over the pixels near edges only, where ink and paper are about equally many, so that a page
    with three digits is split as surely as a page full of text; then hysteresis: a fainter pixel is ink where it hangs
    on a clear one, which keeps faint ends of strokes without letting in paper noise.

    Args:
        darkness: (H, W) uint8, 0 paper.

    Returns:
        The mask and the darkness of full ink; an empty mask and 255 when nothing stands out.
    """
    empty = np.zeros(darkness.shape, np.bool_)
    smooth = cv2.GaussianBlur(darkness, (3, 3), 0)
    # What `MORPH_GRADIENT` is, in a third of its time. Of a large page each new picture costs as much as what is done
    # with it: three are used over and over.
    spare, gradient = cv2.erode(smooth, _NEIGHBOURS), cv2.dilate(smooth, _NEIGHBOURS)
    gradient = cv2.subtract(gradient, spare, dst=gradient)
    # How many pixels there are of each gradient and darkness: one pass for all that is counted below.
    step = 1 if darkness.size < _MANY else 2
    planes = [gradient[::step], darkness[::step]]
    joint = cv2.calcHist(planes, [0, 1], None, [256, 256], [0, 256, 0, 256]).astype(np.float64)
    histogram = joint.sum(axis=1)
    noise = min(float(np.searchsorted(np.cumsum(histogram), 0.5 * histogram.sum())), _MOST_NOISE)
    floor = max(MIN_CONTRAST, 2.5 * noise)
    # Where nothing changes there is paper, a little darker than the brightest of it that it was measured against.
    flat = joint[: int(noise) + 1].sum(axis=0)
    paper = float(np.searchsorted(np.cumsum(flat), 0.5 * flat.sum()))
    values = joint[int(max(floor, _otsu(histogram) * 0.75)) + 1 :].sum(axis=0)
    if values.sum() < 8:
        return empty, 255.0
    threshold = max(_otsu(values), paper + floor)
    inside = joint.sum(axis=0)
    inside[: int(threshold) + 1] = 0
    if inside.sum() == 0:
        return empty, 255.0
    level = float(np.searchsorted(np.cumsum(inside), 0.75 * inside.sum()))
    weak = _above(smooth, max(0.62 * threshold, paper + 0.8 * floor), smooth)
    # A single dark pixel among light ones is noise, however dark.
    mask = _above(darkness, threshold, spare)
    mask = cv2.bitwise_and(mask, weak, dst=mask)
    # A weak pixel counts only within two steps of a clear one: hysteresis must not flood a grey background.
    for _ in range(2):
        mask = cv2.bitwise_and(cv2.dilate(mask, _NEIGHBOURS, dst=gradient), weak, dst=mask)
    ink = _above(mask, 0, mask, 1)
    return np.asarray(ink, np.uint8).view(np.bool_), level


def coverage(darkness: NDArray[np.uint8], level: float) -> Ink:
    """Scale darkness so that full ink is 255.

    Args:
        darkness: (H, W) uint8, 0 paper.
        level: Darkness of full ink.

    Returns:
        Ink coverage, (H, W) uint8.
    """
    return cv2.convertScaleAbs(darkness, alpha=255.0 / max(level, 1.0)).astype(np.uint8, copy=False)


def stroke_width(mask: Mask) -> float:
    """Estimate the typical stroke width: twice the ink area over the outline's length.

    A stroke of width w and length l has area w*l and an outline of about 2*l.

    Args:
        mask: (H, W) bool.

    Returns:
        Pixels; 0 when there is no ink.
    """
    area = int(np.count_nonzero(mask))
    if area == 0:
        return 0.0
    # All ink on the edge is outline.
    inside = cv2.erode(mask.view(np.uint8), _NEIGHBOURS)[1:-1, 1:-1]
    outline = area - (cv2.countNonZero(inside) if inside.size else 0)
    return max(1.0, 2.0 * area / max(outline, 1))


def shrink(image: Ink, scale: float) -> Ink:
    """Reduce a picture by averaging over areas, first by whole halves, which OpenCV does far faster than other shares.

    Args:
        image: (H, W) uint8.
        scale: At 1 or above the picture stays as it is.

    Returns:
        (H * scale, W * scale) uint8.
    """
    height, width = image.shape
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    while scale <= 0.5 and min(image.shape) >= 2:
        image = reduce_by(image, 2)
        scale *= 2
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def reduce_by(image: Ink, factor: int) -> Ink:
    """Average over squares of a whole number of pixels; what is left over at the right and below is cut off.

    Args:
        image: (H, W) uint8, at least one square large.
        factor: Side of a square.

    Returns:
        (H // factor, W // factor) uint8.
    """
    height, width = image.shape[0] // factor, image.shape[1] // factor
    part = image[: height * factor, : width * factor]
    return cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def components(flat: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """Label the connected components of ink, diagonal neighbours included.

    Args:
        flat: (H, W), not 0 where there is ink.

    Returns:
        Number of the component of each pixel, 0 for paper, (H, W); for each number ``cv2.CC_STAT_*``, (N, 5),
        and the centre of mass x, y, (N, 2).
    """
    # The same numbers as from the default algorithm, in half its time (Grana et al., "Optimized Block-Based Connected
    # Components Labeling With Decision Trees", 2010).
    _, labels, stats, centres = cv2.connectedComponentsWithStatsWithAlgorithm(flat, 8, cv2.CV_32S, cv2.CCL_BBDT)
    return (
        labels.astype(np.int32, copy=False),
        stats.astype(np.int32, copy=False),
        centres.astype(np.float64, copy=False),
    )


def percentile(counts: NDArray[np.integer[Any]], share: float) -> float:
    """Percentile of whole numbers of which it is known how often each occurs, as `numpy.percentile` has it.

    Args:
        counts: How often 0, 1, 2, ... occur, (N,), not all zero.
        share: 0 to 100.

    Returns:
        The number below which that share lies, linear between neighbours.
    """
    sums = np.cumsum(counts)
    position = (int(sums[-1]) - 1) * (share / 100)
    low, high = np.searchsorted(sums, (np.floor(position), np.ceil(position)), side="right").tolist()
    part = position - np.floor(position)
    return float(low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part))


def median(values: NDArray[np.floating[Any]]) -> float:
    """The median as `numpy.median` has it, which takes ten times as long over a few numbers.

    Args:
        values: (N,), at least one.
    """
    ordered = np.sort(values)
    middle = len(ordered) // 2
    return float(ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2)


def _above(values: cv2.typing.MatLike, threshold: float, out: cv2.typing.MatLike, yes: int = 255) -> cv2.typing.MatLike:
    """255 or ``yes`` where a value is above the threshold, else 0, in ``out``."""
    return cv2.threshold(values, threshold, yes, cv2.THRESH_BINARY, dst=out)[1]


def _is_grey(image: NDArray[np.uint8]) -> bool:
    """Tell whether a colour image holds one channel three times, which a third of the work then suits."""
    sample = image[::16, ::16]
    if (sample != sample[:, :, :1]).any():
        return False
    blue, green, red = cv2.split(image)
    return not (cv2.norm(blue, green, cv2.NORM_INF) or cv2.norm(blue, red, cv2.NORM_INF))


def _otsu(weights: NDArray[np.float64]) -> float:
    """Otsu's threshold of a histogram of 256 bins: the split with the greatest variance between classes."""
    total = weights.sum()
    if total == 0:
        return 0.0
    low = np.cumsum(weights)
    mass = np.cumsum(weights * np.arange(256))
    high = total - low
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mass[-1] * low - mass * total) ** 2 / (low * high)
    between[~np.isfinite(between)] = 0
    return float(np.argmax(between))
