"""Ruled grids are found wherever they lie, and nothing else is taken for one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from extractor.grid import Grid, find_grid
from extractor.preprocess import clean

from .written_pages import Sheet, rotated

Corners = NDArray[np.float64]


def squares(cells: int = 9, side: int = 60, left: int = 120, top: int = 140, size: int = 800) -> Sheet:
    sheet = Sheet(size, size)
    for index in range(cells + 1):
        thickness = 5 if index % 3 == 0 else 2
        x, y = left + index * side, top + index * side
        sheet.rule((x, top), (x, top + cells * side), thickness)
        sheet.rule((left, y), (left + cells * side, y), thickness)
    return sheet


def corners_of(cells: int = 9, side: int = 60, left: int = 120, top: int = 140) -> Corners:
    right, bottom = left + cells * side, top + cells * side
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


def fill(sheet: Sheet, side: int = 60, left: int = 120, top: int = 140) -> None:
    for row, column in ((0, 0), (0, 4), (2, 7), (3, 3), (4, 1), (5, 8), (6, 2), (7, 5), (8, 0), (8, 8)):
        digit = str(1 + (row * 3 + column) % 9)
        sheet.write(digit, left + column * side + 18, top + row * side + 12, size=36)


def found(grid: Grid | None) -> Grid:
    assert grid is not None
    return grid


def farthest(grid: Grid, corners: Corners) -> float:
    return float(np.hypot(*(grid.corners - corners).T).max())


def test_finds_a_grid_of_nine_by_nine() -> None:
    sheet = squares()
    fill(sheet)
    grid = found(find_grid(sheet.clean()))
    assert (grid.rows, grid.columns) == (9, 9)
    assert farthest(grid, corners_of()) < 4
    assert grid.evidence > 0.95


def test_finds_a_photographed_grid_on_a_dark_desk() -> None:
    sheet = squares()
    fill(sheet)
    shape = np.array([[200, 210], [950, 150], [1050, 990], [150, 1060]], np.float32)
    view = cv2.getPerspectiveTransform(np.array([[0, 0], [800, 0], [800, 800], [0, 800]], np.float32), shape)
    photograph = cv2.warpPerspective(sheet.image(), view, (1200, 1200), borderValue=70)
    desk = sheet.rng.normal(0, 14, photograph.shape) * (photograph < 100)
    grid = found(find_grid(clean(np.clip(photograph + desk, 0, 255).astype(np.uint8))))
    expected = cv2.perspectiveTransform(corners_of().reshape(1, 4, 2), view.astype(np.float64))[0]
    assert (grid.rows, grid.columns) == (9, 9)
    assert farthest(grid, expected) < 0.02 * 700


@pytest.mark.parametrize("degrees", [-12, 7])
def test_finds_a_turned_grid(degrees: float) -> None:
    grid = found(find_grid(clean(rotated(squares().image(), degrees))))
    turn = cv2.getRotationMatrix2D((400, 400), degrees, 1.0)
    expected = corners_of() @ turn[:, :2].T + turn[:, 2]
    assert (grid.rows, grid.columns) == (9, 9)
    assert farthest(grid, expected) < 6


def test_follows_the_lines_of_bent_paper() -> None:
    image = squares().image()
    y, x = np.mgrid[0:800, 0:800].astype(np.float32)
    bend = 9 * np.sin(x / 800 * np.pi)
    bent = cv2.remap(image, x, y - bend, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    grid = found(find_grid(clean(bent.astype(np.uint8))))
    middle = grid.nodes[3, 5]
    assert middle[0] == pytest.approx(120 + 5 * 60, abs=3)
    assert middle[1] == pytest.approx(140 + 3 * 60 + 9 * np.sin(420 / 800 * np.pi), abs=3)


def test_fills_in_hair_lines_that_cannot_be_seen() -> None:
    sheet = squares()
    sheet.print[200 - 2 : 200 + 3, 130:650] = 0
    for x in range(120, 661, 60):
        sheet.rule((x, 190), (x, 210), 2)
    grid = found(find_grid(sheet.clean()))
    assert (grid.rows, grid.columns) == (9, 9)


def test_finds_the_uneven_columns_of_a_table() -> None:
    sheet = Sheet(1000, 600)
    xs, ys = [80, 300, 380, 620, 700, 920], [100, 170, 240, 310, 380]
    sheet.table(xs, ys)
    sheet.write("17", 320, 120, size=36)
    grid = found(find_grid(sheet.clean()))
    assert np.abs(grid.nodes[0, :, 0] - xs).max() < 3
    assert np.abs(grid.nodes[:, 0, 1] - ys).max() < 3


def test_upright_strokes_are_no_lines_of_a_table() -> None:
    sheet = Sheet(1000, 400)
    sheet.table([60, 260, 460, 660, 860], [100, 170, 240])
    for x in (150, 350, 560, 760):
        sheet.rule((x, 112), (x, 154), 5)
        sheet.rule((x + 2, 184), (x + 2, 226), 5)
    grid = found(find_grid(sheet.clean()))
    assert (grid.rows, grid.columns) == (2, 4)


def test_a_grid_cut_by_the_picture_keeps_its_outer_cells() -> None:
    image = squares(left=40, top=60).image()[:, 55:]
    grid = found(find_grid(clean(np.ascontiguousarray(image))))
    assert (grid.rows, grid.columns) == (9, 9)


def test_of_two_grids_the_larger_is_taken() -> None:
    sheet = squares(cells=6, left=60, top=60)
    sheet.table(list(range(560, 741, 60)), list(range(560, 741, 60)))
    assert found(find_grid(sheet.clean())).rows == 6


def test_no_grid_on_a_page_of_digits() -> None:
    sheet = Sheet(900, 700)
    for row in range(4):
        sheet.write("3 1 4 1 5 9", 80, 60 + row * 150, size=90)
    assert find_grid(sheet.clean()) is None


def test_no_grid_on_ruled_paper_or_in_a_single_box() -> None:
    ruled = Sheet(900, 700)
    for y in range(60, 700, 60):
        ruled.rule((0, y), (899, y), 2)
    boxed = Sheet(900, 700)
    boxed.box(100, 100, 600, 400)
    assert find_grid(ruled.clean()) is None
    assert find_grid(boxed.clean()) is None


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (40, 40)])
def test_no_grid_in_a_tiny_or_blank_picture(shape: tuple[int, int]) -> None:
    assert find_grid(clean(np.full(shape, 200, np.uint8))) is None
