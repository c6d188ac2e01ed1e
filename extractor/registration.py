"""Lay a scan onto its template: a homography, and how much of the form's print was found where it must be.

Several finders propose homographies on a small picture: ArUco marks, features of the reference, printed marks, boxes,
the page as a whole. A proposal is judged by whether the picture changes across the template's edges; the best are moved
until the probes on those edges lie right, first on the small picture, then on the large one. The quality is the share
of probes found within 2 pixels of 300 dpi of their places. A page that is another form shows few of them, whatever it
was laid by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from extractor.forms import Template
from extractor.registration_boxes import by_boxes
from extractor.registration_features import by_features
from extractor.registration_marks import Marks, by_aruco
from extractor.registration_page import by_page
from extractor.registration_probes import Probes, lay, look
from extractor.registration_scan import SEARCH_SIDE, Grey, Matrix, Scan, scan_of, transform
from extractor.registration_structure import Structure, structure_of

LEAST_QUALITY = 0.5
"""Quality below which a page is another form, or too bad a picture, and no field of it may be believed."""

_CERTAIN = 0.7
"""Quality from which no other way is tried."""
_TOLERANCE = 2.0
"""Pixels of 300 dpi within which print must be found."""
_DOUBTFUL = 0.5
"""Share of the coarse probes below which a proposal is moved over a greater distance as well."""
_LEAST_SIDE = 48
"""Pixels of the small picture's shorter side below which there is nothing to find."""
_TRIED = 4
_ROUGH = (8, 8, 6, 4)
_COARSE = (8, 8, 5, 4)
_FINE = (8, 5, 3)


@dataclass(frozen=True, slots=True)
class Registration:
    """How a scan lies on its template.

    Attributes:
        homography: Template pixels -> scan pixels, (3, 3) float64.
        quality: Share of the form's print that was found in its place, 0 to 1; see `LEAST_QUALITY`.
        method: What it was found by: ``aruco``, ``features``, ``marks``, ``boxes``, ``page``, or ``none``.
    """

    homography: NDArray[np.float64]
    quality: float
    method: str


def register(image: NDArray[np.uint8] | Scan, template: Template, page: int = 1) -> Registration:
    """Lay a scan onto a template.

    Args:
        image: Grey (H, W) or BGR (H, W, 3), uint8; or what `scan_of` made of it, when several templates are tried.
        template: The form.
        page: Page of the document, from 1, for forms of several pages.

    Returns:
        The best that was found; its quality says whether to believe it.

    Raises:
        UsageError: The template has nothing that a page could be laid by.
        DocumentError: The template's reference cannot be read.
    """
    scan = image if isinstance(image, Scan) else scan_of(image)
    structure = structure_of(template, page)
    best = Registration(np.eye(3), 0.0, "none")
    if min(scan.small.shape) < _LEAST_SIDE:
        return best
    for method, proposals, view in _ways(scan, structure):
        found = _best_of(view, structure, proposals(), method)
        if found is not None and found.quality > best.quality:
            best = found
        if best.quality >= _CERTAIN:
            break
    return best


def _ways(scan: Scan, structure: Structure) -> Iterator[tuple[str, Callable[[], list[Matrix]], Scan]]:
    """Ways to find a page, the surest first, each with the view of the scan that it looks at."""
    template = structure.template
    size = (template.page.width, template.page.height)
    for view in _views(scan, size):
        if any(anchor.kind == "aruco" for anchor in template.anchors):
            yield "aruco", partial(by_aruco, view.small, template.anchors), view
        if structure.features is not None:
            yield "features", partial(by_features, view, structure.features), view
        if template.anchors:
            marks = Marks(view.small, template.anchors, size)
            yield from (("marks", way, view) for way in (marks.four, marks.three, marks.two))
        if len(structure.boxes) > 1:
            yield "boxes", partial(by_boxes, view.small, structure.boxes), view
        yield "page", partial(by_page, view.small, *structure.outline), view


def _views(scan: Scan, page: tuple[float, float]) -> Iterator[Scan]:
    """The scan as it is, and where its proportions speak of a fax of half the resolution, pulled to its own."""
    yield scan
    height, width = scan.small.shape
    for proportions in (page[0] / page[1], page[1] / page[0]):
        excess = width / height / proportions
        if 1.6 < max(excess, 1 / excess) < 2.5:
            longest = max(width, height * excess) if excess > 1 else max(width / excess, height)
            shrink = min(1.0, SEARCH_SIDE / longest)
            yield scan.stretched(shrink / min(excess, 1), shrink * max(excess, 1))


def _best_of(scan: Scan, structure: Structure, proposals: Sequence[Matrix], method: str) -> Registration | None:
    """Refine the best proposals, on the small picture and then the best of them on the large one."""
    if not proposals:
        return None
    if len(proposals) > _TRIED:
        scores = judge(scan.small, proposals, structure.coarse)
        proposals = [proposals[index] for index in np.argsort(-scores, kind="stable")[:_TRIED]]
    step = structure.coarse.step
    best, most = proposals[0], -1.0
    for proposal in proposals:
        moved = lay(scan.small, proposal, structure.coarse, _COARSE)
        share = _share(scan.small, moved, structure.coarse, 1.5 * step)
        if share < _DOUBTFUL:
            # From farther away only a blurred picture leads to the place.
            blurred = cv2.GaussianBlur(scan.small, (0, 0), 1.2).astype(np.uint8, copy=False)
            again = lay(blurred, proposal, structure.rough, _ROUGH)
            again = lay(scan.small, again, structure.coarse, _COARSE)
            other = _share(scan.small, again, structure.coarse, 1.5 * step)
            moved, share = (again, other) if other > share else (moved, share)
        if share > most:
            best, most = moved, share
        if share > _CERTAIN:
            break
    homography = lay(scan.grey, scan.to_full @ best, structure.fine, _FINE)
    return Registration(homography, quality(scan.grey, homography, structure), method)


def judge(small: Grey, proposals: Sequence[Matrix], probes: Probes, most: int = 90) -> NDArray[np.float64]:
    """Score many proposals quickly: how much of the brightness changes along the probes' normals, (N,)."""
    smooth = cv2.GaussianBlur(small, (0, 0), 2.0)
    gx, gy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    length = cv2.magnitude(gx, gy) + 4.0
    chosen = np.linspace(0, len(probes) - 1, min(most, len(probes))).astype(int)
    points, normals = probes.points[chosen], probes.normals[chosen]
    height, width = small.shape
    maps = np.array(proposals)
    start = _carried(maps, points)
    move = _carried(maps, points + normals * probes.step) - start
    inside: NDArray[np.bool_] = np.all((start >= 0) & (start < (width - 0.5, height - 0.5)), axis=2)
    x, y = np.rint(np.where(inside[..., None], start, 0)).astype(int).transpose(2, 0, 1)
    match = gx[y, x] * move[..., 0] + gy[y, x] * move[..., 1]
    match /= length[y, x] * np.maximum(np.linalg.norm(move, axis=2), 1e-9)
    total = np.where(inside, np.maximum(match, 0), 0).sum(axis=1)
    return np.asarray(total / np.maximum(np.count_nonzero(inside, axis=1), 0.5 * len(chosen)), np.float64)


def _carried(maps: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Carry points (P, 2) through homographies (N, 3, 3), giving (N, P, 2)."""
    carried = np.column_stack((points, np.ones(len(points)))) @ maps.transpose(0, 2, 1)
    depth = carried[..., 2:]
    return np.asarray(carried[..., :2] / np.where(np.abs(depth) < 1e-9, 1e-9, depth), np.float64)


def _share(picture: Grey, homography: Matrix, probes: Probes, tolerance: float) -> float:
    seen = look(picture, homography, probes, 3)
    visible = float(np.count_nonzero(seen.visible))
    return float(np.count_nonzero(seen.found(tolerance))) / max(visible, 0.5 * len(probes))


def quality(grey: Grey, homography: Matrix, structure: Structure) -> float:
    """Share of the form's print that a scan shows in its place, 0 to 1.

    Of a template without a reference, marks count a quarter and the boxes of fields three, since many forms bear the
    same marks.

    Args:
        grey: The scan.
        homography: Template pixels -> scan pixels.
        structure: The form's print.
    """
    if not np.isfinite(homography).all() or not _keeps_the_page(homography, structure.template):
        return 0.0
    seen = look(grey, homography, structure.fine, 3)
    found = seen.found(_TOLERANCE * structure.pixel)
    shares = [_seen_of(found, seen.visible, part) for part in (structure.marks, ~structure.marks)]
    if not structure.marks.any():
        return shares[1]
    return shares[0] if structure.marks.all() else 0.25 * shares[0] + 0.75 * shares[1]


def _seen_of(found: NDArray[np.bool_], visible: NDArray[np.bool_], part: NDArray[np.bool_]) -> float:
    """Share of a part's visible probes that were found; less when most of them lie off the scan."""
    least = max(0.5 * float(np.count_nonzero(part)), 1.0)
    return float(np.count_nonzero(found & part)) / max(float(np.count_nonzero(visible & part)), least)


def _keeps_the_page(homography: Matrix, template: Template) -> bool:
    """Tell whether the page stays a convex figure that is not turned over, and no corner runs off to infinity."""
    width, height = template.page.width, template.page.height
    outline = np.array([[0, 0], [width, 0], [width, height], [0, height]])
    depth = outline @ homography[2, :2] + homography[2, 2]
    if (depth * np.sign(homography[2, 2]) <= 0).any():
        return False
    corners = transform(homography, outline)
    sides = np.roll(corners, -1, axis=0) - corners
    turns = sides[:, 0] * np.roll(sides, -1, axis=0)[:, 1] - sides[:, 1] * np.roll(sides, -1, axis=0)[:, 0]
    return bool((turns > 0).all())
