"""Ink is grouped to strings as a person would group it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from extractor.pieces import find_pieces
from extractor.preprocess import clean
from extractor.regions import Region
from extractor.ruling import remove_ruling
from extractor.textlines import find_strings

from .written_pages import Box, Sheet, near, rotated


def strings(sheet: Sheet, degrees: float = 0) -> tuple[Region, ...]:
    page = clean(rotated(sheet.image(), degrees) if degrees else sheet.image())
    return find_strings(remove_ruling(page.mask), page.stroke)


def assert_found(regions: tuple[Region, ...], expected: list[Box], slack: int = 8) -> None:
    assert len(regions) == len(expected), [region.box for region in regions]
    for region, box in zip(regions, expected, strict=True):
        assert near(region.box, box, slack), (region.box, box)


def test_rows_are_strings_in_reading_order() -> None:
    sheet = Sheet(900, 900)
    expected = [sheet.write(text, 90, 60 + 150 * row, size=80) for row, text in enumerate(("12345", "6879", "80864"))]
    regions = strings(sheet)
    assert_found(regions, expected)
    assert [region.name for region in regions] == ["line-1", "line-2", "line-3"]


def test_mask_is_the_ink_of_the_string_and_of_no_other() -> None:
    sheet = Sheet(900, 400)
    sheet.write("271", 60, 60, size=80)
    sheet.write("828", 60, 210, size=80)
    page = sheet.clean()
    masks = np.zeros(page.mask.shape, np.int32)
    for region in strings(sheet):
        x, y, width, height = region.box
        assert region.mask is not None
        assert region.mask.shape == (height, width)
        masks[y : y + height, x : x + width] += region.mask
    assert masks.max() == 1
    assert masks[page.mask].mean() > 0.97


@pytest.mark.parametrize("degrees", [-5.0, 3.0])
def test_slanted_rows_are_still_rows(degrees: float) -> None:
    sheet = Sheet(1400, 900)
    for row in range(4):
        sheet.write("3141592653", 200, 150 + 160 * row, size=70)
    assert len(strings(sheet, degrees)) == 4


def test_digits_well_apart_on_a_page_of_such_rows_make_strings() -> None:
    sheet = Sheet(1500, 900)
    for row, digits in enumerate(("70214853", "98230461", "25")):
        for column, digit in enumerate(digits):
            wave = round(12 * np.sin(column + row))
            sheet.write(digit, 80 + 165 * column, 90 + 250 * row + wave, size=80)
    regions = strings(sheet)
    assert len(regions) == 3
    assert [region.box[2] > 1000 for region in regions] == [True, True, False]


def test_numbers_scattered_over_a_page_stay_apart() -> None:
    sheet = Sheet(1500, 900)
    expected = [
        sheet.write("1042", 60, 80, size=90),
        sheet.write("99", 620, 90, size=90),
        sheet.write("742", 1100, 95, size=90),
        sheet.write("6", 300, 420, size=90),
        sheet.write("456", 800, 420, size=90),
    ]
    assert_found(strings(sheet), expected)


def test_number_beside_a_word_is_its_own_string() -> None:
    sheet = Sheet(1000, 300)
    cv2.putText(sheet.print, "Student", (60, 150), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 255, 3, cv2.LINE_AA)
    expected = sheet.write("57432", 330, 95, size=70)
    assert near(strings(sheet)[-1].box, expected, 8)


def test_a_dash_holds_two_halves_together_and_a_gap_does_not() -> None:
    for dash, count in ((True, 1), (False, 2)):
        sheet = Sheet(1000, 300)
        x, y, width, height = sheet.write("404", 80, 100, size=70)
        start = x + width
        if dash:
            cv2.line(sheet.ink, (start + 25, y + height // 2), (start + 55, y + height // 2), 255, 7)
        sheet.write("1000", start + 80, 100, size=70)
        assert len(strings(sheet)) == count


def test_wide_cells_part_strings_and_a_comb_does_not() -> None:
    table = Sheet(1000, 300)
    table.table([80, 260, 440, 620, 800], [100, 180])
    for column, text in enumerate(("18", "13", "38", "14")):
        table.write(text, 130 + 180 * column, 114, size=44)
    assert len(strings(table)) == 4
    comb = Sheet(1000, 300)
    comb.table([80 + 60 * index for index in range(8)], [100, 180])
    comb.write("4820517", 92, 116, size=44, pitch=60)
    assert len(strings(comb)) == 1


def test_strings_in_boxes_side_by_side_stay_apart() -> None:
    sheet = Sheet(1000, 300)
    for x in (100, 318, 536):
        sheet.box(x, 100, 206, 80)
    for x, text in ((112, "90467"), (330, "78240"), (548, "60358")):
        sheet.write(text, x, 116, size=44)
    assert len(strings(sheet)) == 3


def test_specks_and_blots_are_no_strings() -> None:
    sheet = Sheet(1200, 800)
    expected = sheet.write("8029", 400, 300, size=90)
    for x, y in sheet.rng.integers(30, 760, (60, 2)):
        if not (350 < x < 800 and 250 < y < 450):
            cv2.circle(sheet.print, (int(x), int(y)), 2, 255, -1)
    cv2.rectangle(sheet.print, (900, 0), (1199, 160), 255, -1)
    assert_found(strings(sheet), [expected])


def test_loose_bar_of_a_five_belongs_to_its_string() -> None:
    sheet = Sheet(900, 300, seed=1)
    x, y, width, height = sheet.write("135", 100, 100, size=90)
    sheet.ink[y : y + height, x + width - 8 : x + width + 1] = 0
    cv2.line(sheet.ink, (x + width - 30, y - 2), (x + width + 4, y - 5), 255, 8)
    (region,) = strings(sheet)
    assert region.box[0] + region.box[2] >= x + width


def test_desk_around_a_sheet_is_no_writing() -> None:
    sheet = Sheet(1200, 1200)
    sheet.write("30517", 450, 560, size=90)
    noise = sheet.rng.random((300, 300)) < 0.5
    desk = cv2.resize(noise.astype(np.uint8) * np.uint8(255), (1200, 1200), interpolation=cv2.INTER_NEAREST)
    desk[250:950, 250:950] = 0
    sheet.print[:] = desk
    regions = strings(sheet)
    inside = [region for region in regions if region.box[0] > 300 and region.box[0] + region.box[2] < 900]
    assert len(inside) == 1
    assert len(regions) < 12


def test_pieces_know_their_boxes() -> None:
    ink = np.zeros((40, 60), np.bool_)
    ink[5:15, 10:13] = True
    ink[20:30, 40:55] = True
    pieces = find_pieces(ink)
    assert pieces.width[1:].tolist() == [3, 15]
    assert pieces.height[1:].tolist() == [10, 10]
    assert pieces.centre[1].tolist() == [11.5, 10.0]


@pytest.mark.parametrize("value", [False, True])
def test_blank_and_black_pages_hold_no_string(value: bool) -> None:
    mask = np.full((300, 400), value, np.bool_)
    assert find_strings(remove_ruling(mask), 3.0) == ()


def test_a_point_between_digits_does_not_part_them() -> None:
    sheet = Sheet(900, 300)
    x, y, width, height = sheet.write("55", 80, 100, size=60)
    cv2.circle(sheet.ink, (x + width + 20, y + height - 8), 9, 255, -1)
    sheet.write("067", x + width + 40, 100, size=60)
    assert len(strings(sheet)) == 1


def test_a_broad_pen_beside_a_fine_one_is_writing() -> None:
    sheet = Sheet(1200, 500)
    for row in range(3):
        for column in range(6):
            cv2.circle(sheet.ink, (120 + 180 * column, 80 + 80 * row), 20, 255, 2)
    cv2.circle(sheet.ink, (300, 400), 30, 255, 22)
    boxes = [region.box for region in strings(sheet)]
    assert any(near(box, (259, 359, 82, 82), 8) for box in boxes), boxes


def test_numbers_of_touching_digits_far_apart_are_not_digits_well_apart() -> None:
    sheet = Sheet(1500, 500)
    for row in range(3):
        for column in range(4):
            x, y = 80 + 340 * column, 60 + 140 * row
            for place in range(4):
                cv2.circle(sheet.ink, (x + 25 + 48 * place, y + 30), 27, 255, 6)
    assert len(strings(sheet)) == 12


def test_a_string_knows_the_printed_lines_about_it() -> None:
    sheet = Sheet(900, 400)
    sheet.rule((0, 200), (899, 200), 3)
    sheet.write("48021", 200, 138, size=60)
    (region,) = [region for region in strings(sheet) if region.box[2] < 400]
    assert region.lines is not None
    assert region.lines.shape == (region.box[3] + 2 * region.margin, region.box[2] + 2 * region.margin)
    row = 200 - region.box[1] + region.margin
    assert region.lines[row - 2 : row + 3].any(axis=0).mean() > 0.6
