"""The crop network: normalised candidates in, log-probabilities of twelve classes out, on LiteRT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
BATCH = 8
"""Candidates that go through the interpreter at once: a candidate costs the same in any batch, and a small one pads a
string little. Networks are exported for this number: where a file leaves the number open, LiteRT makes some shapes only
while it runs, and moves tensors that parts of the network hold on to."""
_OPEN_BATCH = 64
"""Batch of a file that leaves it open: with it no tensor has been seen to move."""


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
        signature = self._interpreter.get_input_details()[0]["shape_signature"]
        self._batch = int(signature[0])
        if self._batch < 0:
            self._batch = _OPEN_BATCH
            for index, shape in zip(self._inputs, ((28, 28), (28, 28), (8,)), strict=True):
                self._interpreter.resize_tensor_input(index, (self._batch, *shape))
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
        out = np.empty((len(crops), CLASSES), np.float32)
        sources: tuple[NDArray[Any], ...] = (crops, context, geometry)
        buffers = [np.zeros((self._batch, *values.shape[1:]), np.float32) for values in sources]
        # The last batch is padded: tensors never change their shape.
        for start in range(0, len(crops), self._batch):
            part = slice(start, start + self._batch)
            size = len(out[part])
            for index, buffer, values in zip(self._inputs, buffers, sources, strict=True):
                buffer[:size] = values[part]
                self._interpreter.set_tensor(index, buffer)
            self._interpreter.invoke()
            out[part] = self._interpreter.get_tensor(self._output)[:size]
        out /= self.network.temperature
        out -= out.max(axis=1, keepdims=True, initial=-np.inf)
        out -= np.log(np.exp(out).sum(axis=1, keepdims=True))
        return out
