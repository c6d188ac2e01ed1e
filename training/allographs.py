"""The shapes of handwritten characters: for each character, the ways in which people write it, as strokes of the pen.

A shape is written as text. Strokes are separated by ``/`` and are lists of knots ``x,y`` in hundredths of the digit
height, y down, in the order in which the pen passes them: 0 is the top of a digit, 100 the base line. The pen passes
the knots on a smooth curve; a knot marked ``!`` is a corner. Letters keep to the same lines: ascenders reach 0, letters
without one reach 40, descenders end near 140.

The curve is a cubic through the knots with Catmull-Rom tangents at centripetal parameters (Yuksel, Schaefer and
Keyser, "Parameterization and applications of Catmull-Rom curves", 2011). For given parameters it is linear in the
knots, so that each stroke keeps one matrix from its knots to the points of its curve.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.shapes import DIGITS, OTHERS

FloatArray = NDArray[np.float32]

SAMPLES_PER_SPAN: Final = 7
"""Points of the curve between two knots."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """One movement of the pen without a lift.

    Attributes:
        knots: (K, 2) float32, the nominal knots in digit heights.
        curve: (N, K) float32, the matrix that takes knots to the points of the curve.
    """

    knots: FloatArray
    curve: FloatArray


@dataclass(frozen=True, slots=True)
class Allograph:
    """One way to write a character.

    Attributes:
        strokes: In the order of writing.
        continental: How common it is among hands that learnt to write in continental Europe or Latin America.
        anglo: How common it is among hands that learnt to write in an English-speaking country.
    """

    strokes: tuple[Stroke, ...]
    continental: float
    anglo: float


@cache
def allographs(character: str) -> tuple[Allograph, ...]:
    """Return the ways to write a character.

    Args:
        character: A digit, a letter a-z or A-Z, or one of ``. , - / : = ? ! ( ) + * & % # ;``.

    Raises:
        KeyError: The character has no shape here.
    """
    if character in DIGITS:
        return tuple(Allograph(_parse(text), continental, anglo) for text, continental, anglo in DIGITS[character])
    return tuple(Allograph(_parse(text), 1.0, 1.0) for text in OTHERS[character])


def _parse(text: str) -> tuple[Stroke, ...]:
    strokes = []
    for part in text.split("/"):
        words = part.split()
        hundredths = [[float(value) for value in word.rstrip("!").split(",")] for word in words]
        knots = (np.array(hundredths) / 100).astype(np.float32)
        corners = [index for index, word in enumerate(words) if word.endswith("!")]
        strokes.append(Stroke(knots, _curve_matrix(knots, corners)))
    return tuple(strokes)


def _curve_matrix(knots: FloatArray, corners: list[int]) -> FloatArray:
    bounds = [0, *corners, len(knots) - 1]
    rows: list[NDArray[np.float64]] = []
    for first, last in pairwise(bounds):
        piece = _smooth_piece(knots[first : last + 1].astype(np.float64))
        block = np.zeros((len(piece), len(knots)))
        block[:, first : last + 1] = piece
        rows.append(block if not rows else block[1:])
    return np.concatenate(rows).astype(np.float32)


def _smooth_piece(knots: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the (N, K) matrix of a curve through K knots without corners."""
    count = len(knots)
    points = np.eye(count)
    spans = np.sqrt(np.linalg.norm(np.diff(knots, axis=0), axis=1)) + 1e-6
    slopes = np.diff(points, axis=0) / spans[:, None]
    tangents = np.zeros((count, count))
    for i in range(1, count - 1):
        chord = (points[i + 1] - points[i - 1]) / (spans[i - 1] + spans[i])
        tangents[i] = slopes[i - 1] - chord + slopes[i]
    # At a free end the curve runs on as a parabola; with two knots it is their chord.
    tangents[0] = 1.5 * slopes[0] - 0.5 * tangents[1] if count > 2 else slopes[0]
    tangents[-1] = 1.5 * slopes[-1] - 0.5 * tangents[-2] if count > 2 else slopes[-1]
    s = np.linspace(0, 1, SAMPLES_PER_SPAN, endpoint=False)[:, None]
    rows = [
        (2 * s**3 - 3 * s**2 + 1) * points[i]
        + (s**3 - 2 * s**2 + s) * spans[i] * tangents[i]
        + (3 * s**2 - 2 * s**3) * points[i + 1]
        + (s**3 - s**2) * spans[i] * tangents[i + 1]
        for i in range(count - 1)
    ]
    return np.concatenate([*rows, points[-1:]])
