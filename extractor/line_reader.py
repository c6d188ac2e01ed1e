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
UNLIKELY = -7.0
"""A digit less likely than this at a step does not start a new prefix there."""
WIDTH_STEP = 64
"""Inputs are padded to whole multiples of this width, so that few tensor shapes occur."""
MOST_COLUMNS = 4096
"""Views of this width together go through the interpreter at once: more is no faster and takes memory."""


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
        return self.read_lines([views])[0] if views else []

    def read_lines(self, lines: Sequence[Sequence[NDArray[np.uint8]]]) -> list[list[NDArray[np.float32]]]:
        """Read many lines, those of like width together: a new tensor shape costs as much as a short line.

        Args:
            lines: For each line its views, at least one, as in `log_probabilities`.

        Returns:
            For each line what `log_probabilities` says.
        """
        found: list[list[NDArray[np.float32]]] = [[] for _ in lines]
        widths = [max(view.shape[1] for view in views) for views in lines]
        widths = [-(-width // WIDTH_STEP) * WIDTH_STEP for width in widths]
        for width in sorted(set(widths)):
            members = [index for index, own in enumerate(widths) if own == width]
            most = max(1, MOST_COLUMNS // (width * max(len(lines[index]) for index in members)))
            for start in range(0, len(members), most):
                some = members[start : start + most]
                said = iter(self._invoke([view for index in some for view in lines[index]], width))
                for index in some:
                    found[index] = [next(said) for _ in lines[index]]
        return found

    def _invoke(self, views: list[NDArray[np.uint8]], width: int) -> list[NDArray[np.float32]]:
        """Read views together, each padded to a width."""
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


def best_path(steps: NDArray[np.float32]) -> str:
    """Read the likeliest class of each step, repetitions and blanks left out: mostly the likeliest string.

    Args:
        steps: (T, 11) scores or log-probabilities, T at least 1.
    """
    best = steps.argmax(axis=1)
    merged = best[np.concatenate([[True], best[1:] != best[:-1]])]
    return "".join(map(str, merged[merged != BLANK].tolist()))


def beam_search(steps: NDArray[np.float32], width: int = 12) -> list[tuple[str, float]]:
    """Find the most probable strings by prefix beam search.

    Args:
        steps: (T, 11) log-probabilities.
        width: Prefixes kept.

    Returns:
        Strings with their log-probabilities, best first.
    """
    chances, scale = _chances(steps)
    likely: list[list[tuple[int, float]]] = [[] for _ in steps]
    for step, digit in np.argwhere(steps[:, :BLANK] > UNLIKELY).tolist():
        likely[step].append((digit, float(chances[step, digit])))
    # For each prefix its last digit, and the chances of all alignments that end on a blank and on that digit.
    prefixes, lasts, on_blank, on_digit = [""], [BLANK], [1.0], [0.0]
    longer = _longer(prefixes, lasts)
    for row, starts in zip(chances.tolist(), likely, strict=True):
        blank = row[BLANK]
        before, ends = [one + other for one, other in zip(on_blank, on_digit, strict=True)], on_blank
        on_blank = [chance * blank for chance in before]
        on_digit = [chance * row[last] for chance, last in zip(on_digit, lasts, strict=True)]
        if not starts:
            continue
        count = len(prefixes)
        # A longer prefix that is behind all of these would be dropped again.
        floor, most = (min(map(max, on_blank, on_digit)), max(before)) if count == width else (0.0, 1.0)
        for digit, gain in starts:
            known = longer.get(digit, {})
            # Where even the likeliest prefix falls behind, only those grow whose longer prefix is kept already.
            for place in known if gain * most < floor else range(count):
                added = gain * (ends[place] if lasts[place] == digit else before[place])
                if place in known:
                    on_digit[known[place]] += added
                elif added > 0 and added >= floor:
                    prefixes.append(prefixes[place] + str(digit))
                    lasts.append(digit)
                    on_blank.append(0.0)
                    on_digit.append(added)
        if len(prefixes) == count:
            continue
        if len(prefixes) > width:
            chance = list(map(max, on_blank, on_digit))
            kept = sorted(range(len(prefixes)), key=chance.__getitem__, reverse=True)[:width]
            prefixes, lasts = [prefixes[place] for place in kept], [lasts[place] for place in kept]
            on_blank, on_digit = [on_blank[place] for place in kept], [on_digit[place] for place in kept]
        longer = _longer(prefixes, lasts)
    totals = zip(prefixes, map(sum, zip(on_blank, on_digit, strict=True)), strict=True)
    found = [(text, math.log(total) + scale) for text, total in totals if total > 0]
    return sorted(found, key=lambda item: -item[1])


def _longer(prefixes: list[str], lasts: list[int]) -> dict[int, dict[int, int]]:
    """By digit, the places of the prefixes that are kept with that digit at their end too: without it -> with it."""
    places = {prefix: place for place, prefix in enumerate(prefixes)}
    found: dict[int, dict[int, int]] = {}
    for place, (prefix, last) in enumerate(zip(prefixes, lasts, strict=True)):
        if prefix and prefix[:-1] in places:
            found.setdefault(last, {})[places[prefix[:-1]]] = place
    return found


def string_log_probabilities(steps: NDArray[np.float32], texts: Sequence[str]) -> NDArray[np.float64]:
    """Score strings in one view, see `view_log_probabilities`.

    Args:
        steps: (T, 11) log-probabilities, T at least 1.
        texts: N strings of digits.

    Returns:
        (N,) natural logarithms of the strings' probabilities.
    """
    return np.asarray(view_log_probabilities([steps], texts)[0])


def view_log_probabilities(views: Sequence[NDArray[np.float32]], texts: Sequence[str]) -> NDArray[np.float64]:
    """Sum over all alignments of each string in each view: the CTC forward algorithm, all at once.

    Args:
        views: V arrays (T, 11) of log-probabilities, T at least 1.
        texts: N strings of digits.

    Returns:
        (V, N) natural logarithms of the strings' probabilities; minus infinity for a string that is less likely
        than the view's likeliest alignment by a factor of some 10 to the 300.
    """
    most = max(len(steps) for steps in views)
    # A shorter view goes on with certain blanks, which change no probability.
    chances = np.zeros((most, len(views), BLANK + 1))
    chances[:, :, BLANK] = 1.0
    scales = np.zeros((len(views), 1))
    for view, steps in enumerate(views):
        chances[: len(steps), view], scales[view] = _chances(steps)
    sizes = np.array([2 * len(text) + 1 for text in texts])
    symbols = np.full((int(sizes.max()), len(texts)), BLANK)
    for index, text in enumerate(texts):
        symbols[1 : 2 * len(text) : 2, index] = [int(character) for character in text]
    # A digit may follow the digit before the last blank only when they differ.
    jump = np.zeros((len(symbols), len(views), len(texts)))
    jump[2:] = ((symbols[2:] != BLANK) & (symbols[2:] != symbols[:-2]))[:, None]
    # States come first, so that each of the few operations of a step runs over one block of memory.
    emitted = chances[:, np.arange(len(views))[:, None], symbols[:, None]]
    alpha = np.zeros((len(symbols) + 2, len(views), len(texts)))
    alpha[2:4] = emitted[0, :2]
    stay, step, skip = alpha[2:], alpha[1:-1], alpha[:-2]
    reached, jumped = np.empty_like(stay), np.empty_like(stay)
    for row in emitted[1:]:
        np.add(stay, step, out=reached)
        np.multiply(skip, jump, out=jumped)
        np.add(reached, jumped, out=reached)
        np.multiply(reached, row, out=stay)
    columns = np.arange(len(texts))
    total = alpha[sizes + 1, :, columns].T + np.where(sizes > 1, alpha[sizes, :, columns].T, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(total) + scales, np.float64)


def _chances(steps: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
    """Probabilities of each step relative to its likeliest class, and the logarithm of what they were divided by.

    So scaled, products over a line stay within the range of a float: at most 3 to the power of `MAX_WIDTH` / `STRIDE`.
    """
    exact = steps.astype(np.float64)
    peak = exact.max(axis=1, keepdims=True)
    return np.exp(exact - peak), float(peak.sum())
