"""Layers that both networks of the reference are built of."""

from __future__ import annotations

from typing import Any

from training.backend import tensorflow

MOMENTUM = 0.95
"""Of the running mean and variance in batch normalisation: batches are many, and trainings short."""


def convolve(x: Any, filters: int, kernel: int | tuple[int, int], padding: str = "same") -> Any:
    """Convolve, normalise by batch, and rectify.

    Args:
        x: Keras tensor (N, H, W, C).
        filters: Channels of the result.
        kernel: Height and width of the filters.
        padding: ``same`` or ``valid``.
    """
    layers = tensorflow().keras.layers
    x = layers.Conv2D(filters, kernel, padding=padding, use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization(momentum=MOMENTUM)(x))


def residual_block(x: Any) -> Any:
    """Add what two convolutions make of the input to it (He et al., "Deep Residual Learning", 2016).

    The block begins as the identity, its last scale being zero (Goyal et al., "Accurate, Large Minibatch SGD", 2017):
    put into a trained network it changes nothing until it is trained itself.

    Args:
        x: Keras tensor (N, H, W, C), nowhere negative.
    """
    change = convolve(x, x.shape[-1], 3)
    return _added(x, tensorflow().keras.layers.Conv2D(x.shape[-1], 3, padding="same", use_bias=False)(change))


def far_block(x: Any, width: int) -> Any:
    """Add what each column makes of the columns around it, channel by channel first (Liu et al., "ConvNeXt", 2022).

    Like `residual_block` it begins as the identity.

    Args:
        x: Keras tensor (N, 1, W, C), nowhere negative.
        width: Columns looked at.
    """
    layers = tensorflow().keras.layers
    around = layers.DepthwiseConv2D((1, width), padding="same", use_bias=False)(x)
    around = layers.BatchNormalization(momentum=MOMENTUM)(around)
    change = convolve(around, 2 * x.shape[-1], 1)
    return _added(x, layers.Conv2D(x.shape[-1], 1, use_bias=False)(change))


def likeness_block(x: Any, heads: int, size: int = 24) -> Any:
    """Add to each column what the columns like it say, wherever they stand in the line.

    Self-attention (Vaswani et al., "Attention Is All You Need", 2017) without positions: a hand writes its ones all
    alike, and a comb has all its bars alike. Like `residual_block` it begins as the identity.

    Args:
        x: Keras tensor (N, 1, W, C), nowhere negative.
        heads: Kinds of likeness.
        size: Numbers by which columns are compared, for each kind.
    """
    keras = tensorflow().keras
    columns = keras.ops.squeeze(x, 1)
    said = []
    for _ in range(heads):
        asked, known, told = (keras.layers.Dense(size, use_bias=False)(columns) for _ in range(3))
        alike = keras.ops.matmul(asked, keras.ops.transpose(known, (0, 2, 1))) * size**-0.5
        said.append(keras.ops.matmul(keras.ops.softmax(alike), told))
    change = keras.layers.Dense(x.shape[-1], use_bias=False)(keras.layers.Concatenate()(said))
    return _added(x, keras.ops.expand_dims(change, 1))


def _added(x: Any, change: Any) -> Any:
    """Add a change to what it changes; its scale is zero until it is trained."""
    layers = tensorflow().keras.layers
    change = layers.BatchNormalization(momentum=MOMENTUM, gamma_initializer="zeros")(change)
    return layers.ReLU()(layers.Add()([x, change]))
