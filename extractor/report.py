"""A job as one HTML page that shows every string beside its crop, the most doubtful first.

The file stands alone: crops are inside it, it runs no script and asks the network for nothing, which its own content
security policy enforces. Rows off the screen are not laid out (``content-visibility``), so thousands of them scroll
freely.
"""

from __future__ import annotations

import base64
import html
import math
import tempfile
from collections import Counter
from collections.abc import Iterable
from typing import BinaryIO, TextIO

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.names import printable
from extractor.readings import Box, FieldReading, PageReading

_CROP_HEIGHT, _CROP_WIDTH = 72, 640
_CROP_MARGIN = 0.25
_JPEG_QUALITY = 80
_ALTERNATIVES_SHOWN = 3
_STATUS_ORDER = {"review": 0, "accepted": 1, "blank": 2}

_STYLE = """
:root{color-scheme:light dark;--accepted:#0072b2;--review:#b35c00;--blank:#767676;--failed:#b00020;--line:#8884}
@media (prefers-color-scheme:dark){:root{--accepted:#56b4e9;--review:#e69f00;--blank:#a0a0a0;--failed:#ff8a80}}
body{font:15px/1.45 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;overflow-wrap:anywhere}h2{font-size:1.15rem;margin-top:2rem}
dl{display:flex;flex-wrap:wrap;gap:.5rem 2rem;margin:1rem 0}dt{opacity:.75}dd{margin:0;font-size:1.5rem}
.show{display:flex;flex-wrap:wrap;gap:1rem;border:0;padding:0;margin:1rem 0}
ol,ul{list-style:none;padding:0;margin:0}
.failure{border-left:4px solid var(--failed);padding:.25rem .75rem;margin:.5rem 0;overflow-wrap:anywhere}
.row{display:grid;grid-template-columns:minmax(8rem,22rem) minmax(8rem,1fr) 8rem minmax(8rem,16rem);gap:.25rem 1rem;
align-items:center;border-top:1px solid var(--line);padding:.4rem 0 .4rem .6rem;border-left:4px solid;
content-visibility:auto;contain-intrinsic-size:auto 90px}
.row.accepted{border-left-color:var(--accepted)}.row.review{border-left-color:var(--review)}
.row.blank{border-left-color:var(--blank)}
.row img{max-width:100%;max-height:72px;background:#fff;display:block}
.text{font:1.5rem/1.2 ui-monospace,monospace;overflow-wrap:anywhere}
.text mark{background:none;color:inherit;text-decoration:underline wavy var(--review);text-underline-offset:.2em}
.other,.where{font-size:.85rem;opacity:.8;overflow-wrap:anywhere}.review .status{color:var(--review);font-weight:600}
.accepted .status{color:var(--accepted)}.blank .status{color:var(--blank)}
body:has(#only-review:checked) .row:not(.review),body:has(#only-accepted:checked) .row:not(.accepted),
body:has(#only-blank:checked) .row:not(.blank){display:none}
@media (max-width:46rem){.row{grid-template-columns:1fr 1fr}}
@media print{.show{display:none}.row{content-visibility:visible;break-inside:avoid}}
"""

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def write(pages: Iterable[tuple[PageReading, NDArray[np.uint8] | None]], stream: TextIO, title: str) -> None:
    """Write the report of a job.

    Failed pages come first, then every field: those for review, then accepted and blank ones, each from the least
    certain on. Pages are taken one at a time; what waits for its place in the order waits on disk.

    Args:
        pages: Each page's reading, and its image, (H, W) grey or (H, W, 3) BGR, or None where there is none to show.
        stream: Where to write; the text is ASCII.
        title: Heading of the page.
    """
    counts: Counter[str] = Counter()
    failures: list[str] = []
    order: list[tuple[int, float, int, int]] = []
    with tempfile.TemporaryFile() as rows:
        for reading, image in pages:
            counts["pages"] += 1
            if reading.error is not None:
                failures.append(_failure(reading))
            for field in reading.fields:
                counts[field.status] += 1
                row = _ascii(_row(reading, field, image)).encode("ascii")
                order.append((_STATUS_ORDER[field.status], field.confidence, rows.tell(), len(row)))
                rows.write(row)
        stream.write(_ascii(_head(title, counts, failures)))
        _write_in_order(rows, order, stream)
    stream.write("</body>\n</html>\n")


def _write_in_order(rows: BinaryIO, order: list[tuple[int, float, int, int]], stream: TextIO) -> None:
    if not order:
        stream.write("<p>No digit strings were found.</p>\n")
        return
    stream.write("<ol>\n")
    for _, _, offset, length in sorted(order):
        rows.seek(offset)
        stream.write(rows.read(length).decode("ascii"))
    stream.write("</ol>\n")


def _head(title: str, counts: Counter[str], failures: list[str]) -> str:
    figures = (
        ("Pages", counts["pages"]),
        ("Failed pages", len(failures)),
        ("Strings", counts["accepted"] + counts["review"] + counts["blank"]),
        ("Accepted", counts["accepted"]),
        ("For review", counts["review"]),
        ("Blank", counts["blank"]),
    )
    summary = "".join(f"<div><dt>{name}</dt><dd>{number:,}</dd></div>" for name, number in figures)
    choices = (("all", "All"), ("only-review", "For review"), ("only-accepted", "Accepted"), ("only-blank", "Blank"))
    buttons = "".join(
        f'<label><input type="radio" name="show" id="{key}"{" checked" if key == "all" else ""}> {name}</label>'
        for key, name in choices
    )
    failed = f"<h2>Failed pages</h2>\n<ul>\n{''.join(failures)}</ul>\n" if failures else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{_escaped(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{_escaped(title)}</h1>\n"
        f"<dl>{summary}</dl>\n{failed}<h2>Strings, most doubtful first</h2>\n"
        f'<fieldset class="show"><legend>Show</legend>{buttons}</fieldset>\n'
    )


def _failure(reading: PageReading) -> str:
    error = reading.error
    if error is None:
        return ""
    hint = f" ({_escaped(error.hint)})" if error.hint else ""
    return (
        f'<li class="failure">{_where(reading)}<br>{_escaped(error.message)}{hint} '
        f"<code>{_escaped(error.code)}</code></li>\n"
    )


def _row(reading: PageReading, field: FieldReading, image: NDArray[np.uint8] | None) -> str:
    percent = f"{math.floor(field.confidence * 1000) / 10:.1f} %"
    others = [f"{_escaped(text)} {share:.1%}" for text, share in field.alternatives[:_ALTERNATIVES_SHOWN]]
    other = f'<div class="other">or {", ".join(others)}</div>' if others else ""
    return (
        f'<li class="row {field.status}"><div>{_picture(field, image)}</div>'
        f'<div><div class="text">{_text(field)}</div>{other}</div>'
        f'<div><span class="status">{field.status}</span><br>{percent}</div>'
        f'<div class="where">{_where(reading)}<br>{_escaped(field.name)}</div></li>\n'
    )


def _text(field: FieldReading) -> str:
    """Return the string, in a doubtful one the digit of least confidence marked."""
    if field.status != "review" or "".join(digit.text for digit in field.digits) != field.text or not field.digits:
        return _escaped(field.text)
    worst = min(range(len(field.digits)), key=lambda at: field.digits[at].confidence)
    return "".join(
        f"<mark>{_escaped(digit.text)}</mark>" if at == worst else _escaped(digit.text)
        for at, digit in enumerate(field.digits)
    )


def _picture(field: FieldReading, image: NDArray[np.uint8] | None) -> str:
    crop = None if image is None else _crop(image, field.box)
    if crop is None:
        return "no picture"
    encoded, data = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not encoded:
        return "no picture"
    height, width = crop.shape[:2]
    source = base64.b64encode(data.tobytes()).decode("ascii")
    return (
        f'<img width="{width}" height="{height}" loading="lazy" decoding="async" '
        f'alt="crop of {_escaped(field.name)}" src="data:image/jpeg;base64,{source}">'
    )


def _crop(image: NDArray[np.uint8], box: Box) -> NDArray[np.uint8] | None:
    """Cut a field with a little of its surroundings, small enough to carry; None when it lies off the page."""
    x, y, w, h = box
    margin = round(_CROP_MARGIN * h)
    crop = image[max(0, y - margin) : max(0, y + h + margin), max(0, x - margin) : max(0, x + w + margin)]
    height, width = crop.shape[:2]
    if height == 0 or width == 0:
        return None
    scale = min(1.0, _CROP_HEIGHT / height, _CROP_WIDTH / width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        crop = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
    return crop


def _where(reading: PageReading) -> str:
    return f"{_escaped(reading.document)}, page {reading.page}"


def _escaped(text: str) -> str:
    return html.escape(printable(text))


def _ascii(text: str) -> str:
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")
