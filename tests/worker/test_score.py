from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from extractor.export import write
from extractor.reader import Reader, ReadOptions
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


def test_the_text_for_people_tells_how_far_confidence_can_be_trusted(tmp_path, capsys, environment):
    lines = json.dumps(page("x.png", "1", "2").to_dict())
    for name in ("gold.jsonl", "pred.jsonl"):
        (tmp_path / name).write_text(lines)
    with pytest.raises(SystemExit):
        cli.main(["score", str(tmp_path / "gold.jsonl"), str(tmp_path / "pred.jsonl")])
    said = capsys.readouterr().out
    assert "right at confidence >= 0.9" in said
    assert "expected calibration error" in said


@pytest.fixture
def cheque(tmp_path, environment):
    """A picture beside its labels, one of them wrong, and readings that name it elsewhere."""
    image = cv2.imread(str(Path(__file__).parents[2] / "samples" / "cheque.jpg"))
    (tmp_path / "set" / "images").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "set" / "images" / "<a>.png"), image)
    (field,) = Reader().read(image, ReadOptions(layout="line")).fields
    gold = tmp_path / "set" / "labels.jsonl"
    gold.write_text(json.dumps({"file": "images/<a>.png", "lines": [field.text + "1"]}) + "\n")
    pred = tmp_path / "pred.jsonl"
    reading = PageReading("elsewhere/images/<a>.png", 1, image.shape[1], image.shape[0], (field,))
    pred.write_text(json.dumps(reading.to_dict()) + "\n")
    return gold, pred


def test_wrong_strings_are_written_to_a_page_with_their_pictures(cheque, tmp_path, capsys):
    gold, pred = cheque
    target = tmp_path / "errors.html"
    with pytest.raises(SystemExit) as caught:
        cli.main(["score", str(gold), str(pred), "--html", str(target)])
    assert caught.value.code == 0
    said = capsys.readouterr()
    assert "0 of 1" in said.out
    source = target.read_text(encoding="ascii")
    assert "images/&lt;a&gt;.png" in source
    assert 'alt="lattice' in source
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".html") == ["errors.html"]


def test_a_picture_that_is_nowhere_is_said_and_its_string_shown_without_one(cheque, tmp_path, capsys):
    gold, pred = cheque
    (gold.parent / "images" / "<a>.png").unlink()
    with pytest.raises(SystemExit) as caught:
        cli.main(["score", str(gold), str(pred), "--html", str(tmp_path / "errors.html")])
    assert caught.value.code == 0
    assert "no picture: elsewhere/images/<a>.png" in capsys.readouterr().err
    assert "its picture cannot be opened" in (tmp_path / "errors.html").read_text()


def test_a_page_that_cannot_be_written_is_found_out_before_the_work(cheque, tmp_path, capsys):
    gold, pred = cheque
    with pytest.raises(SystemExit) as caught:
        cli.main(["score", str(gold), str(pred), "--html", str(tmp_path / "no" / "e.html")])
    assert caught.value.code == 2
    said = capsys.readouterr()
    assert "cannot write to the folder" in said.err
    assert said.out == ""


def test_a_network_that_is_none_is_refused_in_one_line(cheque, tmp_path, capsys):
    gold, pred = cheque
    with pytest.raises(SystemExit) as caught:
        cli.main(["score", str(gold), str(pred), "--html", str(tmp_path / "e.html"), "--model", str(tmp_path)])
    assert caught.value.code == 2
    assert not (tmp_path / "e.html").exists()
