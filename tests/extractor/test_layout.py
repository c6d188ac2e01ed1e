"""The layout that a user names is used; without a name the page itself decides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extractor.layout import Layout, find_regions
from extractor.preprocess import clean

from .written_pages import Sheet


def grid_sheet() -> Sheet:
    sheet = Sheet(800, 800)
    sheet.table(list(range(130, 671, 60)), list(range(130, 671, 60)))
    for index in range(0, 81, 4):
        row, column = divmod(index, 9)
        sheet.write(str(1 + index % 9), 148 + column * 60, 142 + row * 60, size=36)
    return sheet


def strip() -> Sheet:
    sheet = Sheet(640, 120)
    sheet.write("160 4821", 40, 28, size=60)
    return sheet


def rows() -> Sheet:
    sheet = Sheet(800, 700)
    for row, text in enumerate(("31415", "9265", "35897")):
        sheet.write(text, 80, 60 + 200 * row, size=90)
    return sheet


def test_line_is_the_whole_image_whatever_is_on_it() -> None:
    (region,) = find_regions(rows().clean(), "line")
    assert region.box == (0, 0, 800, 700)
    assert region.mask is None
    assert (region.name, region.kind) == ("line-1", "line")


def test_page_finds_each_string() -> None:
    assert [region.name for region in find_regions(rows().clean(), "page")] == ["line-1", "line-2", "line-3"]


def test_grid_gives_every_cell() -> None:
    regions = find_regions(grid_sheet().clean(), "grid")
    assert len(regions) == 81
    assert {region.kind for region in regions} == {"cell"}


def test_no_grid_gives_no_cells() -> None:
    assert find_regions(rows().clean(), "grid") == ()


def test_auto_takes_a_strip_for_one_string() -> None:
    (region,) = find_regions(strip().clean(), "auto")
    assert region.mask is None


def test_auto_takes_a_crop_for_a_line_whatever_is_beside_the_string() -> None:
    sheet = Sheet(300, 90)
    sheet.write("4805", 60, 14, size=60)
    for x in range(0, 300, 9):
        sheet.rule((x, 0), (x + 30, 90), 1, 120)
    (region,) = find_regions(sheet.clean(), "auto")
    assert region.mask is None


def test_auto_takes_a_page_of_rows_for_strings() -> None:
    assert len(find_regions(rows().clean(), "auto")) == 3


def test_auto_takes_a_large_grid_of_digits_for_cells() -> None:
    assert len(find_regions(grid_sheet().clean(), "auto")) == 81


def test_auto_reads_a_table_of_numbers_as_strings() -> None:
    sheet = Sheet(1100, 700)
    sheet.table([80, 400, 720, 1040], [100, 200, 300, 400, 500])
    for row in range(4):
        for column in range(3):
            sheet.write("48 215", 110 + 320 * column, 122 + 100 * row, size=50)
    regions = find_regions(sheet.clean(), "auto")
    assert {region.kind for region in regions} == {"line"}
    assert len(regions) >= 12


@pytest.mark.parametrize("layout", ["auto", "page", "grid"])
@pytest.mark.parametrize("value", [0, 255])
def test_blank_and_black_pages_hold_nothing(layout: Layout, value: int) -> None:
    assert find_regions(clean(np.full((600, 500), value, np.uint8)), layout) == ()


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(["auto", "page", "line", "grid"]), st.integers(1, 90), st.integers(1, 160), st.integers(0, 2**16)
)
def test_regions_lie_on_the_page(layout: Layout, height: int, width: int, seed: int) -> None:
    image = np.random.default_rng(seed).choice(np.array([20, 230], np.uint8), (height // 4 + 1, width // 4 + 1))
    page = clean(np.kron(image, np.ones((4, 4), np.uint8))[:height, :width])
    for region in find_regions(page, layout):
        x, y, across, down = region.box
        assert x >= 0
        assert y >= 0
        assert x + across <= width
        assert y + down <= height
        assert region.mask is None or region.mask.shape == (down, across)
