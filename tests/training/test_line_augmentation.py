"""Lines are varied within bounds that leave them readable."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from extractor.line_input import HEIGHT, STRIDE
from training.line_augmentation import vary


@given(st.integers(2, 100), st.integers(0, 2**32 - 1))
def test_a_varied_line_keeps_height_kind_and_whole_steps(steps, seed):
    picture = np.random.default_rng(seed).integers(0, 256, (HEIGHT, steps * STRIDE)).astype(np.uint8)
    moved = vary(picture, 1, np.random.default_rng(seed))
    assert moved.dtype == np.float32
    assert moved.shape[0] == HEIGHT
    assert moved.shape[1] % STRIDE == 0
    assert 0.7 * picture.shape[1] - 1 <= moved.shape[1] <= 1.43 * picture.shape[1] + STRIDE
    assert moved.min() >= 0
    assert moved.max() <= 255


@given(st.integers(2, 60), st.integers(0, 2**32 - 1))
def test_a_varied_line_has_room_for_its_text(steps, seed):
    picture = np.zeros((HEIGHT, steps * STRIDE), np.uint8)
    assert vary(picture, steps, np.random.default_rng(seed)).shape[1] // STRIDE >= steps


def test_strokes_stay_and_their_order_too():
    picture = np.zeros((HEIGHT, 160), np.uint8)
    for column in (30, 80, 130):
        picture[6:26, column : column + 4] = 255
    for seed in range(30):
        moved = vary(picture, 1, np.random.default_rng(seed))
        columns = moved[14:18].mean(axis=0) > 90
        starts = np.flatnonzero(columns[1:] & ~columns[:-1])
        assert len(starts) == 3, seed


def test_the_same_seed_gives_the_same_line_and_another_one_another():
    picture = np.zeros((HEIGHT, 80), np.uint8)
    picture[8:24, 20:60] = 200
    first, again, other = (vary(picture, 1, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)
