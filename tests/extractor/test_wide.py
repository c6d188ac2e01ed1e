from __future__ import annotations

import csv
import io

from extractor.export import write
from extractor.readings import FieldReading, FormFit, PageFailure, PageReading


def field(name: str, text: str, status="accepted") -> FieldReading:
    return FieldReading(name, text, status, 0.99, (0, 0, 1, 1))


def rows(*pages: PageReading) -> list[list[str]]:
    stream = io.StringIO()
    write(pages, "wide", stream)
    return list(csv.reader(io.StringIO(stream.getvalue())))


def test_a_page_is_a_row_and_a_field_a_column():
    form = FormFit("invoice", 0.97, "marks")
    pages = (
        PageReading("a.png", 1, 9, 9, (field("net", "0100"), field("tax", "", "blank")), form=form),
        PageReading("b.png", 1, 9, 9, (field("net", "7", "review"), field("tax", "19", "review")), form=form),
        PageReading("c.png", 2, error=PageFailure("registration", "it does not fit")),
    )
    assert rows(*pages) == [
        ["document", "page", "form", "status", "review", "net", "tax"],
        ["a.png", "1", "invoice", "accepted", "", "0100", ""],
        ["b.png", "1", "invoice", "review", "net tax", "7", "19"],
        ["c.png", "2", "", "failed: registration", "", "", ""],
    ]


def test_pages_of_different_forms_share_the_table():
    first = PageReading("a.png", 1, fields=(field("net", "1"),))
    second = PageReading("b.png", 1, fields=(field("code", "2"), field("net", "3")))
    assert [row[5:] for row in rows(first, second)] == [["net", "code"], ["1", ""], ["3", "2"]]


def test_no_cell_is_a_formula():
    evil = PageReading("=cmd()", 1, fields=(field("@net", "1", "review"),), form=FormFit("+form\n", 1.0, "marks"))
    head, row = rows(evil)
    assert head[5] == "'@net"
    assert row[:5] == ["'=cmd()", "1", "'+form\\n", "review", "'@net"]


def test_a_job_without_fields_has_its_pages_all_the_same():
    assert rows(PageReading("a.png", 1)) == [
        ["document", "page", "form", "status", "review"],
        ["a.png", "1", "", "accepted", ""],
    ]
