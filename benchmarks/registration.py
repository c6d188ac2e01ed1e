"""Lays drawn forms onto their templates and counts how often every field lies within 2 pixels of 300 dpi.

Forms of several designs are filled in, then scanned, faxed or photographed: turned by up to 15 degrees beyond quarter
turns, in perspective, at half to twice their size, blurred, shadowed, stored as JPEG of quality 40, a twentieth cut
off. Foreign pages are other designs with marks of the same kinds, blank sheets, texts and pictures; each is tried on
one template of every kind. Times are of one thread, of the processor, for registration alone.

    python benchmarks/registration.py [--pages 500] [--foreign 100] [--first 0]

`--first` is the number of the first page of both kinds, for a run in parts.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import cv2
import forms
import numpy as np
from numpy.typing import NDArray

from extractor.registration import LEAST_QUALITY, register
from extractor.registration_scan import scan_of, transform
from extractor.registration_structure import structure_of
from extractor.templates import Template, load_template

TOLERANCE = 2.0
SEEDS = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class Result:
    """One page: its form's kind, device, greatest error of a field's corner, quality, milliseconds and megapixels."""

    kind: str
    device: str
    error: float
    quality: float
    milliseconds: float
    megapixels: float


def main() -> None:
    """Measure and print tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=500)
    parser.add_argument("--foreign", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        own = {(kind, seed): _form(kind, seed, Path(folder)) for kind in forms.KINDS for seed in SEEDS}
        results = [_own_page(options.first + index, own) for index in range(options.pages)]
        if results:
            _show("form", results, lambda result: result.kind)
            _show("device", results, lambda result: result.device)
        _foreign(options.first, options.foreign, [own[kind, SEEDS[0]][2] for kind in forms.KINDS])


def _form(kind: forms.Kind, seed: int, folder: Path) -> tuple[forms.Design, forms.Sheet, Template]:
    design = forms.design(kind, seed)
    sheet = forms.blank(design)
    reference = None
    if kind == "reference":
        reference = f"{design.name}.png"
        cv2.imwrite(str(folder / reference), sheet.colours)
    path = folder / f"{design.name}.toml"
    path.write_text(design.toml(reference), encoding="utf-8")
    template = load_template(path)
    structure_of(template)
    return design, sheet, template


def _own_page(index: int, own: dict[tuple[forms.Kind, int], tuple[forms.Design, forms.Sheet, Template]]) -> Result:
    kind = forms.KINDS[index % len(forms.KINDS)]
    design, sheet, template = own[kind, SEEDS[index // len(forms.KINDS) % len(SEEDS)]]
    rng = np.random.default_rng((index, 11))
    shot = forms.capture(forms.fill(sheet, design, rng).colours, rng)
    started = time.process_time()
    found = register(shot.picture, template)
    milliseconds = 1000 * (time.process_time() - started)
    error = _error(design, found.homography, shot)
    return Result(kind, shot.device, error, found.quality, milliseconds, shot.picture[..., 0].size / 1e6)


def _error(design: forms.Design, homography: NDArray[np.float64], shot: forms.Capture) -> float:
    """Greatest distance, in pixels of the sheet, of a corner of a field that is in the picture from its place."""
    height, width = shot.picture.shape[:2]
    worst = 0.0
    for field in design.fields:
        x, y, across, down = field.box
        corners = np.array([[x, y], [x + across, y], [x + across, y + down], [x, y + down]], np.float64)
        places = transform(shot.homography, corners)
        if ((places >= 0) & (places < (width, height))).all():
            back = transform(np.linalg.inv(shot.homography), transform(homography, corners))
            worst = max(worst, float(np.linalg.norm(back - corners, axis=1).max()))
    return worst


def _show(title: str, results: list[Result], key) -> None:  # type: ignore[no-untyped-def]
    groups: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        groups[key(result)].append(result)
    print(f"\n| {title} | pages | within 2 px | accepted | accepted, beyond 2 px | median px | ms, median | ms, 95 % |")
    print("|---|---|---|---|---|---|---|---|")
    for name, group in [*sorted(groups.items()), ("all", results)]:
        right = sum(result.error <= TOLERANCE for result in group)
        taken = [result for result in group if result.quality >= LEAST_QUALITY]
        wrong = sum(result.error > TOLERANCE for result in taken)
        times = [result.milliseconds for result in group]
        print(
            f"| {name} | {len(group)} | {right} ({right / len(group):.1%}) | {len(taken)} | {wrong} "
            f"| {np.median([result.error for result in group]):.2f} "
            f"| {np.median(times):.0f} | {np.percentile(times, 95):.0f} |"
        )
    if title == "form":
        near = [result.milliseconds for result in results if 7 <= result.megapixels <= 9]
        if near:
            print(
                f"\n{len(near)} pages of 7 to 9 megapixels: median {np.median(near):.0f} ms, {np.max(near):.0f} at most"
            )


def _foreign(first: int, count: int, templates: list[Template]) -> None:
    accepted, highest, times = 0, 0.0, []
    for index in range(first, first + count):
        rng = np.random.default_rng((index, 23))
        shot = forms.capture(forms.foreign(index, rng), rng)
        scan = scan_of(shot.picture)
        qualities = []
        for template in templates:
            started = time.process_time()
            qualities.append(register(scan, template).quality)
            times.append(1000 * (time.process_time() - started))
        accepted += max(qualities) >= LEAST_QUALITY
        highest = max(highest, *qualities)
    if count:
        print(
            f"\n{count} foreign pages on {len(templates)} templates each: {accepted} accepted, highest quality "
            f"{highest:.2f}; {np.median(times):.0f} ms median, {np.percentile(times, 95):.0f} at 95 %"
        )


if __name__ == "__main__":
    main()
