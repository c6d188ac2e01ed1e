from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.export import CSV_COLUMNS, Format, write
from extractor.readings import DigitReading, FieldReading, PageFailure, PageReading

DIGITS = tuple(DigitReading(char, 0.99, (10 + 20 * at, 5, 18, 30)) for at, char in enumerate("012"))
ACCEPTED = FieldReading("number", "012", "accepted", 0.99999, (10, 5, 60, 30), DIGITS, (("812", 0.00001),))
REVIEW = FieldReading("postcode", "8001", "review", 0.6543, (10, 50, 80, 30))
BLANK = FieldReading("r1c1", "", "blank", 0.97, (10, 90, 80, 30))
READ = PageReading("scans/a.png", 1, 200, 150, (ACCEPTED, REVIEW, BLANK))
FAILED = PageReading("scans/b.pdf", 2, error=PageFailure("truncated", "b.pdf, page 2: it ends early", "scan it again"))
EMPTY = PageReading("scans/c.png", 1, 200, 150)
FORMATS: tuple[Format, ...] = ("table", "csv", "json", "jsonl")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def written(format: Format, *readings: PageReading) -> str:  # noqa: A002 - as in the function under test
    stream = io.StringIO()
    write(readings, format, stream)
    return stream.getvalue()


def rows(*readings: PageReading) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(written("csv", *readings))))


def test_json_lines_restore_the_readings_exactly() -> None:
    lines = written("jsonl", READ, FAILED, EMPTY).splitlines()
    assert [PageReading.from_dict(json.loads(line)) for line in lines] == [READ, FAILED, EMPTY]


@pytest.mark.parametrize("readings", [(), (READ,), (READ, FAILED, EMPTY)])
def test_json_is_one_array_of_the_same_objects(readings: tuple[PageReading, ...]) -> None:
    assert json.loads(written("json", *readings)) == [reading.to_dict() for reading in readings]


def test_csv_has_one_row_a_field_in_the_columns_promised() -> None:
    assert written("csv", READ).splitlines() == [
        "document,page,field,text,confidence,status,x,y,width,height",
        "scans/a.png,1,number,012,1.0000,accepted,10,5,60,30",
        "scans/a.png,1,postcode,8001,0.6543,review,10,50,80,30",
        "scans/a.png,1,r1c1,,0.9700,blank,10,90,80,30",
    ]


def test_csv_shows_a_failed_page() -> None:
    (row,) = rows(FAILED)
    assert (row["document"], row["page"], row["status"]) == ("scans/b.pdf", "2", "failed: truncated")
    assert row["field"] == row["text"] == row["confidence"] == ""


@pytest.mark.parametrize("name", ["=1+1.png", "+a", "-a", "@SUM(A1)", "  =1", "\t=1", "＝1"])
def test_no_cell_of_csv_is_a_formula(name: str) -> None:
    (row,) = rows(PageReading(name, 1, 9, 9, (FieldReading(name, "1", "accepted", 1.0, (0, 0, 9, 9)),)))
    for cell in (row["document"], row["field"]):
        assert cell.lstrip()[0] not in "=+-@＝"
        assert cell.lstrip("'\\t ") == name.strip()


@given(st.text(st.characters(), min_size=1))
def test_any_name_survives_every_format(name: str) -> None:
    reading = PageReading(name, 1, 9, 9, (FieldReading(name, "1", "accepted", 1.0, (0, 0, 9, 9)),))
    for format_ in FORMATS:
        written(format_, reading).encode("utf-8")
    assert len(written("csv", reading).splitlines()) == 2
    assert len(written("jsonl", reading).splitlines()) == 1
    assert len(written("table", reading).splitlines()) == 2


def test_names_that_are_no_text_are_printable() -> None:
    reading = PageReading("a\nb,\udcff.png", 1, error=PageFailure("empty", "it is empty"))
    assert rows(reading)[0]["document"] == r"a\nb,\xff.png"
    assert json.loads(written("jsonl", reading))["document"] == "a\nb,\\xff.png"
    assert r"a\nb,\xff.png" in written("table", reading)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_stream_of_a_small_encoding_is_no_obstacle(tmp_path: Path, format_: Format) -> None:
    file = tmp_path / "out"
    with file.open("w", encoding="ascii") as stream:
        write([PageReading("Zürich/東京.png", 1, 9, 9, (ACCEPTED,))], format_, stream)
    assert "rich" in file.read_text(encoding="ascii")


@pytest.mark.parametrize("format_", FORMATS)
def test_each_page_is_written_before_the_next_is_asked_for(format_: Format) -> None:
    stream = io.StringIO()

    def pages() -> Iterator[PageReading]:
        yield READ
        assert "012" in stream.getvalue()
        yield FAILED

    write(pages(), format_, stream)


def test_the_table_aligns_the_fields_of_a_page_and_tells_of_every_page() -> None:
    assert written("table", READ, FAILED, EMPTY) == (
        "scans/a.png  page 1\n"
        "  number    012   accepted  99.9 %\n"
        "  postcode  8001  review    65.4 %\n"
        "  r1c1            blank\n"
        "scans/b.pdf  page 2  failed: b.pdf, page 2: it ends early (scan it again) [truncated]\n"
        "scans/c.png  page 1  no digits found\n"
    )


def test_the_table_is_coloured_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    write([READ, FAILED], "table", terminal)
    assert "\x1b[32maccepted\x1b[0m" in terminal.getvalue()
    assert "\x1b" not in written("table", READ, FAILED)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    write([READ, FAILED], "table", plain)
    assert "\x1b" not in plain.getvalue()


def test_wide_characters_keep_the_table_aligned() -> None:
    fields = tuple(FieldReading(name, "1", "accepted", 1.0, (0, 0, 9, 9)) for name in ("番号", "zip "))
    lines = written("table", PageReading("a", 1, 9, 9, fields)).splitlines()[1:]
    assert lines == ["  番号  1  accepted  100.0 %", "  zip   1  accepted  100.0 %"]


def test_the_columns_are_those_of_the_documentation() -> None:
    assert ",".join(CSV_COLUMNS) == written("csv").strip()
