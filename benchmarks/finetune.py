"""Fine-tunes on one part of a folder of labelled strings and compares on the rest: gain, forgetting, time.

    python benchmarks/finetune.py FOLDER --data SETS [--held-out 0.5] [--images 1000] [--model NETWORK]

FOLDER holds ``labels.jsonl``; SETS is the folder of the training sets, for rehearsal.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

DIGITS = [sys.executable, "-m", "worker.cli"]


def labels(folder: Path, images: int | None, target: Path) -> Path:
    """Write the labels to be used, with absolute files; pictures of several strings or none are left alone."""
    rows = [json.loads(line) for line in (folder / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if len(row["lines"]) == 1 and row["lines"][0].isdigit()]
    random.Random(0).shuffle(rows)
    for row in rows[:images]:
        row["file"] = str((folder / row["file"]).resolve())
    target.write_text("".join(json.dumps(row) + "\n" for row in rows[:images]), encoding="utf-8")
    return target


def share(value: dict[str, Any]) -> str:
    """A share with its interval."""
    return f"{value['share']:.2%} [{value['low']:.1%}, {value['high']:.1%}]" if value["total"] else "none"


def report(found: dict[str, Any], minutes: float, cpu_minutes: float) -> None:
    """Print the comparison as a table, and what it comes to."""
    before, after = found["before"], found["after"]
    rows = [
        ("exact strings", share(before["exact"]), share(after["exact"])),
        ("character error", *(f"{side['character_error_rate']:.2%}" for side in (before, after))),
        ("read rate at 1 % error", *(share(side["read_rates"]["0.01"]) for side in (before, after))),
        ("accepted by its own threshold", share(before["accepted"]), share(after["accepted"])),
        ("wrong among the accepted", share(before["accepted_wrong"]), share(after["accepted_wrong"])),
        (f"{found['digits']} test digits", share(before["digits"]), share(after["digits"])),
    ]
    print(f"| {found['learnt']} images learnt from, {found['held_out']} held out | before | after |\n|---|---|---|")
    for name, *values in rows:
        print(f"| {name} | {' | '.join(values)} |")
    gained = after["exact"]["share"] - before["exact"]["share"]
    lost = before["digits"]["share"] - after["digits"]["share"]
    print(
        f"\n{gained / max(1 - before['exact']['share'], 1e-9):.0%} of the wrong strings are right now, "
        f"{100 * lost:.2f} points lost on isolated digits, {found['left_out']} labels left out, "
        f"{minutes:.1f} minutes, {cpu_minutes:.1f} CPU minutes"
    )


def main() -> None:
    """Measure one folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--held-out", type=float, default=0.5)
    parser.add_argument("--images", type=int, help="use so many of the images, drawn at random")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, help="keep the network")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        command = [
            *DIGITS,
            "finetune",
            str(labels(options.folder, options.images, scratch / "labels.jsonl")),
            *("--output", str(options.output or scratch / "network")),
            *("--data", str(options.data)),
            *("--held-out", str(options.held_out)),
            *("--seed", str(options.seed)),
            *("--format", "json"),
        ]
        if options.model is not None:
            command += ["--model", str(options.model)]
        started = time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.PIPE, env=os.environ, check=True)
        minutes = (time.perf_counter() - started) / 60
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        report(json.loads(done.stdout), minutes, (used.ru_utime + used.ru_stime) / 60)


if __name__ == "__main__":
    main()
