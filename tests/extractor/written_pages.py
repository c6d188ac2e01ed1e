"""Pages written by the stroke-based generator, with boxes, lines, light and perspective put to them."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.preprocess import CleanPage, clean
from training.handwriting import draw_hand, write_string

Image = NDArray[np.uint8]
Box = tuple[int, int, int, int]


@dataclass
class Sheet:
    """A sheet of paper: ``ink`` is what is written, ``print`` what is printed, both 0..255 on 0."""

    width: int
    height: int
    seed: int = 9
    written: dict[str, Box] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ink = np.zeros((self.height, self.width), np.uint8)
        self.print = np.zeros_like(self.ink)
        self.rng = np.random.default_rng(self.seed)
        self.hand = draw_hand(np.random.default_rng(self.seed))

    def write(self, text: str, x: int, y: int, size: int = 60, pitch: float | None = None, faint: float = 1.0) -> Box:
        """Write a string with its upper left corner at x, y; return its box."""
        ink, _ = write_string(text, self.hand, self.rng, size, pitch)
        height, width = ink.shape
        target = self.ink[y : y + height, x : x + width]
        cv2.max(target, (ink * faint).astype(np.uint8)[: target.shape[0], : target.shape[1]], target)
        box = (x, y, width, height)
        self.written[text] = box
        return box

    def rule(self, start: tuple[int, int], end: tuple[int, int], thickness: int = 3, grey: int = 255) -> None:
        """Print a line."""
        cv2.line(self.print, start, end, grey, thickness, cv2.LINE_AA)

    def box(self, x: int, y: int, width: int, height: int, thickness: int = 3) -> None:
        """Print a box."""
        cv2.rectangle(self.print, (x, y), (x + width, y + height), 255, thickness)

    def table(self, xs: list[int], ys: list[int], thickness: int = 3, grey: int = 255) -> None:
        """Print a table with lines at the given places."""
        for x in xs:
            self.rule((x, ys[0]), (x, ys[-1]), thickness, grey)
        for y in ys:
            self.rule((xs[0], y), (xs[-1], y), thickness, grey)

    def image(self, paper: float = 235, black: float = 30, noise: float = 2.0) -> Image:
        """Photograph the sheet."""
        ink = np.maximum(self.ink, self.print).astype(np.float32) / 255
        grey = paper - (paper - black) * ink + self.rng.normal(0, noise, ink.shape).astype(np.float32)
        return np.clip(grey, 0, 255).astype(np.uint8)

    def clean(self) -> CleanPage:
        """The sheet without its paper."""
        return clean(self.image())


COMBS = ("2038471", "95106284")
"""What stands in the combs of `combs_on_a_page`."""


def combs_on_a_page(*, is_open: bool, seed: int = 3) -> Sheet:
    """Two combs whose dividers are broken, or of which there are teeth only."""
    sheet = Sheet(1100, 560, seed=seed)
    for y, text in zip((100, 320), COMBS, strict=True):
        columns = list(range(150, 151 + 60 * len(text), 60))
        sheet.rule((columns[0], y + 80), (columns[-1], y + 80), 2)
        if not is_open:
            sheet.rule((columns[0], y), (columns[-1], y), 2)
        for number, x in enumerate(columns):
            if is_open:
                sheet.rule((x, y + (0 if x in (columns[0], columns[-1]) else 58)), (x, y + 80), 3)
            else:
                gap = y + 26 + 9 * (number % 3)
                sheet.rule((x, y), (x, gap), 4)
                sheet.rule((x, gap + 14), (x, y + 80), 4)
        sheet.write(text, 168, y + 18, size=40, pitch=60)
    return sheet


def rotated(image: Image, degrees: float, fill: int = 235) -> Image:
    """Turn a picture about its middle."""
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    return cv2.warpAffine(image, turn, (width, height), flags=cv2.INTER_LINEAR, borderValue=fill).astype(np.uint8)


def near(found: Box, expected: Box, slack: int) -> bool:
    """Whether two boxes are the same but for ``slack`` pixels at each side."""
    edges = [(box[0], box[1], box[0] + box[2], box[1] + box[3]) for box in (found, expected)]
    return all(abs(a - b) <= slack for a, b in zip(*edges, strict=True))
