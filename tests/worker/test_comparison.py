from __future__ import annotations

import json

import pytest

from extractor.errors import UsageError
from extractor.readings import FieldReading, PageReading
from worker.comparison import compare, load


def field(name: str, text: str) -> FieldReading:
    return FieldReading(name, text, "review", 0.5, (1, 2, 30, 40))


def test_places_and_status_are_read_from_either_format(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps(PageReading("x.png", 2, 9, 9, (field("f", "12"),)).to_dict()))
    (tmp_path / "a.csv").write_text(
        "document,page,field,text,confidence,status,x,y,width,height\nx.png,2,f,12,0.5,review,1,2,30,40\n"
    )
    for name in ("a.jsonl", "a.csv"):
        ((key, (string,)),) = load(tmp_path / name).items()
        assert key == ("x.png", 2)
        assert (string.text, string.status, string.box) == ("12", "review", (1, 2, 30, 40))


def test_boxes_of_digits_are_taken_where_there_is_one_for_each(tmp_path):
    rows = [
        {"file": "a.png", "lines": ["12"], "boxes": [[0, 0, 5, 9], [6.4, 0, 5, 9]]},
        {"file": "b.png", "lines": ["12"], "boxes": [[0, 0, 5, 9]]},
        {"file": "c.png", "lines": ["1", "2"], "boxes": [[0, 0, 5, 9], [6, 0, 5, 9]]},
    ]
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pages = load(tmp_path / "labels.jsonl")
    assert pages["a.png", 0][0].digit_boxes == ((0, 0, 5, 9), (6, 0, 5, 9))
    assert all(not string.digit_boxes for name in ("b.png", "c.png") for string in pages[name, 0])


@pytest.mark.parametrize("box", ["[Infinity, 0, 1, 1]", "[NaN, 0, 1, 1]", '["a", 0, 1, 1]', "7"])
def test_boxes_that_are_none_are_refused(tmp_path, box):
    file = tmp_path / "labels.jsonl"
    file.write_text(f'{{"file": "a.png", "lines": ["1"], "boxes": [{box}]}}')
    with pytest.raises(UsageError, match="holds no readings"):
        load(file)


def test_every_pair_knows_its_page_on_both_sides(tmp_path):
    (tmp_path / "gold.jsonl").write_text(json.dumps({"file": "x.tif", "lines": ["11", "22", "33"]}))
    pages = [
        PageReading("in/x.tif", 1, 9, 9, (field("f", "11"),)),
        PageReading("in/x.tif", 2, 9, 9, (field("g", "22"),)),
    ]
    (tmp_path / "pred.jsonl").write_text("\n".join(json.dumps(page.to_dict()) for page in pages))
    pairs, missing = compare(load(tmp_path / "gold.jsonl"), load(tmp_path / "pred.jsonl"))
    assert missing == 0
    assert [pair.gold for pair in pairs] == [("x.tif", 0)] * 3
    assert [pair.page for pair in pairs if pair.read] == [("in/x.tif", 1), ("in/x.tif", 2)]
    assert [pair.answer.is_exact for pair in pairs] == [True, True, False]
