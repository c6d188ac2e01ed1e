"""Readings to text: a table for people, CSV for spreadsheets, JSON and JSON Lines for programs.

Every format is written page by page as readings come, so a job of any length takes the memory of one page.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable
from typing import Any, Literal, TextIO

from extractor.names import printable
from extractor.readings import FieldReading, PageReading
from extractor.wide import write_wide

Format = Literal["table", "csv", "wide", "json", "jsonl"]

CSV_COLUMNS = ("document", "page", "field", "text", "confidence", "status", "x", "y", "width", "height")

_FORMULA_STARTS = tuple("=+-@＝＋－＠")
_COLOURS = {"accepted": "32", "review": "33", "blank": "2", "failed": "31"}


def write(readings: Iterable[PageReading], format: Format, stream: TextIO) -> None:  # noqa: A002 - the option's name
    r"""Write readings as they come.

    - ``table``: a line for each page, under it a line for each field; in colour on a terminal. Made for the eye.
    - ``csv``: `CSV_COLUMNS`, one row a field. A page that failed has one row too, with ``failed: CODE`` as its status
      and no field, so that nothing is missing without a word. Names that a spreadsheet would take for a formula get an
      apostrophe in front, as OWASP advises.
    - ``wide``: CSV with one row a page and one column a field, see `extractor.wide`.
    - ``json``: one array of the objects of ``jsonl``.
    - ``jsonl``: one line a page, in ASCII whatever the stream's encoding.

    Line breaks and control characters in names appear as escapes such as ``\n`` and bytes that are no UTF-8 as ``\xff``
    (in JSON only the latter: JSON has its own escapes for the rest).

    Args:
        readings: The pages, in the order wanted.
        format: One of the five.
        stream: Where to write. A file for CSV is best opened with ``newline=""``.
    """
    _WRITERS[format](readings, stream)


def _write_table(readings: Iterable[PageReading], stream: TextIO) -> None:
    paint = _painter(stream)
    emit = _encodable_writer(stream)
    for reading in readings:
        page = f"{printable(reading.document)}  page {reading.page}"
        if reading.error is not None:
            error = reading.error
            hint = f" ({printable(error.hint)})" if error.hint else ""
            emit(f"{page}  {paint('failed', 'failed')}: {printable(error.message)}{hint} [{error.code}]\n")
            continue
        emit(page + ("\n" if reading.fields else "  no digits found\n"))
        names = [printable(field.name) for field in reading.fields]
        name_width = max(map(_cells, names), default=0)
        text_width = max((len(field.text) for field in reading.fields), default=0)
        for name, field in zip(names, reading.fields, strict=True):
            padding = " " * (name_width - _cells(name))
            status = paint(field.status, field.status.ljust(len("accepted")))
            share = "" if field.status == "blank" else f"  {_percent(field.confidence):>6}"
            emit(f"  {name}{padding}  {field.text:<{text_width}}  {status}{share}".rstrip() + "\n")


def _write_csv(readings: Iterable[PageReading], stream: TextIO) -> None:
    emit = _encodable_writer(stream)

    class Sink:
        @staticmethod
        def write(text: str) -> None:
            emit(text)

    writer = csv.writer(Sink, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for reading in readings:
        document = safe_cell(reading.document)
        if reading.error is not None:
            writer.writerow((document, reading.page, "", "", "", f"failed: {reading.error.code}", "", "", "", ""))
        writer.writerows((document, reading.page, *_field_cells(field)) for field in reading.fields)


def _write_wide(readings: Iterable[PageReading], stream: TextIO) -> None:
    emit = _encodable_writer(stream)
    write_wide(readings, emit, safe_cell)


def _field_cells(field: FieldReading) -> tuple[object, ...]:
    return safe_cell(field.name), field.text, f"{field.confidence:.4f}", field.status, *field.box


def _write_json(readings: Iterable[PageReading], stream: TextIO) -> None:
    separator = "[\n"
    for reading in readings:
        stream.write(separator + _json_line(reading))
        separator = ",\n"
    stream.write("\n]\n" if separator == ",\n" else "[]\n")


def _write_jsonl(readings: Iterable[PageReading], stream: TextIO) -> None:
    for reading in readings:
        stream.write(_json_line(reading) + "\n")


_WRITERS: dict[Format, Callable[[Iterable[PageReading], TextIO], None]] = {
    "table": _write_table,
    "csv": _write_csv,
    "wide": _write_wide,
    "json": _write_json,
    "jsonl": _write_jsonl,
}


def _json_line(reading: PageReading) -> str:
    return json.dumps(_without_surrogates(reading.to_dict()), allow_nan=False)


def _without_surrogates(value: Any) -> Any:
    """Replace lone surrogates, which no strict JSON reader accepts, in every string of a tree."""
    if isinstance(value, str):
        return "".join(printable(char) if "\ud800" <= char <= "\udfff" else char for char in value)
    if isinstance(value, dict):
        return {key: _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    return value


def safe_cell(name: str) -> str:
    """Return a name as one line that no spreadsheet takes for a formula."""
    text = printable(name)
    return f"'{text}" if text.lstrip().startswith(_FORMULA_STARTS) else text


def _percent(confidence: float) -> str:
    """Round down: what is not certain must not read 100 %."""
    return f"{int(confidence * 1000) / 10:.1f} %"


def _cells(text: str) -> int:
    """Return how many columns of a terminal a text takes; a character of East Asian scripts takes two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def _painter(stream: TextIO) -> Callable[[str, str], str]:
    """Return what colours a word by its status: nothing, unless the stream is a terminal that wants colour."""
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return lambda status, text: text
    return lambda status, text: f"\x1b[{_COLOURS[status]}m{text}\x1b[0m"


def _encodable_writer(stream: TextIO) -> Callable[[str], None]:
    """Return a write function that escapes what the stream's encoding lacks instead of failing."""
    encoding = getattr(stream, "encoding", None) or "utf-8"

    def emit(text: str) -> None:
        stream.write(text if text.isascii() else text.encode(encoding, "backslashreplace").decode(encoding))

    return emit
