"""Readings as a table with one row a page and one column a field, for forms: the shape of a spreadsheet."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Callable, Iterable

from extractor.readings import PageReading

FIRST_COLUMNS = ("document", "page", "form", "status", "review")
"""What stands before the fields: the page, the template it was read by, and which fields a person must look at.

``status`` is ``accepted`` when no field is for review, else ``review``, or ``failed: CODE``.
"""


def write_wide(readings: Iterable[PageReading], emit: Callable[[str], object], safe: Callable[[str], str]) -> None:
    """Write pages as rows.

    Fields have their columns in the order in which they first appear, which is the template's order. The rows wait in a
    temporary file until all columns are known, so that memory does not grow with the job.

    Args:
        readings: The pages, in the order wanted.
        emit: Is given the text.
        safe: Makes a name safe to open in a spreadsheet.
    """

    class Sink:
        @staticmethod
        def write(text: str) -> None:
            emit(text)

    columns: dict[str, None] = {}
    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as rows:
        for reading in readings:
            columns.update(dict.fromkeys(field.name for field in reading.fields))
            head, texts = _row(reading, safe)
            rows.write(json.dumps([head, texts]) + "\n")
        rows.seek(0)
        writer = csv.writer(Sink, lineterminator="\n")
        writer.writerow((*FIRST_COLUMNS, *map(safe, columns)))
        for line in rows:
            head, texts = json.loads(line)
            writer.writerow((*head, *(texts.get(name, "") for name in columns)))


def _row(reading: PageReading, safe: Callable[[str], str]) -> tuple[list[str | int], dict[str, str]]:
    doubtful = [safe(field.name) for field in reading.fields if field.status == "review"]
    status = "review" if doubtful else "accepted"
    if reading.error is not None:
        status = f"failed: {reading.error.code}"
    form = "" if reading.form is None else safe(reading.form.template)
    head: list[str | int] = [safe(reading.document), reading.page, form, status, " ".join(doubtful)]
    return head, {field.name: field.text for field in reading.fields}
