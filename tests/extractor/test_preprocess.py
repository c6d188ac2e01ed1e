"""Paper leaves no trace, ink of any kind does, whatever the light."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from extractor.preprocess import (
    background,
    binarize,
    clean,
    components,
    ink_darkness,
    is_light_on_dark,
    percentile,
    shrink,
    stroke_width,
)

from .written_pages import Sheet, rotated

Grey = NDArray[np.uint8]


@pytest.fixture(scope="module")
def sheet() -> Sheet:
    sheet = Sheet(900, 500)
    sheet.write("31415926", 120, 120, size=90)
    sheet.write("53589793", 150, 310, size=90)
    return sheet


def strokes(sheet: Sheet) -> NDArray[np.bool_]:
    return sheet.ink > 160


def assert_finds(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> None:
    near = cv2.dilate(truth.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    assert mask[truth].mean() > 0.93
    assert mask[~near].mean() < 0.0005


def lit(image: Grey, low: float) -> Grey:
    height, width = image.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    light = low + (1 - low) * (0.5 + 0.5 * np.cos(x / width * 3 + y / height * 2))
    return (image * (light if image.ndim == 2 else light[..., None])).astype(np.uint8)


def coloured(sheet: Sheet, paper: tuple[int, int, int], ink: tuple[int, int, int]) -> Grey:
    share = (sheet.ink.astype(np.float32) / 255)[..., None]
    grain = sheet.rng.normal(0, 2, (*sheet.ink.shape, 1))
    mixed = np.array(paper) * (1 - share) + np.array(ink) * share + grain
    return np.clip(mixed, 0, 255).astype(np.uint8)


def test_finds_ink_on_white_paper(sheet: Sheet) -> None:
    assert_finds(clean(sheet.image()).mask, strokes(sheet))


def test_finds_ink_in_uneven_light(sheet: Sheet) -> None:
    assert_finds(clean(lit(sheet.image(), 0.35)).mask, strokes(sheet))


def test_finds_ink_beside_the_edge_of_a_shadow(sheet: Sheet) -> None:
    image = sheet.image().astype(np.float32)
    image[:, 430:] *= 0.5
    shadow = cv2.GaussianBlur(image, (0, 0), 6).astype(np.uint8)
    found = clean(np.minimum(shadow, image).astype(np.uint8)).mask
    assert found[strokes(sheet)].mean() > 0.8


def test_finds_faint_pencil(sheet: Sheet) -> None:
    assert_finds(clean(sheet.image(paper=225, black=180)).mask, strokes(sheet))


@pytest.mark.parametrize(
    ("paper", "ink"),
    [
        ((225, 235, 240), (190, 90, 70)),
        ((150, 190, 235), (40, 50, 60)),
        ((235, 215, 190), (120, 60, 50)),
        ((230, 230, 230), (60, 60, 200)),
    ],
    ids=["blue ink", "yellow light", "blue light", "red ink"],
)
def test_finds_ink_of_any_colour_in_any_light(
    sheet: Sheet, paper: tuple[int, int, int], ink: tuple[int, int, int]
) -> None:
    assert_finds(clean(lit(coloured(sheet, paper, ink), 0.6)).mask, strokes(sheet))


def test_finds_white_on_black(sheet: Sheet) -> None:
    dark = cv2.bitwise_not(sheet.image(paper=250, black=20)).astype(np.uint8)
    assert is_light_on_dark(dark)
    assert_finds(clean(dark).mask, strokes(sheet))


def test_does_not_turn_over_a_dark_photograph_of_paper(sheet: Sheet) -> None:
    assert not is_light_on_dark(lit(sheet.image(paper=120, black=20), 0.5))


def test_finds_ink_on_a_skewed_page(sheet: Sheet) -> None:
    image = rotated(sheet.image(), 4)
    truth = rotated(sheet.ink, 4, fill=0) > 160
    assert_finds(clean(image).mask, truth)


def test_finds_few_digits_on_a_large_page() -> None:
    sheet = Sheet(1700, 2300)
    sheet.write("42", 900, 1400, size=60)
    assert_finds(clean(sheet.image()).mask, strokes(sheet))


@pytest.mark.parametrize("paper", [255, 235, 128, 60])
def test_blank_page_has_no_ink(paper: int) -> None:
    noise = np.random.default_rng(3).normal(0, 2.5, (600, 800))
    page = clean(np.clip(paper + noise, 0, 255).astype(np.uint8))
    assert page.mask.mean() < 1e-4


@pytest.mark.parametrize("value", [0, 17, 255])
@pytest.mark.parametrize("shape", [(300, 400), (300, 400, 3)])
def test_page_of_one_value_has_no_ink(value: int, shape: tuple[int, ...]) -> None:
    page = clean(np.full(shape, value, np.uint8))
    assert not page.mask.any()
    assert page.stroke == 0


def test_grey_and_the_same_grey_as_colour_give_the_same(sheet: Sheet) -> None:
    grey = sheet.image()
    colour = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR).astype(np.uint8)
    assert np.array_equal(clean(grey).ink, clean(colour).ink)


def test_ink_is_scaled_so_that_faint_and_black_ink_look_alike(sheet: Sheet) -> None:
    faint, black = clean(sheet.image(black=150)), clean(sheet.image(black=10))
    truth = strokes(sheet)
    assert np.median(faint.ink[truth]) > 220
    assert np.median(black.ink[truth]) > 220


def test_stroke_width_is_measured() -> None:
    mask = np.zeros((200, 400), np.uint8)
    cv2.line(mask, (30, 100), (370, 100), 1, 9)
    cv2.circle(mask, (200, 100), 70, 1, 9)
    assert stroke_width(mask > 0) == pytest.approx(9, abs=1.5)


def test_background_is_the_paper_and_never_zero(sheet: Sheet) -> None:
    paper = background(sheet.image())
    assert abs(int(np.median(paper)) - 235) < 8
    assert paper.min() > 200
    assert background(np.zeros((50, 80), np.uint8)).min() >= 1


def test_faint_ends_of_strokes_hang_on_clear_ones_but_grey_ground_does_not() -> None:
    darkness = np.zeros((120, 300), np.uint8)
    cv2.line(darkness, (20, 60), (200, 60), 200, 8)
    darkness[40:80, 230:290] = 55
    mask, level = binarize(cv2.GaussianBlur(darkness, (5, 5), 0).astype(np.uint8))
    assert mask[60, 20:200].all()
    assert mask[:, 230:290].mean() < 0.2
    assert 180 <= level <= 205


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.booleans(), st.integers(0, 2**16))
def test_any_picture_gives_a_clean_page_of_its_size(height: int, width: int, colour: bool, seed: int) -> None:
    shape = (height, width, 3) if colour else (height, width)
    image = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    page = clean(image)
    assert page.ink.shape == page.mask.shape == (height, width)
    assert page.ink.dtype == np.uint8
    assert page.mask.dtype == np.bool_
    assert ink_darkness(image).shape == (height, width)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60), st.sampled_from([0, 5, 12.5, 50, 75, 95, 100]))
def test_percentile_of_counts_is_that_of_the_numbers(numbers, share):
    assert percentile(np.bincount(numbers), share) == float(np.percentile(numbers, share))


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40), st.floats(0, 1))
def test_components_are_numbered_as_by_the_default_algorithm(seed, height, width, share):
    flat = (np.random.default_rng(seed).random((height, width)) < share).astype(np.uint8)
    labels, stats, centres = components(flat)
    _, wanted, measures, middles = cv2.connectedComponentsWithStats(flat, connectivity=8)
    np.testing.assert_array_equal(labels, wanted)
    np.testing.assert_array_equal(stats[1:], measures[1:])
    np.testing.assert_allclose(centres[1:], middles[1:])


@given(st.integers(1, 90), st.integers(1, 90), st.floats(0.05, 1.2), st.integers(0, 2**20))
def test_a_shrunken_picture_has_the_asked_size_and_keeps_its_mean(height, width, scale, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)
    small = shrink(image, scale)
    if scale >= 1:
        assert small is image
        return
    assert small.shape == (max(1, round(height * scale)), max(1, round(width * scale)))
    assert small.dtype == np.uint8
    if min(small.shape) >= 16:
        assert abs(float(small.mean()) - float(image.mean())) < 8


@pytest.mark.parametrize("scale", [0.2, 0.38, 0.7])
def test_a_shrunken_picture_is_the_mean_of_areas(scale):
    image = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (240, 320)).astype(np.uint8), (0, 0), 3)
    at_once = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    difference = np.abs(shrink(image, scale).astype(int) - at_once)
    assert difference.mean() <= 2
    assert difference.max() <= 16
