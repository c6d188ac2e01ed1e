"""Blocks that add to what they get begin as the identity, and learn."""

from __future__ import annotations

import numpy as np
import pytest

from training.backend import tensorflow
from training.layers import far_block, residual_block

pytestmark = pytest.mark.train

SHAPES = {"residual": (6, 5, 3), "far": (1, 30, 3)}


def block(kind):
    keras = tensorflow().keras
    keras.utils.set_random_seed(4)
    features = keras.Input(SHAPES[kind])
    return keras.Model(features, residual_block(features) if kind == "residual" else far_block(features, 7))


@pytest.mark.parametrize("kind", SHAPES)
def test_an_untrained_block_gives_back_what_it_gets(kind):
    given = np.random.default_rng(0).uniform(0, 2, (2, *SHAPES[kind])).astype(np.float32)
    for training in (False, True):
        np.testing.assert_array_equal(np.asarray(block(kind)(given, training=training)), given)


@pytest.mark.parametrize("kind", SHAPES)
def test_a_block_learns_what_the_identity_is_not(kind):
    keras = tensorflow().keras
    model = block(kind)
    given = np.random.default_rng(0).uniform(0, 2, (64, *SHAPES[kind])).astype(np.float32)
    wanted = given + given[..., ::-1]
    model.compile(keras.optimizers.Adam(0.02), "mse")
    before = model.evaluate(given, wanted, verbose=0)
    model.fit(given, wanted, epochs=12, batch_size=16, verbose=0)
    assert model.evaluate(given, wanted, verbose=0) < 0.5 * before


def test_a_far_block_looks_as_far_as_it_is_told():
    model = block("far")
    weights = [np.ones_like(value) for value in model.get_weights()]  # the last scale too, which is zero untrained
    model.set_weights(weights)
    given = np.zeros((2, *SHAPES["far"]), np.float32)
    given[1, 0, 15] = 50.0
    said = np.asarray(model(given, training=False))
    changed = np.abs(said[1] - said[0]).max(axis=(0, 2)) > 1e-3
    assert np.flatnonzero(changed).tolist() == list(range(12, 19))
