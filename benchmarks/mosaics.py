"""Lays real handwriting out on pages and says which of its numbers are found and read.

Amounts of a set whose labels have boxes are written, whole or in part, beside handwritten words; each is then read
twice: on the page, and cut out as a line, so that what the search for strings loses can be told from what reading
loses. What is read where only a word stands is a false number.

    python benchmarks/mosaics.py cheque_amounts dhsd_words.npz [--pages 20] [--seed 0] [--kinds table ...]
                                 [--pictures FOLDER]
    python benchmarks/mosaics.py cheque_amounts dhsd_words.npz --fit

With ``--fit`` the weights of `extractor.plausible` are fitted on the pages of one seed and tried on those of the next.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mosaic_pages import KINDS, Page, compose, load_numbers, load_words
from numpy.typing import NDArray

from extractor import plausible
from extractor import reader as reading
from extractor.reader import Reader, ReadOptions
from extractor.readings import Box, FieldReading
from extractor.scoring import wilson

ON_PAGE = ReadOptions(layout="page")


def pages(arguments: argparse.Namespace, kind: str) -> Iterator[tuple[NDArray[np.uint8], Page]]:
    """Write the pages of one kind."""
    rng = np.random.default_rng([arguments.seed, KINDS.index(kind)])
    numbers, words = load_numbers(arguments.strings, rng), load_words(arguments.words, rng)
    for _ in range(arguments.pages):
        yield compose(kind, numbers, words, rng)


def is_inside(field: FieldReading, box: Box) -> bool:
    """Whether the middle of what was read lies in a box."""
    x, y = field.box[0] + 0.5 * field.box[2], field.box[1] + 0.5 * field.box[3]
    return bool(box[0] - 3 <= x <= box[0] + box[2] + 3 and box[1] - 3 <= y <= box[1] + box[3] + 3)


def fate_of(text: str, box: Box, fields: list[FieldReading]) -> str:
    """Say what became of a number on a page."""
    said = [field.text for field in fields if field.text and is_inside(field, box)]
    if said == [text]:
        return "right"
    if len(said) > 1:
        return "in parts"
    if said:
        more = len(said[0]) - len(text)
        return "fewer digits" if more < 0 else "more digits" if more else "other digits"
    x, y = box[0] + 0.5 * box[2], box[1] + 0.5 * box[3]
    around = any(
        field.box[0] <= x <= field.box[0] + field.box[2] and field.box[1] <= y <= field.box[1] + field.box[3]
        for field in fields
    )
    return "with others" if around else "not found"


def measure(arguments: argparse.Namespace, reader: Reader) -> None:
    """Print a table of what became of the numbers."""
    print("| pages | numbers | right | cut out as lines | accepted | of these wrong | words | false numbers |")
    print("|---|---|---|---|---|---|---|---|")
    lost: Counter[str] = Counter()
    for kind in arguments.kinds:
        counts: Counter[str] = Counter()
        for place, (image, page) in enumerate(pages(arguments, kind)):
            fields = [field for field in reader.read(image, ON_PAGE).fields if field.text]
            counts["words"] += len(page.words)
            for field in fields:
                own = [text for text, box in page.numbers if is_inside(field, box)]
                counts["false"] += not own
                counts["accepted"] += field.status == "accepted"
                counts["wrong"] += field.status == "accepted" and own != [field.text]
            fates = [fate_of(text, box, fields) for text, box in page.numbers]
            for (text, (x, y, width, height)), fate in zip(page.numbers, fates, strict=True):
                line = image[max(y - 8, 0) : y + height + 8, max(x - 8, 0) : x + width + 8]
                as_line = "".join(field.text for field in reader.read(line, ReadOptions(layout="line")).fields)
                counts["numbers"] += 1
                counts["right"] += fate == "right"
                counts["line"] += as_line == text
                if as_line == text:
                    lost[fate] += 1
            if arguments.pictures:
                draw(arguments.pictures / f"{kind}-{place}.png", image, page, fates, fields)
        print(
            f"| {kind} | {counts['numbers']} | {share(counts['right'], counts['numbers'])} "
            f"| {share(counts['line'], counts['numbers'])} | {counts['accepted']} | {counts['wrong']} "
            f"| {counts['words']} | {counts['false']} |",
            flush=True,
        )
    print("Of the numbers that are right as lines:", ", ".join(f"{count} {fate}" for fate, count in lost.most_common()))


def share(count: int, total: int) -> str:
    """Write a share with its interval."""
    of = wilson(count, max(total, 1))
    return f"{of.value:.1%} ({of.low:.1%}-{of.high:.1%})" if total else ""


def draw(path: Path, image: NDArray[np.uint8], page: Page, fates: list[str], fields: list[FieldReading]) -> None:
    """Keep a page with its readings in red and what is not right in blue."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    for field in fields:
        x, y, width, height = field.box
        cv2.rectangle(picture, (x, y), (x + width, y + height), (0, 0, 255), 1)
        cv2.putText(picture, f"{field.text} {field.confidence:.2f}", (x, y - 3), 0, 0.6, (0, 0, 255), 1)
    for (text, (x, y, width, height)), fate in zip(page.numbers, fates, strict=True):
        if fate != "right":
            cv2.rectangle(picture, (x - 2, y - 2), (x + width + 2, y + height + 2), (255, 0, 0), 1)
            cv2.putText(picture, f"{text}: {fate}", (x, y + height + 16), 0, 0.55, (255, 0, 0), 1)
    cv2.imwrite(str(path), picture)


def examples(arguments: argparse.Namespace, reader: Reader) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Measure what is on the pages, with nothing left out; parts of numbers are neither numbers nor none.

    Returns:
        Features (N, 4), see `plausible.features`, and whether each is of a number (N,).
    """
    seen: list[tuple[float, ...]] = []

    def keep(decision: Any, lattice: Any, scores: Any, views: Any) -> float:
        seen.append(plausible.features(decision, lattice, scores, views))
        return 1.0

    reading.number_probability = keep
    reading.lies_upright = lambda fields: True  # The pages are.
    rows, is_number = [], []
    for kind in arguments.kinds:
        for image, page in pages(arguments, kind):
            seen.clear()
            fields = reader.read(image, ON_PAGE).fields
            for field, features in zip(fields, seen[: len(fields)], strict=True):
                shares = [_shared(field.box, box) for _, box in page.numbers]
                if max(shares, default=0.0) < 0.1 or max(shares) > 0.7:
                    rows.append(features)
                    is_number.append(max(shares, default=0.0) > 0.7)
    return np.array(rows), np.array(is_number)


def _shared(one: Box, other: Box) -> float:
    """Width that two boxes share, of the wider one's; 0 when they lie in different rows."""
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    down = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    return max(across, 0) / max(one[2], other[2]) if down > 0.5 * min(one[3], other[3]) else 0.0


def fit(arguments: argparse.Namespace, reader: Reader) -> None:
    """Fit a logistic model by Newton's method and say how it does on pages of another seed."""
    features, is_number = examples(arguments, reader)
    middle, spread = features.mean(axis=0), features.std(axis=0)
    inputs = np.column_stack([np.ones(len(features)), (features - middle) / spread])
    weights = np.zeros(inputs.shape[1])
    for _ in range(30):
        expected = 1 / (1 + np.exp(-inputs @ weights))
        curvature = (inputs * (expected * (1 - expected))[:, None]).T @ inputs + 1e-3 * np.eye(len(weights))
        weights += np.linalg.solve(curvature, inputs.T @ (is_number - expected))
    slopes = weights[1:] / spread
    intercept = float(weights[0] - slopes @ middle)
    print(
        "weights",
        dict(zip(plausible.FEATURES, slopes.round(2).tolist(), strict=True)),
        "intercept",
        round(intercept, 2),
    )
    arguments.seed += 1
    features, is_number = examples(arguments, reader)
    for name, model in (
        ("fitted", (slopes, intercept)),
        ("shipped", (np.array(plausible.WEIGHTS), plausible.INTERCEPT)),
    ):
        chosen = features @ model[0] + model[1] > 0
        numbers, others = chosen[is_number], chosen[~is_number]
        print(
            f"{name}: {share(numbers.sum(), len(numbers))} of the numbers, {share(others.sum(), len(others))} of others"
        )


def main() -> None:
    """Measure, or fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("strings", type=Path)
    parser.add_argument("words", type=Path)
    parser.add_argument("--pages", type=int, default=20, help="of each kind")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pictures", type=Path, help="keep the pages, with what was read, in this folder")
    parser.add_argument("--fit", action="store_true")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    (fit if arguments.fit else measure)(arguments, Reader())


if __name__ == "__main__":
    main()
