"""The crop network: architecture, examples and training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractor.normalize import to_mnist
from training.backend import half_precision, tensorflow
from training.crop_augmentation import distort
from training.examples import load_shard
from training.glyphs import GlyphBank, smooth_glyph
from training.hypotheses import NOT_ONE_DIGIT, Hypotheses
from training.models import lone_geometry
from training.reference_recipe import CropSettings

CLASSES = 12


def build(settings: CropSettings) -> Any:
    """Build the network, untrained.

    Inputs ``crops`` (N, 28, 28), ``context`` (N, 28, 28), 0-255, and ``geometry`` (N, 8); output logits (N, 12).

    Args:
        settings: Sizes of the layers.
    """
    keras = tensorflow().keras
    layers = keras.layers

    def convolve(x: Any, filters: int, kernel: int) -> Any:
        x = layers.Conv2D(filters, kernel, padding="same", use_bias=False)(x)
        return layers.ReLU()(layers.BatchNormalization(momentum=0.95)(x))

    crops = keras.Input((28, 28), name="crops")
    context = keras.Input((28, 28), name="context")
    geometry = keras.Input((8,), name="geometry")
    planes = [layers.Reshape((28, 28, 1))(plane) for plane in (crops, context)]
    x = layers.Rescaling(1 / 255)(layers.Concatenate()(planes))
    first, second, third, fourth, fifth = settings.filters
    x = layers.MaxPooling2D(2)(convolve(x, first, 5))
    x = convolve(x, second, 3)
    x = layers.MaxPooling2D(2)(convolve(x, third, 3))
    x = convolve(x, fourth, 3)
    x = layers.MaxPooling2D(2, padding="same")(convolve(x, fifth, 3))
    x = layers.Dropout(settings.dropout)(layers.Flatten()(x))
    x = layers.Concatenate()([x, layers.Dense(32, activation="relu")(geometry)])
    x = layers.Dropout(settings.dropout)(layers.Dense(settings.dense, activation="relu")(x))
    logits = layers.Dense(CLASSES, name="logits", dtype="float32")(x)
    return keras.Model([crops, context, geometry], logits, name="crops")


def lone_examples(bank: GlyphBank, settings: CropSettings) -> Hypotheses:
    """Make examples of digits and letters that stand alone.

    Args:
        bank: Isolated digits and letters.
        settings: How often MNIST is repeated, and the seed.
    """
    rng = np.random.default_rng([settings.seed, 7])
    pictures: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    for source, classes in bank.digits.items():
        repeats = settings.mnist_repeats if source == "mnist" else 1
        for digit, members in enumerate(classes):
            for member in np.repeat(members, repeats, axis=0):
                if source != "mnist":
                    glyph = smooth_glyph(member, rng, float(rng.uniform(0, 0.85)))
                    if glyph is None:
                        continue
                    member = to_mnist(glyph)
                pictures.append(member)
                labels.append(digit)
    for letter in bank.letters:
        glyph = smooth_glyph(letter, rng, float(rng.uniform(0, 0.85)))
        if glyph is not None:
            pictures.append(to_mnist(glyph))
            labels.append(NOT_ONE_DIGIT)
    crops = np.stack(pictures)
    return Hypotheses(crops, np.zeros_like(crops), lone_geometry(crops), np.array(labels, np.int8))


def load_examples(shards: list[Path], lone: Hypotheses) -> Hypotheses:
    """Put the candidates of all shards and the lone glyphs together.

    Args:
        shards: Files of `training.examples`.
        lone: Glyphs that stand alone.
    """
    parts = [lone]
    for path in shards:
        shard = load_shard(path)
        parts.append(Hypotheses(shard.digits, shard.context, shard.geometry, shard.labels))
    names = ("digits", "context", "geometry", "labels")
    return Hypotheses(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


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


def batches(
    examples: Hypotheses, lone: int, settings: CropSettings, epoch: int
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]]:
    """Yield the shuffled batches of one epoch: planes (B, 28, 28, 2), geometry (B, 8), labels (B,).

    Every epoch sees all lone glyphs, which come first in `examples`, and a fresh draw of the candidates.
    """
    rng = np.random.default_rng([settings.seed, epoch])
    drawn = lone + rng.permutation(len(examples.labels) - lone)[: settings.candidates_per_epoch]
    order = rng.permutation(np.concatenate([np.arange(lone), drawn]))
    size = settings.batch_size
    for start in range(0, len(order) - size + 1, size):
        pick = np.sort(order[start : start + size])
        planes = np.stack([examples.digits[pick], examples.context[pick]], axis=-1)
        geometry = examples.geometry[pick].copy()
        forget = rng.random(size) < settings.forget_context
        planes[forget, :, :, 1] = 0
        geometry[forget] = lone_geometry(planes[forget, :, :, 0])
        yield distort(planes, settings, rng), geometry, examples.labels[pick].astype(np.int64)


def fit(
    settings: CropSettings,
    examples: Hypotheses,
    lone: int,
    validation: Hypotheses,
    folder: Path,
    log: Any,
    start: Path | None = None,
    done: int = 0,
) -> Any:
    """Train the crop network; goes on after the last full epoch when it was interrupted.

    Args:
        settings: All hyperparameters.
        examples: What it learns from, lone glyphs first.
        lone: How many lone glyphs there are.
        validation: Isolated digits that it does not learn from.
        folder: Where checkpoints are kept.
        log: Called with one line of text for each epoch.
        start: Weights to begin with; random ones when None.
        done: Epochs that those weights have seen, for the log.

    Returns:
        The trained Keras network, its weights averaged over the last steps.
    """
    tf = tensorflow()
    keras = tf.keras
    keras.utils.set_random_seed(settings.seed)
    with half_precision(settings.half_precision):
        model = build(settings)
    if start is not None:
        model.load_weights(start)
    steps = (lone + min(settings.candidates_per_epoch, len(examples.labels) - lone)) // settings.batch_size
    schedule = Schedule(settings.learning_rate, steps * settings.epochs)
    optimizer = keras.optimizers.AdamW(
        settings.learning_rate, weight_decay=settings.weight_decay, use_ema=True, ema_momentum=0.998
    )
    optimizer.build(model.trainable_variables)
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, epoch=tf.Variable(0, dtype=tf.int64))
    manager = tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=1)
    if manager.latest_checkpoint:
        checkpoint.restore(manager.latest_checkpoint)

    def step(planes: Any, geometry: Any, labels: Any) -> Any:
        inputs = [planes[..., 0], planes[..., 1], geometry]
        with tf.GradientTape() as tape:
            logits = model(inputs, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        optimizer.apply_gradients(
            zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True)
        )
        return loss

    graph = tf.function(step, reduce_retracing=True)
    for epoch in range(int(checkpoint.epoch), settings.epochs):
        total = 0.0
        for number, (planes, geometry, labels) in enumerate(batches(examples, lone, settings, epoch)):
            optimizer.learning_rate.assign(schedule.at(epoch * steps + number))
            total += float(graph(planes.astype(np.float32), geometry, labels))
        checkpoint.epoch.assign(epoch + 1)
        if epoch + 1 == settings.epochs:
            optimizer.finalize_variable_values(model.trainable_variables)
        manager.save()
        right = accuracy(model, validation)
        log(
            f"crops: epoch {done + epoch + 1} of {done + settings.epochs}, loss {total / steps:.4f}, "
            f"{right:.4%} of validation digits right"
        )
    whole = build(settings)
    whole.set_weights(model.get_weights())
    return whole


def accuracy(model: Any, examples: Hypotheses) -> float:
    """Share of examples whose label is the likeliest class."""
    said = model.predict(
        [examples.digits.astype(np.float32), examples.context.astype(np.float32), examples.geometry],
        batch_size=512,
        verbose=0,
    )
    return float(np.mean(said.argmax(axis=1) == examples.labels))
