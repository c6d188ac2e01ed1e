"""Reads forms among photographs through templates, and counts the listed numbers that are found.

The folder holds the pictures and ``labels.jsonl``, one line a picture: ``{"file": ..., "lines": [numbers]}``. A
template of `benchmarks/templates` names its reference by a file of that folder; both are brought together in a
temporary one.

    python benchmarks/templates.py FOLDER [--show]
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import tomllib
from collections import Counter
from pathlib import Path

from extractor.documents import load_page
from extractor.errors import PageError
from extractor.reader import Reader
from extractor.templates import load_template

TEMPLATES = Path(__file__).parent / "templates"
PAGES = {"nist-form.toml": "tdaileygithub__hsf*", "exam-sheet.toml": "leidoubi__scan_[0-9][0-9].*"}
"""Templates, and the pictures that are read by each."""


def main() -> None:
    """Measure one folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--show", action="store_true", help="print what was read where it is wrong")
    options = parser.parse_args()
    rows = [json.loads(line) for line in (options.folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    truth = {Path(row["file"]).name: row["lines"] for row in rows}
    files = {Path(row["file"]).name: options.folder / row["file"] for row in rows}
    reader = Reader(options.model)
    print("| template | pages | numbers found | accepted | of them wrong | least quality |")
    print("|---|---|---|---|---|---|")
    for name, pattern in PAGES.items():
        pages = sorted(file for file in files if Path(file).match(pattern))
        print(_measure(reader, TEMPLATES / name, [files[page] for page in pages], truth, options.show))


def _measure(reader: Reader, template_file: Path, pages: list[Path], truth: dict[str, list[str]], show: bool) -> str:
    with tempfile.TemporaryDirectory() as folder:
        reference = tomllib.loads(template_file.read_text(encoding="utf-8"))["reference"]
        shutil.copy(template_file, folder)
        shutil.copy(pages[0].parent / reference, folder)
        template = load_template(Path(folder) / template_file.name)
        found = total = accepted = wrong = 0
        least = 1.0
        for page in pages:
            wanted = truth[page.name]
            total += len(wanted)
            try:
                reading = reader.read(load_page(page, 1), template=template)
            except PageError as error:
                print(f"  {page.name}: {error}")
                least = 0.0
                continue
            if reading.form is not None:
                least = min(least, reading.form.quality)
            found += sum((Counter(wanted) & Counter(field.text for field in reading.fields)).values())
            for field, text in zip(reading.fields, wanted, strict=False):
                accepted += field.status == "accepted"
                wrong += field.status == "accepted" and field.text != text
                if show and field.text != text:
                    print(f"  {page.name} {field.name}: {field.text!r} for {text!r}, {field.status}")
    return f"| {template_file.stem} | {len(pages)} | {found} of {total} | {accepted} | {wrong} | {least:.2f} |"


if __name__ == "__main__":
    main()
