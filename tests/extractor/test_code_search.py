"""The search of a list of codes finds what aligning every code would."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.code_search import NEAR, THRESHOLDS, CodeList, best_codes
from extractor.constrained import allowed_in_lattice
from extractor.constraints import Constraint
from extractor.decoding import align_all
from extractor.segmentation import Lattice
from tests.extractor.drawn import lattice_of, log_probabilities, scored_lattices

CODES = st.sets(st.text("0123456789", min_size=1, max_size=5), min_size=1, max_size=60)


def by_force(lattice: Lattice, scores: np.ndarray, codes: list[str]) -> list[float]:
    """Scores of all codes that the lattice can spell, best first."""
    return sorted((path.score for path in align_all(lattice, scores, codes) if path is not None), reverse=True)


def written(text: str, doubt: float, seed: int) -> tuple[Lattice, np.ndarray]:
    """A lattice of pieces and pairs of them that spells a text, more or less clearly."""
    count = len(text)
    rng = np.random.default_rng(seed)
    lattice = lattice_of(count, {(start, start + 2) for start in range(count - 1)})
    scores = log_probabilities(rng, len(lattice.candidates), 12, doubt)
    for index, item in enumerate(lattice.candidates):
        if item.stop == item.start + 1:
            scores[index] -= 9.0
            scores[index, int(text[item.start])] = -0.01 - doubt * rng.random()
        else:
            scores[index, :10] -= 6.0
    return lattice, scores.astype(np.float32)


@given(scored_lattices(), CODES, st.integers(1, 4))
def test_a_short_list_is_searched_exactly_however_far_its_codes_are(case, codes, count):
    lattice, scores = case
    found = best_codes(lattice, scores, CodeList.of(codes), count)
    expected = by_force(lattice, scores, sorted(codes))
    assert bool(found) == bool(expected)
    assert {code for code, _ in found} <= codes
    assert [score for _, score in found] == pytest.approx(expected[: len(found)], abs=1e-4)


@given(st.integers(0, 2**32 - 1), st.integers(3, 7), st.floats(0.5, 5.0), st.booleans())
def test_a_long_list_is_searched_exactly_near_the_best_way(seed, length, doubt, holds_truth):
    rng = np.random.default_rng(seed)
    truth = "".join(map(str, rng.integers(0, 10, length)))
    lattice, scores = written(truth, doubt, seed)
    codes = {f"{number:0{length}d}" for number in rng.integers(0, 10**length, 400)}
    codes |= {f"{number:0{length - 1}d}" for number in rng.integers(0, 10 ** (length - 1), 100)}
    codes = codes | {truth} if holds_truth else codes - {truth}
    found = best_codes(lattice, scores, CodeList.of(codes), 4)
    expected = by_force(lattice, scores, sorted(codes))
    lengths = Constraint(length - 1, length).acceptor
    assert lengths is not None
    top = allowed_in_lattice(lattice, scores, lengths, 1)[0][1]
    assert len(found) > 0
    if expected[0] < top - NEAR:  # Farther away the best may be missed, but not by making a score up.
        assert found[0][1] <= expected[0] + 1e-4
        return
    assert [score for _, score in found] == pytest.approx(expected[: len(found)], abs=1e-4)
    slack = next(slack for slack in THRESHOLDS if expected[0] >= top - slack + 1e-4)
    assert len(found) >= min(4, sum(score >= top - slack + 1e-3 for score in expected))


def test_no_lattice_or_no_code_that_fits_finds_nothing():
    lattice = lattice_of(2, set())
    scores = np.full((2, 12), -3.0, np.float32)
    assert best_codes(lattice, scores, CodeList.of(["12345"]), 4) == []
    assert best_codes(lattice, scores, CodeList.of([]), 4) == []
    assert [code for code, _ in best_codes(lattice, scores, CodeList.of(["12", "7"]), 4)] != []
