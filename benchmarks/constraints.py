"""Measures what constraints gain and cost on labelled pictures of one number each.

A list of random codes of the right lengths, the truth among them or not, stands for a customer file.

    python benchmarks/constraints.py FOLDER [--limit 300] [--codes 40000] [--seed 0] [--model MODEL]
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from extractor.code_search import best_codes
from extractor.constraints import Constraint
from extractor.decision import Decision, decide
from extractor.documents import load_page
from extractor.reader import Evidence, Reader
from extractor.valid_decision import decide_valid

Numbers = list[tuple[str, Evidence]]


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, default=300)
    parser.add_argument("--codes", type=int, default=40_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", type=Path)
    options = parser.parse_args()
    random.seed(options.seed)
    reader = Reader(options.model)
    numbers = _numbers(reader, options.folder, options.limit)
    settings = reader.settings

    def free(_text: str, seen: Evidence) -> tuple[Decision, bool]:
        return decide(seen.lattice, seen.scores, list(seen.views), settings), True

    def held(constraints: dict[int, Constraint]) -> Callable[[str, Evidence], tuple[Decision, bool]]:
        def decision(text: str, seen: Evidence) -> tuple[Decision, bool]:
            found = decide_valid(seen.lattice, seen.scores, list(seen.views), settings, constraints[len(text)])
            return found.decision, found.is_valid

        return decision

    lengths = {len(text) for text, _ in numbers}
    by_length = {length: Constraint(length, length) for length in lengths}
    within, without = _lists(numbers, options.codes, True), _lists(numbers, options.codes, False)
    print(f"{options.folder.name}: {len(numbers)} numbers, lists of {options.codes:,} codes of each length\n")
    print("| constraint | right | accepted | wrong among accepted | ms a number: median, mean |")
    print("|---|---|---|---|---|")
    _row("none", numbers, free, settings.accept)
    _row("length", numbers, held(by_length), settings.accept)
    _row("list with the truth in it", numbers, held(within), settings.accept)
    _row("list without the truth", numbers, held(without), settings.accept)
    print("\nSearch of the list alone, ms a number: ", end="")
    for name, lists in (("truth in it", within), ("truth not in it", without)):
        spent = [_timed(seen, lists[len(text)]) for text, seen in numbers]
        print(f"{name} median {1000 * np.median(spent):.2f}, mean {1000 * np.mean(spent):.2f}; ", end="")
    print()


def _numbers(reader: Reader, folder: Path, limit: int) -> Numbers:
    rows = [json.loads(line) for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    random.shuffle(rows)
    found: Numbers = []
    for row in rows[:limit]:
        if len(row["lines"]) == 1:
            seen = reader.evidence(load_page(folder / row["file"], 1))
            if seen is not None:
                found.append((row["lines"][0], seen))
    return found


def _lists(numbers: Numbers, size: int, with_truth: bool) -> dict[int, Constraint]:
    """A list for each length; of short numbers no more than a third of all there are."""
    lists = {}
    for length in {len(text) for text, _ in numbers}:
        truths = {text for text, _ in numbers if len(text) == length}
        codes = {f"{random.randrange(10**length):0{length}d}" for _ in range(min(size, 10**length // 3))}
        constraint = Constraint(length, length, codes=tuple(sorted(codes | truths if with_truth else codes - truths)))
        assert constraint.acceptor is not None  # Built here, once, as it is for a job; so is the list.
        assert constraint.code_list is not None
        lists[length] = constraint
    return lists


def _row(
    name: str, numbers: Numbers, decide_one: Callable[[str, Evidence], tuple[Decision, bool]], accept: float
) -> None:
    right = accepted = wrong = 0
    spent = []
    for text, seen in numbers:
        started = time.process_time()
        decision, is_valid = decide_one(text, seen)
        spent.append(1000 * (time.process_time() - started))
        is_right = decision.path.text == text
        is_accepted = is_valid and decision.confidence >= accept
        right += is_right
        accepted += is_accepted
        wrong += is_accepted and not is_right
    print(f"| {name} | {right} | {accepted} | {wrong} | {np.median(spent):.2f}, {np.mean(spent):.2f} |", flush=True)


def _timed(seen: Evidence, constraint: Constraint) -> float:
    assert constraint.code_list is not None
    started = time.process_time()
    best_codes(seen.lattice, seen.scores, constraint.code_list, 4)
    return time.process_time() - started


if __name__ == "__main__":
    main()
