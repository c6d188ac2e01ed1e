"""Networks for evaluation and prediction: the shipped one, a LiteRT file, or a run."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.classifier import Classifier
from extractor.errors import ModelError
from extractor.network import CROPS, LINE, open_interpreter
from extractor.preprocess import stroke_width
from extractor.segmentation import GEOMETRY
from training import networks, runs
from training.datasets import scale
from training.evaluate import DigitClassifier
from training.recipe import load as load_recipe

BATCH = 500
"""Crops that go through an interpreter at once: enough to keep it busy, few enough to stay in the cache."""

SMALLEST_PROBABILITY = 1e-12


class PlainLiteRT:
    """A LiteRT network of one input, such as ``weights.tflite`` of a run.

    Args:
        path: The ``.tflite`` file.

    Raises:
        ModelError: The file is no LiteRT network, or not one from (N, 28, 28) pixels to ten probabilities.
    """

    def __init__(self, path: Path) -> None:
        self._interpreter = _open(path)
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        shapes = [tuple(int(n) for n in detail["shape"][1:]) for detail in (*inputs, *outputs)]
        floats = all(detail["dtype"] == np.float32 for detail in (*inputs, *outputs))
        if shapes != [(networks.SIDE, networks.SIDE), (networks.CLASSES,)] or not floats:
            raise ModelError(f"{path} is no network from 28x28 pixels to ten probabilities")
        self._input, self._output = inputs[0]["index"], outputs[0]["index"]

    def log_probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify crops; see `training.evaluate.DigitClassifier`."""
        said = np.empty((len(crops), networks.CLASSES), np.float32)
        for start in range(0, len(crops), BATCH):
            batch = scale(crops[start : start + BATCH])
            self._interpreter.resize_tensor_input(self._input, batch.shape)
            self._interpreter.allocate_tensors()
            self._interpreter.set_tensor(self._input, batch)
            self._interpreter.invoke()
            said[start : start + BATCH] = self._interpreter.get_tensor(self._output)
        return _logarithms(said)


class PlainKeras:
    """The float network of a run.

    The layers are built from the run's recipe and only the weights are read from the file: a ``.keras`` file may carry
    code, and none of it is run.

    Args:
        path: The ``.keras`` file beside its ``recipe.toml``.

    Raises:
        ModelError: There is no recipe beside the file, or the weights are damaged or of another network.
    """

    def __init__(self, path: Path) -> None:
        recipe = path.parent / runs.RECIPE
        if not recipe.is_file():
            raise ModelError(
                f"There is no {runs.RECIPE} beside {path}", "a .keras file is read as part of its run; a .tflite alone"
            )
        self._model = networks.build(load_recipe(recipe).network)
        try:
            self._model.load_weights(path)
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ModelError(f"{path} is damaged or of another network than its {runs.RECIPE}") from error

    def log_probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify crops; see `training.evaluate.DigitClassifier`."""
        return _logarithms(np.asarray(self._model.predict(scale(crops), batch_size=BATCH, verbose=0)))


class LoneDigits:
    """The reader's network, which also looks at what surrounds a digit, on digits that stand alone.

    Args:
        path: Its folder; the shipped one when None.

    Raises:
        ModelError: There is no such network, or it is damaged.
    """

    def __init__(self, path: Path | None) -> None:
        self._classifier = Classifier(path)

    def log_probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Classify crops; see `training.evaluate.DigitClassifier`."""
        return self._classifier.log_probabilities(crops, np.zeros_like(crops), lone_geometry(crops))

    def candidate_log_probabilities(
        self, crops: NDArray[np.uint8], context: NDArray[np.uint8], geometry: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Classify candidates with their surroundings; see `training.rejection.CandidateClassifier`."""
        return self._classifier.log_probabilities(crops, context, geometry)


def lone_geometry(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the geometry numbers of digits that are a line of their own, as far as a crop tells them.

    Args:
        crops: (N, 28, 28) uint8.

    Returns:
        (N, 8) float32, columns as in `extractor.segmentation.GEOMETRY`: as high as the line, no neighbour on either
        side.
    """
    rows = np.zeros((len(crops), len(GEOMETRY)), np.float32)
    for row, crop in zip(rows, crops, strict=True):
        mask = crop >= 128
        _, _, width, height = cv2.boundingRect(mask.astype(np.uint8))
        unit = max(height, 1)
        share = np.count_nonzero(mask) / max(width * height, 1)
        row[:] = (1.0, width / unit, 0.0, 0.0, 2.0, 2.0, share, stroke_width(mask) / unit)
    return rows


def load(model: Path | None) -> DigitClassifier:
    """Load a network that reads isolated digits.

    Args:
        model: A run folder, its ``.keras`` or ``.tflite`` file, or the folder of a network like the shipped one, also
            as part of its run; the shipped one when None.

    Raises:
        ModelError: There is no such network, or it is damaged.
        DigitsError: A ``.keras`` file is named and TensorFlow is not installed.
    """
    if model is None:
        return LoneDigits(None)
    if not model.exists():
        raise ModelError(f"There is no network at {model}")
    if model.name in (CROPS, LINE):
        model = model.parent
    if model.is_dir():
        for folder in (model, model / runs.NETWORK):
            if (folder / CROPS).is_file():
                return LoneDigits(folder)
        if not (model / runs.TFLITE).is_file():
            raise ModelError(f"{model} holds no network", f"a run folder has {runs.TFLITE} in it")
        model = model / runs.TFLITE
    runs.check_weights(model, model.parent / runs.CARD)
    if model.suffix == ".keras":
        return PlainKeras(model)
    return PlainLiteRT(model)


def _open(path: Path) -> Any:
    try:
        return open_interpreter(path.read_bytes(), threads=1)
    except OSError as error:
        raise ModelError(f"Cannot read the network {path}: {error.strerror}") from error
    except ModelError as error:
        raise ModelError(f"{path} is damaged or no LiteRT network", "train or fetch it again") from error


def _logarithms(probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.log(np.maximum(probabilities, SMALLEST_PROBABILITY)), np.float32)
