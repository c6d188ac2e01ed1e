"""The crop network: normalised candidates in, log-probabilities of twelve classes out, on LiteRT."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from extractor.errors import ModelError
from extractor.network import Network, default_model, load_network, open_interpreter

CLASSES = 12
"""Ten digits, `NOT_ONE_DIGIT`, `SKIP`."""
NOT_ONE_DIGIT = 10
"""A part of a digit, several digits, or something else that a path through the lattice should not hold."""
SKIP = 11
"""Ink that is no part of any digit: specks, separators, remains of lines."""
BATCH = 64
"""Candidates that go through the interpreter at once; the last batch is padded: tensors never change their shape."""


class Classifier:
    """Classifies candidates.

    Args:
        model: Folder of a network, or None for the shipped one.
        threads: Threads of the interpreter.

    Raises:
        ModelError: The network is missing, damaged or of another make.
    """

    def __init__(self, model: Path | None = None, threads: int = 1) -> None:
        self.network: Network = load_network(model or default_model())
        self._interpreter = open_interpreter(self.network.crops, threads)
        details = {
            item["name"].split(":")[0].removeprefix("serving_default_"): item["index"]
            for item in self._interpreter.get_input_details()
        }
        if details.keys() != {"crops", "context", "geometry"}:
            raise ModelError(f"the network in {self.network.folder} does not take crops, context and geometry")
        self._inputs = tuple(details[name] for name in ("crops", "context", "geometry"))
        shapes = ((BATCH, 28, 28), (BATCH, 28, 28), (BATCH, 8))
        for index, shape in zip(self._inputs, shapes, strict=True):
            self._interpreter.resize_tensor_input(index, shape)
        self._interpreter.allocate_tensors()
        self._output = self._interpreter.get_output_details()[0]["index"]

    def log_probabilities(
        self, crops: NDArray[np.uint8], context: NDArray[np.uint8], geometry: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Classify candidates.

        Args:
            crops: (N, 28, 28) uint8, MNIST format.
            context: (N, 28, 28) uint8, the other ink in the same frame.
            geometry: (N, 8) float32, see `extractor.segmentation.GEOMETRY`.

        Returns:
            (N, 12) float32: log-probabilities of the ten digits, "not one digit" and "skip".
        """
        count = len(crops)
        out = np.empty((count, CLASSES), np.float32)
        first = np.zeros((BATCH, 28, 28), np.uint8)
        second = np.zeros((BATCH, 28, 28), np.uint8)
        third = np.zeros((BATCH, 8), np.float32)
        for start in range(0, count, BATCH):
            size = min(BATCH, count - start)
            for target, source in ((first, crops), (second, context), (third, geometry)):
                target[:size] = source[start : start + size]
            for index, values in zip(self._inputs, (first, second, third), strict=True):
                self._interpreter.set_tensor(index, np.asarray(values, np.float32))
            self._interpreter.invoke()
            logits = self._interpreter.get_tensor(self._output)[:size] / self.network.temperature
            peak = logits.max(axis=1, keepdims=True)
            out[start : start + size] = logits - peak - np.log(np.exp(logits - peak).sum(axis=1, keepdims=True))
        return out
