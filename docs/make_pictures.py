"""Draw the pictures of docs/how-it-works.md: what each stage makes of one of the samples.

python docs/make_pictures.py [--output FOLDER]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor import Reader, overlay
from extractor.decoding import Path as LatticePath
from extractor.decoding import best_paths
from extractor.documents import load_page
from extractor.layout import find_regions
from extractor.line_input import line_views
from extractor.preprocess import clean
from extractor.reader import Evidence
from extractor.readings import PageReading
from extractor.segmentation import crops

Picture = NDArray[np.uint8]

SAMPLE: Final = Path(__file__).parents[1] / "samples" / "cheque.jpg"
WIDTH: Final = 780
MARGIN: Final = 14
INK, PAPER, RULE = (60, 40, 20), (255, 255, 255), (190, 190, 190)
# Okabe and Ito, "Color Universal Design" (2008): blue, orange, green, purple in BGR.
COLOURS: Final = ((178, 114, 0), (0, 159, 230), (115, 158, 0), (167, 121, 204))
CHOSEN: Final = COLOURS[0]


def main(arguments: Sequence[str] | None = None) -> None:
    """Write every picture."""
    parser = argparse.ArgumentParser(description="Draw the pictures of docs/how-it-works.md.")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "images", help="folder to write to")
    folder: Path = parser.parse_args(arguments).output
    folder.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures(load_page(SAMPLE, 1)).items():
        cv2.imwrite(str(folder / f"{name}.png"), picture, (cv2.IMWRITE_PNG_COMPRESSION, 9))


def pictures(page: Picture) -> dict[str, Picture]:
    """Draw all stages.

    Args:
        page: (H, W, 3) BGR, with at least one number on it.

    Returns:
        Pictures by the stage's name.
    """
    reader = Reader()
    reading = reader.read(page)
    evidence = reader.evidence(_longest_string(page, reading))
    if evidence is None:
        raise SystemExit(f"nothing was found on {SAMPLE.name}")
    path = best_paths(evidence.lattice, evidence.scores, 1)[0]
    return {
        "page": _quiet(_to_width(page)),
        "ink": _quiet(_to_width(cv2.bitwise_not(clean(page).ink))),
        "regions": _quiet(_regions(page)),
        "line": _line(evidence),
        "lattice": _lattice(evidence, path),
        "crops": _crops(evidence, path),
        "steps": _steps(evidence),
        "overlay": _quiet(_to_width(overlay.draw(page, reading))),
    }


def _longest_string(page: Picture, reading: PageReading) -> Picture:
    """Cut the longest string out of a page, with what is printed around it."""
    x, y, width, height = max(reading.fields, key=lambda field: len(field.text)).box
    pad = height // 2
    return page[max(0, y - pad) : y + height + pad, max(0, x - pad) : x + width + pad]


def _regions(page: Picture) -> Picture:
    pale = cv2.addWeighted(page, 0.4, np.full_like(page, 255), 0.6, 0)
    for number, region in enumerate(find_regions(clean(page), "auto")):
        x, y, width, height = region.box
        cv2.rectangle(pale, (x - 4, y - 4), (x + width + 4, y + height + 4), COLOURS[number % 2], 4)
    return _to_width(pale)


def _line(evidence: Evidence) -> Picture:
    """Show the line image as scanned, and below it without printed lines."""
    line = evidence.lattice.line
    return _stack([_enlarge(cv2.bitwise_not(ink), _zoom(ink.shape[1])) for ink in (line.raw, line.ink)])


def _lattice(evidence: Evidence, path: LatticePath) -> Picture:
    """Show the pieces in turning colours, and below them every candidate as a bar with its likeliest digit."""
    lattice = evidence.lattice
    palette = np.array((PAPER, *COLOURS), np.uint8)
    labels = lattice.labels
    pieces = _enlarge(palette[np.where(labels > 0, (labels - 1) % len(COLOURS) + 1, 0)], _zoom(labels.shape[1]))
    zoom = pieces.shape[1] / labels.shape[1]
    order = sorted(range(len(lattice.candidates)), key=lambda index: lattice.candidates[index].box[0])
    rows: list[int] = []
    placed: list[tuple[int, int]] = []
    for index in order:
        left, right = lattice.candidates[index].box[0], sum(lattice.candidates[index].box[::2])
        row = next((number for number, end in enumerate(rows) if end < left), len(rows))
        rows[row : row + 1] = [right]
        placed.append((index, row))
    pitch = 26
    bars = np.full((len(rows) * pitch + 8, pieces.shape[1], 3), 255, np.uint8)
    for index, row in placed:
        x, _, width, _ = lattice.candidates[index].box
        chosen = index in path.candidates
        left, right, top = round(x * zoom) + 1, round((x + width) * zoom) - 1, row * pitch + 6
        cv2.rectangle(bars, (left, top), (right, top + pitch - 6), CHOSEN if chosen else RULE, -1 if chosen else 2)
        digit = int(evidence.scores[index].argmax())
        if digit < 10:
            _write(bars, str(digit), ((left + right) // 2, top + pitch // 2 - 3), 0.5, PAPER if chosen else INK)
    return _stack([pieces, bars])


def _crops(evidence: Evidence, path: LatticePath) -> Picture:
    """Show candidates as the crop network sees them, digit white and surroundings blue, and what it takes them for."""
    digits, context, _ = crops(evidence.lattice)
    side, across = 84, 8
    tiles: list[Picture] = []
    for index, (digit, other) in enumerate(zip(digits, context, strict=True)):
        faint = (other.astype(np.float32) * 0.8).astype(np.uint8)
        picture = np.maximum(digit[..., None], np.stack([faint, faint // 2, np.zeros_like(faint)], axis=-1))
        tile = np.full((side + 34, side + 12, 3), 255, np.uint8)
        if index in path.candidates:
            cv2.rectangle(tile, (1, 1), (side + 10, side + 10), CHOSEN, 5)
        tile[6 : side + 6, 6 : side + 6] = _enlarge(picture.astype(np.uint8), side // 28)
        best = int(evidence.scores[index].argmax())
        share = np.exp(evidence.scores[index, best])
        _write(tile, f"{(*'0123456789', 'no', 'skip')[best]} {share:.2f}", (side // 2 + 6, side + 23), 0.45, INK)
        tiles.append(tile)
    tiles += [np.full_like(tiles[0], 255)] * (-len(tiles) % across)
    rows = [np.hstack(tiles[start : start + across]) for start in range(0, len(tiles), across)]
    return np.vstack(rows).astype(np.uint8)


def _steps(evidence: Evidence) -> Picture:
    """Show what the line network sees, and below it how probable it finds each digit at each step."""
    view = line_views(evidence.lattice.line)[0]
    steps = np.exp(evidence.views[0])
    zoom = _zoom(view.shape[1])
    table = np.full((10 * 18, view.shape[1] * zoom, 3), 255, np.uint8)
    for (step, digit), probability in np.ndenumerate(steps[:, :10]):
        shade = np.array(PAPER) * (1 - probability) + np.array(CHOSEN) * probability
        left, right = step * 4 * zoom, (step + 1) * 4 * zoom
        cv2.rectangle(table, (left, digit * 18), (right - 1, digit * 18 + 17), [round(value) for value in shade], -1)
        if probability > 0.5:
            _write(table, str(digit), ((left + right) // 2, digit * 18 + 9), 0.45, PAPER)
    cv2.rectangle(table, (0, 0), (table.shape[1] - 1, table.shape[0] - 1), RULE, 1)
    return _stack([_enlarge(cv2.bitwise_not(view), zoom), table])


def _write(picture: Picture, text: str, middle: tuple[int, int], size: float, colour: tuple[int, int, int]) -> None:
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, 1)
    origin = (middle[0] - width // 2, middle[1] + height // 2)
    cv2.putText(picture, text, origin, cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)


def _zoom(width: int) -> int:
    return max(1, WIDTH // width)


def _enlarge(picture: Picture, times: int) -> Picture:
    """Enlarge with sharp pixels, in colour."""
    large = np.repeat(np.repeat(picture, times, axis=0), times, axis=1)
    return large if large.ndim == 3 else cv2.cvtColor(large, cv2.COLOR_GRAY2BGR).astype(np.uint8, copy=False)


def _to_width(picture: Picture) -> Picture:
    scale = WIDTH / picture.shape[1]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(picture, (WIDTH, round(picture.shape[0] * scale)), interpolation=method)
    return scaled if scaled.ndim == 3 else cv2.cvtColor(scaled, cv2.COLOR_GRAY2BGR).astype(np.uint8, copy=False)


def _quiet(picture: Picture) -> Picture:
    """Flatten the grain of paper, which PNG cannot pack."""
    smooth = cv2.bilateralFilter(picture, 7, 40, 4)
    return (smooth // 16 * 17).astype(np.uint8)


def _stack(parts: Sequence[Picture]) -> Picture:
    """Put pictures of about one width below each other."""
    width = max(part.shape[1] for part in parts)
    padded = [
        cv2.copyMakeBorder(part, 0, MARGIN, 0, width - part.shape[1], cv2.BORDER_CONSTANT, value=(255, 255, 255))
        for part in parts
    ]
    return np.vstack(padded)[:-MARGIN].astype(np.uint8)


if __name__ == "__main__":
    main()
