"""A job as one HTML page that shows every string beside its crop, the most doubtful first."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from typing import TextIO

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor import webpage
from extractor.orientation import turn
from extractor.readings import Box, FieldReading, PageReading
from extractor.webpage import escaped

_CROP_HEIGHT, _CROP_WIDTH = 72, 640
_CROP_MARGIN = 0.25
_JPEG_QUALITY = 80
_ALTERNATIVES_SHOWN = 3
_STATUS_ORDER = {"review": 0, "accepted": 1, "blank": 2}

_STYLE = """
.failure{border-left:4px solid var(--failed);padding:.25rem .75rem;margin:.5rem 0;overflow-wrap:anywhere}
.row{display:grid;grid-template-columns:minmax(8rem,22rem) minmax(8rem,1fr) 8rem minmax(8rem,16rem);gap:.25rem 1rem;
align-items:center;border-top:1px solid var(--line);padding:.4rem 0 .4rem .6rem;border-left:4px solid;
contain-intrinsic-size:auto 90px}
.row.accepted{border-left-color:var(--accepted)}.row.review{border-left-color:var(--review)}
.row.blank{border-left-color:var(--blank)}
.row img{max-width:100%;max-height:72px;background:#fff;display:block}
.text{font:1.5rem/1.2 ui-monospace,monospace;overflow-wrap:anywhere}
.text mark{background:none;color:inherit;text-decoration:underline wavy var(--review);text-underline-offset:.2em}
.other,.where{font-size:.85rem;opacity:.8;overflow-wrap:anywhere}.review .status{color:var(--review);font-weight:600}
.accepted .status{color:var(--accepted)}.blank .status{color:var(--blank)}
.show:has(#only-review:checked) ~ ol .row:not(.review),.show:has(#only-accepted:checked) ~ ol .row:not(.accepted),
.show:has(#only-blank:checked) ~ ol .row:not(.blank){display:none}
@media (max-width:46rem){.row{grid-template-columns:1fr 1fr}}
"""


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
    with webpage.Rows() as rows:
        for reading, image in pages:
            counts["pages"] += 1
            if reading.error is not None:
                failures.append(_failure(reading))
            for field in reading.fields:
                counts[field.status] += 1
                rows.add((_STATUS_ORDER[field.status], field.confidence), _row(reading, field, image))
        stream.write(webpage.ascii_only(_head(title, counts, failures)))
        if len(rows):
            rows.write(stream)
        else:
            stream.write("<p>No digit strings were found.</p>\n")
    stream.write(webpage.FOOT)


def _head(title: str, counts: Counter[str], failures: list[str]) -> str:
    numbers = (
        ("Pages", counts["pages"]),
        ("Failed pages", len(failures)),
        ("Strings", counts["accepted"] + counts["review"] + counts["blank"]),
        ("Accepted", counts["accepted"]),
        ("For review", counts["review"]),
        ("Blank", counts["blank"]),
    )
    choices = (("all", "All"), ("only-review", "For review"), ("only-accepted", "Accepted"), ("only-blank", "Blank"))
    failed = f"<h2>Failed pages</h2>\n<ul>\n{''.join(failures)}</ul>\n" if failures else ""
    return (
        webpage.head(title, _STYLE)
        + webpage.figures((name, f"{number:,}") for name, number in numbers)
        + f"{failed}<h2>Strings, most doubtful first</h2>\n"
        + webpage.filters("show", "Show", choices)
    )


def _failure(reading: PageReading) -> str:
    error = reading.error
    if error is None:
        return ""
    hint = f" ({escaped(error.hint)})" if error.hint else ""
    return (
        f'<li class="failure">{_where(reading)}<br>{escaped(error.message)}{hint} '
        f"<code>{escaped(error.code)}</code></li>\n"
    )


def _row(reading: PageReading, field: FieldReading, image: NDArray[np.uint8] | None) -> str:
    percent = f"{math.floor(field.confidence * 1000) / 10:.1f} %"
    others = [f"{escaped(text)} {share:.1%}" for text, share in field.alternatives[:_ALTERNATIVES_SHOWN]]
    other = f'<div class="other">or {", ".join(others)}</div>' if others else ""
    reason = f"<br>{escaped(field.reason)}" if field.reason else ""
    return (
        f'<li class="row {field.status}"><div>{_picture(field, image, reading.turned)}</div>'
        f'<div><div class="text">{_text(field)}</div>{other}</div>'
        f'<div><span class="status">{field.status}</span><br>{percent}{reason}</div>'
        f'<div class="where">{_where(reading)}<br>{escaped(field.name)}</div></li>\n'
    )


def _text(field: FieldReading) -> str:
    """Return the string, in a doubtful one the digit of least confidence marked."""
    if field.status != "review" or "".join(digit.text for digit in field.digits) != field.text or not field.digits:
        return escaped(field.text)
    worst = min(range(len(field.digits)), key=lambda at: field.digits[at].confidence)
    return "".join(
        f"<mark>{escaped(digit.text)}</mark>" if at == worst else escaped(digit.text)
        for at, digit in enumerate(field.digits)
    )


def _picture(field: FieldReading, image: NDArray[np.uint8] | None, turned: int) -> str:
    crop = None if image is None else _crop(image, field.box, turned)
    if crop is None:
        return "no picture"
    return webpage.picture(crop, f"crop of {field.name}", quality=_JPEG_QUALITY)


def _crop(image: NDArray[np.uint8], box: Box, turned: int) -> NDArray[np.uint8] | None:
    """Cut a field with a little of its surroundings, upright and small; None when it lies off the page."""
    x, y, w, h = box
    margin = round(_CROP_MARGIN * (w if turned % 180 else h))
    crop = image[max(0, y - margin) : max(0, y + h + margin), max(0, x - margin) : max(0, x + w + margin)]
    crop = turn(crop, turned // 90)
    height, width = crop.shape[:2]
    if height == 0 or width == 0:
        return None
    scale = min(1.0, _CROP_HEIGHT / height, _CROP_WIDTH / width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        crop = np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)
    return crop


def _where(reading: PageReading) -> str:
    return f"{escaped(reading.document)}, page {reading.page}"
