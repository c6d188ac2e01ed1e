from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor import comb
from extractor.field_ink import field_ink, ink_level
from extractor.marks import mark_of
from extractor.patches import cut
from tests.extractor.drawn import lattice_of, neat_hand
from tests.extractor.drawn_form import blank, filled
from training.handwriting import write_string


@given(
    st.floats(0.5, 2.0), st.floats(-20, 20), st.floats(0, 40), st.floats(0, 60), st.floats(0, 150), st.floats(20, 120)
)
def test_a_patch_knows_where_it_lies_on_the_scan(scale, turn, shift, x, y, width):
    angle = np.deg2rad(turn)
    homography = np.array(
        [
            [scale * np.cos(angle), -scale * np.sin(angle), 150 + shift],
            [scale * np.sin(angle), scale * np.cos(angle), 150],
            [1e-5, 2e-5, 1],
        ]
    )
    patch = cut(np.full((600, 600), 200, np.uint8), homography, (x, y, width, 30), 150)
    corners = np.array([(x, y, 1), (x + width, y, 1), (x, y + 30, 1), (x + width, y + 30, 1)]) @ homography.T
    points = corners[:, :2] / corners[:, 2:]
    low, high = points.min(axis=0), points.max(axis=0)
    assert np.allclose(patch.on_scan(*patch.box), (*low, *(high - low)), atol=2.5)
    assert 0 <= patch.inside <= 1


def test_a_patch_is_upright_and_no_finer_than_the_scan():
    page = filled()
    turned = cv2.rotate(page, cv2.ROTATE_90_CLOCKWISE)
    homography = np.array([[0.0, -1.0, 999.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    box = (420.0, 120.0, 460.0, 84.0)
    upright, from_turned = cut(page, np.eye(3), box, 150), cut(turned, homography, box, 150)
    assert upright.image.shape == from_turned.image.shape
    assert np.abs(upright.image.astype(int) - from_turned.image).mean() < 1
    assert upright.scale == pytest.approx(150)
    large = cv2.resize(page, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    fine = cut(large, np.array([[4.0, 0, 1.5], [0, 4.0, 1.5], [0, 0, 1]]), box, 150)
    assert fine.scale == pytest.approx(300)
    shrunk = cv2.resize(fine.image, upright.image.shape[::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk.astype(int) - upright.image).mean() < 2


@pytest.mark.parametrize(("box", "cells"), [((420, 120, 460, 84), None), ((420, 260, 480, 80), 6)])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (2.0, -1.5), (-2.0, 2.0)])
def test_the_lines_of_an_empty_field_leave_nothing_behind(box, cells, shift):
    page = blank()
    patch = cut(page, np.array([[1.0, 0, shift[0]], [0, 1.0, shift[1]], [0, 0, 1]]), box, 150)
    assert not field_ink(patch, cells, ink_level(page)).mask.any()


def test_what_is_written_stays_and_labels_beside_the_field_go():
    page = filled()
    patch = cut(page, np.eye(3), (260.0, 120.0, 620.0, 84.0), 150)
    whole = field_ink(cut(page, np.eye(3), (420.0, 120.0, 460.0, 84.0), 150), None, ink_level(page)).mask
    bare = filled()
    bare[118:126] = bare[200:208] = 247
    reference = cut(bare, np.eye(3), (430.0, 128.0, 440.0, 68.0), 150)
    expected = np.count_nonzero(reference.image < 160)
    assert np.count_nonzero(whole) == pytest.approx(expected, rel=0.25)
    # A wider box begins in the middle of the printed label, which then is its own.
    assert np.count_nonzero(field_ink(patch, None, ink_level(page)).mask) > np.count_nonzero(whole)


@pytest.mark.parametrize("seed", range(1, 7))
def test_the_shadow_of_the_other_side_is_no_ink(seed):
    page = filled(customer="")
    ink, _ = write_string("407", neat_hand(seed), np.random.default_rng(seed), 50)
    place = page[140 : 140 + ink.shape[0], 450 : 450 + ink.shape[1]]
    place[:] = np.minimum(place, 247 - (0.1 * ink).astype(np.uint8))
    page[118:126] = page[200:208] = 247
    patch = cut(page, np.eye(3), (430.0, 130.0, 440.0, 66.0), 150)
    assert not field_ink(patch, None, ink_level(page)).mask.any()


def stroke(*lines, size=(100, 100), thick=5) -> np.ndarray:
    canvas = np.zeros(size, np.uint8)
    for start, end in lines:
        cv2.line(canvas, start, end, 1, thick)
    return canvas > 0


def test_crosses_and_dashes_are_told_from_digits():
    cell = (100.0, 100.0)
    assert mark_of(stroke(((20, 20), (80, 80)), ((80, 20), (20, 80))), cell) == "crossed_out"
    assert mark_of(stroke(((25, 15), (70, 85)), ((72, 20), (22, 80))), cell) == "crossed_out"
    assert mark_of(stroke(((20, 50), (80, 54))), cell) == "crossed_out"
    assert mark_of(np.zeros((100, 100), np.bool_), cell) == ""


@pytest.mark.parametrize("digit", "0123456789")
def test_no_digit_is_taken_for_a_mark(digit):
    for seed in range(12):
        ink, _ = write_string(digit, neat_hand(seed), np.random.default_rng(seed), 64)
        canvas = np.zeros((120, 140), np.uint8)
        part = ink[: min(110, ink.shape[0]), :130]
        canvas[5 : 5 + part.shape[0], 5 : 5 + part.shape[1]] = part
        assert mark_of(canvas > 100, (100.0, 100.0)) == ""


def test_several_small_digits_are_told_from_one_broken_digit():
    small = np.zeros((100, 100), np.uint8)
    for text, place in (("1", (10, 35)), ("5", (40, 35)), ("8", (70, 80))):
        cv2.putText(small, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.9, 1, 2)
    assert mark_of(small > 0, (100.0, 100.0)) == "several_digits"
    broken = stroke(((30, 20), (30, 48)), ((30, 20), (65, 20)), ((32, 56), (60, 84)))
    assert mark_of(broken, (100.0, 100.0)) == ""


def test_a_comb_prefers_one_candidate_a_cell_and_forbids_none():
    lattice = lattice_of(3, {(0, 2), (1, 3)})
    # Pieces are three columns wide, one apart; the first two share a cell.
    penalties = dict(
        zip(((c.start, c.stop) for c in lattice.candidates), comb.prior(lattice, [7.5]).tolist(), strict=True)
    )
    assert penalties[0, 2] == penalties[2, 3] == 0
    assert penalties[0, 1] == penalties[1, 2] == pytest.approx(-comb.PENALTY / 2)
    assert penalties[1, 3] < -comb.PENALTY
    assert min(penalties.values()) >= -2 * comb.PENALTY
