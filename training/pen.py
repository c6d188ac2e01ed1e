"""From the path of a pen to ink on paper: how wide and how dark a stroke is, and its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
Image = NDArray[np.uint8]

_SUBPIXEL_BITS: Final = 4
_SPREAD: Final = np.full(5, 0.2)
_WOBBLE_AT: Final = np.linspace(0.0, 1.0, 6)


@dataclass(frozen=True, slots=True)
class Pen:
    """How a pen lays down ink.

    Attributes:
        contrast: How much a stroke thins where the pen is fast, 0 (felt pen) to 0.6 (soft nib).
        shading: How much wider downstrokes are than upstrokes, 0 to 0.5.
        taper: Length over which the ends of a stroke thin out, in pen widths; 0 for blunt ends.
        darkness: Tone of a full stroke, 0 to 1.
        fading: How much the tone varies along a stroke, 0 to 1.
        grain: Share of ink that the tooth of the paper leaves out, 0 (ink) to 0.7 (pencil).
    """

    contrast: float = 0.2
    shading: float = 0.1
    taper: float = 0.5
    darkness: float = 1.0
    fading: float = 0.0
    grain: float = 0.0


def render(
    strokes: Sequence[FloatArray],
    height_px: float,
    pen_width_px: float,
    rng: np.random.Generator,
    pen: Pen | None = None,
) -> Image:
    """Draw strokes.

    Args:
        strokes: Lists of points (N, 2) in units of the digit height, y down.
        height_px: Pixels of one unit.
        pen_width_px: Mean width of the stroke in pixels.
        rng: Source of the irregularities.
        pen: How the pen lays down ink; a plain ball pen when None.

    Returns:
        (H, W) ink coverage 0..255, anti-aliased, cut to the box of the ink.
    """
    ink, _ = draw([stroke * height_px for stroke in strokes], pen_width_px, rng, pen)
    rows, columns = np.flatnonzero(ink.max(axis=1) > 24), np.flatnonzero(ink.max(axis=0) > 24)
    if not len(rows):
        return ink
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def draw(
    strokes: Sequence[FloatArray], pen_width_px: float, rng: np.random.Generator, pen: Pen | None = None
) -> tuple[Image, tuple[int, int]]:
    """Draw strokes given in pixels.

    Args:
        strokes: Lists of points (N, 2) in pixels.
        pen_width_px: Mean width of the stroke in pixels.
        rng: Source of the irregularities.
        pen: How the pen lays down ink; a plain ball pen when None.

    Returns:
        (H, W) ink coverage 0..255 with a margin, and where its left top corner lies: x, y in pixels.
    """
    pen = pen or Pen()
    margin = int(pen_width_px) + 2
    every = strokes[0] if len(strokes) == 1 else np.concatenate(strokes)
    low = np.floor(every.min(axis=0)).astype(int) - margin
    high = np.ceil(every.max(axis=0)).astype(int) + margin
    width, height = high - low + 1
    # Thickness is a whole number of fine pixels, so thin pens need finer ones.
    fine = 4 if pen_width_px < 8 else 2
    canvas = np.zeros((height * fine, width * fine), np.uint8)
    for stroke in strokes:
        points = _resample(stroke, max(0.8, 0.45 * pen_width_px))
        widths, tones = _trace(points, pen_width_px, pen, rng)
        fixed = np.rint(((points - low + 0.5) * fine - 0.5) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
        thickness = np.maximum(np.rint(widths * fine), 1).astype(np.int32)
        _draw_path(canvas, fixed, thickness, tones)
    ink = np.asarray(cv2.resize(canvas, (int(width), int(height)), interpolation=cv2.INTER_AREA), np.uint8)
    if pen.grain > 0:
        ink = _tooth(ink, pen.grain, rng)
    return ink, (int(low[0]), int(low[1]))


def _draw_path(canvas: Image, fixed: NDArray[np.int32], thickness: NDArray[np.int32], tones: NDArray[np.int32]) -> None:
    # One call for each run of equal thickness and tone: calls, not pixels, are what drawing costs.
    keys = thickness[:-1] * 256 + tones[:-1]
    starts = [0, *(np.flatnonzero(np.diff(keys)) + 1).tolist(), len(keys)]
    for first, last in pairwise(starts):
        run = [fixed[first : last + 1].reshape(-1, 1, 2)]
        cv2.polylines(canvas, run, False, int(tones[first]), int(thickness[first]), cv2.LINE_8, _SUBPIXEL_BITS)


def arc_lengths(path: FloatArray) -> FloatArray:
    """Return the way along a path (N, 2) from its start to each of its points, (N,) float32."""
    steps = path[1:] - path[:-1]
    along = np.zeros(len(path), np.float32)
    np.cumsum(np.hypot(steps[:, 0], steps[:, 1]), out=along[1:])
    return along


def _resample(stroke: FloatArray, step: float) -> FloatArray:
    """Return points of the path at equal distances of about ``step``, ends kept."""
    along = arc_lengths(stroke)
    count = max(4, int(along[-1] / step) + 2)
    at = np.arange(count) * (along[-1] / (count - 1))
    points = np.empty((count, 2), np.float32)
    points[:, 0] = np.interp(at, along, stroke[:, 0])
    points[:, 1] = np.interp(at, along, stroke[:, 1])
    return points


def _trace(
    points: FloatArray, pen_width: float, pen: Pen, rng: np.random.Generator
) -> tuple[FloatArray, NDArray[np.int32]]:
    """Return width in pixels and tone 0..255 at each point.

    Speed follows the two-thirds power law of hand movements: it falls with the cube root of curvature (Lacquaniti,
    Terzuolo and Viviani, 1983).
    """
    count = len(points)
    steps = points[1:] - points[:-1]
    heading = np.arctan2(steps[:, 1], steps[:, 0])
    # The turn at each inner point, brought into -pi..pi, then spread over its neighbours.
    turn = np.abs((heading[1:] - heading[:-1] + np.pi) % (2 * np.pi) - np.pi)
    bend = np.convolve(turn, _SPREAD)[1 : count + 1]
    slowness = np.cbrt(np.minimum(np.maximum(bend, 0.01), 1.0))
    swell = np.minimum(slowness / slowness.mean() - 1.0, 1.0)
    down = np.sin(heading[np.minimum(np.arange(count), count - 2)])
    wobble = np.interp(np.arange(count), _WOBBLE_AT * (count - 1), rng.standard_normal(len(_WOBBLE_AT)))
    widths = pen_width * (1.0 + pen.contrast * swell + 0.5 * pen.shading * down) * (1.0 + 0.07 * wobble)
    if pen.taper > 0:
        reach = pen.taper * pen_width / max(0.8, 0.45 * pen_width)
        ends = min(int(reach) + 1, count // 2)
        for piece in (widths[:ends], widths[::-1][:ends]):
            thin = rng.uniform(0.5, 1.0)
            piece *= thin + (1.0 - thin) * np.minimum(np.arange(ends) / (reach + 1e-3), 1.0)
    tone = np.full(count, pen.darkness)
    if pen.fading > 0:
        tone *= 1.0 - pen.fading * np.minimum(np.maximum(0.5 + 0.5 * wobble[::-1] - 0.5 * swell, 0.0), 1.0)
    # Sixteen tones keep the number of runs small.
    tones = (np.maximum(np.rint(tone * 15), 1) * 17).astype(np.int32)
    return np.minimum(np.maximum(widths, 0.35 * pen_width), 2.0 * pen_width).astype(np.float32), tones


def _tooth(ink: Image, grain: float, rng: np.random.Generator) -> Image:
    noise = cv2.GaussianBlur(rng.random(ink.shape, np.float32), (0, 0), 0.6)
    kept = np.clip((noise - 0.5) * 4 + 1.0 - grain, 0.15, 1.0)
    return np.asarray(np.rint(ink * kept), np.uint8)
