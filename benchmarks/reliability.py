"""Says how far the confidences of saved readings can be trusted, set by set.

A set is a file of truth and a file of readings, as for ``digits score``: one reading pass serves every table. Printed
in Markdown: of the strings read with at least a confidence, how many are right; the expected calibration error; and how
many strings can be accepted by their confidence while at most a given share of them is wrong. Brackets are 95 %
intervals (Wilson).

    python benchmarks/reliability.py NAME=GOLD,PRED [NAME=GOLD,PRED ...] [--corrections benchmarks/corrections.jsonl]

GOLD is the folder of a set or its ``labels.jsonl``, PRED what ``digits run --format jsonl`` or ``accuracy.py
--predictions`` wrote. NAME is that of the set in the file of corrections.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from extractor.scoring import Score, Share, score
from training.labels import load_corrections
from worker.comparison import Pages, String, compare, load


def corrected(truth: Pages, fixes: dict[str, list[str]]) -> Pages:
    """Return the truth with the labels of some files replaced."""
    return {
        (document, page): [String("", text) for text in fixes[document]] if document in fixes else strings
        for (document, page), strings in truth.items()
    }


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", metavar="NAME=GOLD,PRED")
    parser.add_argument("--corrections", type=Path, help="labels that are wrong, and what they should be")
    options = parser.parse_args()
    scores: dict[str, Score] = {}
    for item in options.sets:
        name, _, files = item.partition("=")
        gold, _, pred = files.partition(",")
        labels = Path(gold)
        truth, read = load(labels / "labels.jsonl" if labels.is_dir() else labels), load(Path(pred))
        if options.corrections:
            truth = corrected(truth, load_corrections(options.corrections, name))
        # A file of truth may hold more than was read.
        names = {Path(document).name for document, _ in read}
        truth = {key: strings for key, strings in truth.items() if Path(key[0]).name in names}
        scores[name] = score([pair.answer for pair in compare(truth, read)[0]])
    levels = next(iter(scores.values())).trusted
    print("| set | exact | " + " | ".join(f"right at >= {level:g}" for level in levels) + " | calibration error |")
    print("|---|---|" + "---|" * (len(levels) + 1))
    for name, result in scores.items():
        cells = [share(result.exact), *map(share, result.trusted.values()), f"{result.calibration_error:.1%}"]
        print(f"| {name} | {' | '.join(cells)} |")
    limits = next(iter(scores.values())).read_rates
    print("\n| set | " + " | ".join(f"read rate at {limit:.1%} error" for limit in limits) + " |")
    print("|---|" + "---|" * len(limits))
    for name, result in scores.items():
        print(f"| {name} | {' | '.join(map(share, result.read_rates.values()))} |")


def share(value: Share) -> str:
    """Write a share with its interval."""
    if not value.total:
        return "none"
    return f"{value.count} of {value.total} = {value.value:.1%} [{100 * value.low:.1f}-{100 * value.high:.1f}]"


if __name__ == "__main__":
    main()
