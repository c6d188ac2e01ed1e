"""Measures what reading costs on one core: CPU time a picture, the share of each stage, and the process's peak memory.

A path is a picture, or a folder that is read in name order. Decoding the files is part of the time; loading the
networks and the first picture, which is read once before, are not. The pixel floor tells machines apart.

    python benchmarks/speed.py PATH... [--layout line] [--limit 500] [--repeat 3] [--model FOLDER]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections import Counter
from pathlib import Path

import cv2

from extractor.documents import load_page
from extractor.reader import Reader, ReadOptions
from extractor.stages import clocked, stage

PICTURES = {".png", ".jpg", ".jpeg", ".tif", ".tiff"}


def main() -> None:
    """Read the pictures and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--layout", default="auto", choices=["auto", "page", "line", "grid"])
    parser.add_argument("--limit", type=int, help="read only the first ones of each folder")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()
    files: list[Path] = []
    for path in options.paths:
        found = sorted(item for item in path.rglob("*") if item.suffix.lower() in PICTURES) if path.is_dir() else [path]
        files += found[: options.limit]
    if not files:
        parser.error("there are no pictures to read")
    cv2.setNumThreads(1)
    started = time.process_time()
    reader = Reader(options.model)
    loading = time.process_time() - started
    reading = ReadOptions(layout=options.layout)
    reader.read(load_page(files[0], 1), reading)

    spent: list[float] = []
    shares: Counter[str] = Counter()
    for path in files * options.repeat:
        started = time.process_time()
        with clocked() as seconds, stage("all"):
            with stage("load"):
                image = load_page(path, 1)
            reader.read(image, reading)
        spent.append(time.process_time() - started)
        # Stages are clocked by the wall: on a busy machine only their proportions mean something.
        whole = seconds.pop("all")
        shares.update({name: spent[-1] * part / whole for name, part in seconds.items()})
    shares["rest"] = sum(spent) - sum(shares.values())

    floor = statistics.median(pixel_floor(path) for path in files * options.repeat)
    middle = statistics.median(spent)
    print(f"{len(files)} pictures, {options.repeat} times; networks loaded in {1000 * loading:.0f} ms of CPU time")
    print(f"median {1000 * middle:.1f} ms, mean {1000 * statistics.fmean(spent):.1f} ms a picture")
    print(f"median pixel floor {1000 * floor:.1f} ms, of which a picture takes {middle / floor:.1f} times as much")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB\n")
    print("| stage | ms a picture | share |\n|---|---|---|")
    for name, total in shares.most_common():
        print(f"| {name} | {1000 * total / len(spent):.2f} | {total / sum(spent):.0%} |")


def pixel_floor(path: Path) -> float:
    """Seconds of CPU time for what no reader does without: decode, threshold, label the components."""
    started = time.process_time()
    image = load_page(path, 1)
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    ink = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)[1]
    cv2.connectedComponentsWithStats(ink, connectivity=8)
    return time.process_time() - started


if __name__ == "__main__":
    main()
