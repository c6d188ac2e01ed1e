"""Marks among digits, drawn as strokes and written by the stroke model."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.decoding import Path
from extractor.lines import LineImage
from extractor.reader import Reader, ReadOptions
from extractor.segmentation import Candidate, Lattice, segment
from extractor.separators import find_separators
from training.handwriting import write_string

from .drawn import bare_line, blobs, neat_hand, on_paper

UNIT, STROKE, BASE = 44, 5, 70
TEXT = "1234"


def line_with(*marks: tuple[str, int], digits: int = 4) -> Lattice:
    """Upright bars as digits, 60 columns apart, with marks after some of them; every digit is one candidate."""
    canvas = np.zeros((110, 60 * digits + 60), np.uint8)
    for number in range(digits):
        cv2.line(canvas, (30 + 60 * number, BASE - UNIT), (30 + 60 * number, BASE), 1, STROKE)
    for kind, after in marks:
        x = 60 * after
        if kind == ".":
            cv2.circle(canvas, (x, BASE - 2), 4, 1, -1)
        elif kind == ",":
            cv2.line(canvas, (x + 2, BASE - 4), (x - 3, BASE + 12), 1, STROKE)
        elif kind == "-":
            cv2.line(canvas, (x - 12, BASE - 21), (x + 12, BASE - 23), 1, STROKE)
        elif kind == "=":
            cv2.line(canvas, (x - 12, BASE - 16), (x + 12, BASE - 17), 1, STROKE)
            cv2.line(canvas, (x - 12, BASE - 28), (x + 12, BASE - 29), 1, STROKE)
        elif kind == "/":
            cv2.line(canvas, (x - 10, BASE), (x + 10, BASE - UNIT), 1, STROKE)
        elif kind == "speck":
            canvas[BASE - 3 : BASE, x : x + 2] = 1
        elif kind == "high":
            cv2.circle(canvas, (x, BASE - UNIT + 3), 4, 1, -1)
    return segment(bare_line(canvas > 0, UNIT, STROKE))


def path_of(lattice: Lattice, digits: int = 4) -> Path:
    """Take the bars and drop the marks."""
    singles = [
        index
        for index, item in enumerate(lattice.candidates)
        if item.stop - item.start == 1 and abs((item.box[0] + item.box[2] / 2) % 60 - 30) < 4 and item.box[3] >= UNIT
    ]
    assert len(singles) == digits
    return Path(TEXT[:digits], 0.0, tuple(singles))


def found(*marks: tuple[str, int]) -> list[tuple[int, str]]:
    lattice = line_with(*marks)
    return [(mark.position, mark.kind) for mark in find_separators(lattice, path_of(lattice))]


@pytest.mark.parametrize("kind", [".", ",", "-", "=", "/"])
def test_a_mark_is_told_by_its_shape_and_counted_by_the_digits_before_it(kind):
    assert found((kind, 1)) == [(1, kind)]
    assert found((kind, 3)) == [(3, kind)]


def test_several_marks_come_from_left_to_right():
    assert found((",", 3), (".", 1)) == [(1, "."), (3, ",")]


def test_marks_after_the_last_digit_count_but_a_slash_does_not():
    assert found((".", 4)) == [(4, ".")]
    assert found(("=", 4)) == [(4, "=")]
    assert found(("/", 4)) == []


def test_marks_before_the_first_digit_are_none():
    for kind in (".", "-", "/"):
        assert found((kind, 0)) == []


def test_specks_and_blots_away_from_the_base_line_are_none():
    assert found(("speck", 1), ("speck", 2), ("high", 3)) == []


def test_a_row_of_points_is_a_dotted_line():
    assert found(*((".", after) for after in (1, 2, 3, 4))) == []


def test_no_digits_no_separators():
    lattice = line_with((".", 1))
    assert find_separators(lattice, Path("", 0.0, ())) == []


@given(blobs(), st.integers(0, 2**32 - 1))
def test_whatever_the_ink_marks_are_in_order_and_within_the_string(mask, seed):
    line: LineImage = bare_line(np.pad(mask, 2), 30.0, 3.0)
    lattice = segment(line)
    rng = np.random.default_rng(seed)
    chosen: list[int] = []
    end = 0
    for index, item in enumerate(lattice.candidates):
        if item.start >= end and rng.random() < 0.5:
            chosen.append(index)
            end = item.stop
    path = Path("1" * len(chosen), 0.0, tuple(chosen))
    marks = find_separators(lattice, path)
    assert all(1 <= mark.position <= len(chosen) for mark in marks)
    assert [mark.box[0] for mark in marks] == sorted(mark.box[0] for mark in marks)
    height, width = line.mask.shape
    for x, y, wide, high in (mark.box for mark in marks):
        assert x >= 0
        assert y >= 0
        assert x + wide <= width
        assert y + high <= height


def test_a_candidate_without_ink_does_no_harm():
    lattice = line_with((".", 1))
    ghost = Candidate(lattice.pieces, lattice.pieces, (0, 0, 1, 1))
    with_ghost = Lattice(lattice.line, lattice.labels, lattice.areas, (*lattice.candidates, ghost))
    assert find_separators(with_ghost, Path("1", 0.0, (len(lattice.candidates),))) == []


def test_a_written_amount_can_be_rebuilt_from_its_reading():
    ink, _ = write_string("46.77", neat_hand(3), np.random.default_rng(3), 60)
    image = on_paper(ink, margin=36)
    (field,) = Reader().read(image, ReadOptions(layout="line")).fields
    assert field.text == "4677"
    ((position, kind, box),) = [(mark.position, mark.kind, mark.box) for mark in field.separators]
    assert (position, kind) == (2, ".")
    x, y, width, height = box
    assert (image[y : y + height, x : x + width] < 128).any()
    assert field.digits[1].box[0] < x < field.digits[2].box[0] + field.digits[2].box[2]
