"""Goes on training a network on a user's pictures, with rehearsal, in small steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractor.line_input import HEIGHT, STRIDE
from extractor.line_reader import BLANK
from training.backend import tensorflow
from training.crop_augmentation import distort
from training.epochs import Batch, Schedule, averaging_optimizer, step_of
from training.finetune_settings import Affine, Stage
from training.hypotheses import Hypotheses
from training.line_augmentation import vary
from training.line_network import Lines, least_steps

RISE = 30
"""Steps over which the learning rate rises."""
Told = Callable[[int, int, float], None]
"""Called after each step: the step from 1, all steps, the loss."""


def fit_crops(
    model: Any, own: Hypotheses, rehearsal: Sequence[Hypotheses], stage: Stage, affine: Affine, seed: int, told: Told
) -> None:
    """Fine-tune the crop network in place.

    Args:
        model: Takes ``crops``, ``context`` and ``geometry``, see `training.crop_network.build`.
        own: The user's candidates.
        rehearsal: Sets that take equal parts of the rest of each batch.
        stage: How.
        affine: Distortion.
        seed: Of order and distortion.
        told: Hears of each step.
    """
    tf = tensorflow()
    names = [tensor.name for tensor in model.inputs]

    def loss(planes: Any, geometry: Any, labels: Any) -> Any:
        inputs = {"crops": planes[..., 0], "context": planes[..., 1], "geometry": geometry}
        logits = model([inputs[name] for name in names], training=True)
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))

    kinds = (
        tf.TensorSpec((None, 28, 28, 2), tf.float32),
        tf.TensorSpec((None, own.geometry.shape[1]), tf.float32),
        tf.TensorSpec((None,), tf.int64),
    )
    batches = crop_batches(own, rehearsal, stage, affine, seed)
    _fit(model, loss, kinds, batches, stage, stage.steps(len(own.labels)), told)


def fit_line(model: Any, own: Lines, rehearsal: Lines, stage: Stage, seed: int, told: Told) -> None:
    """Fine-tune the line network in place.

    Args:
        model: Takes lines, see `training.line_network.build`.
        own: The user's lines.
        rehearsal: Synthetic lines.
        stage: How.
        seed: Of order and distortion.
        told: Hears of each step.
    """
    tf = tensorflow()

    def loss(pictures: Any, texts: Any, lengths: Any, widths: Any) -> Any:
        logits = model(pictures, training=True)
        losses = tf.nn.ctc_loss(texts, logits, lengths, widths, logits_time_major=False, blank_index=BLANK)
        return tf.reduce_mean(losses)

    kinds = (
        tf.TensorSpec((None, HEIGHT, None), tf.float32),
        tf.TensorSpec((None, None), tf.int32),
        tf.TensorSpec((None,), tf.int32),
        tf.TensorSpec((None,), tf.int32),
    )
    batches = line_batches(own, rehearsal, stage, seed)
    _fit(model, loss, kinds, batches, stage, stage.steps(len(own.pictures)), told)


def crop_batches(
    own: Hypotheses, rehearsal: Sequence[Hypotheses], stage: Stage, affine: Affine, seed: int
) -> Iterator[Batch]:
    """Yield batches without end: planes (B, 28, 28, 2), geometry (B, 8), labels (B,)."""
    rng = np.random.default_rng([seed, 1])
    mine = round(stage.batch_size * stage.own_share)
    rest = [set_ for set_ in rehearsal if len(set_.labels)]
    counts = [mine] + [len(part) for part in np.array_split(np.arange(stage.batch_size - mine), len(rest))]
    orders = [_endless(len(set_.labels), rng) for set_ in (own, *rest)]
    while True:
        parts = [
            (set_, np.array([next(order) for _ in range(count)], np.intp))
            for set_, order, count in zip((own, *rest), orders, counts, strict=True)
        ]
        planes = np.concatenate([np.stack([set_.digits[pick], set_.context[pick]], axis=-1) for set_, pick in parts])
        geometry = np.concatenate([set_.geometry[pick] for set_, pick in parts])
        labels = np.concatenate([set_.labels[pick] for set_, pick in parts]).astype(np.int64)
        yield distort(planes, affine, rng).astype(np.float32), geometry, labels


def line_batches(own: Lines, rehearsal: Lines, stage: Stage, seed: int) -> Iterator[Batch]:
    """Yield batches of lines of like width without end: pictures (B, 32, W), texts (B, n), lengths (B,), steps (B,)."""
    rng = np.random.default_rng([seed, 2])
    ours, theirs = _groups(own, stage.batch_size, rng), _groups(rehearsal, stage.batch_size, rng)
    while True:
        lines, members = next(ours) if rng.random() < stage.own_share else next(theirs)
        texts = [lines.texts[member] for member in members]
        pictures = [
            vary(lines.pictures[member], least_steps(text), rng) for member, text in zip(members, texts, strict=True)
        ]
        width = -(-max(picture.shape[1] for picture in pictures) // 32) * 32
        batch = np.zeros((len(members), HEIGHT, width), np.float32)
        spelt = np.zeros((len(members), max(1, *(len(text) for text in texts))), np.int32)
        for row, (picture, text) in enumerate(zip(pictures, texts, strict=True)):
            batch[row, :, : picture.shape[1]] = picture
            spelt[row, : len(text)] = text
        lengths = np.array([len(text) for text in texts], np.int32)
        steps = np.array([picture.shape[1] // STRIDE for picture in pictures], np.int32)
        yield batch, spelt, lengths, steps


def _endless(count: int, rng: np.random.Generator) -> Iterator[int]:
    """Yield indices in random order, again and again."""
    while True:
        yield from rng.permutation(count).tolist()


def _groups(lines: Lines, size: int, rng: np.random.Generator) -> Iterator[tuple[Lines, NDArray[np.intp]]]:
    """Yield groups of lines of like width, again and again; every group is full where there are enough lines."""
    widths = np.array([picture.shape[1] for picture in lines.pictures])
    while True:
        order = np.argsort(widths * np.exp(rng.normal(0, 0.08, len(widths))), kind="stable")
        starts = range(0, max(1, len(order) - size // 2), size)
        for start in rng.permutation(np.array(starts)):
            yield lines, order[start : start + size]


def _fit(
    model: Any, loss_of: Any, kinds: tuple[Any, ...], batches: Iterator[Batch], stage: Stage, steps: int, told: Told
) -> None:
    keras = tensorflow().keras
    # The statistics of the normalisation stay those of the base network: those of a few pictures would be worse.
    frozen = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization) and layer.trainable]
    for layer in frozen:
        layer.trainable = False
    schedule = Schedule(stage.learning_rate, steps, RISE)
    optimizer = averaging_optimizer(model, stage.learning_rate, stage.weight_decay, stage.ema)
    step = step_of(model, optimizer, loss_of, kinds)
    for number in range(steps):
        optimizer.learning_rate.assign(schedule.at(number))
        told(number + 1, steps, float(step(*next(batches))))
    optimizer.finalize_variable_values(model.trainable_variables)
    for layer in frozen:
        layer.trainable = True
