"""Each cell of a grid gets its own ink, whole, and no line."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from extractor.cells import cell_regions
from extractor.grid import Grid, find_grid
from extractor.preprocess import CleanPage, clean
from extractor.regions import Region

from .written_pages import Sheet

SIDE, LEFT, TOP = 80, 70, 60


def sheet_with_grid(rows: int = 4, columns: int = 6) -> Sheet:
    sheet = Sheet(2 * LEFT + columns * SIDE, 2 * TOP + rows * SIDE)
    sheet.table(
        [LEFT + SIDE * index for index in range(columns + 1)], [TOP + SIDE * index for index in range(rows + 1)], 2
    )
    return sheet


def cells(page: CleanPage) -> dict[str, Region]:
    grid = find_grid(page)
    assert grid is not None
    return {region.name: region for region in cell_regions(page, grid)}


def ink_on_page(region: Region, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    assert region.mask is not None
    x, y, width, height = region.box
    page = np.zeros(shape, np.bool_)
    page[y : y + height, x : x + width] = region.mask
    return page


def test_blank_cells_are_told_from_filled_ones() -> None:
    sheet = sheet_with_grid()
    filled = {(0, 0): "4", (0, 5): "1", (1, 2): "7", (2, 3): "0", (3, 0): "9", (3, 5): "25"}
    for (row, column), text in filled.items():
        sheet.write(text, LEFT + column * SIDE + 20, TOP + row * SIDE + 16, size=40)
    found = cells(sheet.clean())
    assert list(found) == [f"r{row}c{column}" for row in range(1, 5) for column in range(1, 7)]
    for name, region in found.items():
        assert region.kind == "cell"
        assert region.mask is not None
        assert region.mask.shape == (region.box[3], region.box[2])
        row, column = int(name[1]) - 1, int(name[3]) - 1
        assert region.mask.any() == ((row, column) in filled), name


def test_stroke_across_a_line_belongs_whole_to_its_cell() -> None:
    sheet = sheet_with_grid()
    cv2.line(sheet.ink, (LEFT + 100, TOP + 20), (LEFT + 130, TOP + 96), 255, 6)
    page = sheet.clean()
    found = cells(page)
    below = found["r2c2"].mask
    assert below is not None
    assert not below.any()
    ink = ink_on_page(found["r1c2"], page.mask.shape)
    assert ink[sheet.ink > 200].mean() > 0.95


def test_lines_are_not_part_of_the_ink() -> None:
    sheet = sheet_with_grid()
    sheet.write("8", LEFT + 20, TOP + 16, size=44)
    page = sheet.clean()
    for region in cells(page).values():
        ink = ink_on_page(region, page.mask.shape)
        assert not ink[(sheet.print > 128) & (sheet.ink == 0)].any()


def test_strokes_that_meet_at_a_line_are_divided_there() -> None:
    sheet = sheet_with_grid()
    line = TOP + SIDE
    cv2.line(sheet.ink, (LEFT + 40, line - 50), (LEFT + 40, line + 50), 255, 7)
    page = sheet.clean()
    found = cells(page)
    for name in ("r1c1", "r2c1"):
        mask = found[name].mask
        assert mask is not None
        assert mask.sum() > 150


@pytest.mark.parametrize("faint", [0.35, 1.0])
def test_faint_digit_among_dark_ones_is_kept(faint: float) -> None:
    sheet = sheet_with_grid()
    for column in range(5):
        sheet.write("5", LEFT + column * SIDE + 20, TOP + 16, size=44)
    x, y, width, height = sheet.write("3", LEFT + 5 * SIDE + 20, TOP + 2 * SIDE + 16, size=44, faint=faint)
    page = sheet.clean()
    ink = ink_on_page(cells(page)["r3c6"], page.mask.shape)
    stroke = np.zeros_like(ink)
    stroke[y : y + height, x : x + width] = sheet.ink[y : y + height, x : x + width] > 200 * faint
    assert ink[stroke].mean() > 0.85


def test_tint_of_a_cell_is_no_ink() -> None:
    sheet = sheet_with_grid()
    for column in range(5):
        sheet.write("6", LEFT + column * SIDE + 20, TOP + 16, size=44)
    x, y = LEFT + 2 * SIDE, TOP + 2 * SIDE
    sheet.print[y + 2 : y + SIDE - 1, x + 2 : x + SIDE - 1] = 90
    sheet.write("6", x + 20, y + 16, size=44)
    page = sheet.clean()
    ink = ink_on_page(cells(page)["r3c3"], page.mask.shape)
    assert ink[sheet.ink > 200][...].sum() > 0
    assert ink[(sheet.print == 90) & (cv2.dilate(sheet.ink, np.ones((9, 9), np.uint8)) == 0)].mean() < 0.05


def test_dirt_in_a_cell_is_no_ink() -> None:
    sheet = sheet_with_grid()
    sheet.write("2", LEFT + 20, TOP + 16, size=44)
    cv2.circle(sheet.ink, (LEFT + 3 * SIDE + 40, TOP + SIDE + 40), 2, 255, -1)
    mask = cells(sheet.clean())["r2c4"].mask
    assert mask is not None
    assert not mask.any()


def test_boxes_of_a_slanted_grid_stay_on_the_page() -> None:
    nodes = np.array([[[-6.0, 4.0], [60.0, -3.0], [124.0, 2.0]], [[-4.0, 66.0], [61.0, 70.0], [130.0, 68.0]]])
    page = clean(np.full((64, 120), 230, np.uint8))
    for region in cell_regions(page, Grid(nodes, 1.0)):
        x, y, width, height = region.box
        assert x >= 0
        assert y >= 0
        assert x + width <= 120
        assert y + height <= 64
