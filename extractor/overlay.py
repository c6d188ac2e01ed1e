"""A page with what was read drawn on it, for checking at a glance."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.readings import Box, FieldReading, PageReading, Status

Colour = tuple[int, int, int]

# Okabe and Ito, "Color Universal Design" (2008): blue and orange stay apart in every common colour blindness.
_FILL: dict[Status, Colour] = {"accepted": (178, 114, 0), "review": (0, 159, 230), "blank": (150, 150, 150)}
_LETTERS: dict[Status, Colour] = {"accepted": (255, 255, 255), "review": (0, 0, 0), "blank": (0, 0, 0)}
_SMALLEST_SIDE = 640
_LETTER_HEIGHTS = (12, 0.025)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_CAPITAL_HEIGHT = 22


def draw(image: NDArray[np.uint8], reading: PageReading) -> NDArray[np.uint8]:
    """Draw boxes, digits and strings on a copy of a page.

    Blue stands for accepted, orange for review, grey for blank; a string for review also ends in a question mark, so
    nothing hangs on colour alone. Each string stands above, below or beside its box, wherever it covers least.

    Args:
        image: (H, W) grey or (H, W, 3) BGR: the page that was read.
        reading: What was read from it.

    Returns:
        (H', W', 3) BGR. A small image comes out enlarged by a whole number, so that the strings can be read, and one
        with no room for a string beside its boxes gets a white margin; otherwise the size is the page's.
    """
    enlargement = max(1, -(-_SMALLEST_SIDE // max(image.shape)))
    canvas = _colour_canvas(image, enlargement)
    height, width = canvas.shape[:2]
    boxes = [_on_canvas(field.box, enlargement, height, width) for field in reading.fields]
    line = max(1, round(max(height, width) / 1200))
    for field, box in zip(reading.fields, boxes, strict=True):
        for digit in field.digits:
            digit_box = _on_canvas(digit.box, enlargement, height, width)
            _outline(canvas, digit_box, _FILL[field.status], max(1, line // 2))
        _outline(canvas, box, _FILL[field.status], line if field.status == "blank" else 2 * line)
    labelled = [(field, box) for field, box in zip(reading.fields, boxes, strict=True) if field.text]
    letter = _letter_height([box for _, box in labelled], max(height, width))
    sizes = [_label_size(_text(field), letter) for field, _ in labelled]
    labels = _placed([box for _, box in labelled], sizes, boxes, (height, width), 2 * line)
    canvas, shift_x, shift_y = _with_room(canvas, labels)
    for (field, _), (x, y, w, h) in zip(labelled, labels, strict=True):
        _label(canvas, field, (x + shift_x, y + shift_y, w, h), letter)
    return canvas


def _colour_canvas(image: NDArray[np.uint8], enlargement: int) -> NDArray[np.uint8]:
    colour = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 else image.copy()
    if enlargement > 1:
        colour = cv2.resize(colour, None, fx=enlargement, fy=enlargement, interpolation=cv2.INTER_CUBIC)
    return np.asarray(colour, np.uint8)


def _letter_height(boxes: list[Box], longest_side: int) -> int:
    """Half a typical string's height, but neither too small to read nor larger than a heading of the page."""
    smallest, share = _LETTER_HEIGHTS
    typical = float(np.median([h for _, _, _, h in boxes])) if boxes else 0.0
    return round(max(smallest, min(share * longest_side, 0.5 * typical)))


def _placed(
    boxes: list[Box], sizes: list[tuple[int, int]], obstacles: list[Box], page: tuple[int, int], gap: int
) -> list[Box]:
    """Choose a place for each label, in reading order, where it covers the least of boxes and of earlier labels."""
    taken = np.array(obstacles, np.int64).reshape(-1, 4)
    placed: list[Box] = []
    for (x, y, w, h), (label_w, label_h) in zip(boxes, sizes, strict=True):
        spots = (
            (x, y - label_h - gap),
            (x, y + h + gap),
            (x + w + gap, y + (h - label_h) // 2),
            (x - label_w - gap, y + (h - label_h) // 2),
        )
        candidates = [(spot_x, spot_y, label_w, label_h) for spot_x, spot_y in spots]
        placed.append(min(candidates, key=lambda label: _cost(label, taken, page)))
        taken = np.vstack([taken, placed[-1]])
    return placed


def _cost(label: Box, taken: NDArray[np.int64], page: tuple[int, int]) -> float:
    """Return the area that a label covers of what is drawn already, and half of what lies off the page."""
    x, y, w, h = label
    height, width = page
    overlap_w = np.minimum(taken[:, 0] + taken[:, 2], x + w) - np.maximum(taken[:, 0], x)
    overlap_h = np.minimum(taken[:, 1] + taken[:, 3], y + h) - np.maximum(taken[:, 1], y)
    covered = float((np.maximum(overlap_w, 0) * np.maximum(overlap_h, 0)).sum())
    on_page = max(0, min(x + w, width) - max(x, 0)) * max(0, min(y + h, height) - max(y, 0))
    return covered + 0.5 * (w * h - on_page)


def _with_room(canvas: NDArray[np.uint8], labels: list[Box]) -> tuple[NDArray[np.uint8], int, int]:
    """Add white margins where labels stick out; return the canvas and how far its old corner moved right and down."""
    height, width = canvas.shape[:2]
    left = max([0, *(-x for x, _, _, _ in labels)])
    top = max([0, *(-y for _, y, _, _ in labels)])
    right = max([0, *(x + w - width for x, _, w, _ in labels)])
    bottom = max([0, *(y + h - height for _, y, _, h in labels)])
    if not (left or top or right or bottom):
        return canvas, 0, 0
    padded = cv2.copyMakeBorder(canvas, top, bottom, left, right, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    return np.asarray(padded, np.uint8), left, top


def _label(canvas: NDArray[np.uint8], field: FieldReading, box: Box, letter: int) -> None:
    x, y, w, h = box
    cv2.rectangle(canvas, (x, y), (x + w - 1, y + h - 1), _FILL[field.status], cv2.FILLED)
    cv2.putText(
        canvas,
        _text(field),
        (x + letter // 3, y + h - (h - letter) // 2),
        _FONT,
        letter / _FONT_CAPITAL_HEIGHT,
        _LETTERS[field.status],
        _stroke(letter),
        cv2.LINE_AA,
    )


def _label_size(text: str, letter: int) -> tuple[int, int]:
    """Return width and height of the plate behind a text with capitals of a height, in pixels."""
    (width, _), _ = cv2.getTextSize(text, _FONT, letter / _FONT_CAPITAL_HEIGHT, _stroke(letter))
    return int(width) + 2 * (letter // 3), 2 * (letter // 3) + letter


def _stroke(letter: int) -> int:
    return max(1, round(letter / 9))


def _text(field: FieldReading) -> str:
    return f"{field.text}?" if field.status == "review" else field.text


def _outline(canvas: NDArray[np.uint8], box: Box, colour: Colour, thickness: int) -> None:
    x, y, w, h = box
    cv2.rectangle(canvas, (x, y), (x + w - 1, y + h - 1), colour, thickness)


def _on_canvas(box: Box, enlargement: int, height: int, width: int) -> Box:
    """Return a box in pixels of the enlarged page, cut off at its edges."""
    x, y, w, h = (value * enlargement for value in box)
    left, top = min(max(x, 0), width - 1), min(max(y, 0), height - 1)
    return left, top, max(1, min(x + w, width) - left), max(1, min(y + h, height) - top)
