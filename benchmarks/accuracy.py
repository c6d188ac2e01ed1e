"""Reads folders of labelled pictures and says how many were read whole.

A folder holds ``labels.jsonl``, one line a picture:
``{"file": ..., "lines": [digit strings in reading order], ...}``. Optional keys: ``tier`` (choose with --tier),
``kind`` (``form``, ``postal``: other digits may stand on the page, so only the listed ones must be found).

    python benchmarks/accuracy.py FOLDER [--layout line] [--limit 400] [--seed 0] [--corrections FILE]
                                  [--predictions FILE] [--errors FILE]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from extractor.documents import load_page
from extractor.export import write
from extractor.reader import Reader, ReadOptions
from extractor.readings import PageReading
from extractor.scoring import ERROR_LIMITS, Answer, edit_distance, read_rate, wilson
from training.labels import load_corrections

LISTED_ONLY = {"form", "postal"}
"""Kinds of picture whose labels list only the handwritten numbers."""


def is_right(row: dict[str, Any], reading: PageReading) -> bool:
    """Tell whether a picture was read whole."""
    said = [field.text for field in reading.fields if field.text]
    lines = row["lines"]
    if row.get("kind") in LISTED_ONLY:
        return not Counter(lines) - Counter(said)
    if "multiset" in row.get("notes", ""):
        return Counter(lines) == Counter(said)
    return bool(said == lines) or (len(lines) <= 1 and "".join(said) == "".join(lines))


def print_score(name: str, rows: list[dict[str, Any]], readings: list[PageReading]) -> list[dict[str, Any]]:
    """Print what a set's readings are worth and return the pictures that are wrong."""
    right = edits = characters = 0
    answers: list[Answer] = []
    wrong: list[dict[str, Any]] = []
    for row, reading in zip(rows, readings, strict=True):
        good = is_right(row, reading)
        right += good
        confidence = min((field.confidence for field in reading.fields), default=0.0)
        truth = " ".join(row["lines"])
        answers.append(Answer(truth, truth if good else f"not {truth}", confidence))
        texts = [field.text for field in reading.fields]
        gold = "".join(row["lines"])
        edits += edit_distance(gold, "".join(texts))
        characters += len(gold)
        if not good:
            wrong.append({"file": row["file"], "lines": row["lines"], "said": texts, "confidence": confidence})
    share = wilson(right, len(rows))
    print(
        f"{name}: {right} of {len(rows)} right = {share.value:.1%} "
        f"[{share.low:.1%}, {share.high:.1%}], character error {edits / max(1, characters):.2%}"
    )
    for limit in ERROR_LIMITS:
        rate = read_rate(answers, limit)
        print(f"  read rate at {limit:.1%} error: {rate.value:.1%} [{rate.low:.1%}, {rate.high:.1%}]")
    return wrong


def main() -> None:
    """Measure one folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layout", default="auto", choices=["auto", "page", "line", "grid"])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--tier")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--corrections", type=Path, help="labels that are wrong; figures with and without them are given"
    )
    parser.add_argument("--predictions", type=Path, help="write what was read to this JSON Lines file")
    parser.add_argument("--errors", type=Path, help="write every wrong picture to this JSON Lines file")
    parser.add_argument("--verbose", action="store_true", help="print every wrong picture")
    options = parser.parse_args()
    rows = [json.loads(line) for line in (options.folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    if options.tier:
        rows = [row for row in rows if row.get("tier") == options.tier]
    random.Random(options.seed).shuffle(rows)
    rows = rows[: options.limit]
    reader = Reader(options.model)
    readings: list[PageReading] = []
    started = time.perf_counter()
    for row in rows:
        image = load_page(options.folder / row["file"], 1)
        readings.append(reader.read(image, ReadOptions(layout=options.layout), document=row["file"]))
    milliseconds = 1000 * (time.perf_counter() - started) / max(1, len(rows))
    print(f"{options.folder.name}: {len(rows)} pictures, {milliseconds:.0f} ms each")
    wrong = print_score("labels as given", rows, readings)
    if options.corrections:
        fixes = load_corrections(options.corrections, options.folder.name)
        rows = [row | {"lines": fixes.get(row["file"], row["lines"])} for row in rows]
        wrong = print_score(f"labels corrected ({sum(row['file'] in fixes for row in rows)})", rows, readings)
    if options.predictions:
        with options.predictions.open("w", encoding="utf-8") as stream:
            write(readings, "jsonl", stream)
    if options.errors:
        options.errors.write_text("".join(json.dumps(row) + "\n" for row in wrong), encoding="utf-8")
    if options.verbose:
        for row in wrong:
            said, gold = " ".join(row["said"]), " ".join(row["lines"])
            print(f"  {row['file'][-40:]} {gold} -> {said} {row['confidence']:.3f}", file=sys.stderr)


if __name__ == "__main__":
    main()
