"""Looks at many pictures of strings in several processes: to read them, to calibrate on them, or to learn from them."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from extractor.decision import propose
from extractor.documents import load_page
from extractor.line_input import line_input
from extractor.reader import Reader, ReadOptions
from extractor.scoring import Answer
from extractor.segmentation import crops
from training.alignment import align_label
from training.calibrate import Observation
from training.hypotheses import UNSURE, Hypotheses
from training.labels import LabelledImage
from training.line_network import has_room

T = TypeVar("T")
CHUNK = 8
"""Pictures that a process takes at once."""


@dataclass(frozen=True, slots=True)
class StringExamples:
    """What one labelled picture teaches.

    Attributes:
        candidates: Labelled candidates; None where the label could not be laid over the lattice.
        views: The line as scanned and without printed lines, each (32, W) uint8; empty where the line network finds
            the label impossible, or the line has no room for it.
        text: The digits, (n,) int8.
    """

    candidates: Hypotheses | None
    views: tuple[NDArray[np.uint8], ...]
    text: NDArray[np.int8]


def read_all(network: Path, images: Sequence[LabelledImage], workers: int) -> Iterator[Answer]:
    """Read each picture as `digits run --layout line` does.

    Args:
        network: Its folder.
        images: The pictures.
        workers: Processes.

    Yields:
        What was read beside the label, in the order of the pictures.

    Raises:
        DocumentError: A picture cannot be decoded.
    """
    return _each(_read, network, images, workers)


def observe_all(network: Path, images: Sequence[LabelledImage], workers: int) -> Iterator[Observation | None]:
    """Collect what both readers propose for each picture; None for a blank one. See `read_all`."""
    return _each(_observe, network, images, workers)


def examples_of(network: Path, images: Sequence[LabelledImage], workers: int) -> Iterator[StringExamples]:
    """Lay each label over its picture and take examples from it. See `read_all`."""
    return _each(_teach, network, images, workers)


_reader: Reader | None = None


def _each(
    work: Callable[[LabelledImage], T], network: Path, images: Sequence[LabelledImage], workers: int
) -> Iterator[T]:
    if workers == 1:
        _initialize(network)
        yield from map(work, images)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, initializer=_start, initargs=(network,)) as pool:
        yield from pool.imap(work, images, chunksize=CHUNK)


def _start(network: Path) -> None:
    # The parent alone answers an interruption, in one line.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _initialize(network)


def _initialize(network: Path) -> None:
    global _reader
    import cv2

    cv2.setNumThreads(1)
    _reader = Reader(network)


def _read(image: LabelledImage) -> Answer:
    assert _reader is not None
    reading = _reader.read(load_page(image.path, 1), ReadOptions(layout="line"))
    field = reading.fields[0]
    return Answer(image.text, field.text or None, field.confidence if field.text else 0.0)


def _observe(image: LabelledImage) -> Observation | None:
    assert _reader is not None
    evidence = _reader.evidence(load_page(image.path, 1))
    if evidence is None:
        return None
    return Observation("labels", image.text, propose(evidence.lattice, evidence.scores, list(evidence.views)))


def _teach(image: LabelledImage) -> StringExamples:
    assert _reader is not None
    text = np.array([int(digit) for digit in image.text], np.int8)
    evidence = _reader.evidence(load_page(image.path, 1))
    if evidence is None:
        return StringExamples(None, (), text)
    alignment = align_label(evidence, image.text)
    candidates = None
    if alignment.labels is not None:
        digits, context, geometry = crops(evidence.lattice)
        use = alignment.labels != UNSURE
        candidates = Hypotheses(digits[use], context[use], geometry[use], alignment.labels[use])
    views: tuple[NDArray[np.uint8], ...] = ()
    if alignment.is_line_plausible:
        line = evidence.lattice.line
        both = (line_input(line), line_input(line, cleaned=True))
        views = tuple(view for view in both if has_room(view.shape[1], text))
    return StringExamples(candidates, views, text)
