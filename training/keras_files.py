"""Opens the float networks of a folder. A ``.keras`` file can name any code to be run; here it may name layers only."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from extractor.errors import ModelError
from training.backend import tensorflow

_LAYERS = {
    *("Activation", "Add", "AveragePooling2D", "BatchNormalization", "Concatenate", "Conv1D", "Conv2D", "Dense"),
    *("DepthwiseConv2D", "Dropout", "Flatten", "GlobalAveragePooling2D", "GlobalMaxPooling2D", "InputLayer"),
    *("LayerNormalization", "LeakyReLU", "MaxPooling2D", "Multiply", "Permute", "PReLU", "ReLU", "Rescaling"),
    *("Reshape", "SeparableConv2D", "SpatialDropout2D", "UpSampling2D", "ZeroPadding2D"),
}
_PARTS = ("keras.initializers", "keras.regularizers", "keras.constraints")
_OPERATIONS = ("keras.src.ops.numpy", "keras.src.ops.nn", "keras.src.ops.math")
_MODELS = {("keras.src.models.functional", "Functional"), ("keras", "Functional"), ("keras", "DTypePolicy")}
_TENSOR = "__keras_tensor__"


def load_keras(path: Path) -> Any:
    """Open a ``.keras`` file made of plain layers.

    Args:
        path: The file.

    Returns:
        The Keras network, without an optimizer.

    Raises:
        ModelError: The file is missing or damaged, or names anything but Keras's own layers and operations.
    """
    if not path.is_file():
        raise ModelError(
            f"no float network in {path.parent}: {path.name} is missing",
            "fine-tuning starts from the .keras files, which stand beside the .tflite files",
        )
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
        foreign = next((name for module, name in _objects(config) if not _is_plain(module, name)), None)
        if foreign is None:
            return tensorflow().keras.models.load_model(path, compile=False, safe_mode=True)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path} is damaged or no Keras network", "install or train it again") from error
    raise ModelError(f"{path} names {foreign!r}, which is no layer of Keras: it is not opened")


def _objects(config: object) -> Iterator[tuple[object, str]]:
    """Yield module and class of everything that a configuration names."""
    if isinstance(config, dict):
        if "class_name" in config:
            yield config.get("module"), str(config["class_name"])
        for value in config.values():
            yield from _objects(value)
    elif isinstance(config, list):
        for value in config:
            yield from _objects(value)


def _is_plain(module: object, name: str) -> bool:
    return (
        (module == "keras.layers" and name in _LAYERS)
        or (module, name) in _MODELS
        or module in _PARTS
        or module in _OPERATIONS
        or (module is None and name == _TENSOR)
    )
