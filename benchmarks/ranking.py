"""Says what each thing is worth that strings are ranked by: weights are fitted with it and without, cross-validated.

A folder holds ``labels.jsonl``, one line a picture of one string: ``{"file": ..., "lines": [digits]}``. The strings of
all folders fit the weights together, four fifths at a time; the last fifth is ranked.

    python benchmarks/ranking.py FOLDER... [--limit 1500] [--corrections FILE] [--model NETWORK]
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from extractor.decision import RANKING, DecisionSettings, ranking_features
from extractor.reader import Reader
from training.calibrate import BOUNDS, FREE, Observation, conditional_logit, observe, ranking_case

PARTS = 5
ROWS = {
    "both log-probabilities": ("lattice", "line"),
    "and the number of digits": ("lattice", "line", "digits"),
    "and the ink left out": ("lattice", "line", "digits", "skipped"),
    "and the roots of both": RANKING,
}


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--limit", type=int, help="pictures of each folder at most")
    parser.add_argument("--corrections", type=Path)
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()
    seen = observe(Reader(options.model), options.folders, options.limit, options.corrections)
    count = Counter(item.group for item in seen)
    print("| ranked by | " + " | ".join(f"{group}, {number:,}" for group, number in count.items()) + " |")
    print("|---" * (1 + len(count)) + "|")
    for name, columns in ROWS.items():
        right = exact(seen, columns)
        print(f"| {name} | " + " | ".join(f"{right[group] / number:.1%}" for group, number in count.items()) + " |")


def exact(seen: Sequence[Observation], columns: Sequence[str]) -> Counter[str]:
    """Count the strings of each set that are right when only some things count."""
    chosen = [RANKING.index(name) for name in columns]
    right: Counter[str] = Counter()
    for part in range(PARTS):
        cases = [ranking_case(item) for number, item in enumerate(seen) if number % PARTS != part]
        kept = [(rows[:, chosen], place) for rows, place in filter(None, cases)]
        weights = conditional_logit(kept, np.array(DecisionSettings().ranking)[chosen], FREE, BOUNDS[:, chosen])
        for item in seen[part::PARTS]:
            best = int(np.argmax(ranking_features(item.proposals)[:, chosen] @ weights))
            right[item.group] += item.proposals.paths[best].text == item.text
    return right


if __name__ == "__main__":
    main()
