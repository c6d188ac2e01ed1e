"""Candidates of the real segmenter are labelled by what they truly hold."""

from __future__ import annotations

import numpy as np

from extractor.lines import LineImage
from extractor.segmentation import Candidate, Lattice, segment
from training.hypotheses import NOT_ONE_DIGIT, SKIP, UNSURE, hypotheses, label_candidates, owners_at_scale
from training.synthesis import synthesize
from training.written_digits import NEUTRAL

from . import drawn_sets


def bare_line(mask: np.ndarray) -> LineImage:
    ink = mask.astype(np.uint8) * 255
    return LineImage(ink, ink, mask, 1.0, (0.0, 0.0), 44.0, 4.0)


def pieces(
    *spans: tuple[int, int], owners: list[int], runs: tuple[tuple[int, int], ...] = ()
) -> tuple[Lattice, np.ndarray]:
    """A lattice of solid pieces at columns from-to, each owned by a digit (0: nobody's ink)."""
    labels = np.zeros((60, 200), np.int32)
    owner = np.zeros((60, 200), np.int16)
    for number, ((left, right), index) in enumerate(zip(spans, owners, strict=True), start=1):
        labels[8:52, left:right] = number
        owner[8:52, left:right] = index
    candidates = tuple(
        Candidate(start, stop, (spans[start][0], 8, spans[stop - 1][1] - spans[start][0], 44))
        for start, stop in sorted({(i, i + 1) for i in range(len(spans))} | set(runs))
    )
    areas = np.bincount(labels.ravel(), minlength=len(spans) + 1)[1:]
    return Lattice(bare_line(labels > 0), labels, areas, candidates), owner


def labelled(lattice: Lattice, owner: np.ndarray, text: str) -> dict[tuple[int, int], int]:
    labels = label_candidates(lattice, owner, text)
    return {(item.start, item.stop): int(label) for item, label in zip(lattice.candidates, labels, strict=True)}


def test_a_digit_by_itself_carries_its_label():
    lattice, owner = pieces((10, 30), (60, 80), owners=[1, 2])
    assert labelled(lattice, owner, "47") == {(0, 1): 4, (1, 2): 7}


def test_half_a_digit_is_not_one_digit_and_both_halves_are():
    lattice, owner = pieces((10, 20), (20, 30), owners=[1, 1], runs=((0, 2),))
    assert labelled(lattice, owner, "5") == {(0, 1): NOT_ONE_DIGIT, (1, 2): NOT_ONE_DIGIT, (0, 2): 5}


def test_two_digits_are_not_one():
    lattice, owner = pieces((10, 30), (40, 60), owners=[1, 2], runs=((0, 2),))
    assert labelled(lattice, owner, "89")[0, 2] == NOT_ONE_DIGIT


def test_ink_of_no_digit_is_skipped():
    lattice, owner = pieces((10, 30), (70, 76), (100, 120), owners=[1, 0, 2])
    assert labelled(lattice, owner, "12")[1, 2] == SKIP


def test_a_digit_with_a_large_stroke_of_nobody_is_not_one_digit():
    lattice, owner = pieces((10, 30), (36, 50), owners=[1, 0], runs=((0, 2),))
    assert labelled(lattice, owner, "3") == {(0, 1): 3, (1, 2): SKIP, (0, 2): NOT_ONE_DIGIT}


def test_a_digit_with_a_thin_one_beside_it_is_not_one_digit():
    lattice, owner = pieces((10, 13), (20, 45), owners=[1, 2], runs=((0, 2),))
    assert labelled(lattice, owner, "18") == {(0, 1): 1, (1, 2): 8, (0, 2): NOT_ONE_DIGIT}


def test_a_digit_with_the_side_of_a_frame_beside_it_is_not_one_digit():
    lattice, owner = pieces((10, 13), (20, 45), owners=[0, 1], runs=((0, 2),))
    assert labelled(lattice, owner, "8") == {(0, 1): SKIP, (1, 2): 8, (0, 2): NOT_ONE_DIGIT}


def test_a_digit_with_a_speck_beside_it_is_still_that_digit():
    lattice, owner = pieces((10, 13), (20, 45), owners=[0, 1], runs=((0, 2),))
    owner[:, 10:13], lattice.labels[:48, 10:13] = 0, 0
    speck = Lattice(
        bare_line(lattice.labels > 0), lattice.labels, np.array([12, 1100]),
        (Candidate(0, 1, (10, 48, 3, 4)), Candidate(0, 2, (10, 8, 35, 44)), Candidate(1, 2, (20, 8, 25, 44))),
    )  # fmt: skip
    assert labelled(speck, owner, "8")[0, 2] == 8


def test_neutral_ink_counts_against_nobody():
    lattice, owner = pieces((10, 30), owners=[1])
    owner[8:52, 26:30] = NEUTRAL
    assert labelled(lattice, owner, "6") == {(0, 1): 6}


def test_a_digit_that_is_mostly_rubbed_out_teaches_nothing():
    lattice, owner = pieces((10, 18), owners=[1])
    owner[8:52, 18:40] = 1  # its other ink was lost on the way
    assert labelled(lattice, owner, "2") == {(0, 1): UNSURE}


def test_lines_without_digits_hold_only_what_is_skipped():
    lattice, owner = pieces((10, 30), (60, 80), owners=[0, 0], runs=((0, 2),))
    assert set(labelled(lattice, owner, "").values()) <= {SKIP, NOT_ONE_DIGIT}


def test_owners_follow_the_working_scale():
    owner = np.zeros((40, 80), np.int16)
    owner[10:30, 20:40] = 3
    line = LineImage(
        np.zeros((40, 80), np.uint8),
        np.zeros((40, 80), np.uint8),
        np.zeros((40, 80), bool),
        2.0,
        (10.0, 5.0),
        44.0,
        4.0,
    )
    carried = owners_at_scale(owner, line)
    rows, columns = np.nonzero(carried == 3)
    assert carried.shape == (40, 80)
    assert carried.dtype == np.int16
    for low, high, wanted in ((rows.min(), rows.max() + 1, (10, 50)), (columns.min(), columns.max() + 1, (20, 60))):
        assert abs(low - wanted[0]) <= 1
        assert abs(high - min(wanted[1], 40 if wanted == (10, 50) else 80)) <= 1


def test_synthetic_lines_give_every_kind_of_example():
    found = [hypotheses(synthesize(drawn_sets.bank(), np.random.default_rng(seed)))[1] for seed in range(25)]
    kept = [item for item in found if item is not None]
    assert len(kept) >= 20
    labels = np.concatenate([item.labels for item in kept])
    assert UNSURE not in labels
    assert {*range(10), NOT_ONE_DIGIT, SKIP} == set(labels.tolist())
    for item in kept:
        assert len(item.digits) == len(item.context) == len(item.geometry) == len(item.labels)


def test_a_blank_picture_has_no_hypotheses():
    from training.synthesis import SyntheticLine

    blank = SyntheticLine(np.full((60, 200), 240, np.uint8), np.zeros((60, 200), np.int16), "")
    assert hypotheses(blank) == (None, None)


def test_segmenting_twice_gives_one_answer():
    sample = synthesize(drawn_sets.bank(), np.random.default_rng(3))
    line, first = hypotheses(sample)
    _, second = hypotheses(sample)
    np.testing.assert_array_equal(first.digits, second.digits)
    np.testing.assert_array_equal(first.labels, second.labels)
    assert segment(line).pieces > 0
