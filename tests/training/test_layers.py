"""Blocks that add to what they get begin as the identity, and learn."""

from __future__ import annotations

import numpy as np
import pytest

from training.backend import tensorflow
from training.layers import far_block, likeness_block, residual_block

pytestmark = pytest.mark.train

SHAPES = {"residual": (6, 5, 3), "far": (1, 30, 3), "likeness": (1, 30, 3)}
BLOCKS = {
    "residual": residual_block,
    "far": lambda features: far_block(features, 7),
    "likeness": lambda features: likeness_block(features, 2, 8),
}


def block(kind):
    keras = tensorflow().keras
    keras.utils.set_random_seed(4)
    features = keras.Input(SHAPES[kind])
    return keras.Model(features, BLOCKS[kind](features))


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


def test_a_likeness_block_compares_columns_however_far_apart_in_whatever_order():
    keras = tensorflow().keras
    model = block("likeness")
    last = next(layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization))
    last.gamma.assign(np.ones_like(last.gamma))
    given = np.random.default_rng(0).uniform(0, 2, (1, *SHAPES["likeness"])).astype(np.float32)
    other = given.copy()
    other[0, 0, 29] += 3.0
    order = np.random.default_rng(1).permutation(30)
    said, changed, turned = (np.asarray(model(x, training=False))[0, 0] for x in (given, other, given[:, :, order]))
    assert np.abs(changed[0] - said[0]).max() > 1e-4
    np.testing.assert_allclose(turned, said[order], atol=1e-5)
