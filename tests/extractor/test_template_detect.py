from __future__ import annotations

import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from extractor.documents import load_page
from extractor.errors import PageError, UsageError
from extractor.registration import LEAST_QUALITY, register
from extractor.template_detect import guess_dpi, propose
from extractor.template_text import to_toml
from extractor.templates import TemplateSource, load_template, parse_template
from worker.cli.template_detect import detect_command

SAMPLES = Path(__file__).resolve().parents[2] / "samples"


def kinds_and_boxes(name):
    proposal = propose(load_page(SAMPLES / name, 1))
    return [(field.kind, field.cells or field.grid, field.box) for field in proposal.fields]


def near(box, x, y, width, height, slack=14):
    return np.abs(np.subtract(box, (x, y, x + width, y + height))).max() < slack


def test_the_plain_frames_of_a_filled_in_form_are_found():
    boxes = [box for kind, _, box in kinds_and_boxes("form-boxes.jpg") if kind == "box"]
    for row, length in enumerate((8, 4, 9, 5, 10)):
        assert any(near(box, 420, 260 + row * 130, 90 + 52 * length, 84) for box in boxes)
    assert len(boxes) == 5


def test_combs_that_are_open_above_are_found_with_their_teeth_counted():
    combs = [(cells, box) for kind, cells, box in kinds_and_boxes("form-combs.png") if kind == "comb"]
    assert [cells for cells, _ in combs] == [9, 5, 5, 10, 8]
    for row, (cells, box) in enumerate(combs):
        assert near(box, 430, 200 + row * 125, 64 * cells, 72)


def test_digits_printed_close_above_a_box_make_no_comb():
    page = np.full((1170, 827), 245, np.uint8)
    for row in range(3):
        top = 200 + 150 * row
        for place in range(8):
            cv2.line(page, (80 + 30 * place, top - 18), (80 + 30 * place, top - 4), 20, 2)
        cv2.rectangle(page, (60, top), (400, top + 42), 20, 2)
    assert [field.kind for field in propose(page).fields] == ["box"] * 3


def test_rows_of_closed_cells_are_combs():
    combs = [cells for kind, cells, _ in kinds_and_boxes("meter-card.jpg") if kind == "comb"]
    assert combs == [6, 5, 5]


def test_a_ruled_grid_is_one_field():
    (found,) = kinds_and_boxes("answer-sheet.jpg")
    assert found[:2] == ("grid", (9, 6))
    assert near(found[2], 110, 220, 6 * 128, 9 * 112)


def test_lines_to_write_on_are_found_solid_and_dashed():
    assert [kind for kind, _, _ in kinds_and_boxes("delivery-notes.tif")] == ["line"] * 4
    assert [kind for kind, _, _ in kinds_and_boxes("inspection.pdf")] == ["line"] * 4


@given(
    count=st.integers(3, 9),
    pitch=st.integers(50, 75),
    height=st.integers(60, 110),
    x=st.integers(300, 450),
    lean=st.floats(-2, 2),
)
@settings(max_examples=8, deadline=None)
def test_what_is_drawn_is_proposed_and_loads(count, pitch, height, x, lean):
    page = np.full((1754, 1240), 245, np.uint8)
    cv2.rectangle(page, (x, 300), (x + 400, 300 + height), 40, 2)
    cv2.line(page, (x, 700), (x + 500, 700), 40, 2)
    for cell in range(count):
        cv2.rectangle(page, (x + cell * pitch, 1000), (x + (cell + 1) * pitch, 1000 + height), 40, 2)
    turn = cv2.getRotationMatrix2D((620, 877), lean, 1.0)
    proposal = propose(cv2.warpAffine(page, turn, (1240, 1754), flags=cv2.INTER_CUBIC, borderValue=245))
    assert [(field.kind, field.cells) for field in proposal.fields] == [("box", 0), ("line", 0), ("comb", count)]
    assert proposal.dpi == 150
    assert near(proposal.fields[0].box, x, 300, 400, height, slack=8)
    template = parse_template(TemplateSource("t.toml", to_toml(proposal, 'a "form" \\ \n')))
    assert [field.cells for field in template.fields] == [None, None, count]


@pytest.mark.parametrize(
    ("size", "dpi"),
    [((2480, 3508), 300), ((1653, 2337), 200), ((2550, 3300), 300), ((3508, 2480), 300), ((1700, 2200), 200)],
)
def test_the_resolution_is_told_from_usual_paper(size, dpi):
    assert guess_dpi(*size) == dpi


def test_marks_in_the_corners_become_anchors():
    page = np.full((1754, 1240), 245, np.uint8)
    for x in (60, 1140):
        for y in (60, 1650):
            page[y : y + 40, x : x + 40] = 30
    cv2.rectangle(page, (300, 500), (700, 580), 40, 2)
    proposal = propose(page)
    assert [kind for kind, _, _ in proposal.anchors] == ["square"] * 4
    assert len(proposal.fields) == 1


def test_the_command_writes_a_template_that_the_scan_lies_on(tmp_path):
    result = CliRunner().invoke(detect_command, [str(SAMPLES / "form-boxes.jpg"), "--output", str(tmp_path / "t.toml")])
    assert result.exit_code == 0
    template = load_template(tmp_path / "t.toml")
    assert template.reference == tmp_path / "t.png"
    found = register(load_page(SAMPLES / "form-boxes.jpg", 1), template)
    assert found.quality > 0.8 > LEAST_QUALITY
    assert not list(tmp_path.glob(".digits-*"))


def test_without_a_file_the_template_goes_to_standard_output():
    result = CliRunner().invoke(detect_command, [str(SAMPLES / "meter-card.jpg"), "--name", "meter"])
    tree = tomllib.loads(result.stdout)
    assert tree["name"] == "meter"
    assert "reference" not in tree
    assert [field["name"] for field in tree["fields"]] == ["field_1", "field_2", "field_3"]


def test_a_page_without_fields_is_an_error_and_leaves_no_file(tmp_path):
    cv2.imwrite(str(tmp_path / "white.png"), np.full((400, 300), 250, np.uint8))
    arguments = [str(tmp_path / "white.png"), "--output", str(tmp_path / "t.toml")]
    assert isinstance(CliRunner().invoke(detect_command, arguments).exception, PageError)
    assert [path.name for path in tmp_path.iterdir()] == ["white.png"]


def test_the_scan_is_never_overwritten(tmp_path):
    scan = tmp_path / "form.png"
    cv2.imwrite(str(scan), load_page(SAMPLES / "meter-card.jpg", 1))
    before = scan.read_bytes()
    result = CliRunner().invoke(detect_command, [str(scan), "--output", str(tmp_path / "form.toml")])
    assert isinstance(result.exception, UsageError)
    assert scan.read_bytes() == before
