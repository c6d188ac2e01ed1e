"""Ink, lines and lattices to test with, drawn on the spot."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from extractor.line_reader import log_softmax
from extractor.lines import LineImage, line_image
from extractor.preprocess import clean
from extractor.segmentation import Candidate, Lattice
from training.handwriting import Hand, draw_hand, write_string


def neat_hand(seed: int = 4) -> Hand:
    """A writer who takes care: upright, even, nothing joined or touching."""
    return replace(
        draw_hand(np.random.default_rng(seed)),
        continental=0.05,
        slant=0.05,
        aspect=1.0,
        personality=0.01,
        sloppiness=0.005,
        haste=0.0,
        tremor=0.0,
        constancy=1.0,
        size_jitter=0.02,
        round_size=1.0,
        gap=0.3,
        gap_jitter=0.02,
        joining=0.0,
        wander=0.005,
        climb=0.0,
        pen_width=0.09,
    )


def on_paper(ink: np.ndarray, margin: int, paper: int = 245, pen: int = 30) -> np.ndarray:
    """Ink on a sheet, (H, W) uint8, with a margin on all sides."""
    framed = np.pad(ink, margin).astype(np.float32) / 255
    return np.round(paper + (pen - paper) * framed).astype(np.uint8)


def written(text: str, height: int = 60, seed: int = 4) -> np.ndarray:
    """A neat string on paper, (H, W) uint8."""
    ink, _ = write_string(text, neat_hand(seed), np.random.default_rng(seed), height)
    return on_paper(ink, margin=round(0.6 * height))


def line_of(image: np.ndarray) -> LineImage | None:
    """The line image of a picture of one string."""
    page = clean(image)
    return line_image(page.ink, page.mask)


def bare_line(mask: np.ndarray, digit_height: float = 44.0, stroke: float = 4.0) -> LineImage:
    """A line at working scale whose ink is the mask."""
    ink = mask.astype(np.uint8) * 255
    return LineImage(ink, ink, mask, 1.0, (0.0, 0.0), digit_height, stroke)


def lattice_of(pieces: int, runs: set[tuple[int, int]]) -> Lattice:
    """A lattice of pieces in a row, three columns wide each, with the runs beside the single pieces as candidates."""
    labels = np.zeros((6, max(1, 4 * pieces)), np.int32)
    for piece in range(pieces):
        labels[:, 4 * piece : 4 * piece + 3] = piece + 1
    spans = sorted({(piece, piece + 1) for piece in range(pieces)} | runs)
    candidates = tuple(Candidate(start, stop, (4 * start, 0, 4 * (stop - start) - 1, 6)) for start, stop in spans)
    areas = np.bincount(labels.ravel(), minlength=pieces + 1)[1:]
    return Lattice(bare_line(labels > 0), labels, areas, candidates)


def log_probabilities(rng: np.random.Generator, rows: int, classes: int, spread: float) -> np.ndarray:
    """Random rows of log-probabilities; the larger the spread, the surer."""
    return log_softmax(rng.normal(0, spread, (rows, classes)).astype(np.float32))


@st.composite
def scored_lattices(draw, most_pieces: int = 4):
    """A random lattice with log-probabilities for its candidates."""
    pieces = draw(st.integers(1, most_pieces))
    possible = [(start, stop) for start in range(pieces) for stop in range(start + 2, pieces + 1)]
    runs = draw(st.sets(st.sampled_from(possible))) if possible else set()
    lattice = lattice_of(pieces, runs)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return lattice, log_probabilities(rng, len(lattice.candidates), 12, draw(st.sampled_from([0.3, 1.5, 4.0])))


@st.composite
def blobs(draw, most: int = 90) -> np.ndarray:
    """Any ink at all: strokes, discs, noise, single pixels, full and empty pictures, (H, W) bool."""
    import cv2

    height, width = draw(st.integers(1, most)), draw(st.integers(1, 3 * most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    canvas = np.zeros((height, width), np.uint8)
    kind = draw(st.sampled_from(["strokes", "noise", "full", "empty", "pixel", "mixed"]))
    if kind == "full":
        canvas[:] = 1
    if kind in ("noise", "mixed"):
        canvas[rng.random(canvas.shape) < rng.choice([0.001, 0.02, 0.3, 0.7])] = 1
    if kind == "pixel":
        canvas[rng.integers(height), rng.integers(width)] = 1
    if kind in ("strokes", "mixed"):
        points = [
            (int(rng.integers(-5, width + 5)), int(rng.integers(-5, height + 5))) for _ in range(rng.integers(2, 14))
        ]
        for start, end in pairwise(points):
            if rng.random() < 0.7:
                cv2.line(canvas, start, end, 1, int(rng.integers(1, 8)))
            else:
                cv2.circle(canvas, start, int(rng.integers(1, 30)), 1, int(rng.choice([-1, 1, 3])))
    return canvas.astype(bool)
