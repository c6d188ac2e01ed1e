"""Writes strings with separators in many hands, reads them, and counts which separators are reported.

Counted are strings whose digits are read right: of the separators reported, how many are there (precision), and of
those there, how many are reported (recall), the kind left aside and with it. A third of the strings has none; specks of
dust are strewn over all.

    python benchmarks/separators.py [--strings 300] [--seed 0]
"""

from __future__ import annotations

import argparse
from collections import Counter

import cv2
import numpy as np

from extractor.reader import Reader, ReadOptions
from extractor.scoring import wilson
from training.handwriting import draw_hand, write_string

FORMS = ("{0}.{1}", "{0},{1}", "{0}.{1},{2}", "{0}-{1}", "{0}/{1}/{2}", "{0}.{1}.-", "{0}{1}=", "{0}{1}", "{0}{1}{2}")


def string(rng: np.random.Generator) -> tuple[str, list[tuple[int, str]]]:
    """Make up a string: its text, and each separator with the digits before it."""
    parts = ["".join(rng.choice(list("0123456789"), rng.integers(2, 4))) for _ in range(3)]
    text = str(rng.choice(FORMS)).format(*parts)
    places = [(sum(c.isdecimal() for c in text[:at]), kind) for at, kind in enumerate(text) if not kind.isdecimal()]
    return text, places


def picture(text: str, rng: np.random.Generator) -> np.ndarray:
    """Write a string on paper with a little dust."""
    ink, _ = write_string(text, draw_hand(rng), rng, int(rng.integers(36, 80)))
    ink = np.pad(ink, 30)
    for _ in range(rng.poisson(2)):
        spot = int(rng.integers(ink.shape[1])), int(rng.integers(ink.shape[0]))
        cv2.circle(ink, spot, int(rng.integers(0, 2)), int(rng.integers(90, 255)), -1)
    grey = 235 - 0.8 * ink.astype(np.float32) + rng.normal(0, 4, ink.shape)
    return np.clip(grey, 0, 255).astype(np.uint8)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strings", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    reader = Reader()
    read = 0
    there: Counter[str] = Counter()
    reported: Counter[str] = Counter()
    placed: Counter[str] = Counter()
    exact: Counter[str] = Counter()
    for _ in range(options.strings):
        text, places = string(rng)
        fields = reader.read(picture(text, rng), ReadOptions(layout="line")).fields
        if not fields or fields[0].text != "".join(filter(str.isdecimal, text)):
            continue
        read += 1
        found = [(mark.position, str(mark.kind)) for mark in fields[0].separators]
        there.update(kind for _, kind in places)
        reported.update(kind for _, kind in found)
        # A position counts once for each mark that stands there, so ".-" is two.
        shared = Counter(position for position, _ in found) & Counter(position for position, _ in places)
        placed["all"] += sum(shared.values())
        exact.update(kind for _, kind in (Counter(found) & Counter(places)).elements())
    print(f"{read} of {options.strings} strings with the right digits")
    for name, count, total in (
        ("precision, place", placed["all"], sum(reported.values())),
        ("recall, place", placed["all"], sum(there.values())),
        ("precision, place and kind", sum(exact.values()), sum(reported.values())),
        ("recall, place and kind", sum(exact.values()), sum(there.values())),
    ):
        share = wilson(count, total)
        print(f"| {name} | {count} of {total} = {share.value:.1%} [{100 * share.low:.1f}-{100 * share.high:.1f}] |")
    for kind in there | reported:
        print(f"| {kind} | written {there[kind]}, reported {reported[kind]}, right {exact[kind]} |")


if __name__ == "__main__":
    main()
