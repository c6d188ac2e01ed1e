"""The training loop goes on after an interruption as if there had been none, and its learning rate rises and falls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.backend import tensorflow
from training.epochs import Schedule, ahead, run_epochs


@settings(deadline=None, database=None, derandomize=True)
@given(st.integers(1, 5000), st.integers(1, 400))
def test_learning_rate_rises_then_falls_to_almost_nothing(steps, rise):
    schedule = Schedule(0.01, steps, rise)
    rates = [schedule.at(step) for step in range(0, steps + 1, max(1, steps // 50))]
    assert all(0 < rate <= 0.01 + 2e-6 for rate in rates)
    peak = int(np.argmax(rates))
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    if steps > rise:
        assert schedule.at(steps) < 1e-4


def test_batches_drawn_ahead_come_in_order_and_one_at_most_waits():
    drawn = []

    def batches():
        for number in range(5):
            drawn.append(number)
            yield (number,)

    taken = []
    for (number,) in ahead(batches()):
        assert len(drawn) <= number + 2
        taken.append(number)
    assert taken == [0, 1, 2, 3, 4]


def test_a_fault_in_drawing_a_batch_ends_the_training():
    def batches():
        yield (0,)
        raise ValueError("damaged")

    taken = ahead(batches())
    assert next(taken) == (0,)
    with pytest.raises(ValueError, match="damaged"):
        next(taken)


@dataclass(frozen=True)
class Plan:
    epochs: int = 4
    learning_rate: float = 0.05
    weight_decay: float = 0.001


STEPS = 6


def network():
    keras = tensorflow().keras
    keras.utils.set_random_seed(3)
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((5,)), layers.Dense(8), layers.BatchNormalization(), layers.Dropout(0.5), layers.Dense(2)]
    )


def examples(epoch):
    rng = np.random.default_rng(epoch)
    for _ in range(STEPS):
        values = rng.normal(size=(16, 5)).astype(np.float32)
        yield values, (values[:, 0] > 0).astype(np.int64)


def train(model, folder, told):
    tf = tensorflow()

    def loss_of(values, labels):
        logits = model(values, training=True)
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))

    kinds = (tf.TensorSpec((None, 5), tf.float32), tf.TensorSpec((None,), tf.int64))
    run_epochs(model, loss_of, kinds, examples, STEPS, Plan(), folder, told)
    return model


class KilledError(Exception):
    pass


def test_a_training_that_was_killed_ends_with_the_weights_of_one_that_was_not(tmp_path):
    heard, again = [], []
    whole = train(network(), tmp_path / "whole", lambda *args: heard.append(args))

    def die_after_two(epoch, loss):
        again.append((epoch, loss))
        if epoch == 2:
            raise KilledError

    with pytest.raises(KilledError):
        train(network(), tmp_path / "killed", die_after_two)
    resumed = train(network(), tmp_path / "killed", lambda *args: again.append(args))
    assert again == heard
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_complete_training_is_not_trained_further(tmp_path):
    told = []
    first = train(network(), tmp_path, lambda *args: told.append(args))
    second = train(network(), tmp_path, lambda *args: told.append(args))
    assert len(told) == Plan().epochs
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
