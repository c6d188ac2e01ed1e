"""The line network: fully convolutional, trained by CTC on whole synthetic lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractor.line_input import HEIGHT, STRIDE
from training.backend import tensorflow
from training.crop_network import Schedule
from training.examples import load_shard
from training.reference_recipe import LineSettings

BLANK = 10


def build(settings: LineSettings) -> Any:
    """Build the network, untrained.

    Input ``line`` (N, 32, W), 0-255; output logits (N, W / 4, 11).

    Args:
        settings: Sizes of the layers.
    """
    tf = tensorflow()
    keras = tf.keras
    layers = keras.layers

    def convolve(x: Any, filters: int, kernel: tuple[int, int], padding: str = "same") -> Any:
        x = layers.Conv2D(filters, kernel, padding=padding, use_bias=False)(x)
        return layers.ReLU()(layers.BatchNormalization(momentum=0.95)(x))

    line = keras.Input((HEIGHT, None), name="line")
    x = layers.Rescaling(1 / 255)(keras.ops.expand_dims(line, -1))
    one, two, three, four, five, six = settings.filters
    x = layers.MaxPooling2D(2)(convolve(x, one, (3, 3)))
    x = layers.MaxPooling2D(2)(convolve(x, two, (3, 3)))
    x = convolve(x, three, (3, 3))
    x = layers.MaxPooling2D((2, 1))(convolve(x, four, (3, 3)))
    x = convolve(x, five, (3, 3))
    x = layers.ZeroPadding2D((0, 1))(x)
    x = layers.Dropout(settings.dropout)(convolve(x, six, (HEIGHT // 8, 3), "valid"))
    x = layers.Dropout(settings.dropout)(convolve(x, six, (1, 5)))
    logits = layers.Conv2D(11, 1, name="logits")(x)
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
            # Between two equal digits CTC needs a blank step.
            if picture.shape[1] // STRIDE >= len(text) + int((text[1:] == text[:-1]).sum()) + 1:
                pictures.append(picture)
                texts.append(text)
    return Lines(pictures, texts)


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
        width = -(-int(widths[members].max()) // 32) * 32
        pictures = np.zeros((len(members), HEIGHT, width), np.float32)
        longest = max(1, *(len(lines.texts[member]) for member in members))
        texts = np.zeros((len(members), longest), np.int32)
        for row, member in enumerate(members):
            picture = distort(lines.pictures[member], rng)
            pictures[row, :, : picture.shape[1]] = picture
            texts[row, : len(lines.texts[member])] = lines.texts[member]
        lengths = np.array([len(lines.texts[member]) for member in members], np.int32)
        yield pictures, texts, lengths, (widths[members] // STRIDE).astype(np.int32)


def distort(picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
    """Vary position, contrast and noise of a line.

    Args:
        picture: (32, W) uint8.
        rng: Source of randomness.

    Returns:
        (32, W) float32, 0-255.
    """
    values = np.roll(picture, int(rng.integers(-2, 3)), axis=0).astype(np.float32) / 255
    values = values ** float(np.exp(rng.normal(0, 0.25))) * float(rng.uniform(0.65, 1.1))
    if rng.random() < 0.3:
        values += rng.normal(0, rng.uniform(0.01, 0.1), values.shape)
    return np.asarray(np.clip(values * 255, 0, 255), np.float32)


def fit(settings: LineSettings, lines: Lines, validation: Lines, folder: Path, log: Any) -> Any:
    """Train the line network; goes on after the last full epoch when it was interrupted.

    Args:
        settings: All hyperparameters.
        lines: What it learns from.
        validation: Lines that it does not learn from.
        folder: Where checkpoints are kept.
        log: Called with one line of text for each epoch.

    Returns:
        The trained Keras network, its weights averaged over the last steps.
    """
    tf = tensorflow()
    keras = tf.keras
    keras.utils.set_random_seed(settings.seed)
    model = build(settings)
    steps = -(-len(lines.pictures) // settings.batch_size)
    schedule = Schedule(settings.learning_rate, steps * settings.epochs)
    optimizer = keras.optimizers.AdamW(
        settings.learning_rate,
        weight_decay=settings.weight_decay,
        use_ema=True,
        ema_momentum=0.998,
        global_clipnorm=5.0,
    )
    optimizer.build(model.trainable_variables)
    checkpoint = tf.train.Checkpoint(model=model, optimizer=optimizer, epoch=tf.Variable(0, dtype=tf.int64))
    manager = tf.train.CheckpointManager(checkpoint, str(folder), max_to_keep=1)
    if manager.latest_checkpoint:
        checkpoint.restore(manager.latest_checkpoint)

    def step(pictures: Any, texts: Any, lengths: Any, widths: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = model(pictures, training=True)
            losses = tf.nn.ctc_loss(texts, logits, lengths, widths, logits_time_major=False, blank_index=BLANK)
            loss = tf.reduce_mean(losses)
        optimizer.apply_gradients(
            zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True)
        )
        return loss

    graph = tf.function(
        step,
        input_signature=[
            tf.TensorSpec((None, HEIGHT, None), tf.float32),
            tf.TensorSpec((None, None), tf.int32),
            tf.TensorSpec((None,), tf.int32),
            tf.TensorSpec((None,), tf.int32),
        ],
    )
    for epoch in range(int(checkpoint.epoch), settings.epochs):
        total = 0.0
        for number, (pictures, texts, lengths, widths) in enumerate(batches(lines, settings, epoch)):
            optimizer.learning_rate.assign(schedule.at(epoch * steps + number))
            total += float(graph(pictures, texts, lengths, widths))
        checkpoint.epoch.assign(epoch + 1)
        if epoch + 1 == settings.epochs:
            optimizer.finalize_variable_values(model.trainable_variables)
        manager.save()
        right = exact(model, validation)
        log(
            f"line: epoch {epoch + 1} of {settings.epochs}, loss {total / steps:.4f}, "
            f"{right:.2%} of validation lines right"
        )
    return model


def exact(model: Any, lines: Lines) -> float:
    """Share of lines read exactly, by the likeliest class of each step."""
    right = 0
    for picture, text in zip(lines.pictures, lines.texts, strict=True):
        width = -(-picture.shape[1] // 64) * 64
        padded = np.zeros((1, HEIGHT, width), np.float32)
        padded[0, :, : picture.shape[1]] = picture
        best = np.asarray(model(padded, training=False))[0, : picture.shape[1] // STRIDE].argmax(axis=1)
        merged = best[np.concatenate([[True], best[1:] != best[:-1]])]
        right += bool(np.array_equal(merged[merged != BLANK], text))
    return right / max(1, len(lines.pictures))
