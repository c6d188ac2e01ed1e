"""What layout finds: the places of a page that hold one digit string, or one cell, each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from extractor.marks import Mark
from extractor.preprocess import Mask
from extractor.readings import Box


@dataclass(frozen=True, slots=True)
class Region:
    """Where one digit string, or one cell of a grid, is.

    Attributes:
        name: ``line-1``, ``line-2`` ... in reading order; ``r1c1`` ... in a grid.
        box: x, y, width, height in page pixels.
        mask: The ink inside the box that belongs to this region, (height, width) bool; None when all of it does.
        kind: ``line`` for a digit string, ``cell`` for a cell of a grid.
        mark: What a cell holds in place of its digit.
        is_single: Whether the cells of its grid hold one digit each.
        lines: Printed lines that were taken out of the box grown by `margin` to all sides, bool; None when there is
            nothing to say.
    """

    name: str
    box: Box
    mask: Mask | None
    kind: Literal["line", "cell"]
    mark: Mark = ""
    is_single: bool = False
    lines: Mask | None = None

    @property
    def margin(self) -> int:
        """Paper to be put around a box that is tight, in pixels: then no stroke looks like the edge of a frame."""
        return round(0.3 * self.box[3]) + 2
