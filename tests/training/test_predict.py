from __future__ import annotations

import cv2
import numpy as np
import pytest

from extractor.errors import PageError
from training import datasets
from training.predict import crop_digit, predict, write_crop


def photo(digit, ink=40, paper=215, size=(300, 240)):
    """A digit on paper under uneven light, with a speck and sensor noise."""
    rng = np.random.default_rng(digit)
    height, width = size
    light = np.linspace(1.0, 0.75, width)[None, :] * np.linspace(0.9, 1.0, height)[:, None]
    page = np.full(size, float(paper)) * light
    stroke = np.zeros(size, np.uint8)
    cv2.putText(stroke, str(digit), (70, 220), cv2.FONT_HERSHEY_SIMPLEX, 5.5, 255, 14, cv2.LINE_AA)
    page += (ink - page) * (stroke / 255.0)
    page[20:23, 20:23] = ink
    return np.clip(page + rng.normal(0, 2, size), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("digit", range(10))
def test_the_digit_of_a_photograph_is_framed_as_mnist(digit):
    crop = crop_digit(cv2.cvtColor(photo(digit), cv2.COLOR_GRAY2BGR))
    assert crop.shape == (28, 28)
    assert crop.dtype == np.uint8
    assert crop.max() == 255
    assert datasets.is_mnist_framed(crop[None])


def test_specks_are_left_out():
    with_speck, without = photo(8), photo(8)
    without[18:26, 18:26] = 190
    assert np.abs(crop_digit(with_speck).astype(int) - crop_digit(without)).max() < 32


def test_pieces_of_one_digit_stay_together():
    page = np.full((200, 200), 230, np.uint8)
    cv2.line(page, (70, 40), (70, 100), 30, 12)
    cv2.line(page, (70, 120), (130, 120), 30, 12)
    crop = crop_digit(page)
    assert crop[:12].max() > 200
    assert crop[18:].max() > 200


def test_a_frame_at_the_edge_is_not_the_digit():
    page = photo(3)
    framed = page.copy()
    cv2.rectangle(framed, (0, 0), (page.shape[1] - 1, page.shape[0] - 1), 20, 12)
    crop = crop_digit(framed)
    assert np.corrcoef(crop.ravel(), crop_digit(page).ravel())[0, 1] > 0.9


def test_a_crop_is_taken_as_it_is_in_either_polarity(drawn):
    crop = drawn.test.x[0]
    assert np.array_equal(crop_digit(crop), crop)
    assert np.array_equal(crop_digit(np.invert(crop)), crop)
    assert np.array_equal(crop_digit(cv2.cvtColor(crop, cv2.COLOR_GRAY2BGR)), crop)


def test_a_crop_off_its_centre_is_normalised_again(drawn):
    moved = np.roll(drawn.test.x[0], 4, axis=1)
    assert datasets.is_mnist_framed(crop_digit(moved)[None])


@pytest.mark.parametrize("shape", [(28, 28), (200, 300), (200, 300, 3)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_picture_holds_no_digit(shape, level):
    with pytest.raises(PageError, match="blank"):
        crop_digit(np.full(shape, level, np.uint8))


def test_a_crop_is_written_as_it_is(tmp_path, drawn):
    write_crop(drawn.test.x[0], tmp_path / "crops" / "one.png")
    assert np.array_equal(cv2.imread(str(tmp_path / "crops" / "one.png"), cv2.IMREAD_GRAYSCALE), drawn.test.x[0])


@pytest.mark.train
def test_a_trained_network_reads_photographs(trained_run):
    from training import models

    classifier = models.load(trained_run)
    found = [predict(classifier, crop_digit(photo(digit))) for digit in range(10)]
    assert sum(item.digit == digit for digit, item in enumerate(found)) >= 8
    assert all(item.not_a_digit is None for item in found)
    assert all(sum(item.probabilities) == pytest.approx(1) for item in found)
    assert all(item.confidence == max(item.probabilities) for item in found)


class TwelveOutputs:
    """A network that is sure that nothing is a digit."""

    def log_probabilities(self, crops):
        return np.log(np.array([[0.01] * 10 + [0.6, 0.3]] * len(crops), np.float32))


def test_a_network_that_knows_non_digits_says_so(drawn):
    found = predict(TwelveOutputs(), drawn.test.x[0])
    assert found.not_a_digit == pytest.approx(0.9)
    assert found.confidence == pytest.approx(0.1)
    assert found.to_dict()["digit"] == found.digit
