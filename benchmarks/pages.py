"""Draws the sample documents again, in other hands and with other numbers, and says how many of them are read.

The samples themselves were chosen so that all of them are read; these were not. Nothing learnt from them, but the hands
are those of the stroke model that the networks know: what they tell apart are kinds of pages, not shapes of digits.

    python benchmarks/pages.py [--seeds 8] [--first 100] [--only NAME] [--leave-combs] [--model NETWORK]
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

from extractor import ruling
from extractor.reader import Reader

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "samples"))


def main() -> None:
    """Measure every kind of sample."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--first", type=int, default=100)
    parser.add_argument("--only", default="")
    parser.add_argument("--leave-combs", action="store_true", help="take no comb's dividers or teeth out of the pages")
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    if options.leave_combs:
        ruling.may_have_teeth = lambda small, part, tall: False
    reader = Reader(options.model)
    print("| document | pages whole | numbers read | others reported |\n|---|---|---|---|")
    for name, (_, make) in importlib.import_module("make_samples").DOCUMENTS.items():
        if options.only not in name:
            continue
        pages = whole = numbers = read = others = 0
        for seed in range(options.first, options.first + options.seeds):
            for page in make(np.random.default_rng(seed)):
                written = [text for _, text in page.fields]
                said = [field.text for field in reader.read(page.picture).fields]
                pages, whole = pages + 1, whole + (said == written)
                found = Counter(filter(None, written)) & Counter(filter(None, said))
                numbers, read = numbers + sum(map(bool, written)), read + found.total()
                others += sum(map(bool, said)) - found.total()
        print(f"| {name} | {whole} of {pages} | {read} of {numbers} | {others} |", flush=True)


if __name__ == "__main__":
    main()
