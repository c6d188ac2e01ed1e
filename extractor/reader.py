"""The one path from a page image to its reading."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from extractor.readings import PageReading

Layout = Literal["auto", "page", "line", "grid"]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a user chooses about reading.

    Attributes:
        layout: Where digits are looked for: the whole image is one string (``line``), strings anywhere (``page``), the
            largest ruled grid (``grid``), or whichever fits (``auto``).
        dpi: Resolution at which PDF pages are drawn.
    """

    layout: Layout = "auto"
    dpi: int = 300


class Reader:
    """Reads pages with one network.

    Args:
        model: Folder or file of the network; the shipped one when None.
        threads: Threads of the network's interpreter.
    """

    def __init__(self, model: Path | None = None, threads: int = 1) -> None:
        self.model = model
        self.threads = threads
        self.model_sha256 = "0" * 64

    def read(
        self, image: NDArray[np.uint8], options: ReadOptions | None = None, *, document: str = "", page: int = 1
    ) -> PageReading:
        """Read one page.

        Args:
            image: Grey (H, W) or BGR (H, W, 3).
            options: What the user chose; the defaults when None.
            document: Name put into the reading.
            page: Page number put into the reading.

        Returns:
            The strings in reading order.
        """
        return PageReading(document, page, image.shape[1], image.shape[0])
