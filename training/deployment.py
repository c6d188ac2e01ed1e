"""Turns the trained networks of the reference into the files that `extractor` reads with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractor.classifier import BATCH
from extractor.network import CROPS
from training.backend import tensorflow
from training.export import Precision, to_tflite

PRECISION: Precision = "dynamic"
"""Of the shipped files: int8 weights, a quarter of the size of float32 and up to twice as fast."""


def network_file(name: str, model: Any) -> bytes:
    """Convert a network of the reference.

    Args:
        name: Its file, ``crops.tflite`` or ``line.tflite``.
        model: The trained Keras network.

    Returns:
        The LiteRT file's bytes.
    """
    return to_tflite(by_blocks(model), PRECISION, batch=BATCH) if name == CROPS else to_tflite(model, PRECISION)


def by_blocks(model: Any) -> Any:
    """Compute a crop network's first convolution and the pooling after it over blocks of 2x2 pixels.

    A convolution over two planes leaves most of a vector unit idle, and as such is the slowest part of the network.
    The four pixels of a block as channels are eight planes (Shi et al., "Real-Time Single Image and Video
    Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural Network", 2016, go the other way), and each
    filter, moved by a pixel across and down, gives the four results of which the pooling takes the largest.

    Args:
        model: As `training.crop_network.build` makes it: a first convolution that keeps the size, normalisation and
            rectification, then the largest of each 2x2 pixels.

    Returns:
        A network with the same inputs that says the same.
    """
    keras = tensorflow().keras
    layers = keras.layers
    # What is built on a network's layers becomes a part of what they remember, and could not be saved with them.
    weights, model = model.get_weights(), keras.models.clone_model(model)
    model.set_weights(weights)
    kinds = (layers.Conv2D, layers.BatchNormalization, layers.MaxPooling2D)
    convolution, normal, pooling = (next(item for item in model.layers if isinstance(item, kind)) for kind in kinds)
    # Normalisation by a running mean and variance is a share of each channel, and a shift.
    share = normal.gamma / keras.ops.sqrt(normal.moving_variance + normal.epsilon)
    filters, shift = np.asarray(convolution.kernel * share), np.asarray(normal.beta - normal.moving_mean * share)
    count = len(shift)

    # Names are those that the file holds: counted ones would make each file another.
    blocks = layers.Lambda(_to_blocks, name="blocks")(convolution.input)
    wide = layers.Conv2D(4 * count, 3, padding="same", name="results")
    largest = layers.Lambda(_largest, name="largest")(wide(blocks))
    wide.set_weights([block_filters(filters), np.tile(shift, 4)])
    beside = [tensor for tensor in model.inputs if tensor.name == "geometry"]
    rest = keras.Model([pooling.output, *beside], model.output, name="rest")
    return keras.Model(model.inputs, rest([largest, *beside]), name=model.name)


def _to_blocks(planes: Any) -> Any:
    """Make the four pixels of each block of 2x2 its channels."""
    return tensorflow().nn.space_to_depth(planes, 2)


def _largest(results: Any) -> Any:
    """Take the largest of the four results of each block, or none below zero."""
    tf = tensorflow()
    one, two, three, four = tf.split(results, 4, axis=-1)
    return tf.nn.relu(tf.maximum(tf.maximum(one, two), tf.maximum(three, four)))


def block_filters(filters: NDArray[np.float32]) -> NDArray[np.float32]:
    """Make filters over blocks of 2x2 pixels that give the four results of filters over pixels in each block.

    Args:
        filters: (S, S, C, F), over pixels; S is 5, 3 or 1.

    Returns:
        (3, 3, 4 C, 4 F): pixels of a block and results in it from the top, in a row from the left.
    """
    side, _, planes, count = filters.shape
    reach = side // 2
    found = np.zeros((3, 2, 3, 2, planes, 2, 2, count), np.float32)
    for down in range(2):
        for right in range(2):
            for y in range(side):
                for x in range(side):
                    # Pixels from the first one of the middle block, which is the second of three.
                    (block, row), (beside, column) = divmod(down + y - reach + 2, 2), divmod(right + x - reach + 2, 2)
                    found[block, row, beside, column, :, down, right] = filters[y, x]
    return found.transpose(0, 2, 1, 3, 4, 5, 6, 7).reshape(3, 3, 4 * planes, 4 * count)
