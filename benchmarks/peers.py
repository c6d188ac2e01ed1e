"""Reads the same pictures of one string each with this reader, Tesseract and RapidOCR, and compares the figures.

Neither peer is a dependency: what is not installed is left out. Tesseract is the system's ``tesseract``, told that it
sees one line of digits; RapidOCR is ``rapidocr-onnxruntime`` in an environment of its own, named by its Python and told
that it sees one line. Of what the peers say only digits count. Seconds are those of the processor, one thread each,
start-up left out where it can be.

    python benchmarks/peers.py FOLDER [FOLDER ...] [--limit 200] [--rapidocr ENVIRONMENT/bin/python]

A folder holds ``labels.jsonl``, one line a picture: ``{"file": ..., "lines": [one digit string]}``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from extractor.documents import load_page
from extractor.reader import Reader, ReadOptions
from extractor.scoring import wilson

Readings = tuple[list[str], float]
"""A string for each picture, and the processor seconds of all."""

RAPIDOCR = """
import json, sys, time
from rapidocr_onnxruntime import RapidOCR
engine = RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1)
engine(sys.argv[1], use_det=False, use_cls=False)
started = time.process_time()
said = []
for file in sys.argv[1:]:
    found, _ = engine(file, use_det=False, use_cls=False)
    said.append("".join(text for text, _ in found or []))
print(json.dumps([said, time.process_time() - started]))
"""


def ours(files: list[Path]) -> Readings:
    """Read with the shipped network."""
    import cv2

    cv2.setNumThreads(0)
    reader = Reader()
    options = ReadOptions(layout="line")
    reader.read(load_page(files[0], 1), options)
    started = time.process_time()
    said = ["".join(field.text for field in reader.read(load_page(file, 1), options).fields) for file in files]
    return said, time.process_time() - started


def tesseract(files: list[Path]) -> Readings:
    """Read with Tesseract, all pictures in one process."""
    with tempfile.TemporaryDirectory() as folder:
        listing = Path(folder) / "files.txt"
        listing.write_text("".join(f"{file.absolute()}\n" for file in files), encoding="utf-8")
        command = ["tesseract", str(listing), "stdout", "--psm", "7", "-c", "tessedit_char_whitelist=0123456789"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = os.environ | {"OMP_THREAD_LIMIT": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    # A form feed ends the text of each picture.
    said = done.stdout.split("\f")[: len(files)]
    return said, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rapidocr(python: Path) -> Callable[[list[Path]], Readings]:
    """Read with RapidOCR in another environment."""

    def read(files: list[Path]) -> Readings:
        command = [str(python), "-c", RAPIDOCR, *(str(file.absolute()) for file in files)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
        said, seconds = json.loads(done.stdout.splitlines()[-1])
        return said, seconds

    return read


def main() -> None:
    """Measure all readers on all folders and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--limit", type=int, default=200, help="pictures of each folder, at random")
    parser.add_argument("--rapidocr", type=Path, metavar="PYTHON", help="of an environment with rapidocr-onnxruntime")
    options = parser.parse_args()
    readers: dict[str, Callable[[list[Path]], Readings]] = {"digits": ours}
    if shutil.which("tesseract"):
        readers["Tesseract"] = tesseract
    if options.rapidocr:
        readers["RapidOCR"] = rapidocr(options.rapidocr)
    print("| set | reader | exact strings | interval | ms a string |\n|---|---|---|---|---|")
    for folder in options.folders:
        rows = [json.loads(line) for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
        rows = [row for row in rows if len(row["lines"]) == 1]
        random.Random(0).shuffle(rows)
        rows = rows[: options.limit]
        files = [folder / row["file"] for row in rows]
        for name, read in readers.items():
            said, seconds = read(files)
            if len(said) != len(rows):
                print(f"{name} answered for {len(said)} of {len(rows)} pictures", file=sys.stderr)
                continue
            digits = ("".join(filter(lambda c: c in "0123456789", text)) for text in said)
            right = sum(text == row["lines"][0] for text, row in zip(digits, rows, strict=True))
            share = wilson(right, len(rows))
            print(
                f"| {folder.name} | {name} | {right} of {len(rows)} = {share.value:.1%} | "
                f"{100 * share.low:.1f}-{share.high:.1%} | {1000 * seconds / len(rows):.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
