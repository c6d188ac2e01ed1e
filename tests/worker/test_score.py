from __future__ import annotations

import json

import pytest

from extractor.export import write
from extractor.readings import FieldReading, PageFailure, PageReading
from worker import cli


def page(document, *texts, names=None, number=1):
    fields = tuple(
        FieldReading(names[i] if names else f"line-{i + 1}", text, "accepted", 0.9 - i / 10, (0, 0, 1, 1))
        for i, text in enumerate(texts)
    )
    return PageReading(document, number, 9, 9, fields)


@pytest.fixture
def compare(tmp_path, capsys, environment):
    def run(gold, pages, kind="jsonl", code=0):
        truth = tmp_path / "gold.jsonl"
        truth.write_text("\n".join(json.dumps(entry) for entry in gold))
        found = tmp_path / f"pred.{kind}"
        with found.open("w", newline="") as stream:
            write(pages, kind, stream)
        with pytest.raises(SystemExit) as caught:
            cli.main(["score", str(truth), str(found), "--format", "json"])
        captured = capsys.readouterr()
        assert caught.value.code == code, captured.err
        return json.loads(captured.out) if code == 0 else captured.err

    return run


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_labels_are_compared_with_results_by_the_ends_of_their_paths(compare, kind):
    gold = [{"file": "a/x.png", "lines": ["123", "45"]}, {"file": "b/x.png", "lines": ["7"]}]
    pages = [page("in/b/x.png", "7"), page("in/a/x.png", "123", "46"), page("in/c.png", "1")]
    result = compare(gold, pages, kind)
    assert result["exact"]["count"] == 2
    assert result["exact"]["total"] == 3
    assert result["character_error_rate"] == pytest.approx(1 / 6)


def test_failed_and_missing_pages_count_as_missed(compare):
    gold = [{"file": "x.png", "lines": ["1"]}, {"file": "y.png", "lines": ["2"]}]
    failed = PageReading("x.png", 1, error=PageFailure("c", "m"))
    for kind in ("csv", "jsonl"):
        assert compare(gold, [failed], kind)["missed"] == 2


def test_fields_of_equal_names_belong_together_whatever_their_order(compare):
    gold = [page("x.png", "1", "2", names=["a", "b"]).to_dict()]
    assert compare(gold, [page("x.png", "2", "1", names=["b", "a"])])["exact"]["count"] == 2


def test_a_document_that_may_be_one_of_several_is_refused(compare):
    gold = [{"file": "x.png", "lines": ["1"]}]
    assert "longer paths" in compare(gold, [page("a/x.png", "1"), page("b/x.png", "1")], code=2)


def test_a_file_without_readings_is_refused(tmp_path, capsys, environment):
    (tmp_path / "x.jsonl").write_text('{"other": 1}\n')
    with pytest.raises(SystemExit) as caught:
        cli.main(["score", str(tmp_path / "x.jsonl"), str(tmp_path / "x.jsonl")])
    assert caught.value.code == 2
    assert "holds no readings" in capsys.readouterr().err
