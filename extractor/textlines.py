"""Which pieces of ink make one string: neighbours of like size on one base line, with gaps as a person would bridge.

Pieces are chained to their nearest neighbour to the right, so that a row may slant or wave; a chain is then cut where a
gap is wide for the gaps around it: digits written well apart make one string as surely as digits written close.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from extractor.pieces import (
    MIN_HEIGHT,
    Floats,
    Ints,
    Pieces,
    broken_strokes,
    connected,
    find_pieces,
    joined,
    may_be_writing,
)
from extractor.preprocess import Mask
from extractor.regions import Region
from extractor.ruling import Ruling

_FARTHEST = 3.2
"""No gap wider than this, in digit heights, is bridged."""
_DIGIT_ASPECT = 0.8
"""Width of a digit, of its height."""
_PRINT_LENGTH, _PRINT_GAP, _PRINT_LEVEL = 28, 0.35, 0.75
"""A row of so many links is a line of print when it is so close and when such a share of it stands on one line."""
_LEVEL = 0.06
"""How far from that line, in heights of its letters, a letter that stands on it may be."""


def find_strings(ruling: Ruling, stroke: float) -> tuple[Region, ...]:
    """Group the ink of a page to strings.

    Args:
        ruling: The page without its lines, and where they were.
        stroke: Typical stroke width of the page in pixels.

    Returns:
        The strings in reading order: by rows from the top, in a row from the left.
    """
    pieces = find_pieces(ruling.ink)
    kept = may_be_writing(pieces, ruling.ink, stroke)
    root = broken_strokes(pieces, kept)
    whole = root == np.arange(len(root))
    pieces = joined(pieces, root)
    left, right, gap = _neighbours(pieces, np.flatnonzero(kept & whole & (pieces.height >= MIN_HEIGHT)), ruling)
    gap = _bridged(pieces, left, right, gap)
    group = _cut(pieces, left, right, gap, _in_comb(pieces, left, right, ruling))
    slope = _slope(pieces, left, right, group)
    group = _attach(pieces, np.where((group > 0) & kept & whole, group, 0), whole, ruling)[root]
    regions = _regions(pieces, group, slope, max(MIN_HEIGHT, 3.2 * stroke))
    return tuple(replace(region, lines=_lines_about(region, ruling)) for region in regions)


def _neighbours(pieces: Pieces, chosen: Ints, ruling: Ruling) -> tuple[Ints, Ints, Floats]:
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
    alike &= gap < _FARTHEST * scale
    left, right, overlap, small, tall = left[alike], right[alike], overlap[alike], small[alike], tall[alike]
    relative = np.maximum(gap[alike], 0) / scale[alike]
    distance = centre[right, 0] - centre[left, 0] + 0.5 * np.abs(centre[right, 1] - centre[left, 1])
    # A point or a crumb is no digit's neighbour where a digit is.
    distance += np.where(small < 0.42 * tall, 2.0 * tall, 0.0)
    after, before = _nearest(left, distance, len(height)), _nearest(right, distance, len(height))
    # A crumb of a digit may come between close neighbours; over a wide gap each must be the other's nearest.
    linked = after & before | (after | before) & (relative < 0.5) & (overlap > 0.7 * small)
    left, right, relative = left[linked], right[linked], relative[linked]
    free = ~_walled(pieces, left, right, ruling)
    return left[free], right[free], relative[free]


def _nearest(key: Ints, distance: Floats, size: int) -> NDArray[np.bool_]:
    """Whether each link is the shortest of those with its key."""
    best = np.full(size, np.inf)
    np.minimum.at(best, key, distance)
    return distance <= best[key]


def _spaces(pieces: Pieces, index: Ints, ruling: Ruling) -> Ints:
    """Number of the space between lines in which each piece's middle lies."""
    position = (pieces.centre[index] * ruling.scale).astype(int)
    x = np.clip(position[:, 0], 0, ruling.cells.shape[1] - 1)
    y = np.clip(position[:, 1], 0, ruling.cells.shape[0] - 1)
    numbers: Ints = ruling.cells[y, x].astype(np.int64)
    return numbers


def _in_comb(pieces: Pieces, left: Ints, right: Ints, ruling: Ruling) -> NDArray[np.bool_]:
    """Whether both pieces of each link lie in narrow cells."""
    return ruling.combs[_spaces(pieces, left, ruling)] & ruling.combs[_spaces(pieces, right, ruling)]


def _walled(pieces: Pieces, left: Ints, right: Ints, ruling: Ruling) -> NDArray[np.bool_]:
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


def _bridged(pieces: Pieces, left: Ints, right: Ints, gap: Floats) -> Floats:
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


def _cut(pieces: Pieces, left: Ints, right: Ints, gap: Floats, comb: NDArray[np.bool_]) -> Ints:
    """Cut chains at gaps that are wide for their chain.

    Returns:
        Number of the string of each piece, from 1; 0 for dirt and for lines of print.
    """
    count = len(pieces.area)
    chain = connected(count, left, right)
    if not left.size:
        return chain
    links = np.bincount(chain[left], minlength=count + 1)
    usual = _usual_gaps(pieces, chain, links, chain[left], gap)
    typical = usual[chain[left]]
    # Digits well apart: the page as a whole, or a long row by itself, says that it is written so.
    rows = np.flatnonzero(links >= 3)
    spaced = bool(rows.size and np.median(usual[rows]) > 0.5)
    apart = (typical > 0.5) & (spaced | (links[chain[left]] >= 4))
    limit = np.where(apart, np.clip(2.2 * typical, 1.1, _FARTHEST), np.clip(0.55 + 1.6 * typical, 0.7, 0.95))
    kept = comb | (gap <= limit)
    group = connected(count, left[kept], right[kept])
    for number in np.flatnonzero((links >= _PRINT_LENGTH) & (usual < _PRINT_GAP)):
        members = np.flatnonzero(chain == number)
        group[members[_is_print(pieces, members, group[members])]] = 0
    return group


def _usual_gaps(pieces: Pieces, chain: Ints, links: Ints, of_link: Ints, gap: Floats) -> Floats:
    """Find the median gap between the digits of each chain by its number.

    Args:
        pieces: Of the page, N of them.
        chain: Of each piece, (N,).
        links: Of each chain, how many, (N + 1,).
        of_link: The chain of each link, (L,).
        gap: Of each link, (L,).

    Returns:
        In digit heights, (N + 1,); 0 where a number is none of a chain.
    """
    usual = np.zeros(len(links))
    order = np.lexsort((gap, of_link))
    starts = np.cumsum(links) - links
    some = np.flatnonzero(links)
    # Digits that touch are one wide piece, with no gaps in it.
    none = np.bincount(chain, weights=_inner_links(pieces), minlength=len(links)).astype(np.int64)[some]
    middle = (links[some] + none) // 2 - none
    usual[some] = np.where(middle < 0, 0.0, gap[order][starts[some] + np.maximum(middle, 0)])
    return usual


def _is_print(pieces: Pieces, members: Ints, group: Ints) -> NDArray[np.bool_]:
    """Tell which pieces of a long close chain are print: what stands on one line; what is written beside it stays."""
    level = _on_base_line(pieces, members)
    share = np.bincount(group, weights=level) / np.maximum(np.bincount(group), 1)
    return np.asarray((level.mean() >= _PRINT_LEVEL) & (share[group] >= _PRINT_LEVEL))


def _on_base_line(pieces: Pieces, members: Ints) -> NDArray[np.bool_]:
    """Tell which of the pieces of a row stand on one straight line, as printed letters do but for their descenders."""
    x, bottom = pieces.centre[members, 0], pieces.box[members, 3].astype(np.float64)
    height = float(np.median(pieces.height[members]))
    off = np.zeros(len(members))
    for _ in range(4):
        near = off <= max(2.0 * float(np.median(off)), 1.0)
        slope, base = np.polyfit(x[near] - x[0], bottom[near], 1)
        off = np.abs(bottom - slope * (x - x[0]) - base)
    return np.asarray(off < max(_LEVEL * height, 1.0))


def _inner_links(pieces: Pieces) -> Ints:
    """How many more digits than one each piece may hold, by its width."""
    digits: Ints = np.rint(pieces.width / np.maximum(_DIGIT_ASPECT * pieces.height, 1)).astype(np.int64)
    return np.maximum(digits - 1, 0)


def _attach(pieces: Pieces, group: Ints, whole: NDArray[np.bool_], ruling: Ruling) -> Ints:
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


def _extents(pieces: Pieces, group: Ints) -> tuple[Ints, Floats]:
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


def _slope(pieces: Pieces, left: Ints, right: Ints, group: Ints) -> float:
    """Slope of the page's rows: the median over the links inside strings, when there are enough to tell."""
    joined = (group[left] == group[right]) & (group[left] > 0)
    if np.count_nonzero(joined) < 12:
        return 0.0
    step = pieces.centre[right[joined]] - pieces.centre[left[joined]]
    return float(np.clip(np.median(step[:, 1] / np.maximum(step[:, 0], 1.0)), -0.2, 0.2))


def _regions(pieces: Pieces, group: Ints, slope: float, least: float) -> tuple[Region, ...]:
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


def _lines_about(region: Region, ruling: Ruling) -> Mask | None:
    """Cut out the printed lines about a string; None where there are none."""
    x, y, width, height = region.box
    margin = region.margin
    top, left = max(y - margin, 0), max(x - margin, 0)
    window = (slice(top, y + height + margin), slice(left, x + width + margin))
    lines = ruling.before[window] & ~ruling.ink[window]
    if not lines.any():
        return None
    found = np.zeros((height + 2 * margin, width + 2 * margin), np.bool_)
    down, across = top - y + margin, left - x + margin
    found[down : down + lines.shape[0], across : across + lines.shape[1]] = lines
    return found


def _reading_order(extent: Ints, tall: Floats, slope: float) -> list[int]:
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
