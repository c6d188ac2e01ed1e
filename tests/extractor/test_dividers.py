"""The dividers of a comb are told from digits, and go without taking digits along."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.dividers import dividers_between, find_dividers, find_teeth
from extractor.lines import line_image
from training.handwriting import digit_image

from . import drawn


@dataclass(frozen=True)
class Comb:
    """A string in a comb: its ink, of which the lines across, the dividers and the digits, each (H, W) bool."""

    ink: np.ndarray
    across: np.ndarray
    dividers: np.ndarray
    digits: np.ndarray
    places: list[int]
    unit: float


def comb(
    text: str, height: int = 60, width: float = 0.8, thick: int = 3, worn: float = 0.0, low: bool = False, seed: int = 4
) -> Comb:
    """Write a string into a comb, whose dividers are broken in places; or into its box without any."""
    rng, hand = np.random.default_rng(seed), drawn.neat_hand(seed)
    pitch, left, top = round(width * height), height // 2, height // 4
    right, bottom = left + pitch * len(text), top + height
    shape = (bottom + height // 4, right + height // 2)
    across, dividers, digits = (np.zeros(shape, np.uint8) for _ in range(3))
    for row in (top, bottom):
        across[row : row + 2, left:right] = 1
    for index, digit in enumerate(text):
        glyph = digit_image(digit, hand, rng, round(0.62 * height)) > 110
        glyph = glyph[:, : pitch - 2 * thick - 4]
        x, y = left + pitch * index + (pitch - glyph.shape[1]) // 2, bottom - round(0.13 * height) - glyph.shape[0]
        digits[y : y + glyph.shape[0], x : x + glyph.shape[1]] |= glyph
    places = [left + pitch * number for number in range(len(text) + 1)]
    for place in places:
        x = place - thick // 2
        dividers[top + 2 : bottom, x : x + thick] = 1
        if rng.random() < worn:
            gap = top + round(rng.uniform(0.3, 0.55) * height)
            dividers[gap : gap + height // 5, x : x + thick] = 0
    if low:
        dividers[:] = 0
    parts = [part.astype(bool) for part in (across, dividers & (digits == 0), digits)]
    return Comb(parts[0] | parts[1] | parts[2], *parts, places, 0.62 * height)


@given(
    text=st.text("0123456789", min_size=6, max_size=12),
    height=st.integers(32, 150),
    width=st.floats(0.7, 1.0),
    share=st.floats(0.03, 0.09),
    seed=st.integers(0, 20),
)
def test_whole_dividers_are_found_in_their_places_at_any_size(text, height, width, share, seed):
    drawing = comb(text, height, width, max(2, round(share * height)), seed=seed)
    found = find_dividers(drawing.ink, drawing.across, drawing.unit)
    assert len(found.places) >= len(text) - 1
    for place in found.places:
        assert min(abs(place - true) for true in drawing.places) <= max(2.5, 0.06 * height)
    assert (found.ink & drawing.dividers).sum() > 0.85 * drawing.dividers[:, : int(found.places[-1]) + 1].sum()


@pytest.mark.parametrize("seed", range(6))
def test_broken_dividers_go_and_digits_stay(seed):
    drawing = comb("1602347", 60, thick=5, worn=0.7, seed=seed)
    found = find_dividers(drawing.ink, drawing.across, drawing.unit)
    assert (found.ink & drawing.dividers).sum() > 0.9 * drawing.dividers.sum()
    assert (found.ink & drawing.digits).sum() <= 0.02 * drawing.digits.sum()
    assert not (found.ink & ~drawing.ink).any(), "what is found was ink"


@pytest.mark.parametrize("text", ["111111", "1010101010", "4174174", "2038571"])
def test_digits_at_one_distance_in_a_box_without_dividers_stay(text):
    drawing = comb(text, low=True)
    assert not len(find_dividers(drawing.ink, drawing.across, drawing.unit).places)


def test_ones_as_high_as_their_box_are_no_dividers():
    drawing = comb("111111", low=True)
    rows = np.flatnonzero(drawing.across.any(axis=1))
    ones = np.zeros_like(drawing.ink)
    for place in np.array(drawing.places[:-1]) + 24:
        ones[rows[0] : rows[-1], place : place + 3] = True
    assert not len(find_dividers(ones | drawing.across, drawing.across, drawing.unit).places)


def test_stroke_across_a_divider_stays_whole():
    drawing = comb("20385", thick=3)
    place, row = drawing.places[2], 60
    stroke = np.zeros_like(drawing.ink)
    stroke[row : row + 4, place - 12 : place + 12] = True
    found = find_dividers(drawing.ink | stroke, drawing.across, drawing.unit)
    assert len(found.places)
    assert not (found.ink & stroke).any()
    assert (found.ink & drawing.dividers & ~stroke).sum() > 0.9 * (drawing.dividers & ~stroke).sum()


@pytest.mark.parametrize("cut", ["above", "below", "both"])
def test_dividers_that_the_picture_cuts_off_are_found(cut):
    drawing = comb("3847205", thick=4)
    rows = np.flatnonzero(drawing.across.any(axis=1))
    window = slice(
        rows[0] + 4 if cut in ("above", "both") else 0, rows[-1] - 3 if cut in ("below", "both") else len(drawing.ink)
    )
    found = find_dividers(drawing.ink[window], drawing.across[window], drawing.unit)
    assert len(found.places) >= len("3847205") - 1
    assert not (found.ink & drawing.digits[window]).any()


def with_teeth(drawing: Comb, share: float = 0.3, walls: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of a comb's ink without its lines only the lower ends of dividers, and of those at both ends more; its teeth; and
    the row of its lower line for each column."""
    rows = np.flatnonzero(drawing.across.any(axis=1))
    height = rows[-1] - rows[0]
    teeth = drawing.dividers.copy()
    columns = np.arange(teeth.shape[1])
    is_wall = np.min(np.abs(columns[:, None] - np.array(drawing.places)[[0, -1]]), axis=1) < 8
    teeth[: rows[-1] - round(share * height), ~is_wall] = False
    teeth[: rows[-1] - round(walls * height), is_wall] = False
    teeth[rows[-1] - 1 :] = False
    return (drawing.digits | teeth) & ~drawing.across, teeth, np.full(teeth.shape[1], rows[-1] - 1.0)


@pytest.mark.parametrize("thick", [2, 4, 7])
@pytest.mark.parametrize("walls", [0.3, 0.6, 1.0])
def test_teeth_and_walls_of_an_open_comb_go_and_digits_stay(thick, walls):
    drawing = comb("20384", thick=thick)
    ink, teeth, line = with_teeth(drawing, walls=walls)
    found = find_teeth(ink, line, drawing.unit)
    assert len(found.places) == len("20384") + 1
    assert (found.ink & teeth).sum() > 0.9 * teeth.sum()
    assert (found.ink & drawing.digits).sum() <= 0.02 * drawing.digits.sum()


@pytest.mark.parametrize("text", ["111111", "1717171", "2038571"])
def test_digits_that_stand_on_a_line_are_no_teeth(text):
    drawing = comb(text, low=True)
    down = round(0.13 * 60) - 1
    ink = np.roll(drawing.digits, down, axis=0)
    line = np.full(ink.shape[1], np.flatnonzero(ink.any(axis=1))[-1] + 1.0)
    assert not len(find_teeth(ink, line, drawing.unit).places)


def test_dividers_between_two_leaning_lines_are_found():
    drawing = comb("1602385", thick=3, worn=0.5)
    rows = np.flatnonzero(drawing.across.any(axis=1))
    columns = np.arange(drawing.ink.shape[1])
    lean = np.rint(0.02 * columns).astype(int)
    ink = np.zeros((len(drawing.ink) + 20, len(columns)), np.bool_)
    for column, down in enumerate(lean.tolist()):
        ink[down : down + len(drawing.ink), column] = (drawing.ink & ~drawing.across)[:, column]
    found = dividers_between(ink, rows[0] + 2.0 + lean, rows[-1] - 1.0 + lean)
    assert len(found.places) >= len("1602385") - 1
    assert np.abs(found.places[:, None] - np.array(drawing.places)).min(axis=1).max() <= 3


def test_comb_becomes_a_line_without_dividers_and_its_picture_keeps_them():
    drawing = comb("1602385", thick=5, worn=0.5)
    line = line_image(drawing.ink.astype(np.uint8) * 255, drawing.ink)
    plain = line_image(drawing.digits.astype(np.uint8) * 255, drawing.digits)
    assert line.is_comb
    assert not plain.is_comb
    count = [cv2.connectedComponents(part.mask.astype(np.uint8), connectivity=8)[0] for part in (line, plain)]
    assert count[0] == count[1]
    assert line.raw.mean() > 1.3 * line.ink.mean()


@given(drawn.blobs())
def test_any_ink_is_measured_without_fail(mask):
    found = find_dividers(mask, np.zeros_like(mask), 20.0)
    assert not (found.ink & ~mask).any()
    assert (np.diff(found.places) > 0).all()
