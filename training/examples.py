"""Makes and stores training examples: shards of labelled candidates and whole lines, each repeatable by its number."""

from __future__ import annotations

import multiprocessing
import signal
import threading
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from extractor.line_input import HEIGHT, line_input
from training.files import replacing
from training.glyphs import GlyphBank, load_bank
from training.hypotheses import NOT_ONE_DIGIT, hypotheses
from training.legibility import is_legible
from training.reference_recipe import LINES_PER_SHARD
from training.runs import RunError
from training.synthesis import synthesize, synthesize_words

Kind = Literal["digits", "words"]
"""What the lines of a shard hold."""
MAX_TEXT = 12
"""Longest text of a line; shorter ones are padded with -1."""
CLEANED_TOO = 0.35
"""Share of lines that are kept a second time, without their printed lines."""
KEEP_NOT_ONE_DIGIT = 0.5
"""Share of "not one digit" candidates that is kept: there are four for each digit."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Examples of some lines.

    Attributes:
        digits: (N, 28, 28) uint8.
        context: (N, 28, 28) uint8.
        geometry: (N, 8) float32.
        labels: (N,) int8.
        strips: All line inputs side by side, (32, sum of widths) uint8.
        widths: (L,) int32.
        texts: (L, 12) int8, -1 after the last digit.
    """

    digits: NDArray[np.uint8]
    context: NDArray[np.uint8]
    geometry: NDArray[np.float32]
    labels: NDArray[np.int8]
    strips: NDArray[np.uint8]
    widths: NDArray[np.int32]
    texts: NDArray[np.int8]


def make_shards(data: Path | GlyphBank, folder: Path, seed: int, kind: Kind, count: int, workers: int) -> list[Path]:
    """Make the shards that are not there yet.

    Args:
        data: Folder with the sets, or the sets themselves.
        folder: Where shards are kept.
        seed: Seed of the whole series.
        kind: What the lines hold.
        count: Number of shards.
        workers: Processes.

    Returns:
        All shards in order.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{kind}-{seed}-{number:04d}.npz" for number in range(count)]
    missing = [(path, kind, seed, number) for number, path in enumerate(paths) if not path.exists()]
    if missing:
        context = multiprocessing.get_context("spawn")
        with context.Pool(workers, initializer=_initialize, initargs=(data,)) as pool:
            for _ in pool.imap_unordered(_make, missing):
                pass
    return paths


def load_shard(path: Path) -> Shard:
    """Read one shard.

    Args:
        path: What `make_shards` made.

    Raises:
        RunError: The file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return Shard(**{name: archive[name] for name in Shard.__slots__})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise RunError(f"The examples {path} are damaged", "remove the file: it is made again") from error


_bank: GlyphBank | None = None


def _initialize(data: Path | GlyphBank) -> None:
    global _bank
    import cv2

    # The parent alone answers an interruption, in one line. In a thread of the parent there is nothing to ignore.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    _bank = data if isinstance(data, GlyphBank) else load_bank(data)


def _make(task: tuple[Path, Kind, int, int]) -> None:
    path, kind, seed, number = task
    assert _bank is not None
    rng = np.random.default_rng([seed, number, *([1] if kind == "words" else [])])
    draw = synthesize_words if kind == "words" else synthesize
    parts: list[tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float32], NDArray[np.int8]]] = []
    strips: list[NDArray[np.uint8]] = []
    texts = []
    for _ in range(LINES_PER_SHARD):
        sample = draw(_bank, rng)
        line, found = hypotheses(sample)
        if found is not None:
            keep = (found.labels != NOT_ONE_DIGIT) | (rng.random(len(found.labels)) < KEEP_NOT_ONE_DIGIT)
            parts.append((found.digits[keep], found.context[keep], found.geometry[keep], found.labels[keep]))
        if line is not None:
            for cleaned in (False, True) if rng.random() < CLEANED_TOO else (False,):
                if not is_legible(sample, line, cleaned=cleaned):
                    continue
                strips.append(line_input(line, zoom=float(np.exp(rng.normal(0, 0.12))), cleaned=cleaned))
                texts.append([int(digit) for digit in sample.text] + [-1] * (MAX_TEXT - len(sample.text)))
    with replacing(path) as temporary:
        np.savez(
            temporary,
            digits=np.concatenate([part[0] for part in parts]),
            context=np.concatenate([part[1] for part in parts]),
            geometry=np.concatenate([part[2] for part in parts]),
            labels=np.concatenate([part[3] for part in parts]),
            strips=np.concatenate([np.zeros((HEIGHT, 0), np.uint8), *strips], axis=1),
            widths=np.array([strip.shape[1] for strip in strips], np.int32),
            texts=np.array(texts, np.int8).reshape(-1, MAX_TEXT),
        )
