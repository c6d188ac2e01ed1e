"""The loop that trains both networks of the reference: epochs, checkpoints after each, weights averaged at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from training.backend import tensorflow

Batch = tuple[Any, ...]
EMA = 0.998
"""Share that the averaged weights keep at each step (Polyak and Juditsky, 1992, in its exponential form)."""
CLIP = 5.0
"""Longest gradient, over all weights."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Learning rate by step: a short linear rise, then half a cosine (Loshchilov and Hutter, 2017)."""

    peak: float
    steps: int
    rise: int = 300

    def at(self, step: int) -> float:
        """Return the learning rate of a step."""
        if step < self.rise:
            return self.peak * (step + 1) / self.rise
        share = (step - self.rise) / max(1, self.steps - self.rise)
        return self.peak * (0.5 + 0.5 * float(np.cos(np.pi * min(share, 1.0)))) + 1e-6


class Plan(Protocol):
    """What the settings of both networks have in common."""

    @property
    def epochs(self) -> int:
        """Passes over all examples."""

    @property
    def learning_rate(self) -> float:
        """Peak."""

    @property
    def weight_decay(self) -> float:
        """Of AdamW."""


def averaging_optimizer(model: Any, learning_rate: float, weight_decay: float, ema: float) -> Any:
    """Make an AdamW that clips gradients and averages weights; it ends with ``finalize_variable_values``.

    Args:
        model: A Keras network.
        learning_rate: At first.
        weight_decay: Of AdamW.
        ema: Share that the averaged weights keep at each step.
    """
    optimizer = tensorflow().keras.optimizers.AdamW(
        learning_rate, weight_decay=weight_decay, use_ema=True, ema_momentum=ema, global_clipnorm=CLIP
    )
    optimizer.build(model.trainable_variables)
    return optimizer


def step_of(model: Any, optimizer: Any, loss_of: Callable[..., Any], kinds: tuple[Any, ...]) -> Any:
    """Compile one step of training: it takes the tensors of a batch and returns the loss before it.

    Args:
        model: A Keras network.
        optimizer: Built for it.
        loss_of: Takes the tensors of a batch, returns the mean loss.
        kinds: A ``TensorSpec`` for each tensor of a batch.
    """
    tf = tensorflow()

    def step(*batch: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(*batch)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    return tf.function(step, input_signature=kinds)


def ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Draw each batch in a thread while the network learns from the one before.

    Args:
        batches: What is drawn, in order.
    """
    with ThreadPoolExecutor(1) as pool:
        drawn = pool.submit(next, batches, None)
        while (batch := drawn.result()) is not None:
            drawn = pool.submit(next, batches, None)
            yield batch


def run_epochs(
    model: Any,
    loss_of: Callable[..., Any],
    kinds: tuple[Any, ...],
    batches: Callable[[int], Iterator[Batch]],
    steps: int,
    plan: Plan,
    folder: Path,
    told: Callable[[int, float], None],
) -> None:
    """Train a network in place; goes on after the last full epoch when it was interrupted, as if it had not been.

    Args:
        model: A Keras network.
        loss_of: Takes the tensors of a batch, returns the mean loss.
        kinds: A ``TensorSpec`` for each tensor of a batch.
        batches: Takes the number of an epoch from 0, yields its batches.
        steps: Batches of an epoch.
        plan: How long and how fast.
        folder: Where checkpoints are kept.
        told: Called after each epoch with its number from 1 and its mean loss.
    """
    tf = tensorflow()
    schedule = Schedule(plan.learning_rate, steps * plan.epochs)
    optimizer = averaging_optimizer(model, plan.learning_rate, plan.weight_decay, EMA)
    # The state of dropout's random numbers is among the variables that are not trained.
    state = [variable.value for variable in model.non_trainable_variables]
    checkpoint = tf.train.Checkpoint(
        model=model, optimizer=optimizer, state=state, epoch=tf.Variable(0, dtype=tf.int64)
    )
    manager = tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=1)
    if manager.latest_checkpoint:
        checkpoint.restore(manager.latest_checkpoint)

    step = step_of(model, optimizer, loss_of, kinds)
    for epoch in range(int(checkpoint.epoch), plan.epochs):
        total = 0.0
        for number, batch in enumerate(ahead(batches(epoch))):
            optimizer.learning_rate.assign(schedule.at(epoch * steps + number))
            total += float(step(*batch))
        checkpoint.epoch.assign(epoch + 1)
        if epoch + 1 == plan.epochs:
            optimizer.finalize_variable_values(model.trainable_variables)
        manager.save()
        told(epoch + 1, total / steps)
