"""Printed lines go, strokes stay."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from extractor.preprocess import clean
from extractor.ruling import line_ink, remove_ruling

from .written_pages import Sheet, combs_on_a_page, rotated

Mask = NDArray[np.bool_]


def shares_left(sheet: Sheet, degrees: float = 0) -> tuple[float, float]:
    """What is left of the lines, away from the writing, and of the writing, away from the lines."""
    image, ink, lines = sheet.image(), sheet.ink, sheet.print
    if degrees:
        image, ink, lines = rotated(image, degrees), rotated(ink, degrees, 0), rotated(lines, degrees, 0)
    left = remove_ruling(clean(image).mask).ink
    near = np.ones((13, 13), np.uint8)
    line_only = (lines > 128) & (cv2.dilate(ink, near) == 0)
    stroke_only = (ink > 128) & (cv2.dilate(lines, np.ones((5, 5), np.uint8)) == 0)
    return float(left[line_only].mean()), float(left[stroke_only].mean())


@pytest.mark.parametrize("degrees", [0.0, 2.5, -4.0])
def test_ruled_paper_goes_and_strokes_stay(degrees: float) -> None:
    sheet = Sheet(1100, 800)
    for y in range(100, 760, 70):
        sheet.rule((0, y), (1099, y), 2)
    sheet.write("27182", 200, 118, size=64)
    sheet.write("818284", 420, 400, size=64)
    lines, strokes = shares_left(sheet, degrees)
    assert lines < 0.1
    assert strokes > 0.97


def squared(seed: int) -> Sheet:
    sheet = Sheet(1000, 700, seed=seed)
    for y in range(20, 700, 48):
        sheet.rule((0, y), (999, y), 2)
    for x in range(20, 1000, 48):
        sheet.rule((x, 0), (x, 699), 2)
    sheet.write("59045", 200, 200, size=110)
    return sheet


def test_squared_paper_goes_and_strokes_stay() -> None:
    # A stroke that runs along a line by chance hides it: what counts is the usual sheet.
    lines, strokes = np.median([shares_left(squared(seed)) for seed in range(5)], axis=0)
    assert lines < 0.1
    assert strokes > 0.85


@pytest.mark.parametrize("degrees", [0.0, 2.0])
def test_boxes_of_a_form_go(degrees: float) -> None:
    sheet = Sheet(1000, 600)
    for row in range(3):
        sheet.box(100, 80 + 160 * row, 330, 80)
        sheet.box(520, 80 + 160 * row, 200, 80)
        sheet.write("4711", 130, 90 + 160 * row, size=56)
    lines, strokes = shares_left(sheet, degrees)
    assert lines < 0.1
    assert strokes > 0.97


def test_small_box_around_two_digits_goes() -> None:
    sheet = Sheet(900, 500)
    sheet.box(300, 200, 130, 80)
    sheet.write("86", 325, 210, size=56)
    lines, strokes = shares_left(sheet)
    assert lines < 0.15
    assert strokes > 0.97


def test_page_without_lines_is_left_as_it_is() -> None:
    sheet = Sheet(1000, 700)
    for row in range(4):
        sheet.write("1714171", 100, 60 + 160 * row, size=100)
    mask = sheet.clean().mask
    ruling = remove_ruling(mask)
    assert ruling.count == 0
    assert np.array_equal(ruling.ink, mask)


def test_tall_straight_one_is_no_line() -> None:
    sheet = Sheet(900, 500)
    for x in (200, 320, 450, 640):
        sheet.rule((x, 120), (x + 3, 330), 9)
    assert remove_ruling(sheet.clean().mask).count == 0


def test_stroke_across_a_line_stays_in_one_piece() -> None:
    sheet = Sheet(900, 400)
    sheet.rule((0, 200), (899, 204), 3)
    cv2.line(sheet.ink, (440, 120), (452, 300), 255, 9)
    ink = remove_ruling(sheet.clean().mask).ink
    count, _, stats, _ = cv2.connectedComponentsWithStats(ink.astype(np.uint8))
    assert sum(stats[label, cv2.CC_STAT_HEIGHT] > 150 for label in range(1, count)) == 1


def test_cells_of_a_comb_are_known_as_such_and_wide_cells_are_not() -> None:
    sheet = Sheet(1100, 500)
    sheet.table(list(range(100, 501, 50)), [100, 165])
    sheet.table([100, 400, 700, 1000], [300, 365])
    sheet.write("12345678", 108, 112, size=40, pitch=50)
    ruling = remove_ruling(sheet.clean().mask)

    def cell(x: int, y: int) -> int:
        return int(ruling.cells[int(y * ruling.scale), int(x * ruling.scale)])

    assert ruling.combs[cell(225, 132)]
    assert not ruling.combs[cell(250, 332)]
    assert not ruling.combs[cell(1050, 30)]
    assert cell(125, 132) != cell(175, 132)


@pytest.mark.parametrize("degrees", [0.0, 1.5])
@pytest.mark.parametrize("is_open", [False, True], ids=["broken dividers", "teeth"])
def test_combs_go_with_their_dividers_and_digits_stay(is_open: bool, degrees: float) -> None:
    lines, strokes = shares_left(combs_on_a_page(is_open=is_open), degrees)
    assert lines < 0.1
    assert strokes > 0.96


def test_broken_dividers_part_the_cells_of_a_comb() -> None:
    ruling = remove_ruling(combs_on_a_page(is_open=False).clean().mask)
    row = int(120 * ruling.scale)
    cells = [int(ruling.cells[row, int((180 + 60 * number) * ruling.scale)]) for number in range(7)]
    assert len(set(cells)) == 7
    assert ruling.combs[cells].all()


def test_the_walls_of_a_table_are_no_dividers_of_a_comb() -> None:
    """Strokes of digits half way between the walls of a row stand where dividers of a comb would."""
    sheet = Sheet(1100, 600)
    sheet.table([100, 260, 420, 580, 740, 900], [100, 180, 260, 340, 420])
    for x in (180, 340, 500, 660, 820):
        cv2.line(sheet.ink, (x, 186), (x, 254), 255, 4)
    lines, strokes = shares_left(sheet, 0.0)
    assert lines < 0.1
    assert strokes > 0.9


def test_strokes_on_a_ruled_sheet_are_no_dividers_of_a_comb() -> None:
    sheet = Sheet(1100, 500)
    for y in (100, 170, 240, 310):
        sheet.rule((20, y), (1080, y), 2)
    for x in (200, 260, 320, 380, 440):
        cv2.line(sheet.ink, (x, 172), (x, 238), 255, 4)
    assert shares_left(sheet, 0.0)[1] > 0.9


def test_lines_of_squared_paper_part_nothing() -> None:
    sheet = Sheet(1000, 800)
    sheet.table(list(range(40, 961, 40)), list(range(40, 761, 40)), thickness=1)
    sheet.write("48021", 120, 205, size=46)
    sheet.write("7730", 500, 405, size=46)
    ruling = remove_ruling(sheet.clean().mask)
    assert not ruling.walls.any()
    assert not ruling.combs.any()


def test_a_stroke_that_leans_over_a_thin_line_stays_in_one_piece() -> None:
    sheet = Sheet(600, 400)
    sheet.rule((0, 200), (599, 200), 1)
    cv2.line(sheet.ink, (300, 260), (340, 140), 255, 4)
    ink = remove_ruling(sheet.clean().mask).ink
    count, _, stats, _ = cv2.connectedComponentsWithStats(ink.astype(np.uint8))
    assert max(stats[label, cv2.CC_STAT_HEIGHT] for label in range(1, count)) > 110


def test_line_ink_keeps_what_ends_on_the_line() -> None:
    mask = np.zeros((60, 200), np.bool_)
    mask[30:33] = True
    mask[10:30, 80:86] = True
    rows, columns, alone = line_ink(mask, (np.arange(200), np.full(200, 31.0)), 6)
    taken = np.zeros_like(mask)
    taken[rows[alone], columns[alone]] = True
    left: Mask = mask & ~taken
    assert left[10:28, 80:86].all()
    assert not left[30:33].any()


def test_line_ink_finds_no_line_where_there_is_none() -> None:
    rows, _, _ = line_ink(np.zeros((40, 100), np.bool_), (np.arange(100), np.full(100, 20.0)), 5)
    assert rows.size == 0


@pytest.mark.parametrize("value", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (200, 3), (50, 50)])
def test_any_mask_is_survived(shape: tuple[int, int], value: bool) -> None:
    assert remove_ruling(np.full(shape, value, np.bool_)).ink.shape == shape
