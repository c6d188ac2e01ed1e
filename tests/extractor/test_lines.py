"""A region becomes a line image at working scale, without print and dirt."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given

from extractor.lines import DIGIT_HEIGHT, MAX_GROWTH, MAX_LENGTH, line_image, ruling
from training.handwriting import digit_image, write_string

from . import drawn


def string_mask(text: str, height: int, seed: int = 3) -> np.ndarray:
    ink, _ = write_string(text, drawn.neat_hand(seed), np.random.default_rng(seed), height)
    return np.pad(ink, height // 2) > 110


def component_heights(mask: np.ndarray) -> np.ndarray:
    stats = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)[2][1:]
    return stats[stats[:, cv2.CC_STAT_AREA] > 20, cv2.CC_STAT_HEIGHT]


@pytest.mark.parametrize("height", [14, 20, 33, 44, 60, 90, 150, 260])
def test_digits_end_near_the_working_height_whatever_the_resolution(height):
    line = drawn.line_of(drawn.written("2038", height, seed=5))
    assert line.digit_height == pytest.approx(DIGIT_HEIGHT)
    assert np.median(component_heights(line.mask)) == pytest.approx(DIGIT_HEIGHT, rel=0.12)
    assert line.scale == pytest.approx(DIGIT_HEIGHT / height, rel=0.15)


def test_tiny_digits_are_enlarged_only_so_far():
    mask = string_mask("380", 40)
    small = cv2.resize(mask.astype(np.uint8) * 255, None, fx=0.15, fy=0.15, interpolation=cv2.INTER_AREA)
    line = line_image(small, small > 90)
    assert line.scale == MAX_GROWTH
    assert line.digit_height < DIGIT_HEIGHT


def test_very_long_lines_are_squeezed():
    mask = np.tile(string_mask("1234567890", 40), (1, 20))
    line = line_image(mask.astype(np.uint8) * 255, mask)
    assert line.ink.shape[1] <= MAX_LENGTH + 1
    assert line.digit_height < DIGIT_HEIGHT


def test_places_lead_back_to_the_region():
    image = np.full((300, 700), 240, np.uint8)
    at_x, at_y = 260, 120
    digits = drawn.written("57", 50)
    image[at_y : at_y + digits.shape[0], at_x : at_x + digits.shape[1]] = np.minimum(digits, 240)
    line = drawn.line_of(image)
    rows, columns = np.nonzero(line.mask)
    truth_rows, truth_columns = np.nonzero(image < 140)
    for working, truth, start in ((columns, truth_columns, line.origin[0]), (rows, truth_rows, line.origin[1])):
        assert start + working.min() / line.scale == pytest.approx(truth.min(), abs=2)
        assert start + (working.max() + 1) / line.scale == pytest.approx(truth.max() + 1, abs=2)


@pytest.mark.parametrize("is_mirrored", [False, True])
def test_small_digits_at_an_end_belong_to_the_string_and_a_dash_does_not(is_mirrored: bool):
    page = np.full((120, 420), 240, np.uint8)
    for x, digit, height in ((100, 1, 60), (150, 5, 60), (210, 0, 25), (245, 0, 25)):
        ink = digit_image(digit, drawn.neat_hand(3), np.random.default_rng(x), height)
        page[90 - ink.shape[0] : 90, x : x + ink.shape[1]] -= np.minimum(ink, 220)
    page[64:70, 310:350] = 20
    line = drawn.line_of(np.ascontiguousarray(page[:, ::-1]) if is_mirrored else page)
    seen = np.array([line.origin[0], line.origin[0] + line.raw.shape[1] / line.scale])
    first, last = np.sort(page.shape[1] - seen) if is_mirrored else seen
    assert first < 100
    assert 265 < last < 315


@pytest.mark.parametrize(("mark_top", "belongs"), [(56, True), (22, False)], ids=["a one", "a mark above"])
def test_a_digit_beside_one_with_a_long_tail_belongs_to_the_string(mark_top: int, belongs: bool):
    """The 4 reaches down to 180, the 1 beside it only to 110."""
    page = np.full((210, 240), 240, np.uint8)
    cv2.polylines(page, [np.array([[120, 30], [100, 90], [150, 90]], np.int32)], isClosed=False, color=20, thickness=5)
    cv2.line(page, (145, 50), (140, 180), 20, 5)
    cv2.line(page, (42, mark_top), (40, mark_top + 54), 20, 5)
    line = drawn.line_of(page)
    assert (line.origin[0] < 40) == belongs


def test_pictures_of_a_line_share_one_frame():
    line = drawn.line_of(drawn.written("409"))
    assert line.ink.shape == line.raw.shape == line.mask.shape
    assert line.ink.dtype == line.raw.dtype == np.uint8
    assert line.mask.dtype == np.bool_
    assert line.stroke >= 1


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (80, 2), (120, 400)])
def test_blank_region_has_no_line(shape):
    assert line_image(np.zeros(shape, np.uint8), np.zeros(shape, bool)) is None


def test_specks_alone_are_blank():
    mask = np.zeros((100, 300), bool)
    mask[20, 30] = mask[70, 200] = True
    assert line_image(mask.astype(np.uint8) * 255, mask) is None


def test_specks_are_dropped_and_digits_stay():
    mask = string_mask("628", 60)
    dirty = mask.copy()
    spots = np.random.default_rng(2).integers(0, (mask.shape[0], mask.shape[1]), (40, 2))
    far = ~cv2.dilate(mask.astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)
    for row, column in spots:
        dirty[row, column] |= far[row, column]
    assert (dirty & ~mask).any()
    wanted, got = (line_image(ink.astype(np.uint8) * 255, ink) for ink in (mask, dirty))
    np.testing.assert_array_equal(got.mask, wanted.mask)


def test_base_line_goes_and_strokes_that_cross_it_stay():
    mask = string_mask("714", 70)
    row = mask.shape[0] - 35 - 18  # through the lower third of every digit
    ruled = mask.copy()
    ruled[row : row + 3] = True
    lines = ruling(ruled)
    cut = (lines & ~ruled_row(mask.shape, row) & mask).sum()
    assert cut <= 0.01 * mask.sum(), "no more is taken than the line, and hardly a pixel beside it"
    off = ruled_row(mask.shape, row) & ~cv2.dilate(mask.astype(np.uint8), np.ones((1, 25), np.uint8)).astype(bool)
    assert lines[off].mean() > 0.97
    kept = ruled & ~lines
    for column in vertical_strokes(mask, row):
        assert kept[row : row + 3, column].all(), "the stroke was cut where the line crosses it"


def ruled_row(shape, row):
    band = np.zeros(shape, bool)
    band[row : row + 3] = True
    return band


def vertical_strokes(mask, row):
    """Middle columns of the strokes that pass through a band of rows from above to below."""
    through = mask[row - 6 : row + 9].all(axis=0)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], through.astype(np.int8), [0]])))
    return [(start + stop) // 2 for start, stop in zip(edges[::2], edges[1::2], strict=True) if stop - start >= 2]


def test_digits_over_a_base_line_make_the_same_line_as_without():
    text, height = "2907", 70
    plain = drawn.written(text, height)
    ruled = plain.copy()
    row = plain.shape[0] - round(0.6 * height) + 8  # just under the feet
    ruled[row : row + 2] = 60
    a, b = drawn.line_of(plain), drawn.line_of(ruled)
    assert b.scale == pytest.approx(a.scale, rel=0.05)
    assert len(component_heights(b.mask)) == len(component_heights(a.mask)) == len(text)
    assert b.raw.mean() > b.ink.mean(), "the picture as scanned keeps the print"


def test_box_around_the_digits_goes():
    mask = string_mask("5083", 60)
    boxed = mask.copy()
    ink = boxed.astype(np.uint8)
    cv2.rectangle(ink, (4, 4), (mask.shape[1] - 5, mask.shape[0] - 5), 1, 2)
    lines = ruling(ink.astype(bool))
    assert (lines & mask).sum() == 0
    assert (ink.astype(bool) & ~mask & ~lines).sum() <= 0.03 * (ink.astype(bool) & ~mask).sum()


def test_written_ones_are_no_dividers():
    mask = string_mask("1111", 60)
    assert (ruling(mask) & mask).sum() <= 0.02 * mask.sum()


def between_lines(columns: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Runs from one line to another that both cross the picture: the whole, and the runs alone."""
    runs = np.zeros((60, 240), np.uint8)
    for column in columns:
        runs[7:52, column : column + 3] = 1
    picture = runs.copy()
    picture[[4, 5, 54, 55]] = 1
    cv2.circle(picture, (110, 30), 16, 1, 3)
    return picture.astype(bool), runs.astype(bool)


@pytest.mark.parametrize("columns", [[40], [40, 56], [30, 150]])
def test_ones_from_line_to_line_stay_where_both_lines_go_on(columns):
    picture, runs = between_lines(columns)
    lines = ruling(picture)
    assert not (lines & runs).any()
    assert lines[4].mean() > 0.9


def test_dividers_at_one_distance_go():
    picture, runs = between_lines([20, 65, 155, 200])
    assert (ruling(picture) & runs).sum() > 0.9 * runs.sum()


def test_where_a_side_of_the_box_stands_dividers_go():
    picture, runs = between_lines([40, 90])
    picture[:, :40] = False
    assert (ruling(picture) & runs).sum() > 0.9 * runs.sum()


@given(drawn.blobs())
def test_any_ink_gives_a_finite_line_or_none(mask):
    ink = mask.astype(np.uint8) * 200
    lines = ruling(mask)
    assert not (lines & ~mask).any(), "what is removed was ink"
    line = line_image(ink, mask)
    if not mask.any():
        assert line is None
    if line is not None:
        assert np.isfinite([line.scale, line.digit_height, line.stroke, *line.origin]).all()
        assert 0 < line.scale <= MAX_GROWTH
        assert line.ink.shape[1] <= MAX_LENGTH + 1
        assert 0 <= line.origin[0] < mask.shape[1]
        assert 0 <= line.origin[1] < mask.shape[0]
