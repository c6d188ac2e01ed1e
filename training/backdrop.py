"""What digits are written on and what a scanner makes of it: paper, print, lines, dirt and noise, as pure functions."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.float32]
"""(H, W) float32, 0 black to 255 white."""


def paper(shape: tuple[int, int], rng: np.random.Generator) -> Gray:
    """Draw blank paper: plain, unevenly lit, or printed with a security pattern of fine lines.

    Args:
        shape: H, W.
        rng: Source of randomness.
    """
    height, width = shape
    sheet = np.full(shape, rng.uniform(150, 255), np.float32)
    if rng.random() < 0.5:
        corner = rng.uniform(-35, 35, (2, 2)).astype(np.float32)
        sheet += cv2.resize(corner, (width, height), interpolation=cv2.INTER_LINEAR)
    kind = rng.random()
    if kind < 0.40:
        sheet -= security_pattern(shape, rng)
    elif kind < 0.48:
        grain = rng.normal(0, rng.uniform(3, 14), (max(2, height // 2), max(2, width // 2))).astype(np.float32)
        sheet += cv2.resize(grain, (width, height), interpolation=cv2.INTER_LINEAR)
    elif kind < 0.54:
        patches = rng.normal(0, 1, (max(2, height // 12), max(2, width // 12))).astype(np.float32)
        level = cv2.resize(patches, (width, height), interpolation=cv2.INTER_CUBIC) > 0.4
        sheet -= cv2.GaussianBlur(level.astype(np.float32), (0, 0), 0.8) * rng.uniform(6, 35)
    return np.clip(sheet, 60, 255)


def security_pattern(shape: tuple[int, int], rng: np.random.Generator) -> Gray:
    """Draw the fine wavy lines of a cheque as darkness to take off the paper.

    Args:
        shape: H, W.
        rng: Source of randomness.
    """
    height, width = shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    dark = np.zeros(shape, np.float32)
    for _ in range(int(rng.integers(1, 4))):
        angle = rng.uniform(0, np.pi)
        period = rng.uniform(3.0, 14.0)
        cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        along, across = x * cosine + y * sine, y * cosine - x * sine
        wave = np.float32(rng.uniform(0, 7)) * np.sin(
            along / np.float32(rng.uniform(7, 50)) + np.float32(rng.uniform(0, 6))
        )
        phase = (across + wave) * np.float32(2 * np.pi / period) + np.float32(rng.uniform(0, 6))
        lines = np.maximum(np.sin(phase) - np.float32(rng.uniform(0.0, 0.85)), 0)
        dark = np.maximum(dark, lines * np.float32(rng.uniform(10, 65)))
    return dark


def frame_lines(
    shape: tuple[int, int],
    band: tuple[int, int, int, int],
    cells: list[float],
    rng: np.random.Generator,
    *,
    is_comb: bool = False,
) -> NDArray[np.uint8]:
    """Draw the print around a string: base line, box, comb or dashes left over from one.

    Args:
        shape: H, W.
        band: x0, y0, x1, y1 of the written string.
        cells: Columns between digits, where dividers of a comb stand.
        rng: Source of randomness.
        is_comb: The digits stand in the cells of a comb, whose sides are the ``band``'s: it is what is drawn.

    Returns:
        Ink of the print, (H, W) uint8.
    """
    height, width = shape
    x0, y0, x1, y1 = band
    digit = max(6, y1 - y0)
    ink = np.zeros(shape, np.uint8)
    thick = max(1, round(digit * rng.uniform(0.02, 0.09)))
    slope = rng.normal(0, 0.008)
    kind = 0.5 if is_comb else rng.random()
    low = False

    def line(ax: float, ay: float, bx: float, by: float, level: int = 255) -> None:
        cv2.line(ink, (round(ax), round(ay)), (round(bx), round(by)), level, thick, cv2.LINE_AA)

    if kind < 0.30:  # base line, at times another above
        y = y1 + rng.normal(0.06, 0.10) * digit
        left, right = (-5.0, width + 5.0) if rng.random() < 0.7 else (x0 - 0.4 * digit, x1 + 0.4 * digit)
        line(left, y, right, y + slope * (right - left))
        if rng.random() < 0.3:
            top = y0 - rng.uniform(0.1, 0.4) * digit
            line(left, top, right, top + slope * (right - left))
        if rng.random() < 0.25:  # dotted
            ink[:, (np.arange(width) // max(2, thick * 2)) % 2 == 0] = 0
    elif kind < 0.80:  # box, at times with dividers
        top, bottom = y0 - rng.uniform(-0.03, 0.45) * digit, y1 + rng.uniform(-0.03, 0.45) * digit
        beside = (0.0, 0.0) if is_comb else rng.uniform(0.05, 1.2, 2) * digit
        left, right = x0 - beside[0], x1 + beside[1]
        low = bottom - top < 1.15 * digit
        line(left, top, right, top + slope * (right - left))
        line(left, bottom, right, bottom + slope * (right - left))
        if rng.random() < 0.85:
            line(left, top, left, bottom)
        if rng.random() < 0.85:
            line(right, top, right, bottom)
        if rng.random() < (0.9 if is_comb else 0.2):
            _dividers(ink, (top, bottom), cells, thick, digit, rng, bars=0.45 if is_comb else 0.0)
    else:  # squared paper or ruled page
        step = rng.uniform(0.5, 1.3) * digit
        for y in np.arange(y1 % step, height, step):
            line(0, y, width, y + slope * width)
        if rng.random() < 0.6:
            for x in np.arange(rng.uniform(0, step), width, step):
                line(x, 0, x, height)
        return (ink * rng.uniform(0.1, 0.55)).astype(np.uint8)
    # Dropped out in the scan, only remains are left. The side of a low box would then be a 1 to anyone.
    if rng.random() < (0.35 if is_comb else 0.45) and not low:
        ink = drop_out(ink, rng, length=digit)
    return np.asarray(ink * rng.choice([1.0, 1.0, rng.uniform(0.3, 1.0)]), np.uint8)


def _dividers(
    ink: NDArray[np.uint8],
    box: tuple[float, float],
    cells: list[float],
    thick: int,
    digit: int,
    rng: np.random.Generator,
    *,
    bars: float,
) -> None:
    """Draw the dividers of a comb: as thin as its box or, at times, as thick bars; whole, short, worn, or only some."""
    top, bottom = box
    worn = 0.0
    if rng.random() < bars:
        worn = rng.choice([0.0, rng.uniform(0.1, 0.5)])
        thick = max(2, round(digit * rng.uniform(0.08, 0.2)))
        top += rng.uniform(0.0, 0.2) * (bottom - top)
        bottom -= rng.uniform(0.0, 0.15) * (bottom - top)
    part = rng.choice([1.0, 1.0, 1.0, rng.uniform(0.15, 0.5)])
    absent = rng.choice([0.0, rng.uniform(0.1, 0.6)], p=[0.7, 0.3])
    for column in cells:
        if rng.random() >= absent:
            x = round(column + rng.normal(0, 0.02) * digit)
            head = bottom - part * (bottom - top)
            cv2.line(ink, (x, round(head)), (x, round(bottom)), 255, thick, cv2.LINE_AA)
            if rng.random() < worn:
                gap = rng.uniform(0.1, 0.4) * (bottom - head)
                place = rng.uniform(head, bottom - gap)
                ink[round(place) : round(place + gap), max(0, x - thick) : x + thick + 1] = 0


def drop_out(ink: NDArray[np.uint8], rng: np.random.Generator, length: float) -> NDArray[np.uint8]:
    """Erase stretches, as colour drop-out and thresholds do with printed lines.

    Args:
        ink: (H, W) uint8.
        rng: Source of randomness.
        length: Typical length of what stays and goes, in pixels.
    """
    height, width = ink.shape
    step = max(2, round(length * rng.uniform(0.15, 0.8)))
    grid = rng.random((height // step + 2, width // step + 2)) < rng.uniform(0.15, 0.75)
    keep = np.kron(grid, np.ones((step, step), np.uint8))[:height, :width]
    return ink * keep.astype(np.uint8)


def specks(shape: tuple[int, int], rng: np.random.Generator, unit: float) -> NDArray[np.uint8]:
    """Scatter specks and short strokes of dirt.

    Args:
        shape: H, W.
        rng: Source of randomness.
        unit: Height of a digit in pixels.
    """
    ink = np.zeros(shape, np.uint8)
    for _ in range(int(rng.poisson(3))):
        x, y = rng.integers(shape[1]), rng.integers(shape[0])
        size = rng.uniform(0.02, 0.12) * unit
        end = (round(x + rng.normal(0, 2 * size)), round(y + rng.normal(0, 0.6 * size)))
        cv2.line(ink, (int(x), int(y)), end, int(rng.integers(90, 256)), max(1, round(size)), cv2.LINE_AA)
    return ink


def pen_texture(ink: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Let the pen run dry in places: faint, streaked and broken strokes.

    Args:
        ink: (H, W) uint8.
        rng: Source of randomness.
    """
    height, width = ink.shape
    kind = rng.random()
    if kind < 0.55:
        return ink
    cell = max(1, round(rng.uniform(0.02, 0.25) * height))
    coarse = rng.normal(0, 1, (height // cell + 2, width // cell + 2)).astype(np.float32)
    field = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    if kind < 0.85:
        return (ink * np.clip(1.0 - rng.uniform(0.1, 0.4) * np.maximum(field, 0), 0.25, 1)).astype(np.uint8)
    return (ink * np.clip(1.6 - rng.uniform(0.5, 0.95) * np.maximum(field, 0), 0, 1)).astype(np.uint8)


def scan(gray: Gray, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Put a picture through a scanner or camera: blur, noise, JPEG, or black-and-white fax.

    Args:
        gray: (H, W) float32.
        rng: Source of randomness.

    Returns:
        (H, W) uint8.
    """
    if rng.random() < 0.7:
        gray = cv2.GaussianBlur(gray, (0, 0), rng.uniform(0.3, 1.3)).astype(np.float32)
    if rng.random() < 0.6:
        gray = gray + rng.normal(0, rng.uniform(1, 9), gray.shape).astype(np.float32)
    picture = np.clip(gray, 0, 255).astype(np.uint8)
    kind = rng.random()
    if kind < 0.2:
        picture = _two_tone(picture, rng.uniform(0.24, 0.68))
        if rng.random() < 0.5:
            picture = cv2.GaussianBlur(picture, (3, 3), 0).astype(np.uint8)
    elif kind < 0.4:  # scanned in black and white at a finer resolution, and made small later
        finer = rng.uniform(1.3, 3.0)
        large = cv2.resize(picture, None, fx=finer, fy=finer, interpolation=cv2.INTER_CUBIC)
        large = _two_tone(np.asarray(large, np.uint8), rng.uniform(0.25, 0.75))
        picture = np.asarray(cv2.resize(large, picture.shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    if rng.random() < 0.5:
        quality = int(rng.integers(30, 95))
        data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        picture = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)
    return picture


def _two_tone(picture: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """Make a picture black and white, at a share of the way from its ink to its paper."""
    low, high = np.percentile(picture, [1, 50])
    return np.where(picture > low + (high - low) * share, 255, 0).astype(np.uint8)
