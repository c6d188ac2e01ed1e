"""The line network sees lines at one height, centred, in whole steps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.line_input import HEIGHT, MAX_WIDTH, STRIDE, TYPICAL, line_input
from extractor.lines import line_image

from . import drawn


def ink_rows(picture: np.ndarray) -> np.ndarray:
    return np.flatnonzero((picture > 100).any(axis=1))


@pytest.mark.parametrize("height", [18, 40, 75, 160])
def test_digits_are_of_typical_height_in_the_middle(height):
    picture = line_input(drawn.line_of(drawn.written("38057", height)))
    rows = ink_rows(picture)
    assert len(rows) == pytest.approx(TYPICAL, abs=4)
    assert (rows[0] + rows[-1]) / 2 == pytest.approx((HEIGHT - 1) / 2, abs=2.5)
    assert picture.max() > 200


def test_zoom_enlarges():
    line = drawn.line_of(drawn.written("3805"))
    heights = [len(ink_rows(line_input(line, zoom=zoom))) for zoom in (0.8, 1.0, 1.25)]
    assert heights == sorted(set(heights))


def middle_of(rows: np.ndarray) -> float:
    return float((rows * np.arange(rows.shape[1])).sum() / rows.sum())


@pytest.mark.parametrize("slant", [-0.3, 0.2])
def test_slant_moves_the_top_to_the_right_and_the_foot_to_the_left_about_the_middle(slant):
    line = drawn.line_of(drawn.written("1111111"))
    upright, leaning = line_input(line).astype(float), line_input(line, slant=slant).astype(float)
    assert leaning.sum() == pytest.approx(upright.sum(), rel=0.03)
    assert leaning.shape[1] - upright.shape[1] == pytest.approx(abs(slant) * HEIGHT, abs=STRIDE)
    upper, lower = slice(0, HEIGHT // 2), slice(HEIGHT // 2, HEIGHT)
    moved = [middle_of(leaning[part]) - middle_of(upright[part]) for part in (upper, lower)]
    aside = abs(slant) * HEIGHT / 2
    assert moved[0] - moved[1] == pytest.approx(slant * TYPICAL / 2, abs=0.6)
    assert (moved[0] + moved[1]) / 2 == pytest.approx(aside, abs=0.6)


def test_cleaned_view_lacks_the_base_line():
    image = drawn.written("604", 60)
    image[-30:-28] = 60
    line = drawn.line_of(image)
    scanned, cleaned = line_input(line), line_input(line, cleaned=True)
    assert scanned.shape == cleaned.shape
    assert scanned.astype(int).sum() > 1.05 * cleaned.astype(int).sum()


@given(drawn.blobs(), st.floats(0.5, 2.0), st.floats(-0.5, 0.5), st.booleans())
def test_any_line_becomes_whole_steps_of_bounded_width(mask, zoom, slant, cleaned):
    line = line_image(mask.astype(np.uint8) * 255, mask)
    if line is None:
        return
    picture = line_input(line, zoom=zoom, slant=slant, cleaned=cleaned)
    assert picture.dtype == np.uint8
    assert picture.shape[0] == HEIGHT
    assert picture.shape[1] % STRIDE == 0
    assert 2 * STRIDE <= picture.shape[1] <= MAX_WIDTH


@given(st.integers(10, 9000))
def test_long_lines_are_squeezed_to_the_greatest_width(width):
    mask = np.zeros((60, width), bool)
    mask[8:52, ::9] = True
    assert line_input(drawn.bare_line(mask)).shape[1] <= MAX_WIDTH


def test_narrow_ink_still_gives_two_steps():
    mask = np.zeros((60, 3), bool)
    mask[8:52] = True
    assert line_input(drawn.bare_line(mask)).shape == (HEIGHT, 2 * STRIDE)
