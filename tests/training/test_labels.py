"""Labels are checked line by line, and divided so that no string is on both sides."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.labels import LabelError, LabelledImage, load_corrections, read_labels, split, to_jsonl


@pytest.fixture
def folder(tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def written(folder, *lines: str):
    path = folder / "labels.jsonl"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_lines_and_text_mean_the_same_and_other_keys_are_passed_over(folder):
    path = written(
        folder,
        '{"file": "a.png", "lines": ["0012"], "boxes": [[1, 2, 3, 4]]}',
        "",
        '{"file": "b.png", "text": "7"}',
        json.dumps({"file": str(folder / "c.png"), "lines": ["40"]}),
        '{"file": "b.png", "text": "7"}',
    )
    found = read_labels(path)
    assert [(image.file, image.text) for image in found[:2]] == [("a.png", "0012"), ("b.png", "7")]
    assert [image.path for image in found] == [folder / "a.png", folder / "b.png", folder / "c.png"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"file": "a.png", "lines": ["12x4"]}', "not a string of 1 to 40 digits"),
        ('{"file": "a.png", "lines": ["12\\n"]}', "not a string of 1 to 40 digits"),
        ('{"file": "a.png", "lines": ["١٢"]}', "not a string of 1 to 40 digits"),
        ('{"file": "a.png", "text": ""}', "not a string of 1 to 40 digits"),
        ('{"file": "a.png", "lines": []}', "0 strings instead of one"),
        ('{"file": "a.png", "lines": ["1", "2"]}', "2 strings instead of one"),
        ('{"file": "a.png"}', 'either "lines" or "text"'),
        ('{"file": "a.png", "lines": ["1"], "text": "1"}', 'either "lines" or "text"'),
        ('{"file": "a.png", "lines": [12]}', "lines.0"),
        ('{"lines": ["12"]}', "file: Field required"),
        ('["a.png", "12"]', "valid dictionary"),
        ('{"file": "a.png", ', "no JSON object"),
        ("[" * 100_000, "no JSON object"),
        ('{"file": "absent.png", "text": "12"}', "there is no file absent.png"),
        ('{"file": ".", "text": "12"}', "there is no file ."),
        ('{"file": "b.png", "text": "99"}', "another label further up"),
    ],
)
def test_a_faulty_line_is_named_by_its_number(folder, line, reason):
    path = written(folder, '{"file": "b.png", "text": "98"}', line)
    with pytest.raises(LabelError) as caught:
        read_labels(path)
    assert f"{path}, line 2: " in str(caught.value)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_no_labels_at_all_are_refused(folder, content):
    with pytest.raises(LabelError, match="holds no labels"):
        read_labels(written(folder, content))


def test_what_is_no_file_of_text_is_refused(folder):
    with pytest.raises(LabelError, match="Cannot read"):
        read_labels(folder / "absent.jsonl")
    (folder / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LabelError, match="UTF-8"):
        read_labels(folder / "binary.jsonl")


def test_labels_are_written_as_they_are_read(folder):
    path = written(folder, '{"file": "a.png", "text": "12"}', '{"file": "b.png", "lines": ["3"]}')
    found = read_labels(path)
    again = folder / "again.jsonl"
    again.write_text(to_jsonl(found))
    assert read_labels(again) == found


def images(texts: list[str]) -> list[LabelledImage]:
    return [LabelledImage(None, f"{number}.png", text) for number, text in enumerate(texts)]


strings = st.lists(st.text("0123456789", min_size=1, max_size=3), min_size=2, max_size=60)


@given(strings, st.floats(0.05, 0.8), st.integers(0, 5))
def test_every_image_is_in_one_part_and_no_string_in_both(texts, share, seed):
    if len(set(texts)) < 2:
        with pytest.raises(LabelError):
            split(images(texts), share, seed, "held out")
        return
    others, apart = split(images(texts), share, seed, "held out")
    assert sorted(others + apart) == list(range(len(texts)))
    assert others
    assert apart
    assert not {texts[index] for index in others} & {texts[index] for index in apart}


@given(strings.filter(lambda texts: len(set(texts)) > 1), st.randoms(use_true_random=False))
def test_the_parts_do_not_depend_on_the_order(texts, random):
    shuffled = random.sample(texts, len(texts))
    first, second = (
        {items[index] for index in split(images(items), 0.3, 1, "held out")[1]} for items in (texts, shuffled)
    )
    assert first == second


def test_different_strings_are_divided_as_asked_for():
    texts = [f"{number:05}" for number in range(1000)]
    apart = split(images(texts), 0.25, 1, "held out")[1]
    assert len(apart) == 250
    assert split(images(texts), 0.25, 1, "held out")[1] == apart
    assert split(images(texts), 0.25, 2, "held out")[1] != apart
    assert split(images(texts), 0.25, 1, "calibration")[1] != apart


def test_corrections_are_those_of_one_set(tmp_path):
    path = tmp_path / "corrections.jsonl"
    rows = [
        {"set": "one", "file": "a.png", "given": ["12"], "corrected": ["13"], "reason": "seen"},
        {"set": "two", "file": "a.png", "given": ["5"], "corrected": [], "reason": "blank"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert load_corrections(path, "one") == {"a.png": ["13"]}
    assert load_corrections(path, "three") == {}
