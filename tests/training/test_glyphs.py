"""Sets of any polarity and range become glyphs of bright, smooth ink."""

from __future__ import annotations

import numpy as np
import pytest

from training import letters
from training.glyphs import (
    CANVAS,
    SOURCES,
    GlyphBank,
    as_ink,
    draw_writer,
    load_bank,
    load_digits,
    smooth_glyph,
    tight,
)

from . import drawn_sets


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return drawn_sets.write_sets(tmp_path_factory.mktemp("sets") / "data")


@pytest.mark.parametrize("source", SOURCES)
def test_every_set_comes_out_bright_on_dark(data, source):
    pictures, labels = load_digits(data, source)
    assert pictures.dtype == np.uint8
    assert len(pictures) == len(labels)
    assert set(labels.tolist()) == set(range(10))
    rim = np.concatenate([pictures[:, 0].ravel(), pictures[:, -1].ravel()])
    assert np.median(rim) == 0
    assert np.median(pictures.reshape(len(pictures), -1).max(axis=1)) == 255


def test_polarity_and_range_leave_no_trace():
    pictures, _ = drawn_sets.draw_set(10, 40, 9)
    plain = as_ink(pictures)
    np.testing.assert_allclose(as_ink(255 - pictures), plain, atol=1)
    np.testing.assert_allclose(as_ink(pictures.astype(np.float64) / 255), plain, atol=1)


def test_bank_keeps_digits_by_class_and_only_letters_that_look_like_none(data):
    bank = load_bank(data)
    assert set(bank.digits) == set(SOURCES)
    for source in SOURCES:
        pictures, labels = load_digits(data, source)
        for digit in range(10):
            np.testing.assert_array_equal(bank.digits[source][digit], pictures[labels == digit])
    with np.load(data / "letters" / "letters_hw62.npz") as archive:
        names = archive["y"].tolist()
    taken = [
        name
        for name, held in zip(names, letters.held_out(names), strict=True)
        if not (held or name.isdigit() or name in letters.LOOKALIKES)
    ]
    assert 0 < len(bank.letters) == len(taken) < len(names)
    assert len(bank.words) == 6


def test_validation_digits_stay_out_of_the_bank(data):
    pictures, labels = load_digits(data, "mnist")
    bank = load_bank(data, mnist_train=60)
    assert sum(len(members) for members in bank.digits["mnist"]) == 60
    np.testing.assert_array_equal(bank.digits["mnist"][3], pictures[:60][labels[:60] == 3])


def test_tight_crops_to_the_ink():
    picture = np.zeros((30, 40), np.uint8)
    picture[5:9, 7:20] = 200
    assert tight(picture).shape == (4, 13)
    assert tight(np.zeros((5, 5), np.uint8)) is None


def test_smooth_glyphs_are_tight_and_of_one_height():
    rng = np.random.default_rng(2)
    for picture in drawn_sets.bank().digits["semeion"][8]:
        glyph = smooth_glyph(picture, rng, 0.4)
        assert glyph.max() == 255
        assert glyph.shape[0] == pytest.approx(CANVAS, rel=0.35)
        assert (glyph[0] > 100).any()
        assert (glyph[-1] > 100).any()
    assert smooth_glyph(np.zeros((20, 20), np.uint8), rng, 0.4) is None


def test_bold_glyphs_have_more_ink():
    picture = drawn_sets.bank().digits["mnist"][0][0]
    shares = [smooth_glyph(picture, np.random.default_rng(1), weight).mean() for weight in (0.0, 0.4, 0.85)]
    assert shares == sorted(shares)


def test_writers_write_every_digit_and_every_source_gets_its_turn():
    sources = set()
    for seed in range(150):
        source, writer = draw_writer(drawn_sets.bank(), np.random.default_rng(seed))
        if source not in sources:
            sources.add(source)
            for digit in range(10):
                written = [glyph for glyph in (writer(digit) for _ in range(30)) if glyph is not None]
                assert written, "a picture may fade to nothing under a thin pen, but not all of them"
                assert written[0].dtype == np.uint8
    assert sources == {"strokes", *SOURCES}


def test_a_hand_of_scanned_digits_writes_each_in_shapes_that_are_alike():
    rng = np.random.default_rng(0)
    bars = np.zeros((40, 28, 28), np.uint8)
    bars[:, 4:24, 13:16] = 255
    bars[20:, 4:7, 6:22] = 255  # half of them with a beam on top
    letters = np.zeros((0, 8, 8), np.uint8)
    bank = GlyphBank({source: [bars] * 10 for source in SOURCES}, letters, letters, drawn=0.0)
    mixed = 0
    for _ in range(60):
        _, writer = draw_writer(bank, rng)
        widths = np.array([glyph.shape[1] for glyph in (writer(7) for _ in range(12)) if glyph is not None])
        share = np.mean(widths > 0.6 * CANVAS)
        mixed += 0.25 < share < 0.75
    assert mixed <= 6
