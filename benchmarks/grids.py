"""Reads photographs of 9x9 grids and counts the cells that are right.

A folder holds ``labels.jsonl``, one line a picture:
``{"file": ..., "cells": nine rows of nine strings}`` with ``0`` for a
blank cell and ``10`` for several small candidates, which is right when the cell is not accepted as a single digit.

    python benchmarks/grids.py FOLDER
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from extractor.documents import load_page
from extractor.reader import Reader, ReadOptions

SEVERAL = "10"


def main() -> None:
    """Measure one folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()
    reader = Reader(options.model)
    right = accepted_wrong = accepted_digits = digits = cells = located = 0
    rows = [json.loads(line) for line in (options.folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    started = time.perf_counter()
    for row in rows:
        reading = reader.read(load_page(options.folder / row["file"], 1), ReadOptions(layout="grid"))
        found = {field.name: field for field in reading.fields}
        located += len(found) == 81
        good = 0
        for r, line in enumerate(row["cells"], start=1):
            for c, truth in enumerate(line, start=1):
                field = found.get(f"r{r}c{c}")
                accepted = field is not None and field.status == "accepted" and len(field.text) == 1
                if truth == SEVERAL:
                    fine = not accepted
                else:
                    fine = field is not None and field.text == ("" if truth == "0" else truth)
                good += fine
                accepted_wrong += accepted and not fine
                digits += truth not in ("0", SEVERAL)
                accepted_digits += accepted and truth not in ("0", SEVERAL)
        right += good
        cells += 81
        print(f"  {row['file'][-40:]}: {len(found)} cells, {good} right")
    seconds = time.perf_counter() - started
    print(
        f"{options.folder.name}: {located} of {len(rows)} grids located, {right} of {cells} cells right, "
        f"{right / cells:.2%}, wrongly accepted {accepted_wrong / cells:.2%}, accepted {accepted_digits} of {digits} "
        f"digits, {1000 * seconds / len(rows):.0f} ms each"
    )


if __name__ == "__main__":
    main()
