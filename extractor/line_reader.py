"""The line network: a whole line image in, log-probabilities per step out (fully convolutional, CTC), on LiteRT.

Connectionist temporal classification: Graves et al., "Connectionist Temporal Classification: Labelling Unsegmented
Sequence Data with Recurrent Neural Networks" (2006); the prefix search follows Hannun, "Sequence Modeling with CTC"
(2017).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from extractor.line_input import HEIGHT, STRIDE
from extractor.network import Network, open_interpreter

BLANK = 10
"""Class of a step that begins no digit."""
NEVER = -math.inf
"""The logarithm of no probability."""
UNLIKELY = -9.0
"""A digit less likely than this at a step does not start a new prefix there."""
WIDTH_STEP = 64
"""Inputs are padded to whole multiples of this width, so that few tensor shapes occur."""


class LineReader:
    """Reads whole lines.

    Args:
        network: The loaded network.
        threads: Threads of the interpreter.
    """

    def __init__(self, network: Network, threads: int = 1) -> None:
        self._interpreter = open_interpreter(network.line, threads)
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._shape = (0, 0)

    def log_probabilities(self, views: list[NDArray[np.uint8]]) -> list[NDArray[np.float32]]:
        """Read the views of a line.

        Args:
            views: Pictures (32, W) uint8, see `extractor.line_input.line_input`.

        Returns:
            For each view (W / 4, 11) float32: log-probabilities of the ten digits and blank at each step.
        """
        if not views:
            return []
        width = max(view.shape[1] for view in views)
        width = -(-width // WIDTH_STEP) * WIDTH_STEP
        batch = np.zeros((len(views), HEIGHT, width), np.float32)
        for row, view in zip(batch, views, strict=True):
            row[:, : view.shape[1]] = view
        if self._shape != (len(views), width):
            self._interpreter.resize_tensor_input(self._input, batch.shape)
            self._interpreter.allocate_tensors()
            self._shape = (len(views), width)
        self._interpreter.set_tensor(self._input, batch)
        self._interpreter.invoke()
        logits = self._interpreter.get_tensor(self._output)
        return [log_softmax(row[: view.shape[1] // STRIDE]) for row, view in zip(logits, views, strict=True)]


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Normalise the last axis to log-probabilities."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)), np.float32)


def beam_search(steps: NDArray[np.float32], width: int = 12) -> list[tuple[str, float]]:
    """Find the most probable strings by prefix beam search.

    Args:
        steps: (T, 11) log-probabilities.
        width: Prefixes kept.

    Returns:
        Strings with their log-probabilities, best first.
    """
    beams: dict[str, tuple[float, float]] = {"": (0.0, NEVER)}
    for row in steps.tolist():
        blank = row[BLANK]
        likely = [(str(digit), gain) for digit, gain in enumerate(row[:BLANK]) if gain > UNLIKELY]
        grown: dict[str, tuple[float, float]] = {}
        for prefix, (ends_blank, ends_digit) in beams.items():
            total = _add(ends_blank, ends_digit)
            last = prefix[-1:]
            known = grown.get(prefix, (NEVER, NEVER))
            stay = ends_digit + row[int(last)] if last else NEVER
            grown[prefix] = (_add(known[0], total + blank), _add(known[1], stay))
            for digit, gain in likely:
                longer = prefix + digit
                known = grown.get(longer, (NEVER, NEVER))
                grown[longer] = (known[0], _add(known[1], gain + (ends_blank if digit == last else total)))
        beams = dict(sorted(grown.items(), key=lambda item: -max(item[1]))[:width])
    totals = ((text, _add(*scores)) for text, scores in beams.items())
    return sorted((item for item in totals if item[1] > NEVER), key=lambda item: -item[1])


def string_log_probabilities(steps: NDArray[np.float32], texts: Sequence[str]) -> NDArray[np.float64]:
    """Sum over all alignments of each string: the CTC forward algorithm, all strings at once.

    Args:
        steps: (T, 11) log-probabilities, T at least 1.
        texts: N strings of digits.

    Returns:
        (N,) natural logarithms of the strings' probabilities.
    """
    sizes = np.array([2 * len(text) + 1 for text in texts])
    symbols = np.full((len(texts), int(sizes.max())), BLANK)
    for row, text in zip(symbols, texts, strict=True):
        row[1 : 2 * len(text) : 2] = [int(character) for character in text]
    # A digit may follow the digit before the last blank only when they differ.
    barred = np.full(symbols.shape, NEVER)
    barred[:, 2:][(symbols[:, 2:] != BLANK) & (symbols[:, 2:] != symbols[:, :-2])] = 0.0
    emitted = steps.astype(np.float64)[:, symbols]
    alpha = np.full((len(texts), symbols.shape[1] + 2), NEVER)
    alpha[:, 2:4] = emitted[0, :, :2]
    for row in emitted[1:]:
        alpha[:, 2:] = np.logaddexp(np.logaddexp(alpha[:, 2:], alpha[:, 1:-1]), alpha[:, :-2] + barred) + row
    rows = np.arange(len(texts))
    return np.asarray(np.logaddexp(alpha[rows, sizes + 1], np.where(sizes > 1, alpha[rows, sizes], NEVER)))


def _add(a: float, b: float) -> float:
    """log(exp(a) + exp(b))."""
    if a < b:
        a, b = b, a
    return a if b == NEVER else a + math.log1p(math.exp(b - a))
