"""The line network: fully convolutional, trained by CTC on whole synthetic lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractor.line_input import HEIGHT, STRIDE
from extractor.line_reader import BLANK, best_path
from training.backend import half_precision, tensorflow
from training.epochs import run_epochs
from training.examples import load_shard
from training.layers import convolve, far_block, likeness_block, residual_block
from training.line_augmentation import vary
from training.reference_recipe import LineSettings

FAR = 17
"""Columns that the last block looks at: some two digits to either side."""


def build(settings: LineSettings) -> Any:
    """Build the network, untrained.

    Input ``line`` (N, 32, W), 0-255; output logits (N, W / 4, 11).

    Args:
        settings: Sizes of the layers.
    """
    tf = tensorflow()
    keras = tf.keras
    layers = keras.layers
    line = keras.Input((HEIGHT, None), name="line")
    x = layers.Rescaling(1 / 255)(keras.ops.expand_dims(line, -1))
    one, two, three, four, five, six = settings.filters
    x = layers.MaxPooling2D(2)(convolve(x, one, 3))
    x = layers.MaxPooling2D(2)(convolve(x, two, 3))
    x = convolve(x, three, 3)
    x = convolve(x, four, 3)
    x = layers.MaxPooling2D((2, 1))(residual_block(x) if settings.residual else x)
    x = convolve(x, five, 3)
    x = residual_block(x) if settings.residual else x
    x = layers.ZeroPadding2D((0, 1))(x)
    x = layers.Dropout(settings.dropout)(convolve(x, six, (HEIGHT // 8, 3), "valid"))
    x = layers.Add()([x, convolve(x, six, (1, 5))])
    x = layers.Dropout(settings.dropout)(convolve(x, six, (1, 5)))
    x = far_block(x, FAR) if settings.neighbours else x
    x = likeness_block(x, settings.likeness) if settings.likeness else x
    logits = layers.Conv2D(11, 1, name="logits", dtype="float32")(x)
    return keras.Model(line, keras.ops.squeeze(logits, 1), name="line")


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of any width.

    Attributes:
        pictures: Each (32, W) uint8.
        texts: Each digits, (n,) int8.
    """

    pictures: list[NDArray[np.uint8]]
    texts: list[NDArray[np.int8]]


def load_lines(shards: list[Path]) -> Lines:
    """Load the lines of all shards that have room for their text.

    Args:
        shards: Files of `training.examples`.
    """
    pictures: list[NDArray[np.uint8]] = []
    texts: list[NDArray[np.int8]] = []
    for path in shards:
        shard = load_shard(path)
        for picture, row in zip(np.split(shard.strips, np.cumsum(shard.widths)[:-1], axis=1), shard.texts, strict=True):
            text = row[row >= 0]
            if has_room(picture.shape[1], text):
                pictures.append(picture)
                texts.append(text)
    return Lines(pictures, texts)


def has_room(width: int, text: NDArray[np.int8]) -> bool:
    """Tell whether a line has a step for each digit of its text, and a blank one between two equal digits.

    Args:
        width: Of the line, in pixels.
        text: Digits, (n,) int8.
    """
    return width // STRIDE >= least_steps(text)


def least_steps(text: NDArray[np.int8]) -> int:
    """Return the steps that a text needs, one to spare: between two equal digits CTC puts a blank.

    Args:
        text: Digits, (n,) int8.
    """
    return len(text) + int((text[1:] == text[:-1]).sum()) + 1


def batches(
    lines: Lines, settings: LineSettings, epoch: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]]:
    """Yield batches of lines of like width: pictures (B, 32, W), texts (B, n), text lengths (B,), steps (B,)."""
    rng = np.random.default_rng([settings.seed, epoch])
    widths = np.array([picture.shape[1] for picture in lines.pictures])
    order = np.argsort(widths * np.exp(rng.normal(0, 0.08, len(widths))), kind="stable")
    groups = [order[start : start + settings.batch_size] for start in range(0, len(order), settings.batch_size)]
    for group in rng.permutation(len(groups)):
        members = groups[group]
        drawn = [
            vary(lines.pictures[member], least_steps(lines.texts[member]), rng, settings.strength) for member in members
        ]
        widest = -(-max(picture.shape[1] for picture in drawn) // 32) * 32
        pictures = np.zeros((len(members), HEIGHT, widest), np.float32)
        longest = max(1, *(len(lines.texts[member]) for member in members))
        texts = np.zeros((len(members), longest), np.int32)
        for row, (member, picture) in enumerate(zip(members, drawn, strict=True)):
            pictures[row, :, : picture.shape[1]] = picture
            texts[row, : len(lines.texts[member])] = lines.texts[member]
        lengths = np.array([len(lines.texts[member]) for member in members], np.int32)
        steps = np.array([picture.shape[1] // STRIDE for picture in drawn], np.int32)
        yield pictures, texts, lengths, steps


def fit(
    settings: LineSettings,
    lines: Lines,
    validation: Lines,
    folder: Path,
    log: Any,
    start: Path | None = None,
    done: int = 0,
) -> Any:
    """Train the line network; goes on after the last full epoch when it was interrupted.

    Args:
        settings: All hyperparameters.
        lines: What it learns from.
        validation: Lines that it does not learn from.
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
    steps = -(-len(lines.pictures) // settings.batch_size)

    def loss_of(pictures: Any, texts: Any, lengths: Any, widths: Any) -> Any:
        logits = tf.cast(model(pictures, training=True), tf.float32)
        losses = tf.nn.ctc_loss(texts, logits, lengths, widths, logits_time_major=False, blank_index=BLANK)
        return tf.reduce_mean(losses)

    def told(epoch: int, loss: float) -> None:
        log(
            f"line: epoch {done + epoch} of {done + settings.epochs}, loss {loss:.4f}, "
            f"{exact(model, validation):.2%} of validation lines right"
        )

    kinds = (
        tf.TensorSpec((None, HEIGHT, None), tf.float32),
        tf.TensorSpec((None, None), tf.int32),
        tf.TensorSpec((None,), tf.int32),
        tf.TensorSpec((None,), tf.int32),
    )
    run_epochs(model, loss_of, kinds, partial(batches, lines, settings), steps, settings, folder, told)
    whole = build(settings)
    whole.set_weights(model.get_weights())
    return whole


def exact(model: Any, lines: Lines) -> float:
    """Share of lines read exactly, by the likeliest class of each step."""
    right = 0
    for picture, text in zip(lines.pictures, lines.texts, strict=True):
        width = -(-picture.shape[1] // 64) * 64
        padded = np.zeros((1, HEIGHT, width), np.float32)
        padded[0, :, : picture.shape[1]] = picture
        logits = np.asarray(model(padded, training=False))[0, : picture.shape[1] // STRIDE]
        right += best_path(logits) == "".join(map(str, text.tolist()))
    return right / max(1, len(lines.pictures))
