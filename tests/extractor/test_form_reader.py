from __future__ import annotations

import cv2
import numpy as np
import pytest

from extractor.errors import PageError
from extractor.reader import Reader, ReadOptions
from extractor.readings import PageReading
from extractor.registration import register
from tests.extractor.drawn_form import DPI, TEXT, blank, cross, filled, template, write


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


def texts(reading: PageReading) -> dict[str, str]:
    return {field.name: field.text for field in reading.fields}


def statuses(reading: PageReading) -> dict[str, str]:
    return {field.name: field.status for field in reading.fields}


FILLED = {
    "customer": "407263",
    "amount": "325",
    "shipping": "40",
    "total": "365",
    **dict(zip((f"votes_r{row}c{column}" for row in (1, 2) for column in (1, 2, 3, 4)), "5  82 7 ", strict=True)),
}
WRITTEN = {name: text.strip() for name, text in FILLED.items()}


def test_every_field_is_read_under_its_name(reader):
    reading = reader.read(filled(), template=template())
    assert texts(reading) == WRITTEN
    assert list(texts(reading)) == template().reading_names()
    assert reading.form.template == "order"
    assert reading.form.quality > 0.8
    for field in reading.fields:
        assert (field.status == "blank") == (field.text == "")
    assert PageReading.from_dict(reading.to_dict()) == reading


@pytest.mark.parametrize("turn", [3.0, 90.0, 181.0])
def test_a_page_may_lie_askew_or_upside_down_and_boxes_are_those_of_the_scan(reader, turn):
    page = filled()
    height, width = page.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn, 0.8)
    matrix[:, 2] += (750 - width / 2, 750 - height / 2)
    scan = cv2.warpAffine(page, matrix, (1500, 1500), flags=cv2.INTER_AREA, borderValue=247)
    reading = reader.read(scan, template=template())
    assert texts(reading) == WRITTEN
    for field, item in zip(reading.fields[:4], template().fields, strict=False):
        x, y, w, h = item.box
        corners = np.array([(x, y, 1), (x + w, y, 1), (x, y + h, 1), (x + w, y + h, 1)]) @ matrix.T
        low, high = corners.min(axis=0), corners.max(axis=0)
        assert np.allclose(field.box, (*low, *(high - low)), atol=6)
        for digit in field.digits:
            assert low[0] - 8 <= digit.box[0] <= high[0]
            assert low[1] - 8 <= digit.box[1] <= high[1]


def test_a_blank_form_is_blank_everywhere(reader):
    reading = reader.read(blank(), template=template())
    assert set(statuses(reading).values()) == {"blank"}
    reasons = {field.name: field.reason for field in reading.fields}
    assert reasons["customer"] == reasons["amount"] == "missing"
    assert reasons["shipping"] == reasons["votes_r1c1"] == ""


def test_noise_in_empty_fields_is_no_digit(reader):
    rng = np.random.default_rng(1)
    page = np.clip(blank() + rng.normal(0, 9, (1000, 1240)), 0, 255).astype(np.uint8)
    for _ in range(300):
        x, y = rng.integers(0, 1238), rng.integers(0, 998)
        page[y : y + 2, x : x + 2] = 90
    assert set(texts(reader.read(page, template=template())).values()) == {""}


def test_a_crossed_out_field_or_cell_is_blank_and_says_why(reader):
    page = filled(amount="", shipping="", votes="5       ")
    cross(page, 520, 415, 90, 55)
    cross(page, 560, 695, 80, 70)
    cv2.line(page, (690, 735), (750, 733), 50, 4)
    reading = reader.read(page, template=template())
    found = {field.name: (field.text, field.status, field.reason) for field in reading.fields}
    assert found["shipping"] == ("", "blank", "crossed_out")
    assert found["votes_r1c2"] == ("", "blank", "crossed_out")
    assert found["votes_r1c3"] == ("", "blank", "crossed_out")
    assert found["votes_r1c1"][0] == "5"


def test_crossed_cells_of_a_comb_are_no_digits_of_its_number(reader):
    page = filled(total="")
    cross(page, 675, 272, 50, 55)
    cv2.line(page, (755, 302), (805, 301), 50, 4)
    assert texts(reader.read(page, template=template()))["amount"] == "325"


def test_several_small_digits_in_a_cell_are_left_to_a_person(reader):
    page = filled(votes="5       ")
    for text, x, y in (("2", 560, 712), ("6", 600, 712), ("9", 580, 765)):
        cv2.putText(page, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 50, 2, cv2.LINE_AA)
    field = next(item for item in reader.read(page, template=template()).fields if item.name == "votes_r1c2")
    assert (field.text, field.status, field.reason) == ("", "review", "several_digits")


def test_a_broken_rule_sends_its_fields_to_review_and_no_other(reader):
    reading = reader.read(filled(total="366"), template=template())
    reasons = {field.name: field.reason for field in reading.fields if field.reason}
    assert reasons == dict.fromkeys(("amount", "shipping", "total"), "rule: total = amount + shipping")
    assert all(statuses(reading)[name] == "review" for name in reasons)
    assert texts(reading)["total"] == "366"


def test_a_blank_optional_field_counts_as_nothing_in_a_rule(reader):
    reading = reader.read(filled(shipping="", total="325"), template=template())
    assert statuses(reading)["shipping"] == "blank"
    assert not any(field.reason.startswith("rule") for field in reading.fields)


def test_what_breaks_its_constraint_goes_to_review_with_both_readings(reader):
    held = template(TEXT.replace("digits = 6\n", 'digits = 6\ncodes = ["407268", "999999"]\n'))
    field = reader.read(filled(), template=held).fields[0]
    assert (field.text, field.status, field.reason) == ("407268", "review", "constraint")
    assert field.alternatives[0][0] == "407263"
    assert field.confidence < 0.5


def test_what_satisfies_its_constraint_is_accepted(reader):
    held = template(TEXT.replace("digits = 6\n", 'digits = 6\ncodes = ["407263", "999999"]\n'))
    field = reader.read(filled(), template=held).fields[0]
    assert (field.text, field.status, field.reason) == ("407263", "accepted", "")


def test_another_form_fails_with_a_reason(reader):
    rng = np.random.default_rng(0)
    page = np.full((1000, 1240), 245, np.uint8)
    for row in range(12):
        cv2.putText(page, "minutes of the meeting"[: rng.integers(8, 22)], (90, 90 + 70 * row), 3, 1.2, 30, 2)
    with pytest.raises(PageError, match="the page does not fit order") as error:
        reader.read(page, template=template())
    assert error.value.code == "registration"


def test_of_several_templates_the_one_that_fits_is_taken(reader):
    other = template(
        TEXT.replace('name = "order"', 'name = "other"').replace("[420, 120, 460, 84]", "[600, 100, 300, 60]")
    )
    for templates in ((other, template()), (template(), other)):
        reading = reader.read(filled(), ReadOptions(templates=templates))
        assert reading.form.template == "order"
        assert texts(reading) == WRITTEN


def test_a_page_without_fields_is_read_as_empty(reader):
    text = TEXT.replace("[[fields]]", "[[fields]]\npage = 2").replace("version", "pages = 2\nversion")
    second = template(text)
    reading = reader.read(filled(), template=second, page=1)
    assert reading.fields == ()
    assert reader.read(filled(), template=second, page=4).fields[0].text == "407263"


def test_a_field_beyond_the_edge_of_the_scan_is_not_guessed(reader):
    page = filled()[:, :800]
    reading = reader.read(page, template=template())
    found = {field.name: field for field in reading.fields}
    assert found["customer"].reason == "cut_off"
    assert found["customer"].status == "review"
    assert found["customer"].text == ""
    assert found["shipping"].text == "40"


def test_the_preview_shows_the_fields_where_they_lie():
    from extractor.preview import draw

    page = cv2.copyMakeBorder(filled(), 50, 0, 30, 0, cv2.BORDER_CONSTANT, value=247)
    picture = draw(page, template(), register(page, template()), 1)
    assert picture.shape == (1050, 1270, 3)
    changed = (picture != page[..., None]).any(axis=2)
    assert changed[165:260, 445:455].any()
    assert not changed[20, 20]
    assert template().page.dpi == DPI


def test_a_separator_in_a_field_is_reported_where_it_stands(reader):
    page = filled(shipping="")
    write(page, "46", 450, 468)
    cv2.circle(page, (544, 465), 4, 50, -1, cv2.LINE_AA)
    write(page, "77", 556, 468)
    field = next(item for item in reader.read(page, template=template()).fields if item.name == "shipping")
    assert field.text == "4677"
    (mark,) = field.separators
    assert (mark.position, mark.kind) == (2, ".")
    x, y, width, height = mark.box
    assert 532 <= x <= x + width <= 552
    assert 456 <= y <= y + height <= 490


def test_a_filled_form_without_separators_reports_none(reader):
    assert not any(field.separators for field in reader.read(filled(), template=template()).fields)
