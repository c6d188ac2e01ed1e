from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from extractor.documents import count_pages, find_documents, load_page
from extractor.reader import Reader

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "samples"
MEGABYTE = 1 << 20


def rows_of(path: Path) -> list[tuple[str, int, str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["document"], int(row["page"]), row["field"], row["text"]) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(SAMPLES / "make_samples.py"), "--output", str(folder)]
    subprocess.run(command, check=True, env=environment, cwd=folder)
    return folder


DOCUMENTS = sorted(path.name for path in find_documents([SAMPLES]))
PAGES = sorted({(document, page) for document, page, _, _ in rows_of(SAMPLES / "expected.csv")})


def test_there_are_at_least_twelve_documents_of_modest_size() -> None:
    assert len(DOCUMENTS) >= 12
    assert sum((SAMPLES / name).stat().st_size for name in DOCUMENTS) < 4 * MEGABYTE


def test_the_expected_table_covers_every_page() -> None:
    assert [(name, page) for name in DOCUMENTS for page in range(1, count_pages(SAMPLES / name) + 1)] == PAGES


def test_the_expected_table_holds_digits_only_and_names_each_field_once() -> None:
    rows = rows_of(SAMPLES / "expected.csv")
    assert all(text == "" or (text.isascii() and text.isdigit()) for *_, text in rows)
    assert len({row[:3] for row in rows}) == len(rows)


def test_making_them_again_gives_the_same_table(made: Path) -> None:
    assert (made / "expected.csv").read_bytes() == (SAMPLES / "expected.csv").read_bytes()
    assert sorted(path.name for path in find_documents([made])) == DOCUMENTS


@pytest.mark.parametrize(("document", "page"), PAGES)
def test_making_them_again_gives_the_same_pictures(made: Path, document: str, page: int) -> None:
    kept, again = (load_page(folder / document, page) for folder in (SAMPLES, made))
    assert kept.shape == again.shape
    # Encoders, noise and the font of the print differ a little between versions of OpenCV.
    assert np.abs(kept.astype(np.int16) - again).mean() < 3


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader()


@pytest.mark.parametrize(("document", "page"), PAGES)
def test_a_sample_is_read_right(reader: Reader, document: str, page: int) -> None:
    expected = [row[2:] for row in rows_of(SAMPLES / "expected.csv") if row[:2] == (document, page)]
    reading = reader.read(load_page(SAMPLES / document, page), document=document, page=page)
    assert [(field.name, field.text) for field in reading.fields] == expected
