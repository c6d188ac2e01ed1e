"""A stroke model of handwriting: writes digit strings as people of many schools and habits write them.

A *hand* is one writer: which shape of each digit it uses, how it slants, rounds, trembles and spaces, and how its pen
lays down ink. Everything one hand writes looks like one person's writing, and no two characters are quite alike.

Two levels of variation make this: what belongs to the hand is drawn once from its seed (shapes, personal deviations of
their knots); what belongs to the moment is drawn anew for each character. Haste is a low-pass filter along the path of
the pen: quick writers cut corners and flatten loops, as in kinematic models of handwriting (Plamondon, 1995).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np

from training.allographs import Allograph, allographs
from training.pen import FloatArray, Image, Pen, arc_lengths, draw, render

_BANDS: Final = 12
_FILTER_POINTS: Final = 48
_FILTER_AT: Final = np.linspace(0.0, 1.0, _FILTER_POINTS)


@dataclass(frozen=True, slots=True)
class Hand:
    """One writer's habits. Lengths are in digit heights.

    Attributes:
        seed: Decides the shapes this hand uses and its personal deviations from them.
        continental: Probability that a shape is taken from the continental tradition, 0 to 1.
        slant: Shear to the right, as a tangent.
        aspect: Width of the characters relative to their nominal width.
        personality: Standard deviation of the hand's own knots from the nominal ones.
        sloppiness: Standard deviation of a moment's knots from the hand's own.
        haste: Share of the path over which the pen cuts corners, 0 to 0.1.
        tremor: Amplitude of the trembling.
        constancy: Probability that a character is written in the hand's usual shape.
        size_jitter: Standard deviation of the height of characters.
        round_size: Height of a 0 relative to other digits.
        gap: Mean distance between neighbours' ink where they come closest; negative when they overlap.
        gap_jitter: Its standard deviation.
        joining: Probability that the pen is not lifted between two characters that allow it.
        wander: Standard deviation of the distance from the base line.
        climb: Slope of the base line, upwards.
        pen_width: Mean width of a stroke.
        pen: How the pen lays down ink.
    """

    seed: int
    continental: float
    slant: float
    aspect: float
    personality: float
    sloppiness: float
    haste: float
    tremor: float
    constancy: float
    size_jitter: float
    round_size: float
    gap: float
    gap_jitter: float
    joining: float
    wander: float
    climb: float
    pen_width: float
    pen: Pen


def draw_hand(rng: np.random.Generator) -> Hand:
    """Draw a writer from the hands of the world."""
    careful = rng.random()
    pen, pen_width = _draw_pen(rng)
    return Hand(
        seed=int(rng.integers(1 << 31)),
        continental=float(rng.choice([0.05, 0.5, 0.95], p=[0.25, 0.3, 0.45])),
        slant=float(np.clip(rng.normal(0.13, 0.2), -0.35, 0.75)),
        aspect=float(np.clip(rng.lognormal(0.0, 0.2), 0.55, 1.6)),
        personality=float(rng.uniform(0.01, 0.045)),
        sloppiness=float(0.008 + 0.032 * (1 - careful) * rng.random()),
        haste=float(rng.beta(1.2, 3.0) * 0.09),
        tremor=float(rng.exponential(0.003)),
        constancy=float(rng.uniform(0.75, 1.0)),
        size_jitter=float(rng.uniform(0.02, 0.12)),
        round_size=float(np.clip(rng.normal(0.95, 0.12), 0.55, 1.1)),
        gap=float(rng.choice([rng.uniform(0.12, 0.5), rng.uniform(-0.05, 0.12)], p=[0.6, 0.4])),
        gap_jitter=float(rng.uniform(0.02, 0.1)),
        joining=float(rng.choice([0.0, rng.uniform(0.0, 0.25), rng.uniform(0.25, 0.8)], p=[0.6, 0.28, 0.12])),
        wander=float(rng.uniform(0.005, 0.05)),
        climb=float(rng.normal(0.0, 0.02)),
        pen_width=pen_width,
        pen=pen,
    )


def strokes(digit: int | str, hand: Hand, rng: np.random.Generator) -> list[FloatArray]:
    """Write one character as the path of the pen.

    Args:
        digit: A digit, or any other character that `training.allographs` has.
        hand: Whose writing.
        rng: Source of the moment's variation.

    Returns:
        One (N, 2) float32 array a stroke, y down; a digit lies in about [0, 1] x [0, 1], base line at 1.

    Raises:
        KeyError: The character has no shape.
    """
    character = str(digit)
    shapes = allographs(character)
    usual, deviations, proportion = _habit(hand.seed, character, hand.continental)
    chosen = usual if rng.random() < hand.constancy else int(rng.integers(len(shapes)))
    if _weight(shapes[chosen], hand.continental) < 0.5:
        chosen = usual
    shape = shapes[chosen]
    size = max(float(np.ptp(np.concatenate([stroke.knots for stroke in shape.strokes]), axis=0).max()), 0.3)
    scale = min(size, 1.0)
    paths = []
    for index, stroke in enumerate(shape.strokes):
        deviation = deviations[index][: len(stroke.knots)]
        knots = stroke.knots + np.float32(hand.personality * scale) * deviation
        knots += np.float32(hand.sloppiness * scale) * rng.standard_normal(knots.shape, np.float32)
        paths.append(_hasten(stroke.curve @ knots, hand.haste * rng.uniform(0.6, 1.4)))
    return _warp(paths, hand, proportion, rng)


def digit_image(digit: int | str, hand: Hand, rng: np.random.Generator, height: int = 40) -> Image:
    """Write one character alone.

    Args:
        digit: A digit, or any other character that `training.allographs` has.
        hand: Whose writing.
        rng: Source of the moment's variation.
        height: Pixels of one digit height, the width of the pen included.

    Returns:
        (H, W) ink 0..255 on 0, cut to the box of the ink.
    """
    pen_width = hand.pen_width * height * rng.uniform(0.9, 1.1)
    return render(strokes(digit, hand, rng), max(height - pen_width, 4.0), pen_width, rng, hand.pen)


def write_string(
    text: str, hand: Hand, rng: np.random.Generator, height: int, pitch: float | None = None
) -> tuple[Image, list[Image]]:
    """Write a line of text.

    Args:
        text: Digits, spaces and any other characters that `training.allographs` has.
        hand: Whose writing.
        rng: Source of the moment's variation.
        height: Pixels of one digit height.
        pitch: Distance in pixels between the middles of neighbours, as in the cells of a comb; free spacing when None.

    Returns:
        (H, W) ink 0..255 cut to the box of the ink, and the ink of each character of the text in the same frame (all
        zero for a space). Where two characters touch or are joined, a pixel may be ink of both.

    Raises:
        ValueError: The text has no ink.
    """
    if not text.strip():
        raise ValueError("a line of text needs at least one character that leaves ink")
    pen_width = max(hand.pen_width * height * rng.uniform(0.9, 1.1), 1.0)
    lines = _lay_out(text, hand, rng, None if pitch is None else pitch / height)
    if pitch is None:
        _join(text, lines, hand, rng)
    drawn = [draw([path * height for path in paths], pen_width, rng, hand.pen) if paths else None for paths in lines]
    boxes = [(x, y, x + ink.shape[1], y + ink.shape[0]) for ink, (x, y) in filter(None, drawn)]
    left, top = (min(box[i] for box in boxes) for i in (0, 1))
    right, bottom = (max(box[i] for box in boxes) for i in (2, 3))
    whole = np.zeros((bottom - top, right - left), np.uint8)
    masks = []
    for item in drawn:
        mask = np.zeros_like(whole)
        if item is not None:
            ink, (x, y) = item
            mask[y - top : y - top + ink.shape[0], x - left : x - left + ink.shape[1]] = ink
        masks.append(mask)
        cv2.max(whole, mask, whole)
    visible = min(24, int(whole.max()) - 1)  # a faint pencil's dot is all below it
    rows, columns = np.flatnonzero(whole.max(axis=1) > visible), np.flatnonzero(whole.max(axis=0) > visible)
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return whole[box], [mask[box] for mask in masks]


def _draw_pen(rng: np.random.Generator) -> tuple[Pen, float]:
    kind = rng.choice(("ball", "felt", "nib", "pencil"), p=(0.55, 0.2, 0.1, 0.15))
    draw_from = rng.uniform
    if kind == "ball":
        pen = Pen(draw_from(0.05, 0.3), draw_from(0, 0.2), draw_from(0, 1.5), draw_from(0.7, 1), draw_from(0, 0.4))
        return pen, draw_from(0.045, 0.10)
    if kind == "felt":
        return Pen(draw_from(0, 0.15), 0.0, draw_from(0, 0.4), 1.0, 0.0), draw_from(0.09, 0.19)
    if kind == "nib":
        pen = Pen(draw_from(0.2, 0.5), draw_from(0.2, 0.5), draw_from(0.5, 2), 1.0, draw_from(0, 0.3))
        return pen, draw_from(0.06, 0.13)
    grain = draw_from(0.05, 0.3)
    pen = Pen(draw_from(0.05, 0.25), 0.1, draw_from(0, 1), draw_from(0.5, 0.95), draw_from(0.1, 0.5), grain)
    return pen, draw_from(0.05, 0.12)


@lru_cache(maxsize=8192)
def _habit(seed: int, character: str, continental: float) -> tuple[int, tuple[FloatArray, ...], float]:
    """Return which shape a hand uses, the deviations of its knots stroke by stroke, and its relative width."""
    rng = np.random.default_rng((seed, ord(character)))
    shapes = allographs(character)
    weights = np.array([_weight(shape, continental) for shape in shapes])
    usual = int(rng.choice(len(shapes), p=weights / weights.sum()))
    strokes_of_longest = max(len(shape.strokes) for shape in shapes)
    longest = max(len(stroke.knots) for shape in shapes for stroke in shape.strokes)
    deviations = rng.standard_normal((strokes_of_longest, longest, 2)).astype(np.float32)
    return usual, tuple(deviations), float(rng.lognormal(0.0, 0.16))


def _weight(shape: Allograph, continental: float) -> float:
    return continental * shape.continental + (1 - continental) * shape.anglo


def _hasten(path: FloatArray, haste: float) -> FloatArray:
    """Low-pass a path along its length; ``haste`` is the filter's standard deviation as a share of the length."""
    along = arc_lengths(path)
    at = _FILTER_AT * along[-1]
    even = np.stack([np.interp(at, along, path[:, 0]), np.interp(at, along, path[:, 1])], axis=1)
    deviation = haste * _FILTER_POINTS
    if deviation > 0.3:
        reach = int(3 * deviation) + 1
        # Odd reflection about the ends keeps them where they are.
        before, after = 2 * even[0] - even[reach:0:-1], 2 * even[-1] - even[-2 : -reach - 2 : -1]
        kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
        kernel /= kernel.sum()
        padded = np.concatenate([before, even, after])
        even = np.stack([np.convolve(padded[:, axis], kernel, mode="valid") for axis in (0, 1)], axis=1)
    return even.astype(np.float32)


def _warp(paths: list[FloatArray], hand: Hand, proportion: float, rng: np.random.Generator) -> list[FloatArray]:
    """Give the character the hand's slant and width, and the moment's own size, turn, bend and tremor."""
    turn, shear, width = rng.normal(0.0, (0.03, 0.03, 0.07))
    bend, pinch, sag = rng.normal(0.0, (0.04, 0.13, 0.2))
    slant, wide = hand.slant + shear, hand.aspect * proportion * np.exp(width)
    # Slant and width, then a small turn, about the middle of the digit height.
    matrix = np.array([[wide, turn * wide], [-slant - turn, 1.0 - turn * slant]])
    points = np.concatenate(paths)
    x, y = points[:, 0], points[:, 1] - 0.5
    bent = np.empty(points.shape)
    bent[:, 0] = x * (1 + pinch * 2 * y) + bend * (1 - 4 * y * y)
    bent[:, 1] = y + sag * (0.25 - y * y)
    if hand.tremor > 0:
        steps = rng.normal(0.0, hand.tremor, (len(points) + 2, 2))
        bent += 0.5 * steps[:-2] + steps[1:-1] + 0.5 * steps[2:]
    warped = (bent @ matrix + (0.5 * hand.slant, 0.5)).astype(np.float32)
    return np.split(warped, np.cumsum([len(path) for path in paths])[:-1])


def _lay_out(text: str, hand: Hand, rng: np.random.Generator, pitch: float | None) -> list[list[FloatArray]]:
    """Place the characters of a line, in digit heights; the base line runs near y = 1."""
    placed: list[list[FloatArray]] = []
    edge = np.full(_BANDS, -np.inf)
    cursor = 0.0
    for index, character in enumerate(text):
        if character == " ":
            cursor += rng.uniform(0.4, 0.7)
            edge += rng.uniform(0.4, 0.7)
            placed.append([])
            continue
        size = rng.normal(1.0, hand.size_jitter) * (hand.round_size if character == "0" else 1.0)
        size = float(np.clip(size, 0.5, 1.5))
        base = rng.normal(0.0, hand.wander)
        paths = [path * size + _point(0.0, 1.0 + base - size) for path in strokes(character, hand, rng)]
        ink = np.concatenate(paths)
        bands = np.clip((ink[:, 1] * _BANDS / 1.3).astype(int), 0, _BANDS - 1)
        if pitch is not None:
            middle = 0.5 * (ink[:, 0].min() + ink[:, 0].max())
            shift = index * pitch - middle + rng.normal(0.0, 0.06 * pitch)
        else:
            near = np.full(_BANDS, np.inf)
            np.minimum.at(near, bands, ink[:, 0])
            # A neighbouring band counts too: ink that passes diagonally would touch.
            near = np.minimum(near, np.minimum(np.roll(near, 1), np.roll(near, -1)))
            gap = max(hand.gap + rng.normal(0.0, hand.gap_jitter), -0.05) * min(hand.aspect, 1.0) + hand.pen_width
            closest = edge - near
            shift = max(float(closest.max()) + gap, cursor - float(ink[:, 0].min()) - 0.35) if index else 0.0
        moved = [path + _point(shift, 0.0) for path in paths]
        far = np.full(_BANDS, -np.inf)
        np.maximum.at(far, bands, ink[:, 0] + shift)
        edge = np.maximum(far, edge - 0.3) if index else far
        cursor = float(ink[:, 0].max()) + shift
        placed.append(moved)
    return [[path - path[:, :1] * _point(0.0, hand.climb) for path in paths] for paths in placed]


def _join(text: str, lines: list[list[FloatArray]], hand: Hand, rng: np.random.Generator) -> None:
    """Draw, in place, the links of a pen that is not lifted between characters: half to each of the two."""
    for index in range(len(lines) - 1):
        if not (lines[index] and lines[index + 1]) or not (text[index] + text[index + 1]).isalnum():
            continue
        if rng.random() >= hand.joining:
            continue
        end, start = lines[index][-1][-1], lines[index + 1][0][0]
        span = start - end
        # From the foot of one digit to the head of the next the pen is lifted: the link would look like a stroke.
        if not (-0.1 < span[0] < 1.0 and abs(span[1]) < 0.55):
            continue
        departure = lines[index][-1][-1] - lines[index][-1][-4]
        arrival = lines[index + 1][0][3] - lines[index + 1][0][0]
        reach = float(np.hypot(*span)) + 0.05
        link = _hermite(end, start, _unit(departure) * reach * 0.8, _unit(arrival) * reach * 0.5)
        half = len(link) // 2
        lines[index][-1] = np.concatenate([lines[index][-1], link[1 : half + 1]])
        lines[index + 1][0] = np.concatenate([link[half:-1], lines[index + 1][0]])


def _hermite(start: FloatArray, end: FloatArray, leaving: FloatArray, arriving: FloatArray) -> FloatArray:
    s = np.linspace(0, 1, 14)[:, None]
    curve = (
        (2 * s**3 - 3 * s**2 + 1) * start
        + (s**3 - 2 * s**2 + s) * leaving
        + (3 * s**2 - 2 * s**3) * end
        + (s**3 - s**2) * arriving
    )
    return curve.astype(np.float32)


def _point(x: float, y: float) -> FloatArray:
    return np.array((x, y), np.float32)


def _unit(vector: FloatArray) -> FloatArray:
    return np.asarray(vector / (np.hypot(*vector) + 1e-6), np.float32)
