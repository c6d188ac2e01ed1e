from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from extractor.errors import DocumentError
from extractor.forms import Field
from extractor.templates import TemplateError, TemplateSource, load_template, parse_template, read_source, schema

ROOT = Path(__file__).resolve().parents[2]
TEXT = """\
version = 1
name = "invoice"
pages = 2

[page]
width = 1000
height = 1400

[[anchors]]
kind = "aruco"
box = [10, 10, 60, 60]
id = 4

[[fields]]
name = "net"
box = [100, 100, 300, 80]
digits = "3-7"

[[fields]]
name = "total"
box = [100, 200, 300, 80]
range = [1, 99999]

[[fields]]
name = "table"
box = [100, 300, 600, 400]
grid = [2, 3]
names = "row{row}_col{column}"
page = 2

[rules]
total = "net + table_row1_col2"
"""


def parsed(text: str = TEXT, **codes: str):
    return parse_template(TemplateSource("form.toml", text, codes))


def refused(old: str, new: str) -> str:
    assert old in TEXT
    with pytest.raises(TemplateError) as error:
        parsed(TEXT.replace(old, new, 1))
    assert error.value.exit_code == 2
    return str(error.value)


def test_a_template_says_what_the_form_is():
    template = parsed()
    assert template.page.dpi == 300
    assert template.anchors[0].id == 4
    assert [item.lengths for item in template.fields] == [(3, 7), (1, 40), (1, 1)]
    assert template.rules[0].expression == "net + table_row1_col2"
    assert template.reading_names() == ["net", "total", *(f"table_row{r}_col{c}" for r in (1, 2) for c in (1, 2, 3))]
    assert template.reference_image() is None


def test_forms_of_several_pages_follow_each_other():
    names = [[item.name for item in parsed().fields_of(page)] for page in (1, 2, 3, 4)]
    assert names == [["net", "total"], ["net", "total", "table"]] * 2
    whole = parsed(TEXT.replace("pages = 2\n", ""))
    assert [item.name for item in whole.fields_of(3)] == ["net", "total"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("digits =", "digts =", "form.toml, line 17: unknown key 'digts' (did you mean digits?)"),
        ("kind =", "king =", "form.toml, line 9: 'kind' is missing (and 1 more: digits template check)"),
        ('"3-7"', '"7-3"', "form.toml, line 17: digits must lie between 1 and 40, the smaller number first"),
        ('"3-7"', "0", "form.toml, line 17: digits"),
        ('"3-7"', '"many"', "form.toml, line 17: digits must be a number such as 5, or a range"),
        ("[100, 200,", "[100, 150,", "form.toml, line 21: the box of total overlaps net"),
        ("[100, 200,", "[900, 200,", "form.toml, line 21: the box lies off the page of 1000 x 1400 pixels"),
        ("[100, 200,", "[-1, 200,", "form.toml, line 21: the box lies off the page"),
        ("[100, 200, 300, 80]", "[100, 200, 300]", "form.toml, line 21: box needs more than 3 numbers"),
        ("[100, 200, 300, 80]", "[100, 200, 300, 0]", "form.toml, line 21: box: input should be greater than 0"),
        ("[1, 99999]", "[9, 1]", "form.toml, line 22: a range is [least, greatest]"),
        ("range = [1, 99999]", 'pattern = "[0-9"', "form.toml, line 22: pattern: a class that is not closed"),
        ("range = [1, 99999]", 'check = "moon"', "form.toml, line 22: 'moon' is no check digit known here"),
        ('name = "total"', 'name = "net"', "form.toml, line 20: the name net is given twice"),
        ('name = "total"', 'name = "=1+1"', "form.toml, line 20: a name is made of letters, digits and _"),
        ("row{row}_col{column}", "cell{row}", "form.toml, line 28: names must hold {row} and {column}"),
        ("row{row}_col{column}", "{row.real}{column}{0}", "form.toml, line 28: names must hold"),
        ("page = 2\n", "page = 3\n", "form.toml, line 29: page 3 of a form of 2 pages"),
        ("grid = [2, 3]", "grid = [2, 3]\ncells = 4", "form.toml, line 24: a field has cells (a comb) or a grid"),
        ("id = 4\n", "", "form.toml, line 9: an aruco anchor needs an id"),
        ("net + table", "net + tabel", "form.toml, line 32: there is no field 'tabel_row1_col2'"),
        ('total = "', 'sum = "', "form.toml, line 32: there is no field 'sum'"),
        ("version = 1", "version = 2", "form.toml, line 1: version: input should be 1"),
        ('name = "invoice"', "name = invoice", "form.toml: this is no TOML: "),
    ],
)
def test_what_is_wrong_is_said_with_its_line(old, new, said):
    message = refused(old, new)
    assert said in message
    assert "\n" not in message


def test_all_that_is_wrong_can_be_asked_for():
    with pytest.raises(TemplateError) as error:
        parsed(TEXT.replace("digits", "digts").replace("grid =", "grad ="))
    assert error.value.others == ("form.toml, line 27: unknown key 'grad' (did you mean grid?)",)


def test_neighbours_may_share_a_printed_line():
    assert parsed(TEXT.replace("[100, 200,", "[100, 178,")).fields[1].box[1] == 178


def test_fields_on_different_pages_may_lie_in_the_same_place():
    text = TEXT.replace('name = "net"', 'name = "net"\npage = 1').replace("[100, 300, 600, 400]", "[100, 100, 600, 90]")
    assert len(parsed(text.replace("range =", "page = 1\nrange =")).fields) == 3


def test_codes_come_from_a_file_beside_the_template(tmp_path):
    (tmp_path / "codes.txt").write_text("12345 # first\n\n54321\n12345\n")
    (tmp_path / "form.toml").write_text(TEXT.replace("range = [1, 99999]", 'digits = 5\ncodes = "codes.txt"'))
    assert load_template(tmp_path / "form.toml").fields[1].codes == ("12345", "54321")
    (tmp_path / "codes.txt").unlink()
    with pytest.raises(TemplateError, match=r"line 23: the list of codes codes\.txt cannot be read: No such file"):
        load_template(tmp_path / "form.toml")


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        ("12345\n1234x\n", "line 23: a code on line 2 of c.txt is not made of digits: '1234x'"),
        ("1234\n", "line 23: the code 1234 on line 1 of c.txt does not have 5 digits as the field has"),
        ("# none\n", "line 23: the list of codes is empty"),
    ],
)
def test_a_list_of_codes_is_checked_line_by_line(codes, said):
    text = TEXT.replace("range = [1, 99999]", 'digits = 5\ncodes = "c.txt"')
    with pytest.raises(TemplateError) as error:
        parsed(text, **{"c.txt": codes})
    assert said in str(error.value)


def test_a_source_carries_all_that_another_machine_needs(tmp_path):
    (tmp_path / "codes.txt").write_text("12345\n")
    cv2.imwrite(str(tmp_path / "blank.png"), np.full((700, 500), 250, np.uint8))
    path = tmp_path / "form.toml"
    path.write_text('reference = "blank.png"\n' + TEXT.replace("range = [1, 99999]", 'codes = "codes.txt"'))
    source = read_source(path)
    carried = TemplateSource.from_dict(json.loads(json.dumps(source.to_dict())))
    (tmp_path / "codes.txt").unlink()
    path.unlink()
    template = parse_template(carried)
    assert template.fields[1].codes == ("12345",)
    assert template.reference_image().shape == (1400, 1000)
    assert carried.digest() == source.digest()
    cv2.imwrite(str(tmp_path / "blank.png"), np.full((700, 500), 240, np.uint8))
    with pytest.raises(DocumentError, match="has changed since the job was submitted"):
        template.reference_image()


def test_a_reference_of_other_proportions_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "blank.png"), np.full((500, 500), 250, np.uint8))
    (tmp_path / "form.toml").write_text('reference = "blank.png"\n' + TEXT)
    with pytest.raises(DocumentError, match="500 x 500 pixels, which are not the proportions"):
        load_template(tmp_path / "form.toml").reference_image()


def test_the_same_contents_are_the_same_template_wherever_they_lie(tmp_path):
    digests = set()
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text(TEXT)
        digests.add(read_source(tmp_path / f"{name}.toml").digest())
    (tmp_path / "b.toml").write_text(TEXT.replace("99999", "9999"))
    assert len(digests) == 1
    assert read_source(tmp_path / "b.toml").digest() not in digests


def test_a_comb_holds_no_more_digits_than_cells():
    assert Field(name="a", box=(0, 0, 50, 10), cells=5).lengths == (1, 5)
    with pytest.raises(ValueError, match="fewer cells than digits"):
        Field(name="a", box=(0, 0, 50, 10), cells=5, digits=6)


def test_the_published_schema_is_that_of_the_code():
    published = json.loads((ROOT / "docs" / "template.schema.json").read_text(encoding="utf-8"))
    assert published == json.loads(json.dumps(schema())), "write it anew: see docs/forms.md"


@pytest.mark.parametrize("path", sorted((ROOT / "samples" / "templates").glob("*.toml")), ids=lambda path: path.name)
def test_the_templates_among_the_samples_are_whole(path):
    assert load_template(path).fields
