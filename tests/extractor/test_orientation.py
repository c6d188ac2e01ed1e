"""Pages are read whichever way they lie, and their boxes stay where the ink is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.orientation import QUARTERS, best_turn, lies_upright, telling_digits, turn, turned_back
from extractor.reader import Reader, ReadOptions
from extractor.readings import DigitReading, FieldReading, PageReading, Separator

from . import drawn
from .written_pages import Sheet

PAGE = ReadOptions(layout="page")
TEXTS = ("40923", "75364", "2957")


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


@pytest.fixture(scope="module")
def page() -> np.ndarray:
    sheet = Sheet(900, 700)
    sheet.hand = drawn.neat_hand()
    for row, text in enumerate(TEXTS):
        sheet.write(text, 120 + 90 * row, 80 + 190 * row, 70)
    return sheet.image()


def field(text: str, confidence: float = 0.95) -> FieldReading:
    return FieldReading("line-1", text, "review", confidence, (1, 2, 3, 4))


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_page_is_read_from_the_side_that_it_was_written_from(reader, page, quarters):
    upright = reader.read(page, PAGE)
    assert [item.text for item in upright.fields] == list(TEXTS)
    lying = turn(page, quarters)
    found = reader.read(lying, PAGE)
    assert [item.text for item in found.fields] == list(TEXTS)
    assert found.turned == -90 * quarters % 360
    assert (found.height, found.width) == lying.shape
    assert PageReading.from_dict(found.to_dict()) == found
    for item in found.fields:
        for x, y, width, height in (item.box, *(digit.box for digit in item.digits)):
            assert lying[y : y + height, x : x + width].min() < 90, "a box lies on ink"
        digits = turn(np.zeros(lying.shape, np.uint8), 0)
        for number, digit in enumerate(item.digits, start=1):
            x, y, width, height = digit.box
            digits[y : y + height, x : x + width] = number
        columns = [
            np.nonzero(turn(digits, found.turned // 90) == number)[1].mean() for number in range(1, len(item.text) + 1)
        ]
        assert columns == sorted(columns), "turned as said, the digits run from left to right"


def test_one_string_is_read_as_it_lies(reader, page):
    assert reader.read(turn(page, 1), replace(PAGE, layout="line")).turned == 0


def test_an_empty_page_is_not_turned(reader):
    assert reader.read(np.full((300, 400), 240, np.uint8), PAGE).turned == 0


def test_only_clear_digits_that_look_different_from_another_side_tell():
    assert telling_digits([field("2057"), field("1008"), field("4444", 0.6)]) == 3
    assert telling_digits([]) == 0


def test_upside_down_a_six_is_a_nine_and_tells_nothing():
    assert telling_digits([field("62957")], 2) == 1
    assert lies_upright([field("62957")])
    assert not lies_upright([field("62952")])


def test_the_turn_after_which_numbers_are_clear_is_taken():
    turned = [[field("3", 0.99)], [field("47361")], [field("19241", 0.4)]]
    assert best_turn([field("11", 0.5)], turned) == 1
    assert best_turn([field("7437")], turned) is None, "what reads well as it lies stays"


def test_letters_that_look_like_digits_from_some_side_turn_no_page():
    single = [field("3") for _ in range(6)]
    few_among_many = [field("754"), *(field("4902117", 0.4) for _ in range(4))]
    assert best_turn([], [single, few_among_many, []]) is None


@given(
    st.sampled_from(QUARTERS),
    st.tuples(st.integers(30, 60), st.integers(30, 60)),
    st.tuples(st.integers(0, 10), st.integers(0, 10), st.integers(1, 20), st.integers(1, 20)),
)
def test_boxes_come_back_to_the_page_as_it_lies(quarters, size, box):
    height, width = size
    upright = np.zeros((height, width), np.uint8)
    x, y, w, h = box
    upright[y : y + h, x : x + w] = 1
    inside = replace(field("7"), box=box, digits=(DigitReading("7", 0.9, box),), separators=(Separator(1, ".", box),))
    back = turned_back(PageReading("a.png", 1, width, height, (inside,)), quarters)
    lying = turn(upright, -quarters)
    assert (back.height, back.width) == lying.shape
    (only,) = back.fields
    for x, y, w, h in (only.box, only.digits[0].box, only.separators[0].box):
        assert lying[y : y + h, x : x + w].all()
        assert w * h == lying.sum()
