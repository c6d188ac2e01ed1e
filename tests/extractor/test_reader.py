"""From a page image to its reading, with the shipped network."""

from __future__ import annotations

import json

import numpy as np
import pytest

from extractor.errors import ModelError
from extractor.reader import Reader, ReadOptions
from extractor.readings import PageReading

from . import drawn
from .written_pages import COMBS, combs_on_a_page

LINE, PAGE, GRID = (ReadOptions(layout=layout) for layout in ("line", "page", "grid"))


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def page_of(*strings: tuple[str, int, int], size: tuple[int, int] = (900, 1200)) -> tuple[np.ndarray, list]:
    """A page with neat strings at x, y, and the true box of the ink of each."""
    page = np.full(size, 245, np.uint8)
    boxes = []
    for seed, (text, x, y) in enumerate(strings):
        picture = drawn.written(text, height=60, seed=seed + 5)
        height, width = picture.shape
        view = page[y : y + height, x : x + width]
        np.minimum(view, picture, out=view)
        rows, columns = np.nonzero(picture < 140)
        boxes.append((x + columns.min(), y + rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1))
    return page, boxes


STRINGS = (("40817", 100, 60), ("2593", 640, 60), ("66031", 150, 380), ("97458", 500, 640))


@pytest.mark.parametrize("text", ["7", "40", "31859", "00417", "2863945170"])
def test_a_neat_string_is_read(reader, text):
    (field,) = reader.read(drawn.written(text), LINE).fields
    assert field.text == text
    assert field.name == "line-1"
    assert field.status in ("accepted", "review")


@pytest.mark.parametrize("height", [24, 45, 120])
def test_size_does_not_matter(reader, height):
    (field,) = reader.read(drawn.written("30518", height), LINE).fields
    assert field.text == "30518"


def test_colour_and_polarity_do_not_matter(reader):
    grey = drawn.written("5172")
    blue = np.stack([np.maximum(grey, 150), grey, grey], axis=-1)
    for image in (blue, np.stack([grey] * 3, axis=-1), 255 - grey):
        (field,) = reader.read(np.ascontiguousarray(image), LINE).fields
        assert field.text == "5172"


def test_strings_of_a_page_are_found_in_reading_order(reader):
    page, _ = page_of(*STRINGS)
    fields = reader.read(page, PAGE).fields
    assert [field.text for field in fields] == [text for text, _, _ in STRINGS]
    assert [field.name for field in fields] == [f"line-{number + 1}" for number in range(len(STRINGS))]


@pytest.mark.parametrize("seed", [3, 6, 20])
@pytest.mark.parametrize("is_open", [False, True], ids=["broken dividers", "teeth"])
def test_numbers_in_combs_on_a_page_are_read_whole(reader, is_open, seed):
    fields = reader.read(combs_on_a_page(is_open=is_open, seed=seed).image(), PAGE).fields
    assert [field.text for field in fields] == list(COMBS)


def test_boxes_lie_at_the_ink_and_inside_the_page(reader):
    page, truth = page_of(*STRINGS)
    reading = reader.read(page, PAGE)
    assert (reading.width, reading.height) == (page.shape[1], page.shape[0])
    for field, box in zip(reading.fields, truth, strict=True):
        assert np.abs(np.subtract(field.box, box)).max() <= 6
        for digit in field.digits:
            x, y, width, height = digit.box
            assert x >= 0
            assert y >= 0
            assert x + width <= page.shape[1]
            assert y + height <= page.shape[0]
        lefts = [digit.box[0] for digit in field.digits]
        assert lefts == sorted(lefts)


def test_ink_at_the_edge_keeps_its_box_inside_the_page(reader):
    picture = drawn.written("6038")
    rows, columns = np.nonzero(picture < 140)
    cut = np.ascontiguousarray(picture[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1])
    for field in reader.read(cut, LINE).fields:
        for x, y, width, height in (field.box, *(digit.box for digit in field.digits)):
            assert x >= 0
            assert y >= 0
            assert x + width <= cut.shape[1]
            assert y + height <= cut.shape[0]


@pytest.mark.parametrize("level", [255, 128, 0])
def test_an_empty_page_has_no_fields(reader, level):
    page = np.full((600, 800), level, np.uint8)
    assert reader.read(page, PAGE).fields == ()
    assert reader.read(page, GRID).fields == ()


@pytest.mark.parametrize("level", [255, 128, 0])
def test_an_empty_string_is_blank(reader, level):
    (field,) = reader.read(np.full((80, 300), level, np.uint8), LINE).fields
    assert (field.text, field.status, field.digits, field.box) == ("", "blank", (), (0, 0, 300, 80))


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (3, 3), (7, 40, 3)])
@pytest.mark.parametrize("layout", ["line", "page", "grid", "auto"])
def test_pages_of_any_shape_are_answered(reader, shape, layout):
    noise = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    for image in (noise, np.zeros(shape, np.uint8)):
        assert reader.read(image, ReadOptions(layout=layout)).error is None


def test_confidences_hang_together(reader):
    page, _ = page_of(*STRINGS)
    for field in reader.read(page, PAGE).fields:
        assert 0 < field.confidence < 1
        assert np.prod([digit.confidence for digit in field.digits]) == pytest.approx(field.confidence, abs=0.002)
        assert "".join(digit.text for digit in field.digits) == field.text
        shares = [share for _, share in field.alternatives]
        assert shares == sorted(shares, reverse=True)
        assert field.text not in dict(field.alternatives)


def test_pages_read_before_leave_no_trace(reader):
    page, _ = page_of(*STRINGS)
    line = drawn.written("2719")
    first = reader.read(page, PAGE), reader.read(line, LINE)
    reader.read(np.random.default_rng(2).integers(0, 256, (300, 900), dtype=np.uint8), PAGE)
    assert (reader.read(page, PAGE), reader.read(line, LINE)) == first
    fresh = Reader()
    assert (fresh.read(line, LINE), fresh.read(page, PAGE)) == first[::-1]


def test_the_image_is_left_as_it_was(reader):
    page, _ = page_of(*STRINGS)
    before = page.copy()
    reader.read(page, PAGE)
    np.testing.assert_array_equal(page, before)


def test_readings_survive_json(reader):
    page, _ = page_of(*STRINGS)
    reading = reader.read(page, PAGE, document="a b.png", page=3)
    assert (reading.document, reading.page) == ("a b.png", 3)
    assert PageReading.from_dict(json.loads(json.dumps(reading.to_dict()))) == reading


def test_the_network_is_named_by_its_checksum(reader):
    assert len(reader.model_sha256) == 64
    assert Reader().model_sha256 == reader.model_sha256


def test_a_missing_network_is_one_line(tmp_path):
    with pytest.raises(ModelError) as caught:
        Reader(tmp_path)
    assert "\n" not in str(caught.value)
