"""Lines fall into pieces from left to right, and every reading is a path through the lattice."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given

from extractor.lines import line_image
from extractor.segmentation import GEOMETRY, MAX_LINE_PIECES, MAX_PIECES, crops, geometry, segment

from . import drawn


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return np.count_nonzero(a & b) / max(1, np.count_nonzero(a | b))


def best_match(lattice, truth: np.ndarray) -> float:
    """How well the best candidate covers one digit's ink and nothing else."""
    return max(
        overlap((lattice.labels > item.start) & (lattice.labels <= item.stop), truth) for item in lattice.candidates
    )


def two_digits(kind: str) -> tuple[np.ndarray, np.ndarray, int]:
    """Two drawn digits that touch, each alone, and the column where they meet."""
    left, right = np.zeros((64, 120), np.uint8), np.zeros((64, 120), np.uint8)
    cv2.ellipse(left, (32, 32), (14, 20), 0, 0, 360, 1, 4)
    if kind == "zeros side by side":
        cv2.ellipse(right, (64, 32), (14, 20), 0, 0, 360, 1, 4)
        return left.astype(bool), right.astype(bool) & ~left.astype(bool), 48
    cv2.line(right, (48, 40), (62, 36), 1, 4)
    cv2.line(right, (62, 12), (62, 52), 1, 4)
    return left.astype(bool), right.astype(bool) & ~left.astype(bool), 49


@pytest.mark.parametrize("kind", ["zeros side by side", "a ligature"])
def test_touching_digits_are_cut_near_the_touch(kind):
    left, right, column = two_digits(kind)
    both = left | right
    assert cv2.connectedComponents(both.astype(np.uint8), connectivity=8)[0] == 2, "one component and the paper"
    lattice = segment(drawn.bare_line(both))
    ends = [item.box[0] + item.box[2] for item in lattice.candidates]
    assert min(abs(end - column) for end in ends) <= 6
    assert best_match(lattice, left) > 0.85
    assert best_match(lattice, right) > 0.85


def test_separate_digits_are_candidates_whole():
    from training.handwriting import write_string

    ink, masks = write_string("29581", drawn.neat_hand(), np.random.default_rng(4), 44)
    pad = 12
    lattice = segment(drawn.bare_line(np.pad(ink, pad) > 110))
    for mask in masks:
        assert best_match(lattice, np.pad(mask, pad) > 110) > 0.95


def test_floating_bar_belongs_to_its_digit():
    mask = np.zeros((64, 60), np.uint8)
    cv2.ellipse(mask, (30, 40), (12, 12), 0, 200, 500, 1, 4)
    cv2.line(mask, (22, 18), (40, 16), 1, 4)
    lattice = segment(drawn.bare_line(mask.astype(bool)))
    assert best_match(lattice, mask.astype(bool)) > 0.99


def test_blank_line_has_no_candidates():
    lattice = segment(drawn.bare_line(np.zeros((50, 80), bool)))
    assert lattice.candidates == ()
    assert lattice.pieces == 0
    digits, context, numbers = crops(lattice)
    assert digits.shape == context.shape == (0, 28, 28)
    assert numbers.shape == (0, len(GEOMETRY))


def check_lattice(lattice) -> None:
    """What holds for every lattice."""
    line, labels = lattice.line, lattice.labels
    assert labels.shape == line.mask.shape
    np.testing.assert_array_equal(np.unique(labels[labels > 0]), np.arange(1, lattice.pieces + 1))
    np.testing.assert_array_equal(np.bincount(labels.ravel(), minlength=lattice.pieces + 1)[1:], lattice.areas)
    assert not (labels[~line.mask] > 0).any(), "no piece holds paper"
    if lattice.pieces < MAX_LINE_PIECES:
        assert (labels[line.mask] > 0).all(), "no ink is lost"
    spans = [(item.start, item.stop) for item in lattice.candidates]
    assert spans == sorted(set(spans))
    singles = [item for item in lattice.candidates if item.stop - item.start == 1]
    assert [item.start for item in singles] == list(range(lattice.pieces))
    centres = [item.box[0] + item.box[2] / 2 for item in singles]
    assert centres == sorted(centres), "from left to right"
    for item in lattice.candidates:
        assert 1 <= item.stop - item.start <= MAX_PIECES
        rows, columns = np.nonzero((labels > item.start) & (labels <= item.stop))
        box = (columns.min(), rows.min(), columns.max() - columns.min() + 1, rows.max() - rows.min() + 1)
        assert box == item.box
    digits, context, numbers = crops(lattice)
    assert digits.shape == context.shape == (len(spans), 28, 28)
    assert digits.dtype == context.dtype == np.uint8
    assert all(digit.max() == 255 for digit in digits)
    assert numbers.shape == (len(spans), len(GEOMETRY))
    assert numbers.dtype == np.float32
    assert np.isfinite(numbers).all()


@given(drawn.blobs())
def test_lattice_of_any_ink_is_sound(mask):
    check_lattice(segment(drawn.bare_line(mask, digit_height=max(4.0, 0.7 * mask.shape[0]), stroke=3.0)))


@given(drawn.blobs())
def test_lattice_of_any_region_is_sound(mask):
    line = line_image(mask.astype(np.uint8) * 255, mask)
    if line is not None:
        check_lattice(segment(line))


def test_thousands_of_specks_keep_a_bounded_lattice():
    mask = np.zeros((60, 3000), bool)
    mask[::6, ::6] = True
    mask[10:50, 100:104] = mask[10:50, 2000:2004] = True
    lattice = segment(drawn.bare_line(mask))
    assert lattice.pieces == MAX_LINE_PIECES
    check_lattice(lattice)
    assert lattice.labels[30, 102] > 0
    assert lattice.labels[30, 2002] > 0


def test_geometry_counts_in_digit_heights():
    mask = np.zeros((60, 100), bool)
    mask[8:52, 10:14] = True
    mask[8:52, 36:40] = True
    line = drawn.bare_line(mask)
    lattice = segment(line)
    rows = geometry(lattice)
    first = dict(zip(GEOMETRY, rows[0].tolist(), strict=True))
    assert first["height"] == pytest.approx(1.0)
    assert first["width"] == pytest.approx(4 / 44)
    assert first["top"] == first["bottom"] == pytest.approx(0.0)
    assert first["gap_left"] == pytest.approx(2.0), "nothing to the left"
    assert first["gap_right"] == pytest.approx(22 / 44)
    assert first["ink_share"] == pytest.approx(1.0)
    assert first["stroke"] == pytest.approx(line.stroke / 44)


def test_geometry_does_not_depend_on_the_working_scale():
    mask = np.zeros((60, 100), np.uint8)
    cv2.ellipse(mask, (25, 30), (10, 20), 0, 0, 360, 1, 4)
    cv2.ellipse(mask, (60, 34), (10, 16), 0, 0, 360, 1, 4)
    line = drawn.bare_line(mask.astype(bool))
    double = np.kron(mask, np.ones((2, 2), np.uint8)).astype(bool)
    twice = replace(
        line,
        ink=double.astype(np.uint8) * 255,
        raw=double.astype(np.uint8) * 255,
        mask=double,
        digit_height=88.0,
        stroke=8.0,
    )
    columns = [GEOMETRY.index(name) for name in ("height", "width", "gap_left", "gap_right", "ink_share", "stroke")]
    rows = []
    for each in (segment(line), segment(twice)):
        stats = cv2.connectedComponentsWithStats(each.line.mask.astype(np.uint8))[2][1:, :4]
        wholes = [[item.box for item in each.candidates].index(tuple(box)) for box in stats.tolist()]
        rows.append(geometry(each)[wholes][:, columns])
    np.testing.assert_allclose(rows[0], rows[1], atol=0.06)


def test_context_of_a_candidate_holds_its_neighbours_and_not_itself():
    mask = np.zeros((60, 100), bool)
    mask[8:52, 20:24] = True
    mask[8:52, 34:38] = True
    lattice = segment(drawn.bare_line(mask))
    digits, context, _ = crops(lattice)
    spans = [(item.start, item.stop) for item in lattice.candidates]
    left, right = spans.index((0, 1)), spans.index((1, 2))
    ahead, behind = context[left].sum(axis=0), context[right].sum(axis=0)
    assert ahead[16:].sum() > 0
    assert ahead[:16].sum() == 0
    assert behind[:12].sum() > 0
    assert behind[12:].sum() == 0
    if (0, 2) in spans:
        assert not context[spans.index((0, 2))].any()
    assert digits[left].any()


def test_boxes_of_candidates_are_tight():
    lattice = segment(drawn.line_of(drawn.written("2805537")))
    for item in lattice.candidates:
        own = (lattice.labels > item.start) & (lattice.labels <= item.stop)
        assert tuple(item.box) == cv2.boundingRect(own.astype(np.uint8))
