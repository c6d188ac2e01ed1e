"""What people put into the cells of a grid beside its digits is never accepted as one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from extractor.layout import find_regions
from extractor.marks import is_note
from extractor.preprocess import clean
from extractor.reader import Reader, ReadOptions
from extractor.readings import FieldReading
from tests.extractor.drawn_form import cross, filled, template, write

SIDE, LEFT, TOP = 100, 60, 50
CORNERS = np.array([[0.0, 0.0], [100, 0], [100, 100], [0, 100]])


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def grid_page(*rows: str) -> np.ndarray:
    """A ruled grid with a digit in each cell that is no space, (H, W) uint8."""
    height, width = len(rows), len(rows[0])
    page = np.full((2 * TOP + SIDE * height, 2 * LEFT + SIDE * width), 247, np.uint8)
    for column in range(width + 1):
        cv2.line(page, (LEFT + SIDE * column, TOP), (LEFT + SIDE * column, TOP + SIDE * height), 60, 2)
    for row in range(height + 1):
        cv2.line(page, (LEFT, TOP + SIDE * row), (LEFT + SIDE * width, TOP + SIDE * row), 60, 2)
    for row, digits in enumerate(rows):
        for column, digit in enumerate(digits):
            if digit != " ":
                write(page, digit, LEFT + SIDE * column + 33, TOP + SIDE * row + 78, 56)
    return page


def read(reader: Reader, page: np.ndarray) -> dict[str, FieldReading]:
    return {field.name: field for field in reader.read(page, ReadOptions(layout="grid")).fields}


def ink_at(x: int, y: int, width: int, height: int) -> np.ndarray:
    mask = np.zeros((100, 100), np.bool_)
    mask[y : y + height, x : x + width] = True
    return mask


@pytest.mark.parametrize(("x", "y"), [(8, 8), (68, 8), (8, 56), (68, 56)])
def test_a_small_digit_in_any_corner_of_its_cell_is_a_note(x: int, y: int) -> None:
    assert is_note(ink_at(x, y, 24, 36), CORNERS)


@pytest.mark.parametrize(
    "box", [(35, 20, 30, 60), (10, 5, 34, 60), (38, 31, 24, 38), (40, 10, 24, 38), (6, 31, 24, 38)]
)
def test_a_digit_of_usual_size_or_in_the_middle_is_no_note(box: tuple[int, int, int, int]) -> None:
    assert not is_note(ink_at(*box), CORNERS)


def test_a_cell_in_perspective_is_judged_as_it_was_drawn() -> None:
    corners = np.array([[20.0, 10], [90, 30], [95, 80], [0, 95]])
    to_page = cv2.getPerspectiveTransform(CORNERS.astype(np.float32), corners.astype(np.float32))
    for box, expected in (((8, 8, 24, 36), True), ((35, 20, 30, 60), False)):
        drawn = cv2.warpPerspective(ink_at(*box).astype(np.uint8), to_page, (100, 100), flags=cv2.INTER_NEAREST)
        assert is_note(drawn > 0, corners) is expected


def test_a_note_is_left_to_a_person_and_the_digits_beside_it_are_not(reader) -> None:
    page = grid_page("4 7", " 2 ", "8 5")
    write(page, "3", LEFT + SIDE + 8, TOP + 42, 34)
    fields = read(reader, page)
    assert (fields["r1c2"].text, fields["r1c2"].status, fields["r1c2"].reason) == ("3", "review", "note")
    for name, digit in (("r1c1", "4"), ("r1c3", "7"), ("r2c2", "2"), ("r3c1", "8"), ("r3c3", "5")):
        assert (fields[name].text, fields[name].reason) == (digit, "")


def test_several_digits_in_a_grid_of_single_ones_are_left_to_a_person(reader) -> None:
    page = grid_page("4 7", " 2 ", "8 5")
    write(page, "2", LEFT + SIDE + 12, TOP + 48, 38)
    write(page, "9", LEFT + SIDE + 40, TOP + 48, 38)
    field = read(reader, page)["r1c2"]
    assert (field.status, field.reason) == ("review", "several_digits")


def test_a_crossed_out_cell_of_a_grid_is_blank_and_says_why(reader) -> None:
    page = grid_page("4 7", " 2 ", "8 5")
    cross(page, LEFT + SIDE + 20, TOP + 20, 60, 60)
    field = read(reader, page)["r1c2"]
    assert (field.text, field.status, field.reason) == ("", "blank", "crossed_out")


def test_who_writes_small_and_in_corners_throughout_means_digits() -> None:
    page = grid_page("   ", "   ", "   ")
    for index, digit in enumerate("47285"):
        write(page, digit, LEFT + SIDE * (index % 3) + 10, TOP + SIDE * (index // 3) + 45, 34)
    assert {region.mark for region in find_regions(clean(page), "grid")} == {""}


def test_numbers_of_several_digits_are_nothing_odd_in_a_grid_of_numbers(reader) -> None:
    page = grid_page("   ", "   ", "   ")
    for index, number in enumerate(("27", "59", "84", "36")):
        for place, digit in enumerate(number):
            write(page, digit, LEFT + SIDE * (index % 3) + 14 + 38 * place, TOP + SIDE * (index // 3) + 70, 34)
    fields = read(reader, page)
    assert {fields[name].reason for name in ("r1c1", "r1c2", "r1c3", "r2c1")} == {""}


def test_a_note_in_a_grid_of_a_form_is_left_to_a_person(reader) -> None:
    page = filled(votes="5  82 7 ")
    write(page, "3", 420 + 120 + 10, 680 + 46, 36)
    field = next(item for item in reader.read(page, template=template()).fields if item.name == "votes_r1c2")
    assert (field.text, field.status, field.reason) == ("3", "review", "note")
