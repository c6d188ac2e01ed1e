from __future__ import annotations

import numpy as np

from extractor.decoding import Path
from extractor.lattice_picture import ENLARGEMENT, SAID, WRITTEN, draw_crop, draw_lattice

from .drawn import lattice_of

LATTICE = lattice_of(3, {(0, 2)})


def count_of(picture: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((picture == colour).all(axis=-1).sum())


def test_each_path_is_bracketed_on_its_side_only():
    path = Path("12", 0.0, (1, 3))
    above, below = draw_lattice(LATTICE, path, None), draw_lattice(LATTICE, None, path)
    assert count_of(above, WRITTEN) > 0 == count_of(above, SAID)
    assert count_of(below, SAID) > 0 == count_of(below, WRITTEN)
    middle = above.shape[0] // 2
    assert count_of(above[middle:], WRITTEN) == 0
    assert count_of(below[:middle], SAID) == 0


def test_neighbouring_pieces_differ_in_colour_and_are_parted():
    labels = np.repeat(np.arange(1, 4, dtype=np.int32), 8)[None].repeat(10, axis=0)
    touching = type(LATTICE)(LATTICE.line, labels, LATTICE.areas, LATTICE.candidates)
    line = type(LATTICE.line)(*(np.full((10, 24), 255, np.uint8),) * 2, labels > 0, 1.0, (0.0, 0.0), 44.0, 4.0)
    picture = draw_lattice(type(touching)(line, labels, LATTICE.areas, LATTICE.candidates), None, None)
    row = picture[picture.shape[0] // 2, 8:-8]
    colours = [tuple(row[8 * ENLARGEMENT * piece + 6]) for piece in range(3)]
    assert len(set(colours)) == 3
    assert [tuple(row[8 * ENLARGEMENT * piece - 1]) for piece in (1, 2)] == [(255, 255, 255)] * 2


def test_a_crop_shows_its_ink_over_its_surroundings():
    digit, context = np.zeros((28, 28), np.uint8), np.full((28, 28), 200, np.uint8)
    digit[10:20] = 255
    picture = draw_crop(digit, context)
    assert (picture[15] == 255).all()
    assert picture[2, 2, 2] > picture[2, 2, 1] > picture[2, 2, 0] == 0
