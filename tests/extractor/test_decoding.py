"""The lattice's best strings equal what trying everything finds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.classifier import NOT_ONE_DIGIT, SKIP
from extractor.decoding import FLOOR, LIKELY, align, align_all, best_paths
from extractor.segmentation import Lattice

from . import drawn


def all_paths(lattice: Lattice, scores: np.ndarray, *, likely_only: bool):
    """Every way through a lattice as text, score, candidates."""
    floored = np.maximum(scores, FLOOR)

    def walk(piece, text, score, used):
        if piece == lattice.pieces:
            yield text, score, used
            return
        for index, item in enumerate(lattice.candidates):
            if item.start != piece:
                continue
            row = floored[index]
            for digit in range(10):
                if not likely_only or row[digit] > LIKELY or digit == int(np.argmax(row[:10])):
                    yield from walk(item.stop, text + str(digit), score + float(row[digit]), (*used, index))
            if item.stop == piece + 1:
                yield from walk(item.stop, text, score + float(row[SKIP]), used)

    yield from walk(0, "", 0.0, ())


@given(drawn.scored_lattices(most_pieces=3), st.integers(1, 15))
def test_best_paths_are_those_of_full_enumeration(case, count):
    lattice, scores = case
    best: dict[str, float] = {}
    for text, score, _ in all_paths(lattice, scores, likely_only=True):
        best[text] = max(best.get(text, -np.inf), score)
    wanted = sorted(best.values(), reverse=True)[:count]
    found = best_paths(lattice, scores, count)
    assert [path.score for path in found] == pytest.approx(wanted, abs=1e-4)
    assert len({path.text for path in found}) == len(found)
    for path in found:
        assert path.score == pytest.approx(best[path.text], abs=1e-4)


@given(drawn.scored_lattices(most_pieces=3), st.text("0123456789", max_size=3))
def test_alignment_is_the_best_path_that_spells_the_string(case, text):
    lattice, scores = case
    matching = [score for said, score, _ in all_paths(lattice, scores, likely_only=False) if said == text]
    path = align(lattice, scores, text)
    if not matching:
        assert path is None
        return
    assert path is not None
    assert path.text == text
    assert path.score == pytest.approx(max(matching), abs=1e-4)


@given(drawn.scored_lattices())
def test_paths_run_forward_and_add_up(case):
    lattice, scores = case
    for path in best_paths(lattice, scores):
        assert len(path.candidates) == len(path.text)
        spans = [lattice.candidates[index] for index in path.candidates]
        assert all(a.stop <= b.start for a, b in itertools.pairwise(spans))
        total = sum(
            max(float(scores[index, int(digit)]), FLOOR)
            for index, digit in zip(path.candidates, path.text, strict=True)
        )
        taken = {piece for item in spans for piece in range(item.start, item.stop)}
        singles = {item.start: index for index, item in enumerate(lattice.candidates) if item.stop == item.start + 1}
        total += sum(
            max(float(scores[singles[piece], SKIP]), FLOOR) for piece in range(lattice.pieces) if piece not in taken
        )
        assert path.score == pytest.approx(total, abs=1e-4)


@given(drawn.scored_lattices())
def test_alignment_of_a_proposed_string_scores_no_less(case):
    lattice, scores = case
    for path in best_paths(lattice, scores):
        aligned = align(lattice, scores, path.text)
        assert aligned is not None
        assert aligned.score == pytest.approx(path.score, abs=1e-4)


def test_one_hopeless_piece_costs_no_more_than_the_floor():
    lattice = drawn.lattice_of(3, set())
    scores = np.full((3, 12), -80.0, np.float32)
    scores[0, 4] = scores[2, 7] = -0.01
    scores[1, NOT_ONE_DIGIT] = 0.0
    best = best_paths(lattice, scores)[0]
    assert best.score == pytest.approx(FLOOR - 0.02, abs=1e-4)
    assert best.text.startswith("4")
    assert best.text.endswith("7")
    assert align(lattice, scores, "47").score == pytest.approx(FLOOR - 0.02, abs=1e-4)


def test_a_run_of_pieces_beats_its_halves_when_it_is_the_digit():
    lattice = drawn.lattice_of(2, {(0, 2)})
    scores = np.full((3, 12), -9.0, np.float32)
    spans = [(item.start, item.stop) for item in lattice.candidates]
    scores[spans.index((0, 2)), 8] = -0.05
    scores[spans.index((0, 1)), NOT_ONE_DIGIT] = scores[spans.index((1, 2)), NOT_ONE_DIGIT] = -0.05
    best = best_paths(lattice, scores)[0]
    assert best.text == "8"
    assert best.candidates == (spans.index((0, 2)),)


def test_specks_are_dropped():
    lattice = drawn.lattice_of(3, set())
    scores = np.full((3, 12), -9.0, np.float32)
    scores[0, 1] = scores[1, SKIP] = scores[2, 2] = -0.01
    assert best_paths(lattice, scores)[0].text == "12"


def test_an_empty_lattice_holds_the_empty_string():
    lattice = drawn.lattice_of(0, set())
    scores = np.zeros((0, 12), np.float32)
    assert [(path.text, path.score, path.candidates) for path in best_paths(lattice, scores)] == [("", 0.0, ())]
    assert align(lattice, scores, "").score == 0.0
    assert align(lattice, scores, "1") is None


def test_a_string_longer_than_the_lattice_has_no_path():
    lattice = drawn.lattice_of(2, {(0, 2)})
    assert align(lattice, np.zeros((3, 12), np.float32), "123") is None


@given(drawn.scored_lattices(most_pieces=5), st.lists(st.text("0123456789", max_size=6), max_size=5))
def test_strings_aligned_together_are_aligned_as_each_by_itself(case, texts):
    lattice, scores = case
    assert align_all(lattice, scores, texts) == [align(lattice, scores, text) for text in texts]
