"""Where the digits of a page are, when no template says so."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from extractor.cells import cell_regions
from extractor.grid import find_grid
from extractor.marks import SMALL
from extractor.preprocess import CleanPage
from extractor.regions import Region as Region
from extractor.ruling import remove_ruling
from extractor.textlines import find_strings

Layout = Literal["auto", "page", "line", "grid"]

_GRID_SHARE = 0.15
_GRID_CELLS = 9
_STRIP_ASPECT = 1.5
_LOW = 22.0
"""A picture lower than so many strokes has room for one line only: digits are 7 to 15 strokes high."""
_LOW_ASPECT = 0.8


def find_regions(page: CleanPage, layout: Layout) -> tuple[Region, ...]:
    """Find the places to read.

    Args:
        page: The clean page.
        layout: ``line``: the whole image is one string. ``page``: strings anywhere. ``grid``: the cells of the largest
            ruled grid, row by row; none when there is no grid. ``auto``: whichever of these the page looks like.

    Returns:
        Regions in reading order.
    """
    if layout == "line":
        return (_whole(page),)
    if layout == "grid":
        grid = find_grid(page)
        return () if grid is None else _told(cell_regions(page, grid))
    if layout == "page":
        return _strings(page)
    return _decide(page)


def _decide(page: CleanPage) -> tuple[Region, ...]:
    """Choose among the layouts by what is on the page."""
    if _is_low(page):
        return (_whole(page),)
    grid = find_grid(page)
    if grid is not None and grid.area > _GRID_SHARE * page.mask.size and grid.rows * grid.columns >= _GRID_CELLS:
        cells = cell_regions(page, grid)
        if _holds_single_marks(cells):
            return _told(cells)
    strings = _strings(page)
    is_table = grid is not None and grid.rows > 1
    return (_whole(page),) if not is_table and _is_strip(page, strings) else strings


def _told(cells: tuple[Region, ...]) -> tuple[Region, ...]:
    """Say of cells whether they hold one digit each; where they hold numbers, several small digits are nothing odd."""
    is_single = _holds_single_marks(cells)
    return tuple(
        replace(cell, is_single=is_single, mark=cell.mark if is_single or cell.mark not in SMALL else "")
        for cell in cells
    )


def _holds_single_marks(cells: tuple[Region, ...]) -> bool:
    """Tell a grid of digits from a table of words and numbers: most filled cells hold one mark, higher than wide."""
    filled = single = 0
    for cell in cells:
        if cell.mask is None or not cell.mask.any():
            continue
        filled += 1
        columns = np.flatnonzero(cell.mask.any(axis=0))
        rows = np.flatnonzero(cell.mask.any(axis=1))
        single += bool(columns[-1] - columns[0] < 1.1 * (rows[-1] - rows[0] + 1))
    return filled > 0 and single > 0.6 * filled


def _is_low(page: CleanPage) -> bool:
    """Tell the crop of one line: so low that two would not fit, whatever pattern and lines are on it."""
    height, width = page.mask.shape
    return bool(height < _LOW * page.stroke and width >= _LOW_ASPECT * height)


def _is_strip(page: CleanPage, strings: tuple[Region, ...]) -> bool:
    """Tell a strip that was cut out around one string: low and wide, with one row of ink that fills its height."""
    height, width = page.mask.shape
    if width < _STRIP_ASPECT * height:
        return False
    tall = max((region.box[3] for region in strings), default=0)
    main = [region.box for region in strings if region.box[3] > 0.5 * tall]
    if not main:
        return True
    top = min(box[1] for box in main)
    bottom = max(box[1] + box[3] for box in main)
    middles = [box[1] + 0.5 * box[3] for box in main]
    return bool(tall > 0.3 * height and max(middles) - min(middles) < 0.5 * (bottom - top))


def _whole(page: CleanPage) -> Region:
    height, width = page.mask.shape
    return Region("line-1", (0, 0, width, height), None, "line")


def _strings(page: CleanPage) -> tuple[Region, ...]:
    return find_strings(remove_ruling(page.mask), page.stroke)
