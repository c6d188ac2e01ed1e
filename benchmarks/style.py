"""Says what the stroke model is worth: two line networks, one of which never saw a drawn digit, read the same strings.

Both learn for the same time from equally many synthetic lines, from nothing; lines that the stroke model does not
write are written with scanned digits instead. They learn far less than the shipped network does: compare them with
each other only.

    python benchmarks/style.py DATA FOLDER... [--shards 24] [--epochs 8] [--limit 800] [--work FOLDER]

``DATA`` is what ``digits train reference --data`` takes; each ``FOLDER`` holds pictures of one string each and
``labels.jsonl``. What was made is kept in ``--work``, and found there again.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from extractor.documents import load_page
from extractor.layout import find_regions
from extractor.line_input import line_input
from extractor.line_reader import beam_search, log_softmax
from extractor.lines import line_image
from extractor.preprocess import clean
from extractor.scoring import wilson
from training import line_network
from training.examples import make_shards
from training.glyphs import GlyphBank, load_bank
from training.reference_data import folder_of
from training.reference_recipe import LineSettings, load


def main() -> None:
    """Train both networks and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--shards", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=int, default=800, help="strings of each folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path)
    options = parser.parse_args()
    work = options.work or Path(tempfile.mkdtemp(prefix="digits-style-"))
    recipe = load(Path(line_network.__file__).parent / "recipes" / "reference.toml")
    settings = recipe.line.model_copy(
        update={"epochs": options.epochs, "residual": False, "neighbours": False, "settle": None}
    )
    bank = load_bank(folder_of(options.data))
    models = {}
    for name, hands in (("without", dataclasses.replace(bank, drawn=0.0)), ("with", bank)):
        models[name] = _trained(hands, settings, work / name, options.shards, options.workers)
    print("| set | strings | without drawn digits | with them |\n|---|---|---|---|")
    for folder in options.folders:
        strings = _strings(folder, options.limit, options.seed)
        cells = []
        for name in ("without", "with"):
            right = sum(_read(models[name], picture) == text for text, picture in strings)
            share = wilson(right, len(strings))
            cells.append(f"{right / len(strings):.1%} ({share.low:.1%}-{share.high:.1%})")
        print(f"| {folder.name} | {len(strings)} | {' | '.join(cells)} |", flush=True)


def _trained(bank: GlyphBank, settings: LineSettings, work: Path, shards: int, workers: int) -> Any:
    paths = make_shards(bank, work, 5, "digits", shards + 1, workers)
    words = make_shards(bank, work, 5, "words", max(1, shards // 10), workers)
    lines = line_network.load_lines(paths[1:] + words)
    return line_network.fit(settings, lines, line_network.load_lines(paths[:1]), work / "checkpoints", print)


def _strings(folder: Path, limit: int, seed: int) -> list[tuple[str, np.ndarray[Any, np.dtype[np.uint8]]]]:
    """The first view of each string, with its text."""
    rows = [json.loads(line) for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if len(row["lines"]) == 1]
    random.Random(seed).shuffle(rows)
    found = []
    for row in rows[:limit]:
        page = clean(load_page(folder / row["file"], 1))
        x, y, width, height = find_regions(page, "line")[0].box
        window = (slice(y, y + height), slice(x, x + width))
        line = line_image(page.ink[window], page.mask[window])
        if line is not None:
            found.append((row["lines"][0], line_input(line)))
    return found


def _read(model: Any, picture: np.ndarray[Any, np.dtype[np.uint8]]) -> str:
    """The likeliest string by one network."""
    width = -(-picture.shape[1] // 64) * 64
    padded = np.zeros((1, picture.shape[0], width), np.float32)
    padded[0, :, : picture.shape[1]] = picture
    steps = np.asarray(model(padded, training=False), np.float32)[0]
    return beam_search(log_softmax(steps[: picture.shape[1] // 4]))[0][0]


if __name__ == "__main__":
    main()
