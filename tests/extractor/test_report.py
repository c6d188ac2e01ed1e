from __future__ import annotations

import base64
import io
import re
import weakref
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from extractor.readings import DigitReading, FieldReading, PageFailure, PageReading, Status
from extractor.report import write

PAGE = np.full((200, 300), 255, np.uint8)
PAGE[50:80, 40:140] = 0


def field(name: str, status: Status, confidence: float, text: str = "123") -> FieldReading:
    digits = tuple(DigitReading(char, confidence + at / 100, (40, 50, 30, 30)) for at, char in enumerate(text))
    return FieldReading(name, text, status, confidence, (40, 50, 100, 30), digits, (("723", 0.04),))


def report(*pages: tuple[PageReading, NDArray[np.uint8] | None], title: str = "Job 7") -> str:
    stream = io.StringIO()
    write(pages, stream, title)
    return stream.getvalue()


def reading(*fields: FieldReading, document: str = "scans/a.png") -> PageReading:
    return PageReading(document, 1, 300, 200, fields)


class Outline(HTMLParser):
    """Collects what a browser would see, and checks that every element is closed in turn."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br", "img", "input"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_most_doubtful_string_comes_first_whatever_page_it_is_on() -> None:
    first = reading(field("sure", "accepted", 0.999), field("void", "blank", 0.5, ""), field("fair", "review", 0.8))
    second = reading(field("poor", "review", 0.3), field("good", "accepted", 0.95))
    source = report((first, PAGE), (second, PAGE))
    assert re.findall(r'alt="crop of (\w+)"', source) == ["poor", "fair", "good", "sure", "void"]


def test_counts_pages_failures_and_strings_by_status() -> None:
    failed = PageReading("b.pdf", 3, error=PageFailure("truncated", "it ends early", "scan it again"))
    fields = [field("f", "accepted", 0.99)] * 3 + [field("g", "review", 0.5)] * 2 + [field("h", "blank", 0.9, "")]
    source = report((reading(*fields), PAGE), (failed, None))
    figures = dict(re.findall(r"<dt>([\w ]+)</dt><dd>(\d+)</dd>", source))
    assert figures == {
        "Pages": "2", "Failed pages": "1", "Strings": "6", "Accepted": "3", "For review": "2", "Blank": "1"
    }  # fmt: skip
    assert "b.pdf, page 3" in source
    assert "it ends early (scan it again)" in source


def test_each_row_carries_the_picture_of_its_own_field() -> None:
    outline = Outline(report((reading(field("f", "review", 0.5)), PAGE)))
    (image,) = outline.of("img")
    data = base64.b64decode(str(image["src"]).removeprefix("data:image/jpeg;base64,"))
    crop = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert crop.shape == (int(str(image["height"])), int(str(image["width"])))
    assert crop[crop.shape[0] // 2, crop.shape[1] // 2] < 10
    assert crop[1, 1] > 245


def test_strings_of_a_page_that_was_turned_are_shown_upright() -> None:
    lying = np.full((300, 200), 255, np.uint8)
    lying[40:140, 50:80] = 0
    lying[40:60, 50:80] = 120  # what is above on the page as it lies is left of the string
    standing = replace(field("a", "review", 0.5), box=(50, 40, 30, 100))
    turned = replace(reading(standing), width=200, height=300, turned=90)
    (image,) = Outline(report((turned, lying))).of("img")
    data = base64.b64decode(str(image["src"]).removeprefix("data:image/jpeg;base64,"))
    crop = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    height, width = crop.shape
    assert width > 2 * height
    left, right = crop[height // 2, width // 5], crop[height // 2, width // 2]
    assert 90 < left < 150
    assert right < 30


def test_large_fields_carry_small_pictures() -> None:
    page = np.full((1600, 1400, 3), 200, np.uint8)
    whole = FieldReading("f", "1", "accepted", 0.99, (0, 0, 1400, 1600))
    assert len(report((reading(whole), page))) < 20_000


def test_rows_without_a_picture_are_there_all_the_same() -> None:
    off_page = FieldReading("f", "1", "accepted", 0.99, (900, 900, 50, 50))
    assert report((reading(field("g", "review", 0.5)), None), (reading(off_page), PAGE)).count("no picture") == 2


def test_the_least_certain_digit_of_a_doubtful_string_is_marked() -> None:
    assert "<mark>1</mark>23" in report((reading(field("f", "review", 0.5)), PAGE))
    assert "<mark>" not in report((reading(field("f", "accepted", 0.99)), PAGE))


def test_other_readings_and_confidence_are_shown_and_never_rounded_up() -> None:
    text = Outline(report((reading(field("f", "review", 0.9999)), PAGE))).text
    assert "or 723 4.0%" in text
    assert "99.9 %" in text


def test_works_offline_and_runs_nothing() -> None:
    outline = Outline(report((reading(field("f", "review", 0.5)), PAGE)))
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in outline.tags}
    for tag, attributes in outline.tags:
        assert "href" not in attributes
        assert tag != "img" or str(attributes["src"]).startswith("data:")
    policies = [meta.get("content") for meta in outline.of("meta") if meta.get("http-equiv")]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


@settings(max_examples=30, deadline=None)
@given(st.text(st.sampled_from("<>&\"'/=ab\n\x00\udcff\u202eé東")))
def test_nothing_from_outside_becomes_markup(text: str) -> None:
    wild = FieldReading(text, text, "review", 0.5, (40, 50, 100, 30), (), ((text, 0.1),))
    failed = PageReading(text, 2, error=PageFailure(text, text, text))
    source = report((reading(wild, document=text), PAGE), (failed, None), title=text)
    tame = report(
        (reading(FieldReading("x", "x", "review", 0.5, (40, 50, 100, 30), (), (("x", 0.1),)), document="x"), PAGE),
        (PageReading("x", 2, error=PageFailure("x", "x", "x")), None),
        title="x",
    )
    assert source.isascii()
    assert [tag for tag, _ in Outline(source).tags] == [tag for tag, _ in Outline(tame).tags]


def test_pages_are_let_go_of_one_by_one() -> None:
    given_out: list[weakref.ref[NDArray[np.uint8]]] = []

    def pages() -> Iterator[tuple[PageReading, NDArray[np.uint8]]]:
        for _ in range(5):
            assert sum(page() is not None for page in given_out) <= 1
            page = PAGE.copy()
            given_out.append(weakref.ref(page))
            yield reading(field("f", "accepted", 0.99)), page
            del page

    write(pages(), io.StringIO(), "many")
    assert len(given_out) == 5


def test_thousands_of_fields_are_left_out_of_layout_until_they_are_seen() -> None:
    fields = tuple(field(f"f{at}", "review", at / 5000) for at in range(5000))
    source = report((reading(*fields), PAGE))
    assert source.count('<li class="row') == 5000
    assert "content-visibility:auto" in source
    assert len(source) < 12_000_000


def test_a_job_without_strings_says_so() -> None:
    assert "No digit strings were found" in report((reading(), PAGE))
