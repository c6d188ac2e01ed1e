"""Written digits keep to what they are written in, and unused cells hold nobody's ink."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.written_digits import NEUTRAL, Comb, write_digits

from . import drawn_sets

HEIGHT = 40.0
TEXTS = st.text("0123456789", min_size=1, max_size=8)


def written(text: str, seed: int, comb: Comb | None = None):
    return write_digits(text, drawn_sets.bank(), np.random.default_rng(seed), HEIGHT, comb)


def columns(owner: np.ndarray, index: int) -> np.ndarray:
    return np.nonzero(owner == index + 1)[1]


@given(TEXTS, st.integers(0, 2**20), st.booleans())
def test_only_ink_has_an_owner_and_only_digits_of_the_text_own_any(text, seed, in_cells):
    comb = Comb.draw(np.random.default_rng(seed), HEIGHT) if in_cells else None
    kept, ink, owner, cells = written(text, seed, comb)
    assert text.startswith(kept)
    assert ink.shape == owner.shape
    assert not (owner[ink == 0]).any()
    assert owner.max(initial=0) <= len(kept)
    if comb is None:
        assert len(cells) == len(kept) - 1
    else:
        assert kept == text
        assert len(cells) == comb.before + len(text) + comb.after + 1


@pytest.mark.parametrize("seed", range(6))
def test_each_digit_stands_in_its_cell(seed):
    comb = Comb(pitch=60.0, before=1, after=2, crossed=0.0, unrest=0.02)
    text, _, owner, sides = written("407", seed, comb)
    assert len(sides) == len(text) + 4
    np.testing.assert_allclose(np.diff(sides), comb.pitch)
    for index in range(len(text)):
        own = columns(owner, index)
        middle = 0.5 * (own.min() + own.max())
        assert sides[index + 1] < middle < sides[index + 2]


@pytest.mark.parametrize("crossed", [0.0, 1.0])
def test_an_unused_cell_is_crossed_out_in_ink_that_no_digit_owns(crossed):
    found = []
    for seed in range(6):
        _, ink, owner, sides = written("5", seed, Comb(pitch=60.0, before=2, after=0, crossed=crossed, unrest=0.02))
        first = np.s_[:, round(sides[0]) + 5 : round(sides[1]) - 5]
        assert not owner[first].any()
        found.append(bool((ink[first] > 60).any()))
    assert np.mean(found) >= 0.9 if crossed else np.mean(found) <= 0.4  # a letter may stand before the number


def test_some_hands_chain_zeros():
    """In some hands a stroke leads from each zero of a run to the next, where other digits stand alone."""

    def linked(text: str) -> float:
        return float(np.mean([(written(text, seed)[2] == NEUTRAL).any() for seed in range(80)]))

    assert linked("0000") > linked("6969") + 0.05


@given(TEXTS, st.integers(0, 2**20))
def test_no_digit_is_written_over_the_one_before(text, seed):
    """However tight a hand writes: each digit still shows ink of its own, farther right than the last one's."""
    kept, _, owner, _ = written(text, seed)
    seen = [columns(owner, index) for index in range(len(kept))]
    assert all(len(own) for own in seen)
    middles = [0.5 * (own.min() + own.max()) for own in seen]
    assert all(right > left for left, right in itertools.pairwise(middles))
