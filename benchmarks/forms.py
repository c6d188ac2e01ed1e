"""Forms to measure with: designs drawn from a seed, filled in by drawn hands, scanned, faxed and photographed.

Everything is drawn on the spot, so nothing of the data folder is needed. Pages are A4 at 300 dpi.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "samples"))

from sheet import BLACK, BLUE, Sheet, legible_hand

WIDTH, HEIGHT, DPI = 2480, 3508, 300
Box = tuple[int, int, int, int]
Kind = Literal["squares", "circles", "crosses", "aruco", "frame", "boxes", "reference"]
KINDS: tuple[Kind, ...] = ("squares", "circles", "crosses", "aruco", "frame", "boxes", "reference")
_TEXT = (
    "name date number account branch total amount order weight street town please write clearly in the boxes below "
    "office use only customer delivery parcel meter reading insured policy district member signature return sheet "
    "invoice paid received by agent copy keep one figure each without dashes units of issue counted stock remarks"
)
_WORDS = tuple(_TEXT.split())


@dataclass(frozen=True, slots=True)
class Field:
    """A field as it is printed: ``cells`` teeth of a comb or cells of a row, 0 for a plain frame."""

    name: str
    box: Box
    cells: int
    open_top: bool


@dataclass(frozen=True, slots=True)
class Design:
    """A form.

    Attributes:
        kind: What it is laid on its template by.
        seed: What its print was drawn from.
        anchors: Kind, box and ArUco id of its marks.
        frame: Its frame, when it has one.
        fields: What is to be read.
    """

    kind: Kind
    seed: int
    anchors: tuple[tuple[str, Box, int | None], ...]
    frame: Box | None
    fields: tuple[Field, ...]

    @property
    def name(self) -> str:
        """A name of its own."""
        return f"{self.kind}-{self.seed}"

    def toml(self, reference: str | None = None) -> str:
        """The template as a person would write it."""
        lines = ["version = 1", f'name = "{self.name}"']
        if reference is not None:
            lines.append(f'reference = "{reference}"')
        if self.frame is not None:
            lines.append(f"frame = {list(self.frame)}")
        lines += ["", "[page]", f"width = {WIDTH}", f"height = {HEIGHT}", f"dpi = {DPI}"]
        for kind, box, number in self.anchors:
            lines += ["", "[[anchors]]", f'kind = "{kind}"', f"box = {list(box)}"]
            lines += [] if number is None else [f"id = {number}"]
        for field in self.fields:
            lines += ["", "[[fields]]", f'name = "{field.name}"', f"box = {list(field.box)}"]
            lines += [f"cells = {field.cells}", f"digits = {field.cells}"] if field.cells else []
        return "\n".join(lines) + "\n"


def design(kind: Kind, seed: int) -> Design:
    """Lay out a form."""
    rng = np.random.default_rng((KINDS.index(kind), seed))
    anchors: list[tuple[str, Box, int | None]] = []
    margin, side = int(rng.integers(90, 170)), int(rng.integers(50, 80))
    corners = [(x, y) for y in (margin, HEIGHT - margin - side) for x in (margin, WIDTH - margin - side)]
    if kind == "aruco":
        anchors = [("aruco", (x, y, 2 * side, 2 * side), n) for n, (x, y) in enumerate(_inward(corners, side), 10)]
    elif kind in ("squares", "circles", "crosses"):
        mark = {"squares": "square", "circles": "circle", "crosses": "cross"}[kind]
        anchors = [(mark, (x, y, side, side), None) for x, y in corners]
    frame = (margin + 60, 420, WIDTH - 2 * margin - 120, HEIGHT - 900) if kind == "frame" else None
    fields: list[Field] = []
    top = 640 if kind != "reference" else 1200
    for row in range(int(rng.integers(7, 10))):
        y = top + row * 230 + int(rng.integers(0, 50))
        x = int(rng.integers(620, 800))
        while x < 1700 and y < 2900:
            cells = int(rng.integers(2, 10))
            pitch, height = int(rng.integers(68, 90)), int(rng.integers(90, 115))
            if x + cells * pitch > WIDTH - margin - 160:
                break
            plain = rng.random() < 0.4
            box = (x, y, cells * pitch, height)
            fields.append(Field(f"f{len(fields) + 1}", box, 0 if plain else cells, not plain and rng.random() < 0.4))
            x += cells * pitch + int(rng.integers(150, 300))
    return Design(kind, seed, tuple(anchors), frame, tuple(fields))


def _inward(corners: list[tuple[int, int]], side: int) -> list[tuple[int, int]]:
    """Move the larger marks of the right and of the bottom inward by their greater size."""
    return [(x - side * (x > WIDTH // 2), y - side * (y > HEIGHT // 2)) for x, y in corners]


def blank(form: Design) -> Sheet:
    """Print a form that nobody has filled in."""
    rng = np.random.default_rng((KINDS.index(form.kind), form.seed, 7))
    sheet = Sheet(WIDTH, HEIGHT, np.random.default_rng(form.seed))
    sheet.label(_words(rng, 3).upper(), 420, 320, float(rng.uniform(2.2, 3.2)), weight=5)
    for line in range(int(rng.integers(1, 4))):
        sheet.label(_words(rng, 9), 330, 470 + 60 * line, 1.3, weight=2)
    if form.kind == "reference":
        for line in range(9):
            sheet.label(_words(rng, 10), 330, 640 + 58 * line, 1.25, weight=2)
    for kind, (x, y, width, height), number in form.anchors:
        _mark(sheet, kind, x, y, width, height, number)
    if form.frame is not None:
        sheet.box(*form.frame, line_width=6)
    for field in form.fields:
        x, y, width, height = field.box
        sheet.label(_words(rng, 1), max(x - 260, 190) if x < 800 else x, y + 70 if x < 800 else y - 14, 1.3, weight=2)
        if not field.cells:
            sheet.box(x, y, width, height, line_width=4)
        elif field.open_top:
            sheet.comb(x, y, field.cells, width / field.cells, height)
        else:
            sheet.grid(x, y, 1, field.cells, (width / field.cells, height))
    for line in range(3):
        sheet.label(_words(rng, 8), 330, 3080 + 60 * line, 1.2, weight=2)
    return sheet


def _mark(sheet: Sheet, kind: str, x: int, y: int, width: int, height: int, number: int | None) -> None:
    picture = sheet.colours
    if kind == "square":
        picture[y : y + height, x : x + width] = 45
    elif kind == "circle":
        cv2.circle(picture, (x + width // 2, y + height // 2), width // 2, (45, 45, 45), -1, cv2.LINE_AA)
    elif kind == "cross":
        sheet.line((x, y + height / 2), (x + width, y + height / 2), width=8)
        sheet.line((x + width / 2, y), (x + width / 2, y + height), width=8)
    else:
        dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
        mark = cv2.aruco.generateImageMarker(dictionary, int(number or 0), width)
        picture[y : y + height, x : x + width] = np.maximum(mark, 45)[..., None]


def _words(rng: np.random.Generator, count: int) -> str:
    return " ".join(_WORDS[index] for index in rng.integers(0, len(_WORDS), count))


def fill(sheet: Sheet, form: Design, rng: np.random.Generator) -> Sheet:
    """Fill a form in by hand, most fields of it."""
    filled = Sheet.__new__(Sheet)
    filled.rng, filled.colours = rng, sheet.colours.copy()
    hand, colour = legible_hand(rng), BLUE if rng.random() < 0.5 else BLACK
    for field in form.fields:
        if rng.random() < 0.15:
            continue
        x, y, width, height = field.box
        count = field.cells or max(2, width // 90)
        text = "".join(str(digit) for digit in rng.integers(0, 10, count))
        pitch = width / count if field.cells else None
        size = int(height * rng.uniform(0.6, 0.75))
        left = x if field.cells else x + 20
        filled.write(text, left + rng.normal(0, 3), y + 0.86 * height + rng.normal(0, 4), size, hand, colour, pitch)
    return filled


@dataclass(frozen=True, slots=True)
class Capture:
    """A picture of a sheet.

    Attributes:
        picture: (h, w, 3) BGR.
        homography: Sheet pixels -> picture pixels, (3, 3) float64.
        device: ``scanner``, ``fax`` or ``phone``.
        turn: Degrees by which the sheet went in turned.
    """

    picture: NDArray[np.uint8]
    homography: NDArray[np.float64]
    device: str
    turn: int


def capture(page: NDArray[np.uint8], rng: np.random.Generator, device: str | None = None) -> Capture:
    """Scan, fax or photograph a sheet (H, W, 3): turned, askew, scaled, cut off, blurred, shadowed and compressed."""
    device = device or str(rng.choice(["scanner", "scanner", "phone", "fax"]))
    height, width = page.shape[:2]
    turn = int(rng.choice([0, 0, 90, 180, 270]))
    angle = np.deg2rad(turn + (rng.uniform(-15, 15) if device != "fax" else rng.uniform(-3, 3)))
    scale = float(np.exp(rng.uniform(np.log(0.5), np.log(1.0)))) if rng.random() < 0.9 else float(rng.uniform(1, 2))
    sx, sy = (scale, scale) if device != "fax" else (204 / 300, rng.choice([98, 196]) / 300)
    outline = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
    rotate = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    seen = (outline - (width / 2, height / 2)) @ rotate.T * (sx, sy)
    extent = np.ptp(seen, axis=0)
    if device == "phone":
        seen += rng.uniform(-0.07, 0.07, (4, 2)) * extent
        low, high = seen.min(axis=0) - 0.04 * extent, seen.max(axis=0) + 0.04 * extent
    else:
        # The bed of a scanner is as large as the sheet: a crooked sheet loses its corners.
        turned = (turn // 90) % 2 == 1
        bed = np.array((height * sx, width * sy) if turned else (width * sx, height * sy))
        low, high = -0.52 * bed, 0.52 * bed
    if rng.random() < 0.3:  # Five per cent of the sheet are cut off.
        side = int(rng.integers(4))
        ends = (seen.min(axis=0), seen.max(axis=0))
        if side < 2:
            low[side] = max(low[side], ends[0][side] + 0.05 * extent[side])
        else:
            high[side - 2] = min(high[side - 2], ends[1][side - 2] - 0.05 * extent[side - 2])
    size = tuple(int(value) for value in np.ceil(high - low))
    homography = cv2.getPerspectiveTransform(outline.astype(np.float32), (seen - low).astype(np.float32))
    # Pixel centres: sheet pixel 0 covers 0 to 1.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    homography = np.linalg.inv(half) @ homography @ half
    soft = cv2.GaussianBlur(page, (0, 0), max(0.3, 0.45 / min(sx, sy))) if min(sx, sy) < 0.9 else page
    ground = (235, 238, 240) if device != "phone" else (70, 100, 140)
    picture = cv2.warpPerspective(soft, homography, size, flags=cv2.INTER_LINEAR, borderValue=ground)
    values = picture.astype(np.float32)
    if device == "phone":
        values *= _light(size, rng)[..., None]
    values = cv2.GaussianBlur(values, (0, 0), float(rng.uniform(0.4, 1.3)))
    values += rng.normal(0, float(rng.uniform(1, 5)), values.shape[:2]).astype(np.float32)[..., None]
    picture = np.clip(values, 0, 255).astype(np.uint8)
    if device == "fax":
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        picture = cv2.cvtColor(np.where(grey > 165, 255, 0).astype(np.uint8), cv2.COLOR_GRAY2BGR)
    elif rng.random() < 0.7:
        _, data = cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, 40))
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return Capture(picture, homography, device, turn)


def _light(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """Uneven light with the shadow of a hand."""
    width, height = size
    y, x = np.mgrid[0:height:8, 0:width:8].astype(np.float32)
    light = 1.0 - rng.uniform(0, 0.35) * x / width - rng.uniform(0, 0.25) * y / height
    centre = rng.uniform(0, 1, 2) * (width, height)
    distance = np.hypot((x - centre[0]) / (0.5 * width), (y - centre[1]) / (0.4 * height))
    light *= 1 - rng.uniform(0.2, 0.55) / (1 + np.exp((distance - 0.8) * 16))
    return np.asarray(cv2.resize(light, size), np.float32)


def foreign(number: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A page that belongs to no template: another design, a blank sheet, a text, or a picture; (H, W, 3) BGR."""
    choice = number % 5
    if choice < 3:
        form = design(KINDS[number % len(KINDS)], 1000 + number)
        sheet = blank(form)
        return fill(sheet, form, rng).colours if choice else sheet.colours
    sheet = Sheet(WIDTH, HEIGHT, rng)
    if choice == 3 and rng.random() < 0.6:
        for line in range(48):
            sheet.label(_words(rng, 9), 300, 400 + 60 * line, 1.3, weight=2)
    if choice == 4:
        noise = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        for cells in (3, 8, 25, 90):
            patch = rng.normal(0, 1, (cells, cells, 3)).astype(np.float32)
            noise += cv2.resize(patch, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) * 40 / np.sqrt(cells / 3)
        return np.clip(128 + noise, 0, 255).astype(np.uint8)
    return sheet.colours
