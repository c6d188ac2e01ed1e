"""Pages laid out of real handwriting: amounts of a set whose labels have boxes, whole or in part, beside words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.readings import Box

WIDTH, HEIGHT = 1500, 1900
MARGIN = 110
KINDS = ("list", "words", "columns", "table", "squared", "prose")


@dataclass(frozen=True, slots=True)
class Number:
    """A number in the handwriting of one person.

    Attributes:
        text: Its digits.
        ink: How much of the paper's light the ink takes, (H, W) float32, 0 to 1.
    """

    text: str
    ink: NDArray[np.float32]


@dataclass(slots=True)
class Page:
    """A page being written.

    Attributes:
        ink: As in `Number`, (H, W) float32.
        numbers: What was written where: left, top, width, height.
        words: Where words stand.
    """

    ink: NDArray[np.float32]
    numbers: list[tuple[str, Box]] = field(default_factory=list)
    words: list[Box] = field(default_factory=list)

    def write(self, ink: NDArray[np.float32], left: int, top: int) -> Box:
        """Put ink onto the page."""
        height, width = ink.shape
        window = self.ink[top : top + height, left : left + width]
        np.maximum(window, ink[: window.shape[0], : window.shape[1]], out=window)
        return left, top, width, height


def as_ink(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Divide a picture by its paper: 0 where it is as light as what surrounds it, 1 where it is black.

    Args:
        picture: Grey (H, W), dark on light.
    """
    size = 2 * (max(picture.shape) // 6) + 1
    paper = cv2.morphologyEx(cv2.GaussianBlur(picture, (0, 0), 1.0), cv2.MORPH_CLOSE, np.ones((size, size), np.uint8))
    ratio = picture.astype(np.float32) / np.maximum(paper, 1)
    # What is hardly darker than the paper is its pattern.
    return np.clip((0.86 - ratio) / 0.6, 0.0, 1.0).astype(np.float32)


def load_numbers(folder: Path, rng: np.random.Generator) -> Iterator[Number]:
    """Draw amounts whole, or some neighbouring digits of them where these do not reach over others."""
    rows = [json.loads(line) for line in (folder / "labels.jsonl").read_text("utf-8").splitlines()]
    rows = [row for row in rows if row.get("boxes") and len(row["boxes"]) == len(row["lines"][0])]
    while True:
        row = rows[rng.integers(len(rows))]
        picture = cv2.imread(str(folder / row["file"]), cv2.IMREAD_GRAYSCALE)
        assert picture is not None
        ink = as_ink(np.asarray(picture, np.uint8))
        boxes = sorted(row["boxes"])
        text = row["lines"][0]
        first, last = 0, len(boxes) - 1
        if rng.random() < 0.5:
            first, last = sorted(int(place) for place in rng.integers(len(boxes), size=2))
        left, right = boxes[first][0], max(box[0] + box[2] for box in boxes[first : last + 1])
        others = boxes[:first] + boxes[last + 1 :]
        if any(box[0] < right - 1 and box[0] + box[2] > left + 1 for box in others):
            continue
        top, bottom = (
            min(box[1] for box in boxes[first : last + 1]),
            max(box[1] + box[3] for box in boxes[first : last + 1]),
        )
        cut = ink[max(top - 2, 0) : bottom + 2, max(left - 1, 0) : right + 1]
        scale = float(rng.uniform(0.8, 1.3))
        yield Number(text[first : last + 1], cv2.resize(cut, None, fx=scale, fy=scale).astype(np.float32))


def load_words(path: Path, rng: np.random.Generator) -> Iterator[NDArray[np.float32]]:
    """Draw words, in height like the digits."""
    with np.load(path) as archive:
        pictures = archive["x"]
    while True:
        ink = as_ink(pictures[rng.integers(len(pictures))])
        columns, rows = np.flatnonzero(ink.max(axis=0) > 0.3), np.flatnonzero(ink.max(axis=1) > 0.3)
        if columns.size and rows.size:
            cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            scale = float(rng.uniform(0.8, 1.2))
            yield cv2.resize(cut, None, fx=scale, fy=scale).astype(np.float32)


def compose(
    kind: str, numbers: Iterator[Number], words: Iterator[NDArray[np.float32]], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], Page]:
    """Write one page.

    Args:
        kind: One of `KINDS`.
        numbers: Amounts to take.
        words: Words to take.
        rng: Source of chance.

    Returns:
        The scan, grey (H, W), and what stands where.
    """
    page = Page(np.zeros((HEIGHT, WIDTH), np.float32))
    pitch = int(rng.integers(95, 130))
    columns = int(rng.integers(3, 6)) if kind in ("columns", "table", "squared") else 1
    room = (WIDTH - 2 * MARGIN) // columns
    for base in range(MARGIN + pitch, HEIGHT - MARGIN, pitch):
        if kind in ("words", "prose"):
            _sentence(page, numbers, words, base, rng, 0.4 if kind == "words" else 0.0)
            continue
        for column in range(columns):
            left, right = MARGIN + column * room, MARGIN + (column + 1) * room
            if columns > 1 and rng.random() < 0.15:
                continue
            if columns > 1 and column == 0 and rng.random() < 0.7:
                word = _fitting(next(words), room - 20, pitch - 12)
                page.words.append(page.write(word, left + 10, base - 8 - word.shape[0]))
                continue
            number = next(numbers)
            ink = _fitting(number.ink, room - 30, pitch - 12)
            shift = int(rng.integers(8, max(9, right - left - ink.shape[1] - 8)))
            box = page.write(ink, left + (shift if columns > 1 else int(rng.integers(8, 120))), base - 6 - ink.shape[0])
            page.numbers.append((number.text, box))
    ruled = np.zeros_like(page.ink)
    if kind == "squared":
        for y in range(MARGIN, HEIGHT - MARGIN, pitch // 3):
            cv2.line(ruled, (MARGIN, y), (WIDTH - MARGIN, y), 1.0, 1)
        for x in range(MARGIN, WIDTH - MARGIN, pitch // 3):
            cv2.line(ruled, (x, MARGIN), (x, HEIGHT - MARGIN), 1.0, 1)
    elif kind == "table" or rng.random() < 0.5:
        weight = int(rng.integers(1, 4))
        for base in range(MARGIN, HEIGHT - MARGIN, pitch):
            cv2.line(ruled, (MARGIN, base), (WIDTH - MARGIN, base), 1.0, weight)
        if kind == "table":
            for column in range(columns + 1):
                x = MARGIN + column * room
                cv2.line(ruled, (x, MARGIN), (x, HEIGHT - MARGIN), 1.0, weight)
    return _scan(np.maximum(page.ink, float(rng.uniform(0.35, 0.8)) * ruled), rng), page


def _sentence(
    page: Page,
    numbers: Iterator[Number],
    words: Iterator[NDArray[np.float32]],
    base: int,
    rng: np.random.Generator,
    share: float,
) -> None:
    """Write words with numbers among them until the row is full."""
    x = MARGIN + int(rng.integers(0, 40))
    while True:
        number = next(numbers) if rng.random() < share else None
        ink = next(words) if number is None else number.ink
        ink = _fitting(ink, 500, 84)
        if x + ink.shape[1] > WIDTH - MARGIN:
            return
        box = page.write(ink, x, base - 6 - ink.shape[0])
        if number is None:
            page.words.append(box)
        else:
            page.numbers.append((number.text, box))
        x += ink.shape[1] + int(rng.integers(45, 120))


def _fitting(ink: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Make ink smaller where it is wider or higher than its place."""
    scale = min(1.0, width / ink.shape[1], height / ink.shape[0])
    return (
        ink
        if scale >= 1
        else cv2.resize(ink, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.float32)
    )


def _scan(ink: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Let light fall onto a page and photograph it."""
    shade = np.linspace(float(rng.uniform(0.8, 1.0)), 1.0, ink.shape[1], dtype=np.float32)
    paper = float(rng.uniform(200, 245)) * shade
    darkest = float(rng.uniform(0.55, 0.9))
    light = paper * (1.0 - darkest * ink) + rng.normal(0.0, float(rng.uniform(1.0, 5.0)), ink.shape)
    return np.clip(light, 0, 255).astype(np.uint8)
