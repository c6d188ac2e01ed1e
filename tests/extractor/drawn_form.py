"""A form of every kind of field, drawn and filled in, with its template."""

from __future__ import annotations

import cv2
import numpy as np

from extractor.templates import Template, TemplateSource, parse_template
from tests.extractor.drawn import neat_hand
from training.handwriting import write_string

WIDTH, HEIGHT, DPI = 1240, 1000, 150
TEXT = f"""\
version = 1
name = "order"
page = {{ width = {WIDTH}, height = {HEIGHT}, dpi = {DPI} }}
anchors = [
  {{ kind = "square", box = [40, 40, 40, 40] }},
  {{ kind = "square", box = [1160, 40, 40, 40] }},
  {{ kind = "square", box = [40, 920, 40, 40] }},
  {{ kind = "square", box = [1160, 920, 40, 40] }},
]
[[fields]]
name = "customer"
box = [420, 120, 460, 84]
digits = 6
[[fields]]
name = "amount"
box = [420, 260, 480, 80]
cells = 6
digits = "1-6"
[[fields]]
name = "shipping"
box = [420, 400, 300, 84]
digits = "1-4"
optional = true
[[fields]]
name = "total"
box = [420, 540, 460, 84]
digits = "1-6"
[[fields]]
name = "votes"
box = [420, 680, 480, 200]
grid = [2, 4]
[rules]
total = "amount + shipping"
"""


def template(text: str = TEXT, **codes: str) -> Template:
    return parse_template(TemplateSource("order.toml", text, codes))


def blank() -> np.ndarray:
    """The form as printed, (H, W) uint8."""
    page = np.full((HEIGHT, WIDTH), 247, np.uint8)
    for x in (40, 1160):
        for y in (40, 920):
            page[y : y + 40, x : x + 40] = 40
    for text, y in (("Customer", 175), ("Amount", 315), ("Shipping", 455), ("Total", 595), ("Votes", 780)):
        cv2.putText(page, text, (110, y), cv2.FONT_HERSHEY_DUPLEX, 1.0, 60, 1, cv2.LINE_AA)
    for y, width in ((120, 460), (400, 300), (540, 460)):
        cv2.rectangle(page, (420, y), (420 + width, y + 84), 60, 2)
    for column in range(7):
        cv2.line(page, (420 + 80 * column, 260), (420 + 80 * column, 340), 60, 2)
    for y in (260, 340):
        cv2.line(page, (420, y), (900, y), 60, 2)
    for column in range(5):
        cv2.line(page, (420 + 120 * column, 680), (420 + 120 * column, 880), 60, 2)
    for row in range(3):
        cv2.line(page, (420, 680 + 100 * row), (900, 680 + 100 * row), 60, 2)
    return page


def write(page: np.ndarray, text: str, x: int, y: int, height: int = 50) -> None:
    """Write a string by hand; `x`, `y` is the left end of its base line."""
    ink, _ = write_string(text, neat_hand(), np.random.default_rng(len(text) + x + y), height)
    rows = np.flatnonzero(ink.max(axis=1) > 24)
    part = ink[rows[0] : rows[-1] + 1, np.flatnonzero(ink.max(axis=0) > 24)[0] :]
    top = y - len(part)
    place = page[top:y, x : x + part.shape[1]]
    place[:] = np.minimum(place, 247 - (0.85 * part[:, : place.shape[1]]).astype(np.uint8))


def filled(
    customer: str = "407263", amount: str = "325", shipping: str = "40", total: str = "365", votes: str = "5  82 7 "
) -> np.ndarray:
    """The form filled in; in `votes` a space leaves its cell empty."""
    page = blank()
    for text, y in ((customer, 190), (shipping, 470), (total, 610)):
        if text:
            write(page, text, 445, y)
    for index, digit in enumerate(amount):
        write(page, digit, 444 + 80 * index, 328, 46)
    for index, digit in enumerate(votes):
        row, column = divmod(index, 4)
        if digit.isdigit():
            write(page, digit, 455 + 120 * column, 760 + 100 * row, 54)
    return page


def cross(page: np.ndarray, x: int, y: int, width: int, height: int) -> None:
    """Draw an X through a place."""
    cv2.line(page, (x, y), (x + width, y + height), 50, 4, cv2.LINE_AA)
    cv2.line(page, (x + width, y), (x, y + height), 50, 4, cv2.LINE_AA)
