from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extractor.overlay import draw
from extractor.readings import DigitReading, FieldReading, PageFailure, PageReading, Status

BLUE, ORANGE, GREY = (178, 114, 0), (0, 159, 230), (150, 150, 150)


def page(*fields: FieldReading, width: int = 1000, height: int = 800) -> PageReading:
    return PageReading("a.png", 1, width, height, fields)


def field(status: Status = "accepted", box: tuple[int, int, int, int] = (300, 300, 200, 60)) -> FieldReading:
    return FieldReading("number", "" if status == "blank" else "123", status, 0.9, box)


def count(image: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((image == colour).all(axis=-1).sum())


def white(height: int = 800, width: int = 1000) -> np.ndarray:
    return np.full((height, width, 3), 255, np.uint8)


@pytest.mark.parametrize(("status", "colour"), [("accepted", BLUE), ("review", ORANGE), ("blank", GREY)])
def test_each_status_has_its_colour(status: Status, colour: tuple[int, int, int]) -> None:
    drawn = draw(white(), page(field(status)))
    for other in (BLUE, ORANGE, GREY):
        assert (count(drawn, other) > 0) is (other == colour)


def test_the_box_lies_where_the_field_is_and_its_ink_stays_visible() -> None:
    drawn = draw(white(), page(field()))
    assert drawn[300, 400].tolist() == drawn[330, 300].tolist() == list(BLUE)
    assert (drawn[310:350, 310:490] == 255).all()


def test_a_string_for_review_is_marked_by_more_than_colour() -> None:
    plates = [
        count(draw(white(), page(field(status))), colour) for status, colour in (("accepted", BLUE), ("review", ORANGE))
    ]
    assert plates[1] > plates[0]


def test_grey_pages_and_the_image_given_stay_as_they_are() -> None:
    image = np.full((800, 1000), 255, np.uint8)
    drawn = draw(image, page(field()))
    assert drawn.shape == (800, 1000, 3)
    assert (image == 255).all()


@pytest.mark.parametrize(("height", "width"), [(28, 28), (40, 300), (800, 1000), (2200, 1700)])
def test_strings_are_tall_enough_to_read_at_any_resolution(height: int, width: int) -> None:
    drawn = draw(white(height, width), page(field("review", (0, 0, width, height)), width=width, height=height))
    plate_rows = np.flatnonzero((drawn == ORANGE).all(axis=-1).sum(axis=1) > 10)
    assert min(drawn.shape[:2]) >= 12
    assert max(drawn.shape[:2]) >= 640
    assert len(plate_rows) >= 12


def test_a_field_as_large_as_the_page_gets_its_string_beside_it() -> None:
    drawn = draw(white(800, 1000), page(field(box=(0, 0, 1000, 800))))
    assert drawn.shape[0] > 800 or drawn.shape[1] > 1000


def test_strings_of_crowded_fields_do_not_cover_each_other() -> None:
    fields = [field(box=(100, 100 + 70 * row, 200, 40)) for row in range(8)]
    plates = [count(draw(white(), page(item)), BLUE) for item in fields]
    assert count(draw(white(), page(*fields)), BLUE) >= 0.9 * sum(plates)


def test_digits_are_outlined_too() -> None:
    digits = (DigitReading("1", 0.9, (320, 310, 20, 40)),)
    drawn = draw(white(), page(FieldReading("n", "1", "accepted", 0.9, (300, 300, 200, 60), digits)))
    assert drawn[330, 320].tolist() == list(BLUE)


def test_a_failed_page_is_left_blank() -> None:
    failed = PageReading("a.png", 1, error=PageFailure("page", "it could not be read"))
    assert (draw(white(), failed) == 255).all()


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.lists(st.tuples(*[st.integers(-50, 400)] * 2, *[st.integers(0, 400)] * 2), max_size=4),
)
def test_no_box_breaks_it(size: tuple[int, int], boxes: list[tuple[int, int, int, int]]) -> None:
    drawn = draw(white(*size), page(*(field(box=box) for box in boxes)))
    assert drawn.dtype == np.uint8
    assert max(drawn.shape) < 2500
