"""Candidates become 28x28 exactly as MNIST was made."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from extractor.normalize import FAINTEST, INNER, SIZE, ink_box, normalize_runs, to_mnist, to_mnist_with_context
from training.handwriting import digit_image, draw_hand

from . import drawn


def centre_of_mass(picture):
    """x, y of the centre of mass; the middle of the first pixel is 0, as in most descriptions of MNIST."""
    weights = picture.astype(np.float64)
    return tuple(float((weights.sum(axis=axis) * np.arange(SIZE)).sum() / weights.sum()) for axis in (0, 1))


def area_averages(square):
    """Average a square over 20x20 equal parts, pixel by pixel with the share of each that lies in a part."""
    side = len(square)
    out = np.zeros((INNER, INNER))
    weights = np.zeros((INNER, side))
    for part in range(INNER):
        low, high = part * side / INNER, (part + 1) * side / INNER
        for pixel in range(side):
            weights[part, pixel] = max(0.0, min(high, pixel + 1) - max(low, pixel))
    for row in range(INNER):
        for column in range(INNER):
            share = np.outer(weights[row], weights[column])
            out[row, column] = (square * share).sum() / share.sum()
    return out


def slow_mnist(ink, ties):
    """MNIST's making step by step, straight from its description; `ties`: where an average of x.5 is rounded to."""
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    tight = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = tight.shape
    side = max(height, width, 10)
    above, before = (side - height) // 2, (side - width) // 2
    square = np.pad(tight, ((above, side - height - above), (before, side - width - before)))
    while len(square) < INNER:
        square = np.kron(square, np.ones((2, 2), np.uint8))
    averages = area_averages(square.astype(np.float64))
    rounded = np.floor(averages + 0.5 + ties)
    stretched = np.rint(rounded.astype(np.float32) * np.float32(255.0 / rounded.max()))
    mass = stretched.sum()
    middles = np.arange(INNER) + 0.5
    column = min(max(int(15 - (stretched.sum(axis=0) * middles).sum() / mass), 0), SIZE - INNER)
    row = min(max(int(15 - (stretched.sum(axis=1) * middles).sum() / mass), 0), SIZE - INNER)
    out = np.zeros((SIZE, SIZE))
    out[row : row + INNER, column : column + INNER] = stretched
    return out


@st.composite
def inks(draw):
    height, width = draw(st.integers(1, 70)), draw(st.integers(1, 70))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ink = rng.integers(0, 256, (height, width)).astype(np.uint8)
    ink[rng.random(ink.shape) < draw(st.sampled_from([0.0, 0.5, 0.9]))] = 0
    smooth = draw(st.booleans())
    return cv2.GaussianBlur(ink, (0, 0), 1.5).astype(np.uint8) if smooth else ink


@given(inks())
def test_equals_a_slow_reading_of_the_description(ink):
    assume(ink.any())
    low, high = slow_mnist(ink, -1e-4), slow_mnist(ink, 1e-4)
    assume(low.any())
    crop = to_mnist(ink)
    if np.array_equal(low, high):
        np.testing.assert_array_equal(crop, high)
    else:  # an average lies half way between two levels: either is right
        assert np.abs(crop - low).max() <= np.abs(high - low).max() + 1


@given(st.sampled_from([20, 30, 40, 60, 80, 100]), st.integers(0, 2**32 - 1))
def test_whole_multiples_are_exact_block_means(side, seed):
    rng = np.random.default_rng(seed)
    step = side // INNER if side % INNER == 0 else None
    assume(step is not None)
    levels = rng.integers(0, 256, (INNER, INNER)).astype(np.uint8)
    levels[0, 0], levels[-1, -1] = 255, 255
    crop = to_mnist(np.kron(levels, np.ones((step, step), np.uint8)))
    rows, columns = np.flatnonzero(crop.any(axis=1)), np.flatnonzero(crop.any(axis=0))
    np.testing.assert_array_equal(crop[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], levels)


@given(inks())
def test_keeps_the_format_whatever_the_ink(ink):
    crop = to_mnist(ink)
    assert crop.shape == (SIZE, SIZE)
    assert crop.dtype == np.uint8
    if not crop.any():
        return
    assert crop.max() == 255
    _, _, width, height = ink_box(crop)
    assert max(width, height) <= INNER
    x, y = centre_of_mass(crop)
    left, top, box_width, box_height = ink_box(crop)
    # The 20x20 box never leaves the frame: ink whose mass lies at one end of it stays off the middle.
    for middle, start, length in ((x, left, box_width), (y, top, box_height)):
        assert 13.5 - 1e-6 <= middle <= 14.5 + 1e-6 or start <= 8 or start + length >= INNER


@pytest.mark.parametrize("height", [8, 9, 10, 13, 19, 20, 21, 28, 40, 57, 100, 173, 300])
def test_digits_of_any_size_come_out_centred_in_a_box_of_twenty(height):
    rng = np.random.default_rng(height)
    for digit in range(10):
        ink = digit_image(digit, draw_hand(rng), rng, height=height)
        crop = to_mnist(ink)
        x, y = centre_of_mass(crop)
        left, top, wide, high = ink_box(crop)
        # Ink that has been moved as far as the frame goes, but for faint edges, may be lopsided still.
        assert 13.5 <= x <= 14.5 or left <= 2 or left + wide >= SIZE - 2
        assert 13.5 <= y <= 14.5 or top <= 2 or top + high >= SIZE - 2
        assert crop.max() == 255
        longest = max(wide, high)
        source = max(ink_box(ink)[2:])
        if source >= 10:
            # The tip of a large digit may average to nothing: it then misses one row of the twenty.
            assert longest in (INNER, INNER - 1)
        else:  # a square is at least ten pixels wide: smaller ink is doubled, not blown up to twenty
            assert longest == 2 * source


def test_strokes_of_any_size_fill_a_box_of_exactly_twenty():
    for side in range(10, 301, 7):
        ink = np.zeros((side, side), np.uint8)
        cv2.rectangle(ink, (0, 0), (side - 1, side - 1), 255, max(1, side // 10))
        assert ink_box(to_mnist(ink))[2:] == (INNER, INNER)


def test_mass_at_one_end_never_pushes_ink_out_of_the_frame():
    ink = np.zeros((100, 100), np.uint8)
    ink[:12, :12] = 255  # a heavy head
    ink[50, :] = 255  # and thin ink all the way to the other end
    ink[:, 50] = 255
    crop = to_mnist(ink)
    left, top, width, height = ink_box(crop)
    assert (width, height) == (INNER, INNER)
    assert left + width <= SIZE
    assert top + height <= SIZE


@given(drawn.blobs(), st.integers(0, 30), st.integers(0, 30))
def test_position_on_the_canvas_does_not_matter(mask, right, down):
    ink = mask.astype(np.uint8) * 255
    moved = np.pad(ink, ((down, 3), (right, 5)))
    np.testing.assert_array_equal(to_mnist(ink), to_mnist(moved))


def test_no_ink_is_all_zero():
    assert ink_box(np.zeros((9, 9), np.uint8)) is None
    crop, context = to_mnist_with_context(np.zeros((9, 9), np.uint8), np.full((9, 9), 255, np.uint8))
    assert not crop.any()
    assert not context.any()


@given(
    st.integers(12, 120), st.integers(12, 120), st.integers(-60, 60), st.integers(-60, 60), st.integers(0, 2**32 - 1)
)
def test_a_neighbour_lies_in_the_context_where_it_lies_on_the_page(width, height, dx, dy, seed):
    """A point p of the canvas is at column + (p - left) / scale in both pictures."""
    rng = np.random.default_rng(seed)
    canvas = np.zeros((400, 400), np.uint8)
    x, y = 150, 150
    canvas[y : y + height, x : x + width] = 255
    side = max(width, height)
    spot = max(3, side // 8)
    at_x, at_y = x + width // 2 + dx * side // 120, y + height // 2 + dy * side // 120
    other = np.zeros_like(canvas)
    other[at_y : at_y + spot, at_x : at_x + spot] = int(rng.integers(128, 256))
    crop, context = to_mnist_with_context(canvas, other)
    np.testing.assert_array_equal(crop, to_mnist(canvas))
    assume(context.any())
    scale = side / INNER
    left, top, crop_width, crop_height = ink_box(crop)
    # The middle of the digit's own box is the fixed point that both pictures share.
    fixed_x, fixed_y = left + crop_width / 2, top + crop_height / 2
    want_x = fixed_x + (at_x + spot / 2 - x - width / 2) / scale
    want_y = fixed_y + (at_y + spot / 2 - y - height / 2) / scale
    reach = spot / scale / 2 + 1
    assume(reach < want_x < SIZE - reach)
    assume(reach < want_y < SIZE - reach)
    got_x, got_y = centre_of_mass(context)
    assert abs(got_x + 0.5 - want_x) <= 1.1
    assert abs(got_y + 0.5 - want_y) <= 1.1


def test_ink_as_its_own_context_lies_in_the_same_place():
    rng = np.random.default_rng(5)
    for height in (14, 30, 44, 90):
        ink = np.pad(digit_image(4, draw_hand(rng), rng, height=height), height)
        crop, context = to_mnist_with_context(ink, ink)
        # Enlarged ink may lie as far apart as a pixel of the scan has become large.
        for a, b in zip(centre_of_mass(crop), centre_of_mass(context), strict=True):
            assert abs(a - b) <= max(0.75, INNER / height)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(12, 130), st.integers(12, 130))
def test_runs_normalised_together_come_out_as_each_by_itself(seed, pieces, height, width):
    rng = np.random.default_rng(seed)
    labels = np.zeros((height, width), np.int32)
    for number in range(1, pieces + 1):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        axes = (int(rng.integers(0, width)), int(rng.integers(0, 9)))
        cv2.ellipse(labels, centre, axes, float(rng.uniform(0, 180)), 0, 360, number, int(rng.integers(1, 4)))
    ink = rng.integers(0, 256, labels.shape).astype(np.uint8)
    known = np.where(labels > 0, ink, 0).astype(np.uint8)
    runs, wanted = [], []
    for first in range(1, pieces + 1):
        own = (labels >= first) & (labels <= min(first + 2, pieces))
        if not own.any():
            continue
        box = cv2.boundingRect(own.astype(np.uint8))
        runs.append((first, min(first + 2, pieces), *box))
        # Seen from as near as runs are: what is farther away is no part of the surroundings.
        margin = max(box[2], box[3], 10) // 2 + 4
        rows = slice(max(0, box[1] - margin), box[1] + box[3] + margin)
        columns = slice(max(0, box[0] - margin), box[0] + box[2] + margin)
        mine = np.where(own, np.maximum(ink, FAINTEST), 0).astype(np.uint8)
        rest = np.where(own, 0, known).astype(np.uint8)
        wanted.append(to_mnist_with_context(mine[rows, columns], rest[rows, columns]))
    digits, context = normalize_runs(ink, labels, np.array(runs, np.int64).reshape(-1, 6))
    assert len(digits) == len(context) == len(wanted)
    for index, (digit, around) in enumerate(wanted):
        np.testing.assert_array_equal(digits[index], digit)
        np.testing.assert_array_equal(context[index], around)
