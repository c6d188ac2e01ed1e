"""The ink of each cell of a ruled grid: without lines and neighbours' ink, strokes that cross a line left whole."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.grid import Grid, Points
from extractor.marks import Mark, is_note, mark_of
from extractor.preprocess import CleanPage, Ink, Mask, binarize
from extractor.regions import Region
from extractor.ruling import line_ink

_MAIN_SHARE = 0.7
"""A stroke goes whole to the cell that holds this share of it; else it is divided at the line."""

_FAINTEST = 0.25
"""Ink fainter than this share of the grid's usual ink is what shows through from the other side."""


def cell_regions(page: CleanPage, grid: Grid) -> tuple[Region, ...]:
    """Give each cell of a grid its ink, row by row.

    Args:
        page: The clean page.
        grid: Its grid.

    Returns:
        A region for every cell, ``r1c1`` first; the mask of a blank cell has no ink.
    """
    cell = float(np.sqrt(grid.area / (grid.rows * grid.columns)))
    x0, y0, x1, y1 = _bounds(grid.nodes, page.ink.shape, 0.3 * cell)
    nodes = grid.nodes - (x0, y0)
    owners = _owners(nodes, (y1 - y0, x1 - x0))
    mask = _cell_mask(np.ascontiguousarray(page.ink[y0:y1, x0:x1]), nodes, owners)
    ink = mask & ~_line_ink(mask, nodes, cell)
    labels, owner = _assign(ink, owners, grid.rows * grid.columns, cell)
    regions = []
    for row in range(grid.rows):
        for column in range(grid.columns):
            number = row * grid.columns + column + 1
            quad = nodes[row : row + 2, column : column + 2]
            left, top, right, bottom = _bounds(quad, ink.shape, 0)
            whole = np.flatnonzero(owner[1] == number)
            for x, y, width, height in owner[0][whole]:
                left, top = min(left, int(x)), min(top, int(y))
                right, bottom = max(right, int(x + width)), max(bottom, int(y + height))
            window = labels[top:bottom, left:right]
            mine = np.isin(window, whole) if len(whole) else np.zeros(window.shape, np.bool_)
            shared = (owner[1] == -1)[window]
            mine |= shared & (owners[top:bottom, left:right] == number)
            box = (left + x0, top + y0, right - left, bottom - top)
            mine &= ink[top:bottom, left:right]
            mark = _mark(mine, quad - (left, top))
            regions.append(Region(f"r{row + 1}c{column + 1}", box, mine, "cell", mark))
    return tuple(_beside_larger(regions))


def _beside_larger(regions: list[Region]) -> list[Region]:
    """Take small digits for notes only beside larger ones: who writes small and in corners throughout means them."""
    filled = [region.mark for region in regions if region.mask is not None and region.mask.any()]
    if filled.count("note") < 0.5 * len(filled):
        return regions
    return [replace(region, mark="") if region.mark == "note" else region for region in regions]


def _mark(mask: Mask, quad: Points) -> Mark:
    """Tell what a cell holds in place of a digit; its corners are (2, 2, 2) in pixels of the mask."""
    sides = np.diff(quad, axis=1)[:, 0], np.diff(quad, axis=0)[0]
    width, height = (float(np.hypot(side[:, 0], side[:, 1]).mean()) for side in sides)
    mark = mark_of(mask, (width, height))
    if mark or not is_note(mask, quad[[0, 0, 1, 1], [0, 1, 1, 0]]):
        return mark
    return "note"


def _bounds(points: Points, shape: tuple[int, ...], margin: float) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of points, inside the picture."""
    flat = points.reshape(-1, 2)
    left, top = np.floor(flat.min(axis=0) - margin).astype(int).tolist()
    right, bottom = (np.ceil(flat.max(axis=0) + margin).astype(int) + 1).tolist()
    return max(left, 0), max(top, 0), max(min(right, shape[1]), left + 1), max(min(bottom, shape[0]), top + 1)


def _owners(nodes: Points, shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Number of the cell that each pixel lies in, from 1; 0 outside the grid."""
    owners = np.zeros(shape, np.int32)
    rows, columns = nodes.shape[0] - 1, nodes.shape[1] - 1
    corners = np.rint(nodes).astype(np.int32)
    for row in range(rows):
        for column in range(columns):
            quad = corners[[row, row, row + 1, row + 1], [column, column + 1, column + 1, column]]
            cv2.fillConvexPoly(owners, quad, row * columns + column + 1)
    return owners


def _cell_mask(ink: Ink, nodes: Points, owners: NDArray[np.int32]) -> Mask:
    """Split ink from paper, with a threshold of its own for each cell that is tinted or holds fainter ink than others.

    The desk around a sheet can be darker than any ink on it, so the common threshold is found among the grid's own ink.
    """
    mask, level = binarize(ink)
    least, most = np.zeros(int(owners.max()) + 1), np.full(int(owners.max()) + 1, 255.0)
    columns = nodes.shape[1] - 1
    for row in range(nodes.shape[0] - 1):
        for column in range(columns):
            quad = nodes[row : row + 2, column : column + 2]
            left, top, right, bottom = _bounds(quad, ink.shape, -0.12 * float(np.ptp(quad[..., 1])))
            inside = ink[top:bottom, left:right]
            peak, paper = np.percentile(inside, (98.5, 50))
            if paper > _FAINTEST * level:  # A tinted cell: its ink is what stands out of the tint.
                least[row * columns + column + 1] = 0.5 * (paper + peak)
            elif peak > max(_FAINTEST * level, 4 * paper):
                most[row * columns + column + 1] = 0.5 * peak
    return (mask | (ink > most.astype(np.uint8)[owners])) & (ink >= least.astype(np.uint8)[owners])


def _assign(
    ink: Mask, owners: NDArray[np.int32], cells: int, cell: float
) -> tuple[NDArray[np.int32], tuple[NDArray[np.int32], NDArray[np.int32]]]:
    """Give each piece of ink its cell.

    Args:
        ink: Ink without grid lines.
        owners: Cell of each pixel.
        cells: How many there are.
        cell: Typical cell side in pixels.

    Returns:
        Labels of the pieces, their boxes (N, 4), and the cell of each: 0 for none (dirt), -1 where it is divided.
    """
    # Breaks of a pen that skips are bridged, or its crumbs would be taken for dirt.
    bridge = np.ones((2 * round(0.02 * cell) + 1,) * 2, np.uint8)
    whole = cv2.morphologyEx(ink.astype(np.uint8), cv2.MORPH_CLOSE, bridge)
    count, found, boxes, _ = cv2.connectedComponentsWithStats(whole, connectivity=8)
    labels, stats = found.astype(np.int32, copy=False), boxes.astype(np.int32, copy=False)
    pixels = labels[ink].astype(np.int64) * (cells + 1) + owners[ink]
    shares = np.bincount(pixels, minlength=count * (cells + 1)).reshape(count, cells + 1)
    area = np.maximum(shares.sum(axis=1), 1)
    inside = shares[:, 1:]
    main = inside.argmax(axis=1)
    share = inside[np.arange(count), main] / area
    owner = np.where(share >= _MAIN_SHARE, main + 1, -1).astype(np.int32)
    owner[inside.sum(axis=1) < 0.3 * area] = 0
    width, height = stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_HEIGHT]
    long, short = np.maximum(width, height), np.minimum(width, height)
    dirt = (long < 0.14 * cell) | (area < 0.0025 * cell * cell)
    # What is left of lines: slivers and crumbs along the border of a cell.
    border = cv2.distanceTransform((_borders(owners) == 0).astype(np.uint8), cv2.DIST_L2, 3)
    nearest = np.full(count, np.inf)
    np.minimum.at(nearest, labels[ink], border[ink])
    farthest = np.zeros(count)
    np.maximum.at(farthest, labels[ink], border[ink])
    sliver = (farthest < 0.1 * cell) | (farthest < 0.16 * cell) & (short < 0.1 * cell)
    owner[dirt | sliver] = 0
    owner[0] = 0
    return labels, (stats[:, :4], owner)


def _borders(owners: NDArray[np.int32]) -> NDArray[np.uint8]:
    edge = np.zeros(owners.shape, np.uint8)
    edge[:, 1:] |= owners[:, 1:] != owners[:, :-1]
    edge[1:] |= owners[1:] != owners[:-1]
    return edge


def _line_ink(mask: Mask, nodes: Points, cell: float) -> Mask:
    """Ink of the grid's lines, but not of the strokes that cross them."""
    across, across_band = _runs_ink(mask, nodes, cell)
    down, down_band = _runs_ink(np.ascontiguousarray(mask.T), nodes.transpose(1, 0, 2)[:, :, ::-1], cell)
    return across | down.T | (across_band & down_band.T)


def _runs_ink(mask: Mask, nodes: Points, cell: float) -> tuple[Mask, Mask]:
    """Ink of the lines that run across, and the bands in which they lie."""
    reach = max(4, round(0.12 * cell))
    found, band = np.zeros_like(mask), np.zeros_like(mask)
    for line in nodes:
        first, last = int(line[:, 0].min()) - 3, int(line[:, 0].max()) + 4
        order = np.argsort(line[:, 0])
        xs = np.arange(max(0, first), min(mask.shape[1], last))
        rows, columns, alone = line_ink(mask, (xs, np.interp(xs, line[order, 0], line[order, 1])), reach)
        band[rows, columns] = True
        found[rows[alone], columns[alone]] = True
    return found & mask, band
