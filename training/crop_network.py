"""The crop network: architecture, examples and training."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractor.normalize import to_mnist
from extractor.segmentation import GEOMETRY
from training.backend import half_precision, tensorflow
from training.crop_augmentation import distort
from training.epochs import run_epochs
from training.examples import load_shard
from training.glyphs import CANVAS, GlyphBank, smooth_glyph, tight
from training.handwriting import digit_image, draw_hand
from training.hypotheses import NOT_ONE_DIGIT, Hypotheses
from training.layers import convolve
from training.models import lone_geometry
from training.reference_recipe import CropSettings

CLASSES = 12
MARKS = "????((()++**&&%%##;::==.-"
"""Marks that are no digits, by how often they are drawn; what is a one by itself is left out."""
DRAWN_MARKS = 4000
FAR = 2.0
"""A gap in digit heights from which on the geometry does not tell how large it is."""


def build(settings: CropSettings) -> Any:
    """Build the network, untrained.

    Inputs ``crops`` (N, 28, 28), ``context`` (N, 28, 28), 0-255, and ``geometry`` (N, 8); output logits (N, 12).

    Args:
        settings: Sizes of the layers.
    """
    keras = tensorflow().keras
    layers = keras.layers

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
    """Make examples of digits, letters and marks that stand alone.

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
    for mark in rng.choice(list(MARKS), DRAWN_MARKS):
        drawn = tight(digit_image(str(mark), draw_hand(rng), rng, height=CANVAS), 100)
        if drawn is not None:
            pictures.append(to_mnist(drawn))
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


def batches(
    examples: Hypotheses, lone: int, settings: CropSettings, epoch: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]]:
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
        geometry = jitter(examples.geometry[pick], settings.geometry_jitter, rng)
        forget = rng.random(size) < settings.forget_context
        planes[forget, :, :, 1] = 0
        geometry[forget] = lone_geometry(planes[forget, :, :, 0])
        yield distort(planes, settings, rng).astype(np.float32), geometry, examples.labels[pick].astype(np.int64)


def jitter(geometry: NDArray[np.float32], strength: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Vary the geometry of candidates: heights and base lines are estimates, and people keep to neither.

    Args:
        geometry: (N, 8) as in `extractor.segmentation.GEOMETRY`, in digit heights.
        strength: Standard deviation of the digit height, logarithmic, and of the base line; half of the candidates
            stay as they are.
        rng: Source of randomness.

    Returns:
        (N, 8) float32.
    """
    varied = geometry.copy()
    some = np.flatnonzero(rng.random(len(geometry)) < 0.5)
    unit = np.exp(rng.normal(0, strength, (len(some), 1))).astype(np.float32)
    lengths = np.array([column for column, name in enumerate(GEOMETRY) if name != "ink_share"])
    changed = geometry[some][:, lengths]
    # A gap of two digit heights or more says only that nothing is near.
    varied[np.ix_(some, lengths)] = np.where(changed < FAR, changed * unit, changed)
    for name in ("top", "bottom"):
        varied[some, GEOMETRY.index(name)] += rng.normal(0, strength, len(some)).astype(np.float32)
    return np.asarray(np.clip(varied, -2.0, 3.0))


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
    tf.keras.utils.set_random_seed(settings.seed)
    with half_precision(settings.half_precision):
        model = build(settings)
    if start is not None:
        model.load_weights(start)
    steps = (lone + min(settings.candidates_per_epoch, len(examples.labels) - lone)) // settings.batch_size

    def loss_of(planes: Any, geometry: Any, labels: Any) -> Any:
        logits = model([planes[..., 0], planes[..., 1], geometry], training=True)
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))

    def told(epoch: int, loss: float) -> None:
        log(
            f"crops: epoch {done + epoch} of {done + settings.epochs}, loss {loss:.4f}, "
            f"{accuracy(model, validation):.4%} of validation digits right"
        )

    kinds = (
        tf.TensorSpec((None, 28, 28, 2), tf.float32),
        tf.TensorSpec((None, examples.geometry.shape[1]), tf.float32),
        tf.TensorSpec((None,), tf.int64),
    )
    epoch_of = partial(batches, examples, lone, settings)
    run_epochs(model, loss_of, kinds, epoch_of, steps, settings, folder, told)
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
