"""Crops are varied within their limits, both planes alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.crop_augmentation import distort


@dataclass(frozen=True)
class Bounds:
    rotation: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    bend: float = 0.0


def blots(count: int) -> np.ndarray:
    """A blot in the middle of each crop, and the same one in its surroundings."""
    rows = np.abs(np.arange(28) - 13.5)
    blot = (255 * np.exp(-(rows[:, None] ** 2 + rows[None, :] ** 2) / 18)).astype(np.uint8)
    return np.repeat(np.stack([blot, blot], axis=-1)[None], count, axis=0)


def centres(planes: np.ndarray) -> np.ndarray:
    weights = planes.astype(float)
    total = weights.sum(axis=(1, 2))
    at = np.arange(28)
    x = (weights.sum(axis=1) * at[None, :, None]).sum(axis=1) / total
    y = (weights.sum(axis=2) * at[None, :, None]).sum(axis=1) / total
    return np.stack([x, y])


def test_no_limits_change_nothing():
    planes = np.random.default_rng(1).integers(0, 256, (5, 28, 28, 2)).astype(np.uint8)
    np.testing.assert_array_equal(distort(planes, Bounds(), np.random.default_rng(2)), planes)


@given(st.integers(0, 2**32 - 1))
def test_the_middle_stays_within_the_shift(seed):
    moved = distort(blots(8), Bounds(rotation=10, scale=0.12, shear=0.2, shift=1.5), np.random.default_rng(seed))
    assert np.abs(centres(moved) - 13.5).max() <= 1.5 * 1.6


@given(st.integers(0, 2**32 - 1))
def test_both_planes_move_alike(seed):
    limits = Bounds(rotation=10, scale=0.12, shear=0.2, shift=1.5, bend=0.7)
    moved = distort(blots(8), limits, np.random.default_rng(seed))
    np.testing.assert_array_equal(moved[..., 0], moved[..., 1])


def test_a_bend_moves_ink_and_every_example_differently():
    moved = distort(blots(4), Bounds(bend=1.0), np.random.default_rng(1))
    assert not np.array_equal(moved[0], blots(1)[0])
    assert not np.array_equal(moved[0], moved[1])
