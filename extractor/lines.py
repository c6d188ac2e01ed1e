"""One region becomes a line image: printed lines removed, cropped to its ink, at the scale that later stages work at.

Everything after this module can count in digits: a typical digit is `DIGIT_HEIGHT` pixels high whatever the scan's
resolution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.dividers import find_dividers
from extractor.preprocess import Ink, Mask, components, stroke_width

DIGIT_HEIGHT = 44
"""Height in pixels of a typical digit of a line image."""
MAX_LENGTH = 4096
"""A line image is never longer than this: about ninety digits."""
MAX_GROWTH = 4.0
"""Small digits are not enlarged more than this: there is nothing to see in them."""

_SMALL_END = (0.2, 0.33)
"""Width and height in digits from which on a digit is one at either end of a string: last zeros are often small."""
_BESIDE_TAIL = 0.36
"""Height of a digit beside one with a tail, of the latter's."""
_OFF_BASE = 0.25
"""Height in digits above the lowest ink up to which such a digit ends; marks that close an amount float higher."""
_END_GAP = 1.2
"""Distance in digits up to which such a digit belongs to the string."""


@dataclass(frozen=True, slots=True)
class LineImage:
    """One string at working scale.

    Attributes:
        ink: Coverage without printed lines, (H, W) uint8.
        raw: Coverage as scanned, printed lines included, (H, W) uint8.
        mask: The ink pixels of `ink`, (H, W) bool.
        scale: Working pixels per region pixel.
        origin: x, y of the image's corner in region pixels.
        digit_height: Height of a typical digit in working pixels, near `DIGIT_HEIGHT`.
        stroke: Typical stroke width in working pixels.
        is_comb: Whether it is written into a comb, whose dividers `ink` lacks.
    """

    ink: Ink
    raw: Ink
    mask: Mask
    scale: float
    origin: tuple[float, float]
    digit_height: float
    stroke: float
    is_comb: bool = False


def line_image(ink: Ink, mask: Mask) -> LineImage | None:
    """Prepare one region.

    Args:
        ink: Coverage, (H, W) uint8.
        mask: Its ink pixels, (H, W) bool.

    Returns:
        The line at working scale, or None when the region is blank.
    """
    parts = _Parts.of(mask)
    ruled, is_comb = _ruling(mask, parts)
    if ruled.any():
        parts = _Parts.of(mask & ~ruled)
    writing = _is_writing(parts)
    if not writing.any():
        return None
    kept = parts.only(writing)
    x, y, width, height, digit = _ink_band(parts.stats[writing], mask.shape[1])
    pad = round(0.25 * digit) + 1
    x0, y0 = max(0, x - pad), max(0, y - pad)
    x1, y1 = min(mask.shape[1], x + width + pad), min(mask.shape[0], y + height + pad)
    scale = min(DIGIT_HEIGHT / digit, MAX_GROWTH, MAX_LENGTH / max(1, x1 - x0))
    window = (slice(y0, y1), slice(x0, x1))
    near = cv2.dilate(kept.view(np.uint8), np.ones((3, 3), np.uint8))
    seen = np.ascontiguousarray(ink[window])
    raw = _resize(seen, scale)
    own = cv2.multiply(seen, near[window]).astype(np.uint8, copy=False)
    if ruled.any():
        beside = cv2.dilate(ruled.view(np.uint8), np.ones((3, 1), np.uint8))[window] > 0
        own[beside & ~kept[window]] = 0
    # Where nothing but the writing was to be seen, it is the same picture.
    own = raw if np.array_equal(own, seen) else _resize(own, scale)
    small = _resize(kept[window].view(np.uint8) * np.uint8(255), scale) > 110
    return LineImage(
        ink=own,
        raw=raw,
        mask=small,
        scale=scale,
        origin=(float(x0), float(y0)),
        digit_height=digit * scale,
        stroke=max(1.0, stroke_width(small)),
        is_comb=is_comb,
    )


def ruling(mask: Mask) -> Mask:
    """Find printed lines: base lines, boxes, cell dividers and the dark borders of a page.

    A horizontal line is a thin run much longer than a digit is wide. A vertical one is a thin straight run that ends on
    horizontal lines or on the picture's edge, or that is far higher than the ink beside it: a written one is neither.

    Args:
        mask: Ink pixels, (H, W) bool.

    Returns:
        Pixels of printed lines, (H, W) bool, strokes that cross them excluded.
    """
    return _ruling(mask, _Parts.of(mask))[0]


@dataclass(frozen=True, slots=True)
class _Parts:
    """Connected components: the label of each pixel, and for each label (0 is paper) its measures and centre."""

    labels: NDArray[np.int32]
    stats: NDArray[np.int32]
    centres: NDArray[np.float64]

    @classmethod
    def of(cls, mask: Mask) -> _Parts:
        return cls(*components(mask.view(np.uint8)))

    def only(self, chosen: NDArray[np.bool_]) -> Mask:
        """The pixels of some components."""
        if chosen[1:].all():
            return np.asarray(self.labels > 0)
        return np.asarray(chosen[self.labels], np.bool_)


def _ruling(mask: Mask, parts: _Parts) -> tuple[Mask, bool]:
    """Find printed lines, and tell whether the dividers of a comb are among them."""
    height = mask.shape[0]
    flat = mask.view(np.uint8)
    stroke = max(1.0, stroke_width(mask))
    unit = _typical_height(parts.stats, mask.shape)
    long = max(round(0.9 * unit), round(10 * stroke), 12)
    horizontal = _straight_runs(flat, round(2.4 * long), axis=1, thick=2.6 * stroke + 1)
    vertical = np.zeros_like(flat)
    if height >= 12:
        reach = min(max(round(1.05 * long), round(0.5 * height)), height)
        tall = _straight_runs(flat, reach, axis=0, thick=2.6 * stroke + 1)
        near = round(2 * stroke) + 2
        vertical = _anchored(tall, horizontal, near, ink=int(np.count_nonzero(flat)))
        vertical = _sides(vertical, horizontal, near)
    border = _border_bars(flat, stroke) | _frames(parts, stroke)
    comb = find_dividers(mask, horizontal.view(np.bool_), unit)
    if len(comb.places):  # Between its ends nothing else that stands upright is printed.
        vertical[:, max(0, round(comb.places[0] - comb.thickness)) : round(comb.places[-1] + comb.thickness) + 1] = 0
    lines = (horizontal | vertical | border).view(np.bool_)
    if not lines.any():
        return lines, False
    crossings = _crossings(mask & ~comb.ink, horizontal.astype(bool), (vertical | border).astype(bool), stroke)
    return lines & ~crossings | comb.ink, bool(len(comb.places))


def _is_writing(parts: _Parts) -> NDArray[np.bool_]:
    """Tell, for each component, what may be a part of a digit from specks; not so 0, the paper."""
    area = parts.stats[:, cv2.CC_STAT_AREA]
    if len(area) == 1:
        return np.zeros(1, np.bool_)
    extent = np.maximum(parts.stats[:, cv2.CC_STAT_WIDTH], parts.stats[:, cv2.CC_STAT_HEIGHT])
    digit = _weighted_median(parts.stats[1:, cv2.CC_STAT_HEIGHT], area[1:])
    keep = (extent >= max(2.0, 0.09 * digit)) & (area >= max(3.0, 0.003 * digit * digit))
    keep[0] = False
    return np.asarray(keep, np.bool_)


def _straight_runs(flat: NDArray[np.uint8], length: int, *, axis: int, thick: float) -> NDArray[np.uint8]:
    """Find long thin straight runs along an axis (1 horizontal, 0 vertical), tolerating a small skew."""
    across = np.ones((3, 1) if axis == 1 else (1, 3), np.uint8)
    along = np.ones((1, length) if axis == 1 else (length, 1), np.uint8)
    joined = cv2.morphologyEx(flat, cv2.MORPH_CLOSE, np.ones((1, 5) if axis == 1 else (5, 1), np.uint8))
    wide = cv2.dilate(joined, across)
    # Most writing has too little ink in any row to hold a run.
    if cv2.reduce(wide, axis, cv2.REDUCE_SUM, dtype=cv2.CV_32S).max() < length:
        return np.zeros_like(flat)
    runs = cv2.morphologyEx(wide, cv2.MORPH_OPEN, along, borderValue=0)
    if not runs.any():
        return np.zeros_like(flat)
    # What is thicker than a line is not one: it survives an opening across.
    size = int(thick) + 3
    block = cv2.morphologyEx(runs, cv2.MORPH_OPEN, np.ones((size, 1) if axis == 1 else (1, size), np.uint8))
    return cv2.bitwise_and(cv2.subtract(runs, block), flat).astype(np.uint8, copy=False)


def _anchored(vertical: NDArray[np.uint8], horizontal: NDArray[np.uint8], reach: int, ink: int) -> NDArray[np.uint8]:
    """Keep the vertical runs both of whose ends meet a horizontal line or the picture's edge."""
    if not vertical.any():
        return vertical
    height = vertical.shape[0]
    labels, stats, _ = components(vertical)
    near = cv2.dilate(horizontal, np.ones((1, 2 * reach + 1), np.uint8))
    keep = np.zeros(len(stats), np.bool_)
    for index in range(1, len(stats)):
        x, y, w, h, area = stats[index]
        top = y <= reach or bool(near[max(0, y - reach) : y + reach, x : x + w].any())
        bottom = y + h >= height - reach or bool(near[y + h - reach : y + h + reach, x : x + w].any())
        # A stroke as high as the picture may be a 1 that fills it, when there is little else.
        alone = area > 0.4 * ink
        keep[index] = top and bottom and (bool(horizontal.any()) or (h >= 0.95 * height and not alone))
    return np.asarray(keep[labels], np.uint8)


def _sides(vertical: NDArray[np.uint8], horizontal: NDArray[np.uint8], reach: int) -> NDArray[np.uint8]:
    """Keep vertical runs unless they are ones, written from one line to another that both go on to either side.

    Where a side of the box can be seen, or runs stand at one distance from each other, they may be dividers.
    """
    if not vertical.any() or not horizontal.any():
        return vertical
    _, stats, _ = components(vertical)
    tall = stats[1:][2 * stats[1:, cv2.CC_STAT_HEIGHT] > stats[1:, cv2.CC_STAT_HEIGHT].max()]
    if _at_one_distance(tall):
        return vertical
    for x, y, w, h, _ in tall.tolist():
        ends = [_at_end(horizontal, (x, x + w), end, reach) for end in (y, y + h)]
        if "goes on" not in ends or "stops" in ends:
            return vertical
    return np.zeros_like(vertical)


_End = Literal["goes on", "stops", "edge"]


def _at_end(horizontal: NDArray[np.uint8], columns: tuple[int, int], end: int, reach: int) -> _End:
    """Tell whether the line at an end of a vertical run goes on to both sides, or stops, or the picture ends there."""
    near, far = reach // 2, 3 * reach
    rows = horizontal[max(0, end - 3 * reach // 2) : end + 3 * reach // 2]
    sides = rows[:, max(0, columns[0] - far) : max(0, columns[0] - near)], rows[:, columns[1] + near : columns[1] + far]
    if min(side.shape[1] for side in sides) < 3:
        return "stops"
    present = [float(side.any(axis=0).mean()) > 0.5 for side in sides]
    if all(present):
        return "goes on"
    return "edge" if not any(present) and (end <= reach or end >= len(horizontal) - reach) else "stops"


def _at_one_distance(stats: NDArray[np.int32]) -> bool:
    """Tell the dividers of a comb: three or more, not as near to each other as digits are, at like distances."""
    middles = np.sort(stats[:, cv2.CC_STAT_LEFT] + 0.5 * stats[:, cv2.CC_STAT_WIDTH])
    steps = np.diff(middles)
    if len(steps) < 2 or np.median(steps) < 0.4 * stats[:, cv2.CC_STAT_HEIGHT].max():
        return False
    cells = steps / np.median(steps)
    return bool(np.mean(np.abs(cells - np.rint(cells)) < 0.2) > 0.6)


def _border_bars(flat: NDArray[np.uint8], stroke: float) -> NDArray[np.uint8]:
    """Find dark bars along the picture's edge: cut-off frames and headings."""
    height, width = flat.shape
    bars = np.zeros_like(flat)
    deep = max(2, round(0.12 * height))
    for edge in (slice(0, deep), slice(height - deep, height)):
        full = cv2.reduce(flat[edge], 1, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[:, 0] / width > 0.6
        bars[edge][full] = flat[edge][full]
    deep = max(2, min(round(0.12 * width), round(6 * stroke)))
    for edge in (slice(0, deep), slice(width - deep, width)):
        full = cv2.reduce(flat[:, edge], 0, cv2.REDUCE_SUM, dtype=cv2.CV_32S)[0] / height > 0.85
        bars[:, edge][:, full] = flat[:, edge][:, full]
    return bars


def _frames(parts: _Parts, stroke: float) -> NDArray[np.uint8]:
    """Find closed boxes: components that lie along their own bounding box and have other ink inside."""
    labels, stats, centroids = parts.labels, parts.stats, parts.centres
    found = np.zeros(labels.shape, np.uint8)
    reach = int(np.ceil(2.2 * stroke)) + 1
    for index, (x, y, w, h, area) in enumerate(stats.tolist()):
        if index == 0 or min(w, h) < 6 * reach or area > 0.5 * w * h:
            continue
        inside = (np.abs(centroids[1:] - (x + w / 2, y + h / 2)) < (0.4 * w, 0.4 * h)).all(axis=1)
        inside &= stats[1:, cv2.CC_STAT_HEIGHT] > 0.25 * h
        inside[index - 1] = False
        part = labels[y : y + h, x : x + w] == index
        rim = area - int(np.count_nonzero(part[reach:-reach, reach:-reach]))
        sides = (
            part[:reach].any(axis=0),
            part[-reach:].any(axis=0),
            part[:, :reach].any(axis=1),
            part[:, -reach:].any(axis=1),
        )
        if inside.any() and rim >= 0.85 * area and sum(float(side.mean()) > 0.75 for side in sides) >= 3:
            found[y : y + h, x : x + w][part] = 1
    return found


def _crossings(mask: Mask, horizontal: Mask, vertical: Mask, stroke: float) -> Mask:
    """Find the pixels of lines through which a stroke passes: ink goes on on both sides."""
    rest = (mask & ~horizontal & ~vertical).astype(np.uint8)
    reach = int(np.ceil(2.6 * stroke)) + 2
    kernel = np.zeros((2 * reach + 1, 1), np.uint8)
    kernel[: reach + 1] = 1
    above, below = cv2.dilate(rest, kernel), cv2.dilate(rest, kernel[::-1].copy())
    through = cv2.bitwise_and(above, below).astype(bool) & horizontal
    left, right = cv2.dilate(rest, kernel.T.copy()), cv2.dilate(rest, kernel[::-1].T.copy())
    return np.asarray(through | (cv2.bitwise_and(left, right).astype(bool) & vertical), np.bool_)


def _typical_height(stats: NDArray[np.int32], shape: tuple[int, ...]) -> float:
    """Estimate the height of digits from the components, lines and specks left out."""
    height, width = shape
    box_w, box_h = stats[1:, cv2.CC_STAT_WIDTH], stats[1:, cv2.CC_STAT_HEIGHT]
    good = (box_w < 3 * box_h) & (box_h >= 0.15 * height) & (box_w < 0.8 * width)
    if not good.any():
        return 0.5 * float(height)
    return _weighted_median(box_h[good], stats[1:, cv2.CC_STAT_AREA][good])


def _ink_band(boxes: NDArray[np.int32], room: int) -> tuple[int, int, int, int, float]:
    """Find the box of the string in a picture `room` pixels wide, and a digit's typical height."""
    heights, areas = boxes[:, cv2.CC_STAT_HEIGHT], boxes[:, cv2.CC_STAT_AREA]
    compact = boxes[:, cv2.CC_STAT_WIDTH] < 4 * heights
    if not compact.any():
        compact[:] = True
    digit = _weighted_median(heights[compact], areas[compact])
    main = heights >= 0.45 * digit
    x0 = int(boxes[main, cv2.CC_STAT_LEFT].min())
    y0 = int(boxes[main, cv2.CC_STAT_TOP].min())
    x1 = int((boxes[main, cv2.CC_STAT_LEFT] + boxes[main, cv2.CC_STAT_WIDTH]).max())
    y1 = int((boxes[main, cv2.CC_STAT_TOP] + heights[main]).max())
    # What the picture's side cuts off belongs to something else.
    lefts, rights = boxes[:, cv2.CC_STAT_LEFT], boxes[:, cv2.CC_STAT_LEFT] + boxes[:, cv2.CC_STAT_WIDTH]
    whole = (lefts > 0) & (rights < room)
    if (whole & ((lefts < x0) | (rights > x1))).any():  # most strings have nothing beside them
        x0, x1 = _with_small_ends(boxes[whole], (x0, y0, x1, y1), digit)
    return x0, y0, x1 - x0, y1 - y0, max(4.0, digit)


def _with_small_ends(boxes: NDArray[np.int32], band: tuple[int, int, int, int], digit: float) -> tuple[int, int]:
    """Widen a string by small digits at its ends, whole or in pieces above each other, that stand on its base line."""
    x0, y0, x1, y1 = band
    tops, widths, heights = boxes[:, 1:4].T
    middles = tops + 0.5 * heights
    beside = (y0 < middles) & (middles < y1) & (widths < 1.8 * heights)
    groups: list[list[int]] = []
    for left, top, width, height in sorted(boxes[beside, :4].tolist()):
        right, bottom = left + width, top + height
        if groups and left < groups[-1][1]:
            last = groups[-1]
            last[1:] = [max(last[1], right), min(last[2], top), max(last[3], bottom)]
        else:
            groups.append([left, right, top, bottom])
    wide, high = _SMALL_END[0] * digit, _SMALL_END[1] * digit
    low, half = y1 - _OFF_BASE * digit, 0.5 * (y0 + y1)
    small = [
        (left, right)
        for left, right, top, bottom in groups
        if (right - left >= wide and bottom - top >= high and bottom >= low)
        # Beside a digit with a long tail others seem small, and end far above it.
        or (bottom - top >= _BESIDE_TAIL * digit and bottom >= half)
    ]
    for left, right in reversed(small):
        if left < x0 <= right + _END_GAP * digit:
            x0 = left
    for left, right in small:
        if right > x1 >= left - _END_GAP * digit:
            x1 = right
    return x0, x1


def _weighted_median(values: cv2.typing.MatLike, weights: cv2.typing.MatLike) -> float:
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, 0.5 * total[-1])])


def _resize(image: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    if scale == 1.0:
        return image
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    width, height = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return cv2.resize(image, (width, height), interpolation=method).astype(np.uint8, copy=False)
