"""Synthetic lines say truly what is written where."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from training.synthesis import synthesize
from training.written_digits import NEUTRAL

from . import drawn_sets


def line(seed: int):
    return synthesize(drawn_sets.bank(), np.random.default_rng(seed))


@pytest.fixture(scope="module")
def lines():
    return [line(seed) for seed in range(40)]


def test_a_seed_gives_one_line():
    for seed in (0, 7):
        first, second = line(seed), line(seed)
        assert first.text == second.text
        np.testing.assert_array_equal(first.image, second.image)
        np.testing.assert_array_equal(first.owner, second.owner)


def test_seeds_give_different_lines(lines):
    assert len({sample.text for sample in lines}) > 25
    assert {len(sample.text) for sample in lines} >= {1, 2, 3, 4}
    assert set("".join(sample.text for sample in lines)) == set("0123456789")


def test_pictures_and_owners_share_one_frame(lines):
    for sample in lines:
        assert sample.image.dtype == np.uint8
        assert sample.owner.dtype == np.int16
        assert sample.image.shape == sample.owner.shape
        assert 1 <= len(sample.text) <= 12
        assert sample.text.isdigit()


def test_owners_are_digits_of_the_text(lines):
    for sample in lines:
        assert sample.owner.min() >= NEUTRAL
        assert sample.owner.max() <= len(sample.text)


def test_every_digit_is_seen(lines):
    """A digit whose ink its neighbours cover is rare: nearly all of the string's digits own ink."""
    owners = [np.isin(np.arange(1, len(sample.text) + 1), sample.owner) for sample in lines]
    assert np.concatenate(owners).mean() > 0.98


def test_digits_come_in_the_order_of_the_text(lines):
    ordered = total = 0
    for sample in lines:
        middles = [
            np.nonzero(sample.owner == index + 1)[1].mean()
            for index in range(len(sample.text))
            if (sample.owner == index + 1).any()
        ]
        ordered += sum(a < b for a, b in itertools.pairwise(middles))
        total += len(middles) - 1
    assert ordered >= 0.99 * total


def test_owned_pixels_are_darker_than_the_paper(lines):
    darker = [
        float(np.median(sample.image[sample.owner == 0])) - float(np.mean(sample.image[sample.owner > 0]))
        for sample in lines
    ]
    assert np.mean(np.array(darker) > 10) > 0.9
