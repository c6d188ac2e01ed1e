"""What is not one digit, as a reader meets it: candidates with their surroundings and their geometry.

Nothing here is learnt from: halves and pairs are made of test digits, the letters are of hands that are held out, marks
and remains of lines are drawn by this module alone. Every candidate goes through the normalisation of the reader.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.errors import PageError
from extractor.normalize import to_mnist_with_context
from extractor.preprocess import stroke_width
from extractor.segmentation import GEOMETRY
from training import letters, pen
from training.models import lone_geometry
from training.predict import crop_digit

Ink = NDArray[np.uint8]
"""Coverage, (H, W) uint8, ink 255 on paper 0."""
Strokes = list[NDArray[np.float32]]
"""Paths of points (N, 2), x and y in units of a digit's height; y grows downwards, the base line is at 0."""

DIGIT_HEIGHT = 48
"""Height in pixels that a digit has in the scenes of this module."""
SCENE = (160, 320)
"""Height and width of a scene in pixels."""
BASE = 108
"""Row of a scene's base line."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a reader's network is shown.

    Attributes:
        crops: (N, 28, 28) uint8, MNIST format.
        context: (N, 28, 28) uint8, the other ink in the same frame.
        geometry: (N, 8) float32, see `extractor.segmentation.GEOMETRY`.
    """

    crops: NDArray[np.uint8]
    context: NDArray[np.uint8]
    geometry: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.crops)


Maker = Callable[["_Scenes"], tuple[Ink, Ink, bool]]
"""Makes one candidate: its ink and the other ink of its scene, and whether it stands in a line of digits."""


def from_digits(digits: NDArray[np.uint8], count: int, seed: int = 0) -> dict[str, Candidates]:
    """Make every kind that takes no other data than isolated digits.

    Args:
        digits: (N, 28, 28) uint8 in MNIST's format, none of which the network has learnt from.
        count: Candidates of each kind.
        seed: Of every choice.

    Returns:
        Candidates by the names of `KINDS`.
    """
    made = {}
    for number, (name, make) in enumerate(KINDS.items()):
        scenes = _Scenes(digits, np.random.default_rng([seed, number]))
        made[name] = _candidates([make(scenes) for _ in range(count)])
    return made


def from_letters(pictures: NDArray[np.uint8], names: list[str]) -> dict[str, Candidates]:
    """Take letters that stand alone, of the hands that are held out.

    Args:
        pictures: (N, H, W) uint8, photographed characters.
        names: The character of each.

    Returns:
        ``letters``, and apart from them ``letters like digits``; a picture in which the reader finds no ink is left
        out.
    """
    kinds: dict[str, list[NDArray[np.uint8]]] = {"letters": [], "letters like digits": []}
    for picture, name, apart in zip(pictures, names, letters.held_out(names), strict=True):
        if not apart or not name.isalpha():
            continue
        try:
            crop = crop_digit(picture)
        except PageError:
            continue
        kind = "letters like digits" if name in letters.LOOKALIKES else "letters"
        kinds[kind].append(crop)
    return {kind: alone(np.stack(crops)) for kind, crops in kinds.items() if crops}


def alone(crops: NDArray[np.uint8]) -> Candidates:
    """Dress crops as candidates that nothing surrounds.

    Args:
        crops: (N, 28, 28) uint8.
    """
    return Candidates(crops, np.zeros_like(crops), lone_geometry(crops))


def _candidates(scenes: list[tuple[Ink, Ink, bool]]) -> Candidates:
    pictures = [to_mnist_with_context(own, other) for own, other, _ in scenes]
    crops, context = (np.stack(part) for part in zip(*pictures, strict=True))
    geometry = lone_geometry(crops)
    for row, (own, other, in_line) in zip(geometry, scenes, strict=True):
        if in_line:
            row[:] = _geometry(own > 96, other > 96)
    return Candidates(crops, context, geometry)


def _geometry(own: NDArray[np.bool_], other: NDArray[np.bool_]) -> NDArray[np.float32]:
    """The numbers that the segmenter measures, for a scene whose digit height and base line are known."""
    x, y, width, height = cv2.boundingRect(own.astype(np.uint8))
    columns = np.flatnonzero(other.any(axis=0))
    left, right = columns[columns < x + width / 2], columns[columns >= x + width / 2]
    values = {
        "height": height,
        "width": width,
        "top": y - BASE + DIGIT_HEIGHT,
        "bottom": y + height - BASE,
        "gap_left": x - left[-1] - 1 if len(left) else 2 * DIGIT_HEIGHT,
        "gap_right": right[0] - x - width if len(right) else 2 * DIGIT_HEIGHT,
        "ink_share": DIGIT_HEIGHT * np.count_nonzero(own) / max(width * height, 1),
        "stroke": stroke_width(own),
    }
    return np.clip(np.array([values[name] for name in GEOMETRY], np.float32) / DIGIT_HEIGHT, -2.0, 3.0)


class _Scenes:
    """A line of handwriting in which things stand between digits, or alone."""

    def __init__(self, digits: NDArray[np.uint8], rng: np.random.Generator) -> None:
        self.digits = digits
        self.rng = rng

    def digit(self) -> Ink:
        """Ink of a random digit at the height of the line, cut to its box."""
        picture = self.digits[self.rng.integers(len(self.digits))]
        x, y, width, height = cv2.boundingRect(np.asarray(picture > 40, np.uint8))
        cut = picture[y : y + height, x : x + width]
        factor = DIGIT_HEIGHT * self.rng.uniform(0.85, 1.15) / max(height, 0.5 * width, 1)
        big = cv2.resize(cut, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        return np.where(big > 60, big, 0).astype(np.uint8)

    def place(self, ink: Ink, left: int, canvas: Ink | None = None) -> Ink:
        """Stand ink on the base line of a scene, a little above or below it."""
        canvas = np.zeros(SCENE, np.uint8) if canvas is None else canvas
        top = BASE - ink.shape[0] + round(self.rng.normal(0, 0.04) * DIGIT_HEIGHT)
        view = canvas[top : top + ink.shape[0], left : left + ink.shape[1]]
        np.maximum(view, ink[: view.shape[0], : view.shape[1]], out=view)
        return canvas

    def among_digits(self, own: Ink) -> Ink:
        """Write a digit on either side of what a scene holds."""
        columns = np.flatnonzero(own.any(axis=0))
        canvas = np.zeros(SCENE, np.uint8)
        first, last = (int(columns[0]), int(columns[-1])) if len(columns) else (SCENE[1] // 2, SCENE[1] // 2)
        before, after = self.digit(), self.digit()
        gaps = np.rint(self.rng.uniform(0.08, 0.5, 2) * DIGIT_HEIGHT).astype(int)
        self.place(before, max(0, first - int(gaps[0]) - before.shape[1]), canvas)
        self.place(after, min(last + int(gaps[1]), SCENE[1] - after.shape[1]), canvas)
        return np.where(own > 0, 0, canvas).astype(np.uint8)

    def draw(self, strokes: Strokes, thickness: float | None = None) -> Ink:
        """Write strokes with a pen in the middle of a scene."""
        size = self.rng.uniform(0.85, 1.15) * DIGIT_HEIGHT
        width = (thickness or self.rng.uniform(0.06, 0.14)) * DIGIT_HEIGHT
        slant = self.rng.normal(0, 0.12)
        moved = []
        for stroke in strokes:
            points = stroke.astype(np.float32) + self.rng.normal(0, 0.015, stroke.shape).astype(np.float32)
            x, y = points[:, 0] - slant * points[:, 1], points[:, 1]
            moved.append(np.stack([x * size + SCENE[1] / 2, y * size + BASE], axis=1).astype(np.float32))
        ink, (left, top) = pen.draw(moved, width, self.rng)
        canvas = np.zeros(SCENE, np.uint8)
        y0, x0 = max(top, 0), max(left, 0)
        view = canvas[y0 : top + ink.shape[0], x0 : left + ink.shape[1]]
        view[:] = ink[y0 - top : y0 - top + view.shape[0], x0 - left : x0 - left + view.shape[1]]
        return canvas

    def perhaps_among_digits(self, own: Ink) -> tuple[Ink, Ink, bool]:
        """Let it stand alone in one of three scenes, and between two digits otherwise."""
        if self.rng.random() < 1 / 3:
            return own, np.zeros_like(own), False
        return own, self.among_digits(own), True


def _half(scenes: _Scenes) -> tuple[Ink, Ink, bool]:
    """A part of a digit beside the rest of it: cut down as a segmenter cuts, or across as a stroke breaks.

    Each part holds 40 to 60 % of the ink. A one has no half but across: down its stroke nothing would cut it.
    """
    while True:
        ink = scenes.digit()
        down = scenes.rng.random() < 0.75 and ink.shape[1] > 0.4 * ink.shape[0]
        share = scenes.rng.uniform(0.4, 0.6)
        rows, columns = np.indices(ink.shape)
        tilt = scenes.rng.uniform(-0.25, 0.75) if down else scenes.rng.normal(0, 0.1)
        along = np.asarray(columns + tilt * (rows - ink.shape[0] / 2) if down else rows + tilt * columns)
        first = along < np.quantile(along[ink > 96], share)
        own, rest = np.where(first, ink, 0).astype(np.uint8), np.where(first, 0, ink).astype(np.uint8)
        if scenes.rng.random() < 0.5:
            own, rest = rest, own
        if np.count_nonzero(own > 96) >= 0.35 * np.count_nonzero(ink > 96):
            break
    left = SCENE[1] // 2
    state = scenes.rng.bit_generator.state
    own = scenes.place(own, left)
    # Both parts stand where the digit stood.
    scenes.rng.bit_generator.state = state
    rest = scenes.place(rest, left)
    if scenes.rng.random() < 0.5:
        rest = np.maximum(rest, scenes.among_digits(np.maximum(own, rest)))
    return own, rest, True


def _half_alone(scenes: _Scenes) -> tuple[Ink, Ink, bool]:
    """A part of a digit of which nothing else is to be seen: a person could often not tell it from a digit."""
    own, _, _ = _half(scenes)
    return own, np.zeros_like(own), False


def _pair(scenes: _Scenes) -> tuple[Ink, Ink, bool]:
    """Two digits, touching or nearly so, taken for one."""
    first, second = scenes.digit(), scenes.digit()
    left = SCENE[1] // 2 - first.shape[1]
    own = scenes.place(first, left)
    own = scenes.place(second, SCENE[1] // 2 + round(scenes.rng.uniform(-0.06, 0.08) * DIGIT_HEIGHT), own)
    if scenes.rng.random() < 0.5:
        return own, np.zeros_like(own), True
    return own, scenes.among_digits(own), True


def _line(*points: tuple[float, float]) -> NDArray[np.float32]:
    return np.array(points, np.float32)


def _arc(x: float, y: float, radius: float, start: float, stop: float, stretch: float = 1.0) -> NDArray[np.float32]:
    """Part of an ellipse; angles in degrees, clockwise from the right; `stretch` times as high as wide."""
    angles = np.radians(np.linspace(start, stop, 24))
    return np.stack([x + radius * np.cos(angles), y + stretch * radius * np.sin(angles)], axis=1).astype(np.float32)


def _dot(y: float = -0.03) -> NDArray[np.float32]:
    return _line((0, y), (0.015, y + 0.02), (0.02, y))


MARKS: Mapping[str, Callable[[], Strokes]] = MappingProxyType(
    {
        ".": lambda: [_dot()],
        ",": lambda: [_line((0.03, -0.08), (0.03, 0.02), (-0.05, 0.16))],
        ":": lambda: [_dot(), _dot(-0.5)],
        ";": lambda: [_dot(-0.5), _line((0.03, -0.08), (-0.05, 0.16))],
        "-": lambda: [_line((-0.25, -0.45), (0.25, -0.47))],
        "=": lambda: [_line((-0.25, -0.35), (0.25, -0.36)), _line((-0.25, -0.58), (0.25, -0.6))],
        "+": lambda: [_line((-0.3, -0.5), (0.3, -0.5)), _line((0, -0.8), (0, -0.2))],
        "x": lambda: [_line((-0.25, -0.75), (0.25, -0.2)), _line((0.25, -0.75), (-0.25, -0.2))],
        "*": lambda: [
            _line((0, -0.9), (0, -0.4)),
            _line((-0.22, -0.8), (0.22, -0.5)),
            _line((-0.22, -0.5), (0.22, -0.8)),
        ],
        "?": lambda: [np.concatenate([_arc(0, -0.75, 0.22, -170, 80), _line((0, -0.4), (0, -0.25))]), _dot()],
        "!": lambda: [_line((0.02, -1.0), (0, -0.28)), _dot()],
        "#": lambda: [
            _line((-0.12, -0.9), (-0.2, -0.05)),
            _line((0.2, -0.9), (0.1, -0.05)),
            _line((-0.35, -0.62), (0.35, -0.66)),
            _line((-0.37, -0.3), (0.33, -0.34)),
        ],
        "%": lambda: [
            _line((0.32, -0.95), (-0.32, 0)),
            _arc(-0.26, -0.76, 0.13, 0, 365, 1.3),
            _arc(0.26, -0.18, 0.13, 0, 365, 1.3),
        ],
        "(": lambda: [_arc(0.35, -0.5, 0.35, 250, 110, 1.7)],
        ")": lambda: [_arc(-0.35, -0.5, 0.35, -70, 70, 1.7)],
        '"': lambda: [_line((-0.08, -1.0), (-0.1, -0.75)), _line((0.08, -1.0), (0.06, -0.75))],
        "~": lambda: [np.concatenate([_arc(-0.15, -0.45, 0.15, 180, 360, 0.8), _arc(0.15, -0.45, 0.15, 180, 0, 0.8)])],
    }
)
"""Punctuation and signs; a slash and an upright stroke are left out: by themselves they are ones."""


def _mark(scenes: _Scenes) -> tuple[Ink, Ink, bool]:
    names = list(MARKS)
    return scenes.perhaps_among_digits(scenes.draw(MARKS[names[scenes.rng.integers(len(names))]]()))


def _remains(scenes: _Scenes) -> tuple[Ink, Ink, bool]:
    """What is left of printed lines: rules, corners, crossings, sides of boxes and teeth of combs, dashes.

    An upright line by itself is a one, so these stand between digits, whose height they pass.
    """
    rng = scenes.rng
    long, high = rng.uniform(0.5, 1.6), rng.uniform(1.25, 1.7)
    y = rng.choice([rng.uniform(-0.1, 0.25), rng.uniform(-1.4, -1.1)])
    rule = _line((-long / 2, y), (long / 2, y))
    post = _line((0, -0.5 - high / 2), (0, -0.5 + high / 2))
    corner = _line((-long / 2, y), (0, y), (0, y + rng.choice([-1, 1]) * rng.uniform(0.3, 0.9)))
    shapes: tuple[Strokes, ...] = (
        [rule],
        [rule, rule + np.array([0, 0.15], np.float32)],
        [corner],
        [rule, _line((0, y - rng.uniform(0.1, 0.5)), (0, y + rng.uniform(0.1, 0.5)))],
        [_line((left, y), (left + 0.12, y)) for left in np.arange(-long / 2, long / 2, 0.25).tolist()],
        [post],
    )
    own = scenes.draw(shapes[rng.integers(len(shapes))], thickness=float(rng.uniform(0.03, 0.08)))
    return own, scenes.among_digits(own), True


def _speck(scenes: _Scenes) -> tuple[Ink, Ink, bool]:
    """Dirt: one to six specks of a few pixels, by themselves or beside digits."""
    own = np.zeros(SCENE, np.uint8)
    for _ in range(int(scenes.rng.integers(1, 7))):
        place = scenes.rng.uniform(-0.35, 0.35, 2) * DIGIT_HEIGHT + (SCENE[1] / 2, BASE - DIGIT_HEIGHT / 2)
        axes = np.maximum(1, np.rint(scenes.rng.uniform(0.5, 3.0, 2))).astype(int)
        cv2.ellipse(
            own,
            (round(place[0]), round(place[1])),
            (int(axes[0]), int(axes[1])),
            float(scenes.rng.uniform(0, 180)),
            0,
            360,
            int(scenes.rng.integers(120, 256)),
            -1,
            cv2.LINE_AA,
        )
    return scenes.perhaps_among_digits(own)


def _blank(scenes: _Scenes) -> tuple[Ink, Ink, bool]:
    """An empty cell, or one with no more than the grain of its paper."""
    if scenes.rng.random() < 0.5:
        empty = np.zeros(SCENE, np.uint8)
        return empty, empty, False
    noise = scenes.rng.normal(0, 1, (DIGIT_HEIGHT, DIGIT_HEIGHT)).astype(np.float32)
    grain = cv2.GaussianBlur(noise, (0, 0), float(scenes.rng.uniform(0.5, 2.0)))
    own = np.zeros(SCENE, np.uint8)
    level = float(np.quantile(grain, scenes.rng.uniform(0.85, 0.98)))
    shade = np.where(grain > level, np.clip(120 + 300 * (grain - level), 120, 255), 0).astype(np.uint8)
    own = scenes.place(shade, SCENE[1] // 2, own)
    return own, np.zeros_like(own), False


KINDS: Mapping[str, Maker] = MappingProxyType(
    {
        "halves": _half,
        "pairs": _pair,
        "punctuation": _mark,
        "line remains": _remains,
        "specks": _speck,
        "blanks": _blank,
        "halves seen alone": _half_alone,
    }
)
"""Makers by the kind's name."""
