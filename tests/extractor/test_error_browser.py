"""The page of wrong strings, made with the shipped network from strings that are labelled wrongly on purpose."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extractor.diagnosis import CAUSES, diagnose
from extractor.error_browser import Mistake, WrongString, investigate, write
from extractor.reader import Reader

from .drawn import written
from .test_report import Outline

PICTURE = written("4806")


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


@pytest.fixture(scope="module")
def mistake(reader: Reader) -> Mistake:
    read = WrongString("a/x.png, line-1", "4807", "4806", 0.91, "accepted", (30, 30, 100, 60))
    return investigate(reader, PICTURE, read, alone=True)


def page(*mistakes: Mistake, title: str = "x", strings: int = 10) -> str:
    stream = io.StringIO()
    write(mistakes, stream, title, strings)
    return stream.getvalue()


def bare(truth: str | None, read: str | None, **fields) -> Mistake:
    """A mistake without a picture."""
    string = WrongString(fields.pop("where", "x"), truth, read, fields.pop("confidence", 0.5), **fields)
    diagnosis = diagnose(truth, read, string.confidence, None, None, has_picture=False)
    return Mistake(string, diagnosis, None, None)


def test_a_mistake_is_shown_with_every_stage_and_both_paths(mistake):
    outline = Outline(page(mistake))
    pictures = [image["alt"] for image in outline.of("img")]
    assert pictures[:4] == ["picture", "ink", "ink without printed lines", "lattice: written above, read below"]
    assert pictures[4:] == [f"crop of {digit}" for digit in "4807" + "4806"]
    assert CAUSES[mistake.diagnosis.cause] in outline.text
    assert "a/x.png, line-1" in outline.text
    assert "91.0 % accepted" in outline.text
    assert "line network alone: 4806" in outline.text


def test_the_digits_that_differ_are_marked(mistake):
    source = page(mistake)
    assert "480<i>7</i>" in source
    assert "480<i>6</i>" in source


def test_every_filter_has_its_rule_and_its_strings(mistake):
    source = page(mistake, bare("12", None), bare(None, "7", status="review"), bare("33", "3", status="accepted"))
    buttons = {name for name in re.findall(r'<input type="radio" name="\w+" id="([^"]+)"', source) if "all" not in name}
    rules = set(re.findall(r"\.bar:has\(#([\w-]+):checked\) ~ ol \.row:not\(\.\1\)", source))
    worn = set(" ".join(re.findall(r'<li class="row ([^"]+)"', source)).split())
    assert buttons == rules == worn
    assert {"f-status-missed", "f-kind-lost", "f-kind-extra", "p-7-6", "p-x-7", "p-3-x"} <= worn
    assert source.count(" checked>") == 4


def test_the_surest_mistake_comes_first():
    source = page(*(bare("1", "7", where=f"n{at}", confidence=share) for at, share in enumerate((0.2, 0.99, 0.6))))
    assert re.findall(r'class="where">(n\d)', source) == ["n1", "n2", "n0"]


def test_works_offline_and_runs_nothing(mistake):
    source = page(mistake)
    outline = Outline(source)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in outline.tags}
    assert all(str(image["src"]).startswith("data:image/") for image in outline.of("img"))
    assert "default-src 'none'" in source
    assert source.isascii()


@settings(max_examples=30)
@given(st.text(st.sampled_from("<>&\"'/=ab1\n\x00\udcff\u202eé東{}"), min_size=1))
def test_nothing_from_outside_becomes_markup_or_style(text):
    wild = page(bare(text, "1", where=text, status=text), title=text)
    tame = page(bare("x" * len(text.replace("1", "")) + "1" * text.count("1"), "1", status="x"))
    assert wild.isascii()
    assert {tag for tag, _ in Outline(wild).tags} <= {tag for tag, _ in Outline(tame).tags} | {"i"}
    assert "f-status-unknown" in wild
    assert set(re.findall(r'class="row ([\w -]+)"', wild)) != set()


def test_thousands_of_mistakes_are_left_out_of_layout_until_they_are_seen(mistake):
    source = page(mistake, *[bare("12", "13")] * 3000)
    assert source.count('<li class="row') == 3001
    assert "content-visibility:auto" in source
    assert source.count('loading="lazy"') == source.count("<img") > 0
    assert len(page(mistake)) < 60_000


def test_loading_a_row_asks_nothing_of_the_rows_before_it(mistake):
    """A browser evaluates ``body:has()`` anew with every row that is added."""
    assert "body:has" not in page(mistake)


def test_no_mistake_is_said_so():
    assert "Every string was read as it is written" in page()


def test_a_string_of_a_larger_page_is_looked_at_where_it_was_read(reader):
    sheet = np.full((900, 1200), 245, np.uint8)
    height, width = PICTURE.shape
    sheet[500 : 500 + height, 300 : 300 + width] = PICTURE
    rows, columns = np.nonzero(sheet < 140)
    box = (int(columns.min()), int(rows.min()), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)
    found = investigate(reader, sheet, WrongString("x", "4807", "4806", 0.5, "review", box), alone=False)
    assert found.diagnosis.proposals[0].text == "4806"
    assert found.picture.shape[0] < 2 * height


def test_a_missed_string_is_shown_with_its_page(reader):
    found = investigate(reader, PICTURE, WrongString("x", "12", None), alone=False)
    assert found.diagnosis.cause == "not-found"
    assert found.picture.shape == PICTURE.shape


def test_a_box_that_lies_off_the_page_does_no_harm(reader):
    string = WrongString("x", "12", "13", 0.5, "review", (9000, -50, 10, 10))
    assert investigate(reader, PICTURE, string, alone=False).diagnosis.cause in CAUSES
