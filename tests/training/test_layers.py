"""The residual block begins as the identity, and learns."""

from __future__ import annotations

import numpy as np
import pytest

from training.backend import tensorflow
from training.layers import residual_block

pytestmark = pytest.mark.train


def block():
    keras = tensorflow().keras
    keras.utils.set_random_seed(4)
    features = keras.Input((6, 5, 3))
    return keras.Model(features, residual_block(features))


def test_an_untrained_block_gives_back_what_it_gets():
    given = np.random.default_rng(0).uniform(0, 2, (2, 6, 5, 3)).astype(np.float32)
    for training in (False, True):
        np.testing.assert_array_equal(np.asarray(block()(given, training=training)), given)


def test_a_block_learns_what_the_identity_is_not():
    keras = tensorflow().keras
    model = block()
    given = np.random.default_rng(0).uniform(0, 2, (64, 6, 5, 3)).astype(np.float32)
    wanted = given + given[..., ::-1]
    model.compile(keras.optimizers.Adam(0.02), "mse")
    before = model.evaluate(given, wanted, verbose=0)
    model.fit(given, wanted, epochs=12, batch_size=16, verbose=0)
    assert model.evaluate(given, wanted, verbose=0) < 0.5 * before
