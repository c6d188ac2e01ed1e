"""Networks that a recipe describes, as Keras models, and how many weights they have."""

from __future__ import annotations

import contextlib
import io
import itertools
from pathlib import Path
from typing import Any

from training import backend
from training.files import replacing
from training.recipe import CnnNetwork, Network, RecipeError

SIDE = 28
CLASSES = 10


def parameter_count(network: Network) -> int:
    """Count the trainable weights without building the network.

    Args:
        network: The ``network`` table of a recipe.

    Raises:
        RecipeError: The convolutions leave nothing of the image.
    """
    side, channels, weights = SIDE, 1, 0
    if isinstance(network, CnnNetwork):
        for block in network.convolutions:
            weights += (block.kernel**2 * channels + 1) * block.filters
            side, channels = (side - block.kernel + 1) // block.pool, block.filters
            if side < 1:
                raise RecipeError("The network's convolutions and pools leave nothing of an image of 28x28 pixels")
    layers = (side**2 * channels, *network.hidden, CLASSES)
    return weights + sum((inputs + 1) * units for inputs, units in itertools.pairwise(layers))


def build(network: Network) -> Any:
    """Build a Keras model with fresh weights from the process's random state.

    Args:
        network: The ``network`` table of a recipe.

    Returns:
        A ``keras.Sequential``: float32 (N, 28, 28) in [0, 1] to float32 (N, 10), probabilities.

    Raises:
        RecipeError: The convolutions leave nothing of the image.
        UsageError: TensorFlow is not installed.
    """
    parameter_count(network)
    keras = backend.tensorflow().keras
    layers = keras.layers
    model = keras.Sequential([keras.Input((SIDE, SIDE), name="pixels")])
    if isinstance(network, CnnNetwork):
        model.add(layers.Reshape((SIDE, SIDE, 1)))
        for block in network.convolutions:
            model.add(layers.Conv2D(block.filters, block.kernel, activation=network.activation))
            if block.pool > 1:
                model.add(layers.MaxPooling2D(block.pool))
    model.add(layers.Flatten())
    for units in network.hidden:
        model.add(layers.Dense(units, activation=network.activation))
        if network.dropout:
            model.add(layers.Dropout(network.dropout))
    model.add(layers.Dense(CLASSES, activation="softmax", name="probabilities"))
    return model


def to_tflite(model: Any) -> bytes:
    """Convert a Keras model to a LiteRT flatbuffer with float32 weights.

    Args:
        model: What `build` returned.
    """
    # The converter prints the signature to the standard output, which is for results.
    with backend.quiet_stderr(), contextlib.redirect_stdout(io.StringIO()):
        converter = backend.tensorflow().lite.TFLiteConverter.from_keras_model(model)
        return bytes(converter.convert())


def export_saved_model(model: Any, folder: Path) -> None:
    """Write a model as a TensorFlow SavedModel folder, whole or not at all.

    Args:
        model: What `build` returned.
        folder: The folder to make.

    Raises:
        StorageError: Writing failed.
    """
    with replacing(folder) as temporary, backend.quiet_stderr(), backend.storage_errors(folder):
        model.export(temporary, verbose=False)
