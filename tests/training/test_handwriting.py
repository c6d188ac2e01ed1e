from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from training.allographs import allographs
from training.handwriting import Hand, digit_image, draw_hand, strokes, write_string
from training.pen import Pen, render
from training.shapes import DIGITS, OTHERS

seeds = st.integers(0, 2**32 - 1)


def hand_of(seed: int) -> Hand:
    return draw_hand(np.random.default_rng(seed))


def plain_hand() -> Hand:
    return replace(hand_of(1), slant=0.0, aspect=1.0, size_jitter=0.0, wander=0.0, climb=0.0, pen=Pen(), pen_width=0.08)


@pytest.mark.parametrize("character", [*DIGITS, *OTHERS])
def test_every_character_leaves_ink(character: str) -> None:
    picture = digit_image(character, hand_of(3), np.random.default_rng(4))
    assert picture.dtype == np.uint8
    assert picture.max() > 60


@pytest.mark.parametrize("digit", range(10))
def test_each_digit_is_written_in_several_shapes(digit: int) -> None:
    assert len(allographs(str(digit))) >= 8


@pytest.mark.parametrize("character", [*DIGITS, *OTHERS])
def test_a_curve_passes_its_knots(character: str) -> None:
    for shape in allographs(character):
        for stroke in shape.strokes:
            curve = stroke.curve @ stroke.knots
            distances = np.linalg.norm(curve[:, None] - stroke.knots[None], axis=2).min(axis=0)
            assert distances.max() < 1e-5


@settings(max_examples=40, deadline=None)
@given(seed=seeds, digit=st.integers(0, 9))
def test_strokes_stay_near_the_digit_box(seed: int, digit: int) -> None:
    paths = strokes(digit, hand_of(seed), np.random.default_rng(seed))
    points = np.concatenate(paths)
    assert points.dtype == np.float32
    assert np.isfinite(points).all()
    assert points[:, 1].min() > -0.35
    assert points[:, 1].max() < 1.35
    assert np.ptp(points[:, 1]) > 0.6
    assert np.ptp(points[:, 0]) < 2.6


@settings(max_examples=30, deadline=None)
@given(seed=seeds, digit=st.integers(0, 9), height=st.integers(12, 120))
def test_a_digit_image_is_tight_and_about_as_tall_as_asked(seed: int, digit: int, height: int) -> None:
    picture = digit_image(digit, hand_of(seed), np.random.default_rng(seed), height)
    assert 0.5 * height <= picture.shape[0] <= 1.45 * height + 4
    assert picture[0].max() > 0
    assert picture[-1].max() > 0
    assert picture[:, 0].max() > 0
    assert picture[:, -1].max() > 0


def test_the_same_seed_writes_the_same() -> None:
    first, second = (write_string("0123456789", hand_of(5), np.random.default_rng(6), 40)[0] for _ in range(2))
    assert np.array_equal(first, second)


def test_a_hand_never_writes_a_digit_twice_alike() -> None:
    rng = np.random.default_rng(8)
    hand = hand_of(7)
    first, second = (strokes(5, hand, rng) for _ in range(2))
    assert len(first) != len(second) or not np.allclose(np.concatenate(first), np.concatenate(second), atol=1e-3)


def test_writing_of_one_hand_varies_less_than_writing_of_many() -> None:
    rng = np.random.default_rng(9)

    def spread(hands: list[Hand]) -> float:
        paths = [np.concatenate(strokes(2, replace(hand, constancy=1.0), rng)) for hand in hands]
        features = np.array([[np.ptp(path[:, 0]), path[0, 0], path[0, 1], path[-1, 0], path[-1, 1]] for path in paths])
        return float(features.std(axis=0).mean())

    one = np.mean([spread([hand_of(seed)] * 12) for seed in range(6)])
    many = spread([hand_of(seed) for seed in range(72)])
    assert one < 0.6 * many


def test_continental_hands_bar_their_sevens_and_anglo_hands_do_not() -> None:
    rng = np.random.default_rng(10)

    def barred(continental: float) -> float:
        hands = [replace(hand_of(seed), continental=continental, constancy=1.0) for seed in range(60)]
        return float(np.mean([len(strokes(7, hand, rng)) > 1 for hand in hands]))

    assert barred(0.95) > 0.6
    assert barred(0.05) < 0.4


def test_a_string_comes_with_the_ink_of_each_character_in_order() -> None:
    text = "40271"
    ink, masks = write_string(text, plain_hand(), np.random.default_rng(11), 48)
    assert len(masks) == len(text)
    assert all(mask.shape == ink.shape for mask in masks)
    assert np.array_equal(np.max(masks, axis=0), ink)
    middles = [np.flatnonzero(mask.max(axis=0) > 24).mean() for mask in masks]
    assert all(left < right for left, right in pairwise(middles))


def test_a_space_has_an_empty_mask() -> None:
    _, masks = write_string("1 2", plain_hand(), np.random.default_rng(12), 30)
    assert [bool(mask.any()) for mask in masks] == [True, False, True]


def test_text_without_ink_is_refused() -> None:
    with pytest.raises(ValueError, match="leaves ink"):
        write_string("  ", plain_hand(), np.random.default_rng(0), 30)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, height=st.integers(8, 14))
@example(seed=63, height=8)
def test_the_faintest_pencil_still_leaves_a_dot(seed: int, height: int) -> None:
    rng = np.random.default_rng(seed)
    ink, _ = write_string(".", draw_hand(rng), rng, height)
    assert ink.max() > 0


def test_an_unknown_character_is_refused() -> None:
    with pytest.raises(KeyError):
        strokes("é", plain_hand(), np.random.default_rng(0))


def test_wide_spacing_keeps_digits_apart_and_none_makes_them_touch() -> None:
    def touching(gap: float) -> int:
        hand = replace(plain_hand(), gap=gap, gap_jitter=0.0, joining=0.0)
        rng = np.random.default_rng(13)
        count = 0
        for _ in range(8):
            _, masks = write_string("38502", hand, rng, 48)
            count += sum(bool(((a > 24) & (b > 24)).any()) for a, b in pairwise(masks))
        return count

    assert touching(0.3) == 0
    assert touching(-0.05) > 12


def test_a_pen_that_is_not_lifted_joins_zeros() -> None:
    def contacts(joining: float) -> int:
        found = 0
        for seed in range(8):
            hand = replace(plain_hand(), gap=0.15, gap_jitter=0.0, seed=seed, joining=joining)
            masks = write_string("0000", hand, np.random.default_rng(14), 48)[1]
            found += sum(bool(((a > 24) & (b > 24)).any()) for a, b in pairwise(masks))
        return found

    assert contacts(1.0) > contacts(0.0) == 0


def test_a_pitch_puts_digits_into_the_cells_of_a_comb() -> None:
    _, masks = write_string("83605", plain_hand(), np.random.default_rng(15), 40, pitch=60)
    middles = [np.mean(np.flatnonzero(mask.max(axis=0) > 24)[[0, -1]]) for mask in masks]
    assert np.allclose(np.diff(middles), 60, atol=16)


def test_a_wider_pen_leaves_more_ink() -> None:
    path = [np.array([[0.0, 0.0], [0.3, 0.5], [0.0, 1.0]], np.float32)]
    thin, thick = (render(path, 60, width, np.random.default_rng(16), Pen(taper=0.0)) for width in (2.0, 6.0))
    assert thick.sum() > 2 * thin.sum()


def test_the_tooth_of_the_paper_takes_ink_away() -> None:
    path = [np.array([[0.0, 0.0], [0.3, 0.5], [0.0, 1.0]], np.float32)]
    full, rough = (render(path, 80, 8.0, np.random.default_rng(17), Pen(grain=grain)) for grain in (0.0, 0.6))
    assert rough.mean() < 0.85 * full.mean()
