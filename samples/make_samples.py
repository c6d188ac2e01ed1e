"""Make the sample documents of this folder and ``expected.csv``, what a reader should find in them.

Everything is drawn: the handwriting by the stroke model of `training.handwriting`, print by a font of OpenCV's. Each
document has a seed of its own, so that running this again gives the same pictures:

    python samples/make_samples.py [--output FOLDER]
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from sheet import BLACK, BLUE, CREAM, DROP_OUT, PENCIL, Page, Sheet, fax, legible_hand, photograph, scan

DPI: Final = 150


@dataclass(frozen=True, slots=True)
class SamplePage:
    """A page and what is written on it.

    Attributes:
        picture: (H, W, 3) BGR.
        fields: Name and digits of each field in reading order; no digits for an empty cell.
    """

    picture: Page
    fields: tuple[tuple[str, str], ...]


def main(arguments: Sequence[str] | None = None) -> None:
    """Write every document and ``expected.csv``."""
    parser = argparse.ArgumentParser(description="Make the sample documents.")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, help="folder to write to")
    folder: Path = parser.parse_args(arguments).output
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, (seed, make) in DOCUMENTS.items():
        pages = make(np.random.default_rng(seed))
        _save(folder / name, [page.picture for page in pages])
        for number, page in enumerate(pages, start=1):
            rows += [(name, number, field, text) for field, text in page.fields]
    with (folder / "expected.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("document", "page", "field", "text"))
        writer.writerows(rows)


def form_with_boxes(rng: np.random.Generator) -> list[SamplePage]:
    """Draw a form whose numbers stand in plain frames, scanned in grey."""
    sheet, hand = Sheet(1240, 1000, rng), legible_hand(rng)
    sheet.label("MEMBERSHIP APPLICATION", 90, 110, 1.3, weight=2)
    sheet.line((90, 135), (1150, 135), width=3)
    sheet.label("Please write clearly, one number in each frame.", 90, 185, 0.7)
    numbers = []
    for row, (label, length) in enumerate(
        (("Member number", 8), ("Branch", 4), ("Telephone", 9), ("Postal code", 5), ("Account", 10))
    ):
        y = 260 + row * 130
        sheet.label(label, 90, y + 52, 0.9)
        sheet.box(420, y, 90 + 52 * length, 84)
        numbers.append(_number(rng, length))
        sheet.write(numbers[-1], 450, y + 64 + rng.normal(0, 3), 46, hand, BLACK)
    sheet.label("Signature", 90, 940, 0.8)
    sheet.line((250, 945), (700, 945))
    return [SamplePage(scan(sheet, skew=0.5, grey=True), _lines(numbers))]


def form_with_combs(rng: np.random.Generator) -> list[SamplePage]:
    """Draw a form with combs, one digit a tooth, as a black-and-white scan."""
    sheet, hand = Sheet(1240, 900, rng), legible_hand(rng)
    sheet.label("NOTICE OF MOVING", 90, 110, 1.3, weight=2)
    numbers = []
    for row, (label, length) in enumerate(
        (("Customer", 9), ("Old postal code", 5), ("New postal code", 5), ("Contract", 10), ("Telephone", 8))
    ):
        y = 200 + row * 125
        sheet.label(label, 90, y + 55, 0.9)
        sheet.comb(430, y, length, 64, 72)
        numbers.append(_number(rng, length))
        sheet.write(numbers[-1], 430, y + 61, 44, hand, BLACK, pitch=64)
    return [SamplePage(fax(sheet, skew=-0.4), _lines(numbers))]


def form_with_coloured_cells(rng: np.random.Generator) -> list[SamplePage]:
    """Draw a form in drop-out colour with a cell for each digit, scanned in colour."""
    sheet, hand = Sheet(1200, 950, rng), legible_hand(rng)
    sheet.label("Claim for travel expenses", 80, 110, 1.3, DROP_OUT, 2)
    numbers = []
    for row, (label, length) in enumerate(
        (("Staff", 6), ("Kilometres", 4), ("Amount", 7), ("Cost centre", 8), ("Bank", 8))
    ):
        y = 200 + row * 135
        sheet.label(label, 80, y + 55, 0.9, DROP_OUT)
        for cell in range(length):
            sheet.box(400 + cell * 72, y, 60, 80, DROP_OUT)
        numbers.append(_number(rng, length))
        sheet.write(numbers[-1], 394, y + 64, 48, hand, BLUE, pitch=72)
    return [SamplePage(scan(sheet, skew=0.3), _lines(numbers))]


def envelope(rng: np.random.Generator, town: str, street: str, name: str, code_length: int) -> list[SamplePage]:
    """Draw an envelope with a printed sender and a handwritten address; its postal code stands on the last line."""
    sheet, hand = Sheet(1300, 820, rng, CREAM if code_length == 6 else (226, 232, 236)), legible_hand(rng)
    for row, text in enumerate(("Harbour & Sons Ltd", "Seed merchants", "Old Mill Lane, Eastbrook")):
        sheet.label(text, 60, 80 + row * 36, 0.75)
    sheet.box(1090, 50, 150, 180, (120, 90, 160), 3)
    sheet.label("POST", 1120, 150, 0.9, (120, 90, 160), 2)
    code = _number(rng, code_length)
    for row, text in enumerate((name, street, town)):
        sheet.write(text, 480 + 14 * row, 400 + row * 90, 50, hand, BLUE)
    sheet.write(code, 540, 690, 54, hand, BLUE)
    return [SamplePage(scan(sheet, skew=-0.7), _lines([code]))]


def ruled_note(rng: np.random.Generator) -> list[SamplePage]:
    """Draw a page of a ruled pad with numbers among words."""
    sheet, hand = Sheet(1240, 1300, rng, CREAM), legible_hand(rng)
    for y in range(190, 1290, 90):
        sheet.line((0, y), (1240, y), (214, 186, 158), 2)
    sheet.line((150, 0), (150, 1300), (150, 140, 226), 2)
    numbers = []
    for row, (words, length, more) in enumerate(
        (
            ("Dear Martha", 0, ""),
            ("the parcel has number", 7, ""),
            ("please call", 6, "at noon"),
            ("the key for the shed is", 4, ""),
            ("we met Hanna and her mother", 0, ""),
            ("they want", 3, "hens"),
            ("Anna paid", 5, "for the fence"),
            ("with much love from Karen", 0, ""),
        )
    ):
        y = 272 + row * 90
        end = sheet.write(words, 190, y, 46, hand, BLUE)
        if length:
            numbers.append(_number(rng, length))
            end = sheet.write(numbers[-1], end + 60, y, 46, hand, BLUE)
        if more:
            sheet.write(more, end + 60, y, 46, hand, BLUE)
    return [SamplePage(scan(sheet, skew=0.6), _lines(numbers))]


def inspection_report(rng: np.random.Generator) -> list[SamplePage]:
    """Draw the two pages of an inspection report."""
    pages = []
    for title, labels in (
        ("INSPECTION OF BOILERS", (("Plant", 6), ("Serial", 8), ("Pressure", 3), ("Hours run", 5))),
        ("Continuation sheet", (("Spare part", 7), ("Quantity", 2), ("Inspector", 6))),
    ):
        sheet, hand = Sheet(1240, 1000, rng), legible_hand(rng)
        sheet.label(title, 100, 130, 1.2, weight=2)
        numbers = []
        for row, (label, length) in enumerate(labels):
            y = 300 + row * 150
            sheet.label(label, 100, y, 0.9)
            for x in range(380, 980, 14):
                sheet.line((x, y + 12), (x + 5, y + 12))
            numbers.append(_number(rng, length))
            sheet.write(numbers[-1], 420, y + 2, 50, hand, BLACK)
        pages.append(SamplePage(scan(sheet, skew=float(rng.uniform(-0.5, 0.5)), grey=True), _lines(numbers)))
    return pages


def delivery_notes(rng: np.random.Generator) -> list[SamplePage]:
    """Draw three delivery notes that went through a fax machine, as a TIFF of three pages."""
    pages = []
    for _ in range(3):
        sheet, hand = Sheet(1100, 760, rng), legible_hand(rng)
        sheet.label("DELIVERY NOTE", 80, 100, 1.2, weight=2)
        sheet.line((80, 125), (1020, 125), width=3)
        numbers = []
        for row, (label, length) in enumerate((("Order", 8), ("Pallets", 2), ("Weight", 5), ("Driver", 4))):
            y = 235 + row * 130
            sheet.label(label, 80, y, 0.9)
            sheet.line((300, y + 14), (900, y + 14))
            numbers.append(_number(rng, length))
            sheet.write(numbers[-1], 350, y, 54, hand, BLACK)
        pages.append(SamplePage(fax(sheet, skew=float(rng.uniform(-0.8, 0.8))), _lines(numbers)))
    return pages


def list_on_a_table(rng: np.random.Generator) -> list[SamplePage]:
    """Draw a phone's picture of a list on a wooden table, askew and under uneven light."""
    sheet, hand = Sheet(1000, 1250, rng), legible_hand(rng)
    numbers = [_number(rng, length) for length in (6, 5, 8, 7, 5, 6)]
    for row, number in enumerate(numbers):
        sheet.write(number, 150 + rng.normal(0, 12), 230 + row * 165, 78, hand, BLACK)
    corners = np.array(((170, 120), (1010, 190), (1080, 1370), (60, 1280)), np.float32)
    return [SamplePage(photograph(sheet, (1150, 1500), corners), _lines(numbers))]


def answer_sheet(rng: np.random.Generator) -> list[SamplePage]:
    """Draw an answer sheet: a ruled grid with one digit a cell, some cells blank."""
    sheet, hand = Sheet(1000, 1300, rng), legible_hand(rng)
    sheet.label("ANSWERS", 110, 110, 1.3, weight=2)
    sheet.label("One digit in each cell. Leave a cell empty when unsure.", 110, 160, 0.7)
    rows, columns, width, height = 9, 6, 128, 112
    sheet.grid(110, 220, rows, columns, (width, height))
    fields = []
    for row in range(rows):
        for column in range(columns):
            digit = "" if rng.random() < 0.2 else _number(rng, 1)
            fields.append((f"r{row + 1}c{column + 1}", digit))
            if digit:
                x, y = 110 + column * width + rng.normal(0, 5), 220 + row * height + 84 + rng.normal(0, 4)
                sheet.write(digit, x, y, 58, hand, BLUE, pitch=width)
    return [SamplePage(scan(sheet, skew=0.4), tuple(fields))]


def log_book(rng: np.random.Generator) -> list[SamplePage]:
    """Draw a page of a log book: a ruled table with a number in most cells."""
    sheet, hand = Sheet(1240, 1150, rng, CREAM), legible_hand(rng)
    for column, title in enumerate(("Vehicle", "Start", "End", "Litres")):
        sheet.label(title, 130 + column * 260, 130, 0.9)
    rows, columns, width, height = 9, 4, 260, 104
    sheet.grid(100, 160, rows, columns, (width, height), (150, 130, 110))
    numbers = []
    for row in range(rows):
        for column, length in enumerate((4, 5, 5, 2)):
            if column == 3 and rng.random() < 0.4:
                continue
            numbers.append(_number(rng, length))
            sheet.write(numbers[-1], 124 + column * width, 160 + row * height + 76, 46, hand, BLACK)
    return [SamplePage(scan(sheet, skew=-0.3), _lines(numbers))]


def meter_card(rng: np.random.Generator) -> list[SamplePage]:
    """Draw the card on which a household reports its meters."""
    sheet, hand = Sheet(1200, 700, rng, (196, 226, 240)), legible_hand(rng)
    sheet.label("METER READING", 70, 100, 1.3, weight=2)
    numbers = []
    for row, (label, length) in enumerate((("Electricity", 6), ("Gas", 5), ("Water", 5))):
        y = 180 + row * 160
        sheet.label(label, 70, y + 65, 1.0)
        sheet.grid(380, y, 1, length, (88, 104))
        numbers.append(_number(rng, length))
        sheet.write(numbers[-1], 380, y + 84, 62, hand, BLUE, pitch=88)
    return [SamplePage(scan(sheet, skew=-0.5), _lines(numbers))]


def cheque(rng: np.random.Generator) -> list[SamplePage]:
    """Draw a cheque on patterned paper with its amount in digits."""
    sheet, hand = Sheet(1300, 600, rng, (222, 232, 228)), legible_hand(rng)
    sheet.security_print((150, 176, 140), 0.75)
    sheet.label("Riverside Bank", 60, 90, 1.2, (110, 70, 40), 2)
    sheet.label("Pay", 60, 230, 0.8)
    sheet.line((130, 235), (820, 235))
    sheet.write("Hanna Berger", 170, 226, 46, hand, BLACK)
    sheet.label("the sum of", 60, 340, 0.8)
    sheet.line((220, 345), (1230, 345))
    sheet.write("as shown above", 260, 336, 44, hand, BLACK)
    sheet.box(900, 150, 330, 100)
    amount = _number(rng, 5)
    sheet.write(amount, 925, 230, 58, hand, BLACK)
    sheet.line((780, 500), (1230, 500))
    sheet.label("Signature", 780, 535, 0.6)
    return [SamplePage(scan(sheet, skew=0.3), _lines([amount]))]


def pencil_list(rng: np.random.Generator) -> list[SamplePage]:
    """Draw a stock list in faint pencil."""
    return _plain_list(rng, (6, 4, 8, 5, 7, 6), PENCIL, "STOCK IN HAND")


def blue_list(rng: np.random.Generator) -> list[SamplePage]:
    """Draw a list of lots in blue ink on cream paper."""
    return _plain_list(rng, (5, 9, 6, 7, 4, 8), BLUE, "LOTS")


def _plain_list(
    rng: np.random.Generator, lengths: Iterable[int], colour: tuple[int, int, int], title: str
) -> list[SamplePage]:
    sheet, hand = Sheet(1000, 1150, rng, CREAM), legible_hand(rng)
    sheet.label(title, 130, 120, 1.2, weight=2)
    numbers = [_number(rng, length) for length in lengths]
    for row, number in enumerate(numbers):
        sheet.write(number, 170 + rng.normal(0, 10), 270 + row * 145, 62, hand, colour)
    return [SamplePage(scan(sheet, skew=float(rng.uniform(-0.8, 0.8))), _lines(numbers))]


def _number(rng: np.random.Generator, length: int) -> str:
    return "".join(str(digit) for digit in rng.integers(0, 10, length))


def _lines(numbers: Sequence[str]) -> tuple[tuple[str, str], ...]:
    return tuple((f"line-{index}", number) for index, number in enumerate(numbers, start=1))


def _save(path: Path, pages: Sequence[Page]) -> None:
    if path.suffix == ".pdf":
        path.write_bytes(_pdf(pages))
    elif path.suffix == ".tif":
        grey = [page if page.ndim == 2 else cv2.cvtColor(page, cv2.COLOR_BGR2GRAY) for page in pages]
        cv2.imwritemulti(str(path), grey, (cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_LZW))
    elif path.suffix == ".png":
        cv2.imwrite(str(path), pages[0], (cv2.IMWRITE_PNG_COMPRESSION, 9))
    else:
        path.write_bytes(_jpeg(pages[0]))


def _jpeg(page: Page) -> bytes:
    grey = page.ndim == 3 and not np.ptp(page, axis=2).any()
    done, data = cv2.imencode(".jpg", page[..., 0] if grey else page, (cv2.IMWRITE_JPEG_QUALITY, 75))
    if not done:
        raise OSError("OpenCV could not encode a page as JPEG")
    return data.tobytes()


def _pdf(pages: Sequence[Page]) -> bytes:
    """Return a PDF (ISO 32000-1) with one JPEG filling each page."""
    kids = " ".join(f"{3 + 3 * index} 0 R" for index in range(len(pages)))
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode()]
    for index, page in enumerate(pages):
        first, data = 3 + 3 * index, _jpeg(page)
        height, width = page.shape[:2]
        across, down = width * 72 / DPI, height * 72 / DPI
        space = "DeviceRGB" if np.ptp(page, axis=2).any() else "DeviceGray"
        content = f"q {across:g} 0 0 {down:g} 0 0 cm /Im Do Q".encode()
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {across:g} {down:g}] /Contents {first + 1} 0 R "
            f"/Resources << /XObject << /Im {first + 2} 0 R >> >> >>".encode(),
            f"<< /Length {len(content)} >>\nstream\n".encode() + content + b"\nendstream",
            f"<< /Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace /{space} "
            f"/BitsPerComponent 8 /Filter /DCTDecode /Length {len(data)} >>\nstream\n".encode()
            + data
            + b"\nendstream",
        ]
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010d} 00000 n \n".encode() for offset in offsets)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


DOCUMENTS: Final[dict[str, tuple[int, Callable[[np.random.Generator], list[SamplePage]]]]] = {
    "answer-sheet.jpg": (1, answer_sheet),
    "blue-ink.jpg": (201, blue_list),
    "cheque.jpg": (200, cheque),
    "delivery-notes.tif": (3, delivery_notes),
    "envelope-1.jpg": (2, lambda rng: envelope(rng, "Northfield", "Station Road", "Martha Kramer", 5)),
    "envelope-2.jpg": (6, lambda rng: envelope(rng, "Hampden Ferry", "Rectory Cottage", "Anton Ferber", 6)),
    "form-boxes.jpg": (2, form_with_boxes),
    "form-cells.jpg": (2, form_with_coloured_cells),
    "form-combs.png": (74, form_with_combs),
    "inspection.pdf": (203, inspection_report),
    "log-book.jpg": (204, log_book),
    "meter-card.jpg": (1, meter_card),
    "note.jpg": (209, ruled_note),
    "pencil.jpg": (43, pencil_list),
    "phone-photo.jpg": (1, list_on_a_table),
}


if __name__ == "__main__":
    main()
