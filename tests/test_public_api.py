"""What ``import extractor`` offers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import extractor
from extractor.documents import load_page

from .extractor import image_files as make

SAMPLES = Path(__file__).parents[1] / "samples"


def test_importing_it_loads_no_heavy_package():
    code = (
        "import sys, extractor, extractor.errors, extractor.readings\n"
        "extractor.PageReading, extractor.DigitsError\n"
        "print(sorted({'cv2', 'numpy', 'ai_edge_litert', 'tensorflow', 'celery'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_and_listed():
    for name in extractor.__all__:
        assert getattr(extractor, name).__name__ == name
        assert name in dir(extractor)
    assert extractor.__all__ == sorted(extractor.__all__)


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'transcribe'"):
        _ = extractor.transcribe


def test_reading_a_file_gives_what_a_reader_gives():
    file = SAMPLES / "cheque.jpg"
    options = extractor.ReadOptions(layout="page")
    expected = extractor.Reader().read(load_page(file, 1), options, document=str(file), page=1)
    assert extractor.read(file, layout="page") == [expected]


def test_a_grid_with_blank_cells_becomes_plain_json_and_comes_back():
    (page,) = extractor.read(SAMPLES / "answer-sheet.jpg", layout="grid")
    assert "blank" in {field.status for field in page.fields}
    assert extractor.PageReading.from_dict(json.loads(json.dumps(page.to_dict()))) == page


def test_each_page_of_a_file_has_its_reading():
    file = str(SAMPLES / "inspection.pdf")
    small, large = extractor.read(file, dpi=75), extractor.read(file, dpi=150)
    assert [(page.document, page.page) for page in large] == [(file, 1), (file, 2)]
    assert [page.width for page in large] == pytest.approx([2 * page.width for page in small], abs=2)


def test_a_broken_page_says_why_and_the_others_are_read(tmp_path):
    file = tmp_path / "two.tif"
    missing = make.tiff_page(2, 1, 8, 1, b"", t273=10**6, t279=2)
    file.write_bytes(make.tiff([make.tiff_page(2, 1, 8, 1, b"\xff\xff"), missing]))
    first, second = extractor.read(file)
    assert (first.error, first.page, first.width) == (None, 1, 2)
    assert (second.error.code, second.page, second.fields) == ("truncated", 2, ())
    assert "two.tif, page 2:" in second.error.message


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(None, "missing", id="no such file"),
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"Dear Sir or Madam", "unsupported", id="a text"),
        pytest.param((SAMPLES / "cheque.jpg").read_bytes()[:20_000], "truncated", id="half a picture"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error(tmp_path, content, code):
    file = tmp_path / "scan.jpg"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(extractor.DocumentError) as error:
        extractor.read(file)
    assert error.value.code == code
    assert "scan.jpg" in str(error.value)


def test_a_folder_without_a_network_is_an_error(tmp_path):
    with pytest.raises(extractor.ModelError, match=r"card\.json is missing"):
        extractor.read(SAMPLES / "cheque.jpg", model=tmp_path)
