"""The largest ruled grid of a page: where its lines cross, in page pixels.

The lines of a grid hang together, so a grid is one large connected component of thin strokes. Its outline is laid onto
a rectangle, lines are peaks of the profiles there, and every crossing is then moved onto the lines as they really run,
which takes up paper that is not flat.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.preprocess import CleanPage, Ink, components, shrink

Points = NDArray[np.float64]
"""Positions x, y on the page; the last axis has length 2."""
Binary = NDArray[np.uint8]
"""0 or 255 (or 0 and 1), (H, W)."""

_SEARCH_SIDE = 1000
_RECTIFIED_SIDE = 900
_MARGIN = 24
_LOCAL = 31
_CONTRAST = 14.0


@dataclass(frozen=True, slots=True)
class Grid:
    """A ruled grid.

    Attributes:
        nodes: Where the lines cross, (rows + 1, columns + 1, 2) float64, x and y in page pixels.
        evidence: Share of the cell borders on which a line was really seen.
    """

    nodes: Points
    evidence: float

    @property
    def rows(self) -> int:
        """Number of rows of cells."""
        return int(self.nodes.shape[0] - 1)

    @property
    def columns(self) -> int:
        """Number of columns of cells."""
        return int(self.nodes.shape[1] - 1)

    @property
    def corners(self) -> Points:
        """Outer corners: top left, top right, bottom right, bottom left, (4, 2)."""
        return self.nodes[[0, 0, -1, -1], [0, -1, -1, 0]]

    @property
    def area(self) -> float:
        """Area of the quadrilateral of the corners, in square pixels."""
        return float(cv2.contourArea(self.corners.astype(np.float32)))


def find_grid(page: CleanPage) -> Grid | None:
    """Find the largest ruled grid.

    Args:
        page: The clean page; its ink is looked at, since the hair lines of a grid are often too faint for its mask.

    Returns:
        The grid, or None when there is none of at least two cells.
    """
    scale = min(1.0, _SEARCH_SIDE / max(page.ink.shape))
    small = shrink(page.ink, scale)
    best: Grid | None = None
    for quad in _frames(thin_ink(small)):
        grid = _fit(small, quad)
        if grid is not None and (best is None or _worth(grid) > _worth(best)):
            best = grid
    if best is None:
        return None
    return Grid(nodes=(best.nodes + 0.5) / scale - 0.5, evidence=best.evidence)


def _worth(grid: Grid) -> float:
    """Area, but a sheet's edge around a grid, on which half the lines are missing, is worth less than the grid."""
    return float(grid.area * grid.evidence**6)


def thin_ink(ink: Ink) -> Binary:
    """Ink that stands out from its neighbourhood, however faint: 255 where it does, 0 elsewhere."""
    mean = cv2.blur(ink, (_LOCAL, _LOCAL), borderType=cv2.BORDER_REPLICATE)
    above = cv2.subtract(ink, mean)
    return cv2.threshold(above, _CONTRAST, 255, cv2.THRESH_BINARY)[1].astype(np.uint8, copy=False)


def _frames(thin: Binary, most: int = 4) -> list[Points]:
    """Outlines (4, 2) of the large components that enclose much and fill little, largest first."""
    labels, stats, _ = components(thin)
    extent = stats[:, cv2.CC_STAT_WIDTH].astype(np.int64) * stats[:, cv2.CC_STAT_HEIGHT]
    extent[0] = 0
    frames: list[tuple[float, Points]] = []
    for label in np.argsort(extent)[::-1][: 2 * most]:
        x, y, width, height, area = (int(value) for value in stats[label])
        if extent[label] < 0.02 * thin.size or min(width, height) < 30:
            break
        inside = labels[y : y + height, x : x + width] == label
        hull = cv2.convexHull(cv2.findNonZero(inside.view(np.uint8))) + np.array([x, y], np.int32)
        enclosed = cv2.contourArea(hull)
        if area > 0.4 * enclosed:
            continue
        quad = _quadrilateral(hull.astype(np.int32, copy=False))
        if quad is not None:
            frames.append((enclosed, quad))
    frames.sort(key=lambda frame: -frame[0])
    return [quad for _, quad in frames[:most]]


def _quadrilateral(hull: NDArray[np.int32]) -> Points | None:
    """The four-sided figure nearest to a convex hull, corners clockwise from top left; None when it has other sides."""
    length = cv2.arcLength(hull, True)
    for tolerance in np.linspace(0.01, 0.1, 19):
        corners = cv2.approxPolyDP(hull, tolerance * length, True)
        if len(corners) <= 4:
            break
    if len(corners) != 4:
        return None
    quad = _sides_to_corners(hull.reshape(-1, 2).astype(np.float64), corners.reshape(4, 2).astype(np.float64))
    if abs(cv2.contourArea(quad.astype(np.float32))) < 0.75 * cv2.contourArea(hull):
        return None
    return _from_top_left(quad)


def _sides_to_corners(hull: Points, quad: Points) -> Points:
    """Move the corners to where straight lines through the hull's sides meet: one stray stroke then moves no corner."""
    step = np.roll(hull, -1, axis=0) - hull
    pieces = np.maximum(np.hypot(step[:, 0], step[:, 1]).astype(int), 1)
    outline = np.concatenate(
        [point + np.arange(n)[:, None] / n * move for point, move, n in zip(hull, step, pieces, strict=True)]
    )
    lines = []
    for start, end in zip(quad, np.roll(quad, -1, axis=0), strict=True):
        along = (end - start) / np.hypot(*(end - start))
        position = (outline - start) @ along
        distance = (outline - start) @ np.array([-along[1], along[0]])
        length = float(np.hypot(*(end - start)))
        near = outline[(np.abs(distance) < 0.03 * length + 2) & (position > 0.04 * length) & (position < 0.96 * length)]
        if len(near) < 8:
            return quad
        vx, vy, px, py = cv2.fitLine(near.astype(np.float32), cv2.DIST_HUBER, 0, 0.01, 0.01).ravel()
        lines.append(np.cross([px, py, 1.0], [px + vx, py + vy, 1.0]))
    corners = [np.cross(before, after) for before, after in zip(np.roll(lines, 1, axis=0), lines, strict=True)]
    if any(abs(corner[2]) < 1e-9 for corner in corners):
        return quad
    moved = np.array([corner[:2] / corner[2] for corner in corners])
    reach = 0.08 * np.sqrt(abs(cv2.contourArea(quad.astype(np.float32))))
    return moved if np.abs(moved - quad).max() < max(reach, 4.0) else quad


def _from_top_left(quad: Points) -> Points:
    """Order corners clockwise from the one nearest to the top left."""
    centre = quad.mean(axis=0)
    quad = quad[np.argsort(np.arctan2(quad[:, 1] - centre[1], quad[:, 0] - centre[0]))]
    return np.roll(quad, -int(np.argmin(quad.sum(axis=1))), axis=0)


def _fit(ink: Ink, quad: Points) -> Grid | None:
    """Find the lines inside an outline; None when they make fewer than two cells or mostly are not there."""
    top, right, bottom, left = (float(np.hypot(*(b - a))) for a, b in zip(quad, np.roll(quad, -1, axis=0), strict=True))
    zoom = _RECTIFIED_SIDE / max(top, right, bottom, left)
    width, height = round(max(top, bottom) * zoom), round(max(left, right) * zoom)
    if min(width, height) < 40:
        return None
    low = float(_MARGIN)
    target = np.array([[low, low], [low + width, low], [low + width, low + height], [low, low + height]])
    homography = cv2.getPerspectiveTransform(quad.astype(np.float32), target.astype(np.float32))
    size = (width + 2 * _MARGIN, height + 2 * _MARGIN)
    flat = cv2.warpPerspective(ink, homography, size, flags=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    thin = thin_ink(flat)
    vertical = _strokes(thin, height)
    horizontal = _strokes(np.ascontiguousarray(thin.T), width).T
    xs, ys = _positions(vertical), _positions(np.ascontiguousarray(horizontal.T))
    xs, ys = _through(vertical, xs, ys), _through(np.ascontiguousarray(horizontal.T), ys, xs)
    xs, ys = _regular(xs), _regular(ys)
    page_size = (ink.shape[1], ink.shape[0])
    xs = _open_ends(xs, width, _on_edge(quad[[0, 3]], page_size), _on_edge(quad[[1, 2]], page_size))
    ys = _open_ends(ys, height, _on_edge(quad[[0, 1]], page_size), _on_edge(quad[[2, 3]], page_size))
    if len(xs) < 2 or len(ys) < 2 or len(xs) + len(ys) < 5:
        return None
    nodes, evidence = _trace(vertical, horizontal, xs, ys)
    if evidence < 0.6:
        return None
    back = cv2.perspectiveTransform(nodes.reshape(1, -1, 2), np.linalg.inv(homography))
    return Grid(nodes=back.reshape(nodes.shape).astype(np.float64), evidence=evidence)


def _strokes(thin: Binary, length: int) -> Binary:
    """What of a rectified grid's ink runs straight down: openings, bridging the dots of a dotted line."""
    bridged = cv2.morphologyEx(thin, cv2.MORPH_CLOSE, np.ones((7, 1), np.uint8))
    run = max(15, length // 40)
    # Lines lean a little where the paper bends: widened by a pixel, they still hold an upright run.
    return cv2.morphologyEx(
        cv2.dilate(bridged, np.ones((1, 3), np.uint8)), cv2.MORPH_OPEN, np.ones((run, 1), np.uint8)
    ).astype(np.uint8, copy=False)


def _positions(vertical: Binary) -> NDArray[np.float64]:
    """Where lines run down a rectified grid: peaks of the share of rows that have ink within a few pixels."""
    inside = vertical[_MARGIN:-_MARGIN]
    spread = cv2.dilate(inside, np.ones((1, 13), np.uint8))
    profile = cv2.GaussianBlur((spread > 0).mean(axis=0, dtype=np.float64).reshape(1, -1), (0, 0), 2).ravel()
    peaks: list[float] = []
    start: int | None = None
    for x, high in enumerate([*(profile > 0.55), False]):
        if high and start is None:
            start = x
        elif not high and start is not None:
            weights = profile[start:x] - 0.5
            peaks.append(float(np.average(np.arange(start, x), weights=weights)))
            start = None
    return np.array(peaks)


def _through(vertical: Binary, xs: NDArray[np.float64], ys: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keep the lines that go through their crossings, as no upright stroke of a digit does."""
    if len(ys) < 2 or len(xs) == 0:
        return xs
    spread = cv2.dilate(vertical, np.ones((1, 15), np.uint8)) > 0
    columns = np.rint(xs).astype(int)
    stubs = []
    for top, bottom in pairwise(ys):
        reach = 0.15 * (bottom - top)
        for low, high in ((top + 2, top + 2 + reach), (bottom - 2 - reach, bottom - 2)):
            stubs.append(spread[int(low) : max(int(high), int(low) + 1), columns].mean(axis=0) > 0.8)
    through: NDArray[np.bool_] = np.mean(stubs, axis=0) > 0.6
    return xs[through]


def _regular(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fill in the lines that an evenly ruled grid is missing."""
    if len(positions) < 4:
        return positions
    gaps = np.diff(positions)
    pitch = float(np.median(gaps))
    steps = np.maximum(np.rint(gaps / pitch), 1)
    even = np.abs(gaps - steps * pitch) < 0.15 * pitch * steps
    if not even.all() or np.mean(steps == 1) < 0.6 or steps.max() > 3:
        return positions
    filled = [
        start + gap * np.arange(count) / count
        for start, gap, count in zip(positions[:-1], gaps, steps.astype(int), strict=True)
    ]
    return np.concatenate((*filled, positions[-1:]))


def _on_edge(side: Points, size: tuple[int, int]) -> bool:
    """Tell whether a side of the outline lies on the picture's edge, where the grid may go on unseen."""
    distance = np.minimum(side, np.array(size) - 1 - side)
    return bool((distance < 0.015 * max(size)).all(axis=0).any())


def _open_ends(positions: NDArray[np.float64], length: int, first: bool, last: bool) -> NDArray[np.float64]:
    """Let the picture's edge end the last cell when most of that cell is in the picture."""
    if len(positions) < 2:
        return positions
    pitch = float(np.median(np.diff(positions)))
    if first and positions[0] - _MARGIN > 0.6 * pitch:
        positions = np.concatenate(([float(_MARGIN)], positions))
    if last and _MARGIN + length - positions[-1] > 0.6 * pitch:
        positions = np.concatenate((positions, [float(_MARGIN + length)]))
    return positions


def _trace(
    vertical: Binary, horizontal: Binary, xs: NDArray[np.float64], ys: NDArray[np.float64]
) -> tuple[Points, float]:
    """Move every crossing onto the lines that meet there.

    Args:
        vertical: Ink that runs down the rectified grid.
        horizontal: Ink that runs across it.
        xs: Where lines run down, in rectified pixels.
        ys: Where lines run across.

    Returns:
        The crossings (rows + 1, columns + 1, 2), and the share of cell borders with a line.
    """
    dx, seen_x = _offsets(vertical, xs, ys)
    dy, seen_y = _offsets(np.ascontiguousarray(horizontal.T), ys, xs)
    grid_x, grid_y = np.meshgrid(xs, ys)
    nodes = np.stack((grid_x + dx, grid_y + dy.T), axis=-1)
    return nodes, (seen_x.sum() + seen_y.sum()) / (seen_x.size + seen_y.size)


def _offsets(
    vertical: Binary, xs: NDArray[np.float64], ys: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Measure how far each line is from its straight course at each crossing, and on which borders it is seen.

    Returns:
        Offsets (len(ys), len(xs)) and seen borders (len(ys) - 1, len(xs)).
    """
    reach = int(np.clip(0.2 * np.min(np.diff(xs), initial=100.0), 3, 12))
    pitch = np.diff(ys)
    above, below = np.concatenate(([pitch[0]], pitch)), np.concatenate((pitch, [pitch[-1]]))
    ink = vertical > 0
    offsets = np.zeros((len(ys), len(xs)))
    weight = np.zeros((len(ys), len(xs)))
    for j, x in enumerate(np.rint(xs).astype(int)):
        low = max(x - reach, 0)
        band = ink[:, low : x + reach + 1]
        shift = np.arange(band.shape[1]) + low - xs[j]
        for i, y in enumerate(ys):
            rows = band[max(int(y - 0.4 * above[i]), 0) : int(y + 0.4 * below[i]) + 1]
            profile = rows.mean(axis=0) if rows.size else np.zeros(band.shape[1])
            if profile.max(initial=0) > 0.3:
                core = np.where(profile > 0.6 * profile.max(), profile, 0)
                offsets[i, j] = float((core * shift).sum() / core.sum())
                weight[i, j] = float(profile.max())
    smooth = _smooth(offsets, weight, xs, ys)
    trusted = (weight > 0) & (np.abs(offsets - smooth) < 2.5)
    spread = cv2.dilate(vertical, np.ones((1, 7), np.uint8)) > 0
    seen = np.zeros((len(ys) - 1, len(xs)), np.bool_)
    for i in range(len(ys) - 1):
        middle = 0.5 * (smooth[i] + smooth[i + 1])
        columns = np.clip(np.rint(xs + middle), 0, ink.shape[1] - 1).astype(int)
        seen[i] = spread[int(ys[i]) : int(ys[i + 1]) + 1, columns].mean(axis=0) > 0.6
    return np.where(trusted, offsets, smooth), seen


def _smooth(
    offsets: NDArray[np.float64], weight: NDArray[np.float64], xs: NDArray[np.float64], ys: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Fit a quadratic surface to the offsets, twice, the second time without what lies far from the first."""
    u, v = np.meshgrid(xs / max(np.abs(xs).max(), 1.0), ys / max(np.abs(ys).max(), 1.0))
    terms = np.stack([np.ones_like(u), u, v, u * v, u * u, v * v, u * u * v, u * v * v], axis=-1).reshape(-1, 8)
    flat, trust = offsets.ravel(), weight.ravel().copy()
    fitted = np.zeros_like(flat)
    for _ in range(2):
        if np.count_nonzero(trust) < 12:
            return np.full_like(offsets, float(np.average(flat, weights=trust)) if trust.any() else 0.0)
        solution, *_ = np.linalg.lstsq(terms * trust[:, None], flat * trust, rcond=None)
        fitted = terms @ solution
        trust[np.abs(flat - fitted) > 3.0] = 0
    return fitted.reshape(offsets.shape)
