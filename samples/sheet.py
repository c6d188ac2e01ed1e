"""A sheet of paper that is printed on, written on by hand, and then scanned or photographed."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from training.handwriting import Hand, draw_hand, write_string

Colour = tuple[int, int, int]
"""Blue, green, red, 0 to 255."""
Page = NDArray[np.uint8]
"""(H, W, 3) BGR."""

WHITE: Final[Colour] = (247, 249, 250)
CREAM: Final[Colour] = (218, 236, 242)
BLACK: Final[Colour] = (40, 36, 34)
BLUE: Final[Colour] = (140, 62, 34)
PRINT: Final[Colour] = (62, 58, 56)
PENCIL: Final[Colour] = (118, 116, 114)
DROP_OUT: Final[Colour] = (120, 150, 236)
_BELOW_BASE_LINE: Final = frozenset("fgjpqyQ,")


def legible_hand(rng: np.random.Generator) -> Hand:
    """Draw a writer who fills in forms with a ball pen and wants to be read."""
    hand = draw_hand(rng)
    return replace(
        hand,
        slant=float(np.clip(hand.slant, -0.1, 0.35)),
        aspect=float(np.clip(hand.aspect, 0.85, 1.15)),
        personality=min(hand.personality, 0.03),
        sloppiness=min(hand.sloppiness, 0.014),
        haste=min(hand.haste, 0.035),
        tremor=min(hand.tremor, 0.003),
        constancy=max(hand.constancy, 0.95),
        round_size=float(np.clip(hand.round_size, 0.85, 1.0)),
        size_jitter=min(hand.size_jitter, 0.06),
        gap=float(rng.uniform(0.1, 0.25)),
        gap_jitter=min(hand.gap_jitter, 0.04),
        joining=0.0,
        climb=float(np.clip(hand.climb, -0.015, 0.015)),
        pen_width=float(rng.uniform(0.07, 0.1)),
        pen=replace(hand.pen, darkness=float(rng.uniform(0.85, 1.0)), fading=min(hand.pen.fading, 0.25), grain=0.0),
    )


class Sheet:
    """Paper under construction; coordinates are pixels from the left top corner.

    Args:
        width: Pixels.
        height: Pixels.
        rng: Source of every irregularity of the sheet.
        paper: Colour of the paper.
    """

    def __init__(self, width: int, height: int, rng: np.random.Generator, paper: Colour = WHITE) -> None:
        self.rng = rng
        fibres = rng.normal(0, 1.2, (height // 3, width // 3)).astype(np.float32)
        fibres = np.asarray(cv2.resize(fibres, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
        self.colours = _bytes(np.array(paper, np.float32) + fibres[..., None])

    def line(
        self, start: tuple[float, float], end: tuple[float, float], colour: Colour = PRINT, width: int = 2
    ) -> None:
        """Print a straight line."""
        first, last = (tuple(round(value * 16) for value in point) for point in (start, end))
        cv2.line(self.colours, first, last, colour, width, cv2.LINE_AA, 4)

    def box(self, x: float, y: float, width: float, height: float, colour: Colour = PRINT, line_width: int = 2) -> None:
        """Print a frame."""
        corners = ((x, y), (x + width, y), (x + width, y + height), (x, y + height))
        for start, end in zip(corners, (*corners[1:], corners[0]), strict=True):
            self.line(start, end, colour, line_width)

    def comb(self, x: float, y: float, cells: int, pitch: float, height: float, colour: Colour = PRINT) -> None:
        """Print a base line with upright dividers."""
        self.line((x, y + height), (x + cells * pitch, y + height), colour)
        for index in range(cells + 1):
            top = y if index in (0, cells) else y + 0.55 * height
            self.line((x + index * pitch, top), (x + index * pitch, y + height), colour)

    def grid(
        self, x: float, y: float, rows: int, columns: int, size: tuple[float, float], colour: Colour = PRINT
    ) -> None:
        """Print a ruled grid; ``size`` is the width and height of a cell."""
        width, height = size
        for row in range(rows + 1):
            self.line((x, y + row * height), (x + columns * width, y + row * height), colour)
        for column in range(columns + 1):
            self.line((x + column * width, y), (x + column * width, y + rows * height), colour)

    def label(self, text: str, x: int, y: int, size: float = 0.8, colour: Colour = PRINT, weight: int = 1) -> None:
        """Print text with its base line at ``y``."""
        cv2.putText(self.colours, text, (x, y), cv2.FONT_HERSHEY_DUPLEX, size, colour, weight, cv2.LINE_AA)

    def write(
        self, text: str, x: float, y: float, height: int, hand: Hand, colour: Colour = BLACK, pitch: float | None = None
    ) -> int:
        """Write by hand from ``x`` on the base line ``y``; digits are ``height`` pixels tall.

        With a ``pitch`` the middles of the characters lie that far apart, the first half a pitch from ``x``.

        Returns:
            Where the writing ends, in pixels from the left.
        """
        ink, masks = write_string(text, hand, self.rng, height, pitch)
        bottoms = [
            int(np.flatnonzero(mask.max(axis=1) > 24)[-1])
            for character, mask in zip(text, masks, strict=True)
            if character not in _BELOW_BASE_LINE and mask.max() > 24
        ]
        top = round(y - np.median(bottoms))
        left = round(x)
        if pitch is not None:
            columns = np.flatnonzero(masks[0].max(axis=0) > 24)
            left = round(x + 0.5 * pitch - 0.5 * (columns[0] + columns[-1]))
        bottom, right = top + ink.shape[0], left + ink.shape[1]
        if top < 0 or left < 0 or bottom > self.colours.shape[0] or right > self.colours.shape[1]:
            raise ValueError("the writing runs off the sheet")
        cover = ink.astype(np.float32)[..., None] / 255
        under = self.colours[top:bottom, left:right]
        self.colours[top:bottom, left:right] = _bytes(under * (1 - cover) + np.array(colour, np.float32) * cover)
        return int(right)

    def security_print(self, colour: Colour, strength: float) -> None:
        """Print the fine waves of a cheque over the whole sheet."""
        height, width = self.colours.shape[:2]
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        cover = np.zeros((height, width), np.float32)
        for angle, period, length in ((0.25, 9.0, 46.0), (-0.3, 11.0, 70.0)):
            across = y * np.cos(angle) - x * np.sin(angle) + 6 * np.sin(x / length)
            cover = np.maximum(cover, np.clip(np.sin(2 * np.pi * across / period) - 0.45, 0, 1))
        cover = (strength * cover)[..., None]
        self.colours = _bytes(self.colours * (1 - cover) + np.array(colour, np.float32) * cover)


def scan(sheet: Sheet, skew: float = 0.0, grey: bool = False, noise: float = 2.0, blur: float = 0.7) -> Page:
    """Lay a sheet on a flatbed scanner.

    Args:
        sheet: What is scanned.
        skew: Degrees by which it lies askew, counter-clockwise.
        grey: Whether the scanner gives shades of grey.
        noise: Standard deviation of the sensor's noise.
        blur: Standard deviation of its blur in pixels.
    """
    rng, (height, width) = sheet.rng, sheet.colours.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), skew, 1.0)
    lid = tuple(float(value) for value in np.median(sheet.colours[:: height // 40], axis=(0, 1)) - 3)
    picture = cv2.warpAffine(sheet.colours, turn, (width, height), flags=cv2.INTER_CUBIC, borderValue=lid)
    picture = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), blur)
    # The lid never closes quite: light falls off towards one edge.
    fall_off = 1 - 0.10 * np.exp(-np.arange(width, dtype=np.float32) / (0.03 * width))
    lamp = np.linspace(1.0, rng.uniform(0.95, 0.99), height, dtype=np.float32)
    picture *= (lamp[:, None] * fall_off)[..., None]
    for _ in range(int(rng.integers(4, 14))):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        cv2.circle(picture, centre, 1, (150, 150, 150), -1)
    return _sense(np.asarray(picture, np.float32), rng, noise, grey)


def fax(sheet: Sheet, skew: float = 0.0) -> Page:
    """Send a sheet through a black-and-white scanner, whose pixels are 0 or 255."""
    picture = scan(sheet, skew, grey=True, noise=9.0, blur=0.8)
    return np.where(picture > 172, 255, 0).astype(np.uint8)


def photograph(sheet: Sheet, size: tuple[int, int], corners: NDArray[np.float32]) -> Page:
    """Take a picture of a sheet on a table with a phone, under uneven light.

    Args:
        sheet: What is photographed.
        size: Width and height of the picture.
        corners: (4, 2) where the corners of the sheet appear: left top, right top, right bottom, left bottom.
    """
    rng, (width, height) = sheet.rng, size
    sheet_height, sheet_width = sheet.colours.shape[:2]
    outline = np.array([[0, 0], [sheet_width, 0], [sheet_width, sheet_height], [0, sheet_height]], np.float32)
    view = cv2.getPerspectiveTransform(outline, corners)
    picture = _table(width, height, rng)
    cover = cv2.warpPerspective(np.ones((sheet_height, sheet_width), np.float32), view, size, flags=cv2.INTER_AREA)
    # The sheet casts a soft shadow to its right and downwards.
    shadow = cv2.GaussianBlur(np.roll(cover, (10, 10), (0, 1)), (0, 0), 9)
    picture *= (1 - 0.45 * shadow)[..., None]
    seen = cv2.warpPerspective(sheet.colours, view, size, flags=cv2.INTER_AREA).astype(np.float32)
    picture = picture * (1 - cover[..., None]) + seen * cover[..., None]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    light = 1.02 - 0.33 * x / width - 0.18 * y / height
    # The shadow of the hand that holds the phone.
    distance = np.hypot((x - 0.95 * width) / (0.55 * width), (y - 1.0 * height) / (0.5 * height))
    light *= 1 - 0.28 / (1 + np.exp((distance - 0.9) * 14))
    picture *= light[..., None] * np.array((0.90, 0.97, 1.0), np.float32)
    return _sense(np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.8), np.float32), rng, 3.0, grey=False)


def _table(width: int, height: int, rng: np.random.Generator) -> NDArray[np.float32]:
    grain = np.zeros((height, width), np.float32)
    for rows, columns, strength in ((height // 2, 12, 1.0), (height // 24, 6, 0.6)):
        grain += strength * cv2.resize(rng.normal(0, 1, (rows, columns)).astype(np.float32), (width, height))
    return np.asarray(np.array((62, 96, 138), np.float32) * (1 + 0.10 * grain[..., None]), np.float32)


def _sense(picture: NDArray[np.float32], rng: np.random.Generator, noise: float, grey: bool) -> Page:
    height, width = picture.shape[:2]
    if grey:
        shades = picture @ np.array((0.114, 0.587, 0.299), np.float32) + noise * rng.normal(0, 1, (height, width))
        return np.repeat(_bytes(shades)[..., None], 3, axis=2)
    return _bytes(picture + noise * rng.normal(0, 1, (height, width, 3)))


def _bytes(values: NDArray[np.floating]) -> Page:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
