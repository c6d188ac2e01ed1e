"""Counts how often the right cuts are among the candidates of the lattice.

A folder holds ``labels.jsonl``, one line a picture:
``{"file": ..., "lines": [digits], "boxes": [[x, y, w, h] of each digit]}``.
A digit counts as found when some candidate covers the same columns (intersection over union at least 0.6).

    python benchmarks/cuts.py FOLDER
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from extractor.documents import load_page
from extractor.lines import line_image
from extractor.preprocess import clean
from extractor.segmentation import segment

OVERLAP = 0.6


def overlap(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Intersection over union of two spans of columns, each (left, right)."""
    shared = min(first[1], second[1]) - max(first[0], second[0])
    return max(0.0, shared) / (max(first[1], second[1]) - min(first[0], second[0]))


def main() -> None:
    """Measure one folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    strings = whole = digits = found = candidates = 0
    for text in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(text)
        page = clean(load_page(folder / row["file"], 1))
        line = line_image(page.ink, page.mask)
        spans = []
        if line is not None:
            boxes = [candidate.box for candidate in segment(line).candidates]
            left = line.origin[0]
            spans = [(left + x / line.scale, left + (x + width) / line.scale) for x, _, width, _ in boxes]
        hits = [any(overlap((x, x + w), span) >= OVERLAP for span in spans) for x, _, w, _ in row["boxes"]]
        strings, whole = strings + 1, whole + all(hits)
        digits, found = digits + len(hits), found + sum(hits)
        candidates += len(spans)
    print(
        f"{folder.name}: all digits cut in {whole} of {strings} strings = {whole / strings:.1%}, "
        f"{found / digits:.1%} of digits, {candidates / digits:.1f} candidates a digit"
    )


if __name__ == "__main__":
    main()
