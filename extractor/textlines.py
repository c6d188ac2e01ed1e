"""Which pieces of ink make one string: neighbours of like size on one base line, with gaps as a person would bridge.

Pieces are chained to their nearest neighbour to the right, so that a row may slant or wave; a chain is then cut where a
gap is wide for the gaps around it: digits written well apart make one string as surely as digits written close.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.preprocess import Mask, components
from extractor.regions import Region
from extractor.ruling import Ruling

MIN_HEIGHT = 7
"""Writing lower than this many pixels cannot be read."""

_Ints = NDArray[np.int64]
_Floats = NDArray[np.float64]

_FARTHEST = 3.2
"""No gap wider than this, in digit heights, is bridged."""
_PRINT_LENGTH = 28
"""A close chain of so many pieces is a line of print."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """Connected components of a page's ink.

    Attributes:
        labels: Number of the piece of each pixel, (H, W) int32; 0 is paper.
        box: Left, top, right, bottom (exclusive) of each piece by number, (N, 4); that of 0 means nothing.
        area: Ink of each piece in pixels, (N,).
    """

    labels: NDArray[np.int32]
    box: _Ints
    area: _Ints

    @property
    def width(self) -> _Ints:
        """Widths, (N,)."""
        return self.box[:, 2] - self.box[:, 0]

    @property
    def height(self) -> _Ints:
        """Heights, (N,)."""
        return self.box[:, 3] - self.box[:, 1]

    @property
    def centre(self) -> _Floats:
        """Middles of the boxes, x and y, (N, 2)."""
        return (self.box[:, :2] + self.box[:, 2:]) * np.float64(0.5)


def find_pieces(ink: Mask) -> Pieces:
    """Label the connected components of ink.

    Args:
        ink: (H, W) bool.
    """
    labels, stats, _ = components(ink.view(np.uint8))
    box = stats[:, :4].astype(np.int64)
    box[:, 2:] += box[:, :2]
    return Pieces(labels, box, stats[:, cv2.CC_STAT_AREA].astype(np.int64))


def find_strings(ruling: Ruling, stroke: float) -> tuple[Region, ...]:
    """Group the ink of a page to strings.

    Args:
        ruling: The page without its lines, and where they were.
        stroke: Typical stroke width of the page in pixels.

    Returns:
        The strings in reading order: by rows from the top, in a row from the left.
    """
    pieces = find_pieces(ruling.ink)
    kept = _writing(pieces, ruling.ink, stroke)
    root = _broken_strokes(pieces, kept)
    whole = root == np.arange(len(root))
    pieces = _joined(pieces, root)
    left, right, gap = _neighbours(pieces, np.flatnonzero(kept & whole & (pieces.height >= MIN_HEIGHT)), ruling)
    gap = _bridged(pieces, left, right, gap)
    group = _cut(pieces, left, right, gap, _in_comb(pieces, left, right, ruling))
    slope = _slope(pieces, left, right, group)
    group = _attach(pieces, np.where((group > 0) & kept & whole, group, 0), whole, ruling)[root]
    return _regions(pieces, group, slope, max(MIN_HEIGHT, 3.2 * stroke))


def _writing(pieces: Pieces, ink: Mask, stroke: float) -> NDArray[np.bool_]:
    """Pieces that may be part of a digit: no specks, bars, blots, edges of the sheet or texture of the desk."""
    page_height, page_width = ink.shape
    width, height, area = pieces.width, pieces.height, pieces.area
    low, high = np.minimum(width, height), np.maximum(width, height)
    fill = area / np.maximum(width * height, 1)
    speck = (high < 4) | (area < max(6.0, 0.4 * stroke * stroke))
    solid = (fill > 0.8) & (low > 3 * stroke) | (fill > 0.45) & (low > 12 * stroke)
    bar = (width > 12 * height) & (width > 40)
    x0, y0, x1, y1 = pieces.box.T
    edges = (x0 <= 1).astype(int) + (y0 <= 1) + (x1 >= page_width - 1) + (y1 >= page_height - 1)
    large = (height > 0.4 * page_height) & (width > 0.4 * page_width)
    edge = (edges >= 2) & (high > 0.2 * max(ink.shape)) | (edges >= 1) & (high > 0.5 * max(ink.shape)) & (fill < 0.1)
    kept: NDArray[np.bool_] = ~(speck | solid | bar | large | edge)
    kept &= ~_on_texture(pieces, ink, stroke)
    kept[0] = False
    return kept


def _on_texture(pieces: Pieces, ink: Mask, stroke: float) -> NDArray[np.bool_]:
    """Pieces in parts of the picture with more ink than any writing has: a desk, a dark photograph."""
    step = max(1, max(ink.shape) // 250)
    sampled = ink[:: max(1, step // 3), :: max(1, step // 3)].astype(np.uint8) * np.uint8(255)
    size = (max(1, ink.shape[1] // step), max(1, ink.shape[0] // step))
    density = cv2.resize(sampled, size, interpolation=cv2.INTER_AREA)
    window = int(max(9, 14 * stroke / step, max(density.shape) // 12)) | 1
    mean = cv2.blur(density, (window, window), borderType=cv2.BORDER_REFLECT_101)
    # Where it is once too dense, it is texture as far as it stays denser than writing.
    count, parts = cv2.connectedComponents((mean > 0.24 * 255).astype(np.uint8))
    certain = np.bincount(parts[mean > 0.36 * 255], minlength=count)
    certain[0] = 0
    dense = (certain > 0.02 * mean.size)[parts]
    centre = pieces.centre / step
    x = np.clip(centre[:, 0].astype(int), 0, density.shape[1] - 1)
    y = np.clip(centre[:, 1].astype(int), 0, density.shape[0] - 1)
    on_texture: NDArray[np.bool_] = dense[y, x]
    return on_texture


def _broken_strokes(pieces: Pieces, kept: NDArray[np.bool_]) -> _Ints:
    """Find pieces that lie one upon the other and hardly apart: parts of one digit whose stroke is broken.

    Returns:
        For each piece the first of the pieces it is one with, often itself.
    """
    count = len(pieces.area)
    height, box = pieces.height, pieces.box
    chosen = np.flatnonzero(kept & (height >= 4))
    chosen = chosen[np.argsort(box[chosen, 0], kind="stable")]
    writing = height[chosen][height[chosen] >= MIN_HEIGHT]
    if writing.size < 2:
        return np.arange(count)
    tall = float(np.percentile(writing, 75))
    # Of two pieces that overlap, the left one reaches at least to where the right one begins.
    start = np.arange(len(chosen)) + 1
    reach = np.searchsorted(box[chosen, 0], np.minimum(box[chosen, 2], box[chosen, 0] + 3 * tall)) - start
    reach = np.maximum(reach, 0)
    first = np.repeat(np.arange(len(chosen)), reach)
    second = first + 1 + np.arange(reach.sum()) - np.repeat(np.cumsum(reach) - reach, reach)
    one, other = chosen[first], chosen[second]
    overlap = np.minimum(box[one, 2], box[other, 2]) - np.maximum(box[one, 0], box[other, 0])
    apart = np.maximum(box[one, 1], box[other, 1]) - np.minimum(box[one, 3], box[other, 3])
    together = np.maximum(box[one, 3], box[other, 3]) - np.minimum(box[one, 1], box[other, 1])
    limit = np.maximum(1.25 * np.maximum(height[one], height[other]), 1.15 * tall)
    broken = overlap > 0.4 * np.minimum(pieces.width[one], pieces.width[other])
    broken &= (apart < 0.15 * tall) & (together < limit)
    return _connected(count, one[broken], other[broken]) - 1


def _joined(pieces: Pieces, root: _Ints) -> Pieces:
    """Pieces of which each root has the box and ink of all that are one with it."""
    box, area = pieces.box.copy(), np.bincount(root, weights=pieces.area, minlength=len(root)).astype(np.int64)
    np.minimum.at(box[:, 0], root, pieces.box[:, 0])
    np.minimum.at(box[:, 1], root, pieces.box[:, 1])
    np.maximum.at(box[:, 2], root, pieces.box[:, 2])
    np.maximum.at(box[:, 3], root, pieces.box[:, 3])
    return Pieces(pieces.labels, box, area)


def _neighbours(pieces: Pieces, chosen: _Ints, ruling: Ruling) -> tuple[_Ints, _Ints, _Floats]:
    """Chain each piece to the nearest like ones on its right and left.

    Returns:
        Left and right piece of each link, and the gap between them in digit heights.
    """
    nothing = np.zeros(0, np.int64)
    if chosen.size < 2:
        return nothing, nothing, nothing.astype(np.float64)
    centre, height, box = pieces.centre, pieces.height, pieces.box
    order = chosen[np.argsort(centre[chosen, 1], kind="stable")]
    ys = centre[order, 1]
    # Partners lie within 0.6 of the taller one's height: every pair is seen from its taller piece.
    low = np.searchsorted(ys, ys - 0.6 * height[order], side="left")
    count = np.searchsorted(ys, ys + 0.6 * height[order], side="right") - low
    first = np.repeat(order, count)
    offsets = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    second = order[np.repeat(low, count) + offsets]
    taller = (height[first] > height[second]) | (height[first] == height[second]) & (first < second)
    near = np.abs(centre[first, 0] - centre[second, 0]) < (_FARTHEST + 2) * height[first] + pieces.width[second]
    first, second = first[taller & near], second[taller & near]
    swap = centre[first, 0] > centre[second, 0]
    left, right = np.where(swap, second, first), np.where(swap, first, second)
    small, tall = np.minimum(height[left], height[right]), np.maximum(height[left], height[right])
    gap = box[right, 0] - box[left, 2]
    overlap = np.minimum(box[left, 3], box[right, 3]) - np.maximum(box[left, 1], box[right, 1])
    scale = np.minimum(0.5 * (small + tall), 1.5 * small)
    alike = (small > 0.36 * tall) & (overlap > 0.45 * small)
    alike &= (gap < _FARTHEST * scale) & (gap > -0.6 * np.minimum(pieces.width[left], pieces.width[right]))
    left, right, overlap, small = left[alike], right[alike], overlap[alike], small[alike]
    relative = np.maximum(gap[alike], 0) / scale[alike]
    distance = centre[right, 0] - centre[left, 0] + 0.5 * np.abs(centre[right, 1] - centre[left, 1])
    after, before = _nearest(left, distance, len(height)), _nearest(right, distance, len(height))
    # A crumb of a digit may come between close neighbours; over a wide gap each must be the other's nearest.
    linked = after & before | (after | before) & (relative < 0.5) & (overlap > 0.7 * small)
    left, right, relative = left[linked], right[linked], relative[linked]
    free = ~_walled(pieces, left, right, ruling)
    return left[free], right[free], relative[free]


def _nearest(key: _Ints, distance: _Floats, size: int) -> NDArray[np.bool_]:
    """Whether each link is the shortest of those with its key."""
    best = np.full(size, np.inf)
    np.minimum.at(best, key, distance)
    return distance <= best[key]


def _spaces(pieces: Pieces, index: _Ints, ruling: Ruling) -> _Ints:
    """Number of the space between lines in which each piece's middle lies."""
    position = (pieces.centre[index] * ruling.scale).astype(int)
    x = np.clip(position[:, 0], 0, ruling.cells.shape[1] - 1)
    y = np.clip(position[:, 1], 0, ruling.cells.shape[0] - 1)
    numbers: _Ints = ruling.cells[y, x].astype(np.int64)
    return numbers


def _in_comb(pieces: Pieces, left: _Ints, right: _Ints, ruling: Ruling) -> NDArray[np.bool_]:
    """Whether both pieces of each link lie in narrow cells."""
    return ruling.combs[_spaces(pieces, left, ruling)] & ruling.combs[_spaces(pieces, right, ruling)]


def _walled(pieces: Pieces, left: _Ints, right: _Ints, ruling: Ruling) -> NDArray[np.bool_]:
    """Whether a line that runs down parts the two pieces of each link; the dividers of a comb part nothing."""
    walled = np.zeros(len(left), np.bool_)
    if not ruling.walls.any():
        return walled
    before = np.cumsum(ruling.walls, axis=1, dtype=np.int32)
    height, width = ruling.walls.shape
    row = (0.5 * (pieces.centre[left, 1] + pieces.centre[right, 1]) * ruling.scale).astype(int)
    start = np.clip((pieces.centre[left, 0] * ruling.scale).astype(int), 0, width - 1)
    end = np.clip((pieces.centre[right, 0] * ruling.scale).astype(int), 0, width - 1)
    row = np.clip(row, 0, height - 1)
    walled = before[row, end] > before[row, start]
    parted: NDArray[np.bool_] = walled & ~_in_comb(pieces, left, right, ruling)
    return parted


def _bridged(pieces: Pieces, left: _Ints, right: _Ints, gap: _Floats) -> _Floats:
    """Measure a gap with a dash, point or comma in it as the wider of its two halves."""
    bridged = gap.copy()
    box, height = pieces.box, pieces.height
    marks = np.flatnonzero((height >= 3) & (height < 0.1 * pieces.labels.shape[0]) & (pieces.width < 6 * height))
    begin, top, end, bottom = np.ascontiguousarray(box[marks].T)
    tallness = height[marks]
    for link in np.flatnonzero((gap > 0.45) & (gap < 2.0)):
        one, other = left[link], right[link]
        scale = (box[other, 0] - box[one, 2]) / gap[link]
        tall = max(height[one], height[other])
        between = (begin > box[one, 2]) & (end < box[other, 0]) & (tallness < 0.45 * tall)
        between &= top > min(box[one, 1], box[other, 1]) + 0.25 * tall
        between &= bottom < max(box[one, 3], box[other, 3]) + 0.25 * tall
        inside = box[marks[between]]
        if len(inside):
            sides = (inside[:, 0].min() - box[one, 2], box[other, 0] - inside[:, 2].max())
            bridged[link] = max(sides) / scale
    return bridged


def _cut(pieces: Pieces, left: _Ints, right: _Ints, gap: _Floats, comb: NDArray[np.bool_]) -> _Ints:
    """Cut chains at gaps that are wide for their chain.

    Returns:
        Number of the string of each piece, from 1; 0 for dirt and for lines of print.
    """
    count = len(pieces.area)
    chain = _connected(count, left, right)
    group = chain
    if left.size:
        of_link = chain[left]
        median = np.zeros(count + 1)
        links = np.bincount(of_link, minlength=count + 1)
        order = np.lexsort((gap, of_link))
        starts = np.cumsum(links) - links
        some = np.flatnonzero(links)
        median[some] = gap[order][starts[some] + links[some] // 2]
        typical = median[of_link]
        # Digits well apart: the page as a whole, or a long row by itself, says that it is written so.
        rows = some[links[some] >= 3]
        spaced = bool(rows.size and np.median(median[rows]) > 0.5)
        apart = (typical > 0.5) & (spaced | (links[of_link] >= 4))
        limit = np.where(apart, np.clip(2.2 * typical, 1.1, _FARTHEST), np.clip(0.35 + 1.6 * typical, 0.5, 0.95))
        kept = comb | (gap <= limit)
        group = _connected(count, left[kept], right[kept])
        printed = np.flatnonzero((links >= _PRINT_LENGTH) & (median < 0.35))
        group = np.where(np.isin(chain, printed), 0, group)
    return group


def _connected(count: int, left: _Ints, right: _Ints) -> _Ints:
    """Number the connected sets of ``count`` items under links, by their smallest member plus 1."""
    root = np.arange(count)
    while True:
        low = np.minimum(root[left], root[right])
        after = root.copy()
        np.minimum.at(after, left, low)
        np.minimum.at(after, right, low)
        after = after[after]
        if np.array_equal(after, root):
            return root + 1
        root = after


def _attach(pieces: Pieces, group: _Ints, whole: NDArray[np.bool_], ruling: Ruling) -> _Ints:
    """Give what is small and lies on a string, such as the loose bar of a 5, to that string."""
    height = pieces.height
    members = np.bincount(group)
    loose = (members[group] <= 1) | (group == 0)
    loose[0] = False
    extent, tall = _extents(pieces, group)
    candidates = np.flatnonzero(tall >= 2 * MIN_HEIGHT)
    if candidates.size == 0:
        return group
    boxes = extent[candidates]
    reach = 0.15 * tall[candidates]
    result = group.copy()
    centre = pieces.centre
    spaces = _spaces(pieces, np.arange(len(height)), ruling)
    # The tallest string first, so that the first one in which a piece lies is its owner.
    order = np.argsort(-tall[candidates], kind="stable")
    candidates, reach = candidates[order], reach[order]
    left, top, right, bottom = boxes[order].T
    left, right, tallest = left - reach, right + reach, 0.6 * tall[candidates]
    for piece in np.flatnonzero(loose & whole & (pieces.area >= 4)):
        x, y = centre[piece]
        inside = (left <= x) & (x <= right) & (top <= y) & (y <= bottom)
        inside &= (height[piece] < tallest) & (candidates != group[piece])
        first = int(inside.argmax())
        if inside[first]:
            owner = candidates[first]
            if spaces[piece] == spaces[owner - 1] or members[owner] > 1:
                result[piece] = owner
    return result


def _extents(pieces: Pieces, group: _Ints) -> tuple[_Ints, _Floats]:
    """Box and typical digit height of each string by number."""
    size = len(group) + 1
    extent = np.zeros((size, 4), np.int64)
    extent[:, :2] = np.iinfo(np.int32).max
    np.minimum.at(extent[:, 0], group, pieces.box[:, 0])
    np.minimum.at(extent[:, 1], group, pieces.box[:, 1])
    np.maximum.at(extent[:, 2], group, pieces.box[:, 2])
    np.maximum.at(extent[:, 3], group, pieces.box[:, 3])
    tall = np.zeros(size)
    np.maximum.at(tall, group, pieces.height.astype(np.float64))
    tall[0] = 0
    return extent, tall


def _slope(pieces: Pieces, left: _Ints, right: _Ints, group: _Ints) -> float:
    """Slope of the page's rows: the median over the links inside strings, when there are enough to tell."""
    joined = (group[left] == group[right]) & (group[left] > 0)
    if np.count_nonzero(joined) < 12:
        return 0.0
    step = pieces.centre[right[joined]] - pieces.centre[left[joined]]
    return float(np.clip(np.median(step[:, 1] / np.maximum(step[:, 0], 1.0)), -0.2, 0.2))


def _regions(pieces: Pieces, group: _Ints, slope: float, least: float) -> tuple[Region, ...]:
    """Make regions of the strings that are as tall as ``least``: points and dashes by themselves are none."""
    extent, tall = _extents(pieces, group)
    numbers = np.unique(group[(group > 0)])
    numbers = numbers[tall[numbers] >= least]
    regions = []
    for place, number in enumerate(_reading_order(extent[numbers], tall[numbers], slope), start=1):
        left, top, right, bottom = (int(value) for value in extent[numbers[number]])
        mask = (group == numbers[number])[pieces.labels[top:bottom, left:right]]
        regions.append(Region(f"line-{place}", (left, top, right - left, bottom - top), mask, "line"))
    return tuple(regions)


def _reading_order(extent: _Ints, tall: _Floats, slope: float) -> list[int]:
    """Order boxes by rows from the top, in a row from the left; rows may slant with the page."""
    x = 0.5 * (extent[:, 0] + extent[:, 2])
    y = 0.5 * (extent[:, 1] + extent[:, 3]) - slope * x
    rows: list[list[int]] = []
    for index in np.argsort(y, kind="stable"):
        if rows:
            row = rows[-1]
            middle = float(np.mean(y[row]))
            if y[index] - middle < 0.5 * max(float(np.median(tall[row])), float(tall[index])):
                row.append(int(index))
                continue
        rows.append([int(index)])
    return [index for row in rows for index in sorted(row, key=lambda item: x[item])]
