"""Lines that show each of their digits are learnt from, others are not."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from extractor.lines import LineImage, line_image
from extractor.preprocess import clean
from training.legibility import is_legible
from training.synthesis import SyntheticLine


@pytest.fixture
def sample() -> SyntheticLine:
    """A plain line of three digits."""
    image = np.full((90, 220), 245, np.uint8)
    owner = np.zeros(image.shape, np.int16)
    for index, digit in enumerate("258"):
        ink = np.zeros_like(image)
        cv2.putText(ink, digit, (30 + 60 * index, 66), cv2.FONT_HERSHEY_SIMPLEX, 1.7, 255, 4, cv2.LINE_AA)
        image[ink > 60] = 30
        owner[ink > 60] = index + 1
    return SyntheticLine(image, owner, "258")


def looked_at(image: np.ndarray) -> LineImage:
    page = clean(image)
    line = line_image(page.ink, page.mask)
    assert line is not None
    return line


def test_a_plain_line_is_legible(sample):
    line = looked_at(sample.image)
    assert is_legible(sample, line)
    assert is_legible(sample, line, cleaned=True)


def test_a_line_without_digits_is_not_asked_for_any(sample):
    assert is_legible(replace(sample, text="", owner=np.zeros_like(sample.owner)), looked_at(sample.image))


@pytest.mark.parametrize("digit", [1, 2, 3])
def test_a_digit_that_the_scan_lost_makes_a_line_illegible(sample, digit):
    image = sample.image.copy()
    image[sample.owner == digit] = 245
    assert not is_legible(sample, looked_at(image))


def test_a_digit_under_others_makes_a_line_illegible(sample):
    owner = np.where(sample.owner == 2, 1, sample.owner).astype(np.int16)
    assert not is_legible(replace(sample, owner=owner), looked_at(sample.image))


@pytest.mark.parametrize("factor", [0.3, 3.0])
def test_a_line_taken_for_far_larger_or_smaller_than_it_is_is_illegible(sample, factor):
    line = looked_at(sample.image)
    assert not is_legible(sample, replace(line, digit_height=factor * line.digit_height))


def test_a_digit_lost_with_the_printed_lines_is_illegible_only_without_them(sample):
    line = looked_at(sample.image)
    ink = line.ink.copy()
    ink[:, : ink.shape[1] // 3] = 0
    cleaned = replace(line, ink=ink)
    assert is_legible(sample, cleaned)
    assert not is_legible(sample, cleaned, cleaned=True)
