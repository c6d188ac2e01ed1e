"""Counts how often a picture that lies on its side or upside down is read as when it is upright.

Every picture of a folder is read as it is and turned by 90, 180 and 270 degrees, without a template. Told apart are
pictures on which at least three digits are read clearly that look different from another side, since only such a page
can show how it lies.

    python benchmarks/orientation.py FOLDER [--longest 2600] [--model NETWORK]
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path

import cv2

from extractor.documents import load_page
from extractor.orientation import ENOUGH, telling_digits, turn
from extractor.reader import Reader


def main() -> None:
    """Print one line for each way in which a picture lies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--longest", type=int, default=2600, help="leave out pictures with a longer side, in pixels")
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    reader = Reader(options.model)
    same: Counter[tuple[int, bool]] = Counter()
    count: Counter[tuple[int, bool]] = Counter()
    for line in (options.folder / "labels.jsonl").read_text(encoding="utf-8").splitlines():
        image = load_page(options.folder / json.loads(line)["file"], 1)
        if max(image.shape) > options.longest:
            continue
        upright = reader.read(image)
        tells = telling_digits(upright.fields) >= ENOUGH
        texts = [field.text for field in upright.fields]
        count[0, tells] += 1
        same[0, tells] += upright.turned == 0
        for quarters in (1, 2, 3):
            lying = reader.read(turn(image, quarters))
            count[quarters, tells] += 1
            # From a page that was turned itself, the way back is another.
            way = (lying.turned - upright.turned + 90 * quarters) % 360 == 0
            same[quarters, tells] += way and [field.text for field in lying.fields] == texts
    print("| the picture | read as upright, of those that tell how they lie | of the others |")
    print("|---|---|---|")
    for quarters, name in enumerate(("as it is: not turned", "on its left side", "upside down", "on its right side")):
        cells = [f"{same[quarters, tells]} of {count[quarters, tells]}" for tells in (True, False)]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
