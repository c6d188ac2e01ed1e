"""Says what it is worth to find the dividers of combs: the strings that stand in one, read with that and without.

A folder holds ``labels.jsonl``, one line a picture of one string: ``{"file": ..., "lines": [digits], ...}``.

    python benchmarks/combs.py FOLDER [--corrections FILE] [--model NETWORK]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from unittest.mock import patch

import numpy as np

from extractor import lines
from extractor.dividers import Dividers
from extractor.documents import load_page
from extractor.lines import line_image
from extractor.preprocess import Mask, clean
from extractor.reader import Reader, ReadOptions
from extractor.scoring import wilson
from training.labels import load_corrections


def find_none(mask: Mask, across: Mask, unit: float) -> Dividers:
    """Find no comb anywhere."""
    return Dividers(np.zeros(0), 0.0, np.zeros_like(mask))


def main() -> None:
    """Measure one folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--corrections", type=Path)
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()
    rows = [json.loads(line) for line in (options.folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    corrected = load_corrections(options.corrections, options.folder.name) if options.corrections else {}
    reader, how = Reader(options.model), ReadOptions(layout="line")
    combs = found = left = 0
    for row in rows:
        image = load_page(options.folder / row["file"], 1)
        page = clean(image)
        line = line_image(page.ink, page.mask)
        if line is None or not line.is_comb:
            continue
        truth = corrected.get(row["file"], row["lines"])
        combs += 1
        found += [field.text for field in reader.read(image, how).fields] == truth
        with patch.object(lines, "find_dividers", find_none):
            left += [field.text for field in reader.read(image, how).fields] == truth
    print(f"{options.folder.name}: {combs} of {len(rows)} strings stand in a comb whose dividers are found")
    for name, right in (("dividers taken out", found), ("dividers left", left)):
        share = wilson(right, combs)
        print(f"  {name}: {right} right = {right / max(1, combs):.1%} ({share.low:.1%}-{share.high:.1%})")


if __name__ == "__main__":
    main()
