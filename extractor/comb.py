"""Combs: their dividers say where digits probably meet, but people write across them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from extractor.lines import LineImage
from extractor.marks import mark_of
from extractor.preprocess import Mask
from extractor.segmentation import Lattice

PENALTY = 3.0
"""Log-probability that a candidate loses when it shares its cell with as much other ink, or fills two cells."""


def without_marks(mask: Mask, box: tuple[float, float, float, float], dividers: Sequence[float]) -> Mask:
    """Take out what crosses out single cells of a comb.

    Args:
        mask: Ink of the comb, (H, W) bool.
        box: x, y, width, height of the comb.
        dividers: Where cells meet, x.

    Returns:
        The mask without it.
    """
    left, _, width, height = box
    edges = [left, *dividers, left + width]
    columns = np.arange(mask.shape[1])
    out = mask
    for first, last in pairwise(edges):
        inside = mask & ((columns >= first) & (columns < last))
        if inside.any() and mark_of(inside, (last - first, height)) == "crossed_out":
            out = out & ~inside
    return out


def cut_at(line: LineImage, dividers: Sequence[float]) -> LineImage:
    """Part the ink of a line at dividers, by a cut of one pixel, so that pieces end there; candidates may rejoin them.

    Args:
        line: The line at working scale.
        dividers: Where cells meet, x in line pixels.
    """
    mask = line.mask.copy()
    for place in dividers:
        column = round(place)
        if 0 < column < mask.shape[1] - 1:
            mask[:, column] = False
    return replace(line, mask=mask)


def prior(lattice: Lattice, dividers: Sequence[float]) -> NDArray[np.float32]:
    """Say how little each candidate looks like what one cell holds.

    A candidate loses in proportion to the other ink of its cell, which it leaves out, and to its ink beyond its cell.

    Args:
        lattice: N candidates.
        dividers: Where cells meet, x in line pixels, rising.

    Returns:
        (N,) float32, 0 for what fills one cell, down to twice `PENALTY` below.
    """
    if not lattice.candidates:
        return np.zeros(0, np.float32)
    count = lattice.pieces
    rows, columns = np.nonzero(lattice.labels)
    pieces = lattice.labels[rows, columns] - 1
    cells = np.searchsorted(np.asarray(dividers, np.float64), columns)
    table = np.zeros((count, len(dividers) + 1))
    np.add.at(table, (pieces, cells), 1.0)
    whole = table.sum(axis=0)
    sums = np.concatenate((np.zeros((1, table.shape[1])), np.cumsum(table, axis=0)))
    starts = np.array([item.start for item in lattice.candidates])
    stops = np.array([item.stop for item in lattice.candidates])
    mine = sums[stops] - sums[starts]
    main = mine.argmax(axis=1)
    own = mine[np.arange(len(mine)), main]
    missing = 1 - own / np.maximum(whole[main], 1.0)
    beyond = 1 - own / np.maximum(mine.sum(axis=1), 1.0)
    return np.asarray(-PENALTY * (missing + np.minimum(2 * beyond, 1.0)), np.float32)
