"""Candidates are classified the same however they come, and as the network was trained."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from extractor.classifier import BATCH, CLASSES, Classifier
from extractor.line_reader import LineReader, best_path, log_softmax
from extractor.network import default_model, load_network
from extractor.normalize import to_mnist
from extractor.segmentation import crops, segment
from training.handwriting import digit_image

from . import drawn

needs_training = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is None, reason="TensorFlow, of the train extra, is not installed"
)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier()


@pytest.fixture(scope="module")
def candidates():
    """Real candidates of some lines: crops, context, geometry."""
    parts = [
        crops(segment(drawn.line_of(drawn.written(text, seed=seed))))
        for seed, text in enumerate(("40917", "385", "26004817"))
    ]
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


def repeated(candidates, count):
    return tuple(np.resize(array, (count, *array.shape[1:])) for array in candidates)


@pytest.mark.parametrize("count", [1, 3, BATCH - 1, BATCH, BATCH + 1, 2 * BATCH + 7])
def test_batches_of_any_size_give_what_single_candidates_give(classifier, candidates, count):
    arrays = repeated(candidates, count)
    together = classifier.log_probabilities(*arrays)
    assert together.shape == (count, CLASSES)
    assert together.dtype == np.float32
    for index in {0, count // 2, count - 1}:
        alone = classifier.log_probabilities(*(array[index : index + 1] for array in arrays))
        np.testing.assert_allclose(together[index], alone[0], atol=1e-4)


def test_order_does_not_matter(classifier, candidates):
    order = np.random.default_rng(4).permutation(len(candidates[0]))
    straight = classifier.log_probabilities(*candidates)
    mixed = classifier.log_probabilities(*(array[order] for array in candidates))
    np.testing.assert_allclose(mixed, straight[order], atol=1e-4)


def test_the_same_question_has_the_same_answer(classifier, candidates):
    first = classifier.log_probabilities(*candidates)
    classifier.log_probabilities(*(array[::-1] for array in candidates))
    np.testing.assert_array_equal(classifier.log_probabilities(*candidates), first)
    np.testing.assert_array_equal(Classifier().log_probabilities(*candidates), first)


def test_rows_are_probabilities(classifier, candidates):
    rows = classifier.log_probabilities(*candidates)
    assert np.isfinite(rows).all()
    assert np.exp(rows).sum(axis=1) == pytest.approx(np.ones(len(rows)), abs=1e-3)


def test_nothing_asked_nothing_answered(classifier):
    empty = classifier.log_probabilities(
        np.zeros((0, 28, 28), np.uint8), np.zeros((0, 28, 28), np.uint8), np.zeros((0, 8), np.float32)
    )
    assert empty.shape == (0, CLASSES)


def test_neat_digits_are_read(classifier):
    from training.models import lone_geometry

    rng = np.random.default_rng(8)
    digits = np.arange(40) % 10
    pictures = np.stack(
        [to_mnist(digit_image(int(digit), drawn.neat_hand(int(seed)), rng, 44)) for seed, digit in enumerate(digits)]
    )
    said = classifier.log_probabilities(pictures, np.zeros_like(pictures), lone_geometry(pictures))
    assert (said[:, :10].argmax(axis=1) == digits).mean() >= 0.9


def shipped_keras(name: str):
    path = default_model() / name
    if not path.is_file():
        pytest.skip(f"{name} is not beside the LiteRT network")
    from training.backend import tensorflow

    return tensorflow().keras.models.load_model(path, compile=False)


ROUNDING, STEP_ROUNDING, MEAN_ROUNDING = 0.15, 0.35, 0.002
"""What weights of eight bits may change of a probability, most where two classes are as likely; more so at a step at
which a digit begins, or at the next one; and on average."""


def assert_nearly_the_same(got, wanted, most=ROUNDING):
    """Compare probabilities of a network with those of its rounded form."""
    change = np.abs(np.exp(got) - np.exp(wanted))
    assert change.max() < most
    assert change.mean() < MEAN_ROUNDING


@pytest.mark.train
@needs_training
def test_shipped_crop_network_says_what_the_trained_one_says(classifier, candidates):
    model = shipped_keras("crops.keras")
    digits, context, geometry = candidates
    logits = model.predict([digits.astype(np.float32), context.astype(np.float32), geometry], verbose=0)
    wanted = log_softmax(logits / classifier.network.temperature)
    got = classifier.log_probabilities(*candidates)
    assert_nearly_the_same(got, wanted)


@pytest.mark.train
@needs_training
def test_shipped_line_network_says_what_the_trained_one_says():
    from extractor.line_input import line_input

    model = shipped_keras("line.keras")
    reader = LineReader(load_network(default_model()))
    for seed, text in enumerate(("7", "30418", "99120", "5526", "8461937")):
        view = line_input(drawn.line_of(drawn.written(text, seed=seed)))
        view = np.pad(view, ((0, 0), (0, -view.shape[1] % 64)))
        wanted = log_softmax(np.asarray(model(view[None].astype(np.float32), training=False))[0])
        (got,) = reader.log_probabilities([view])
        assert_nearly_the_same(got, wanted, STEP_ROUNDING)
        assert best_path(got) == best_path(wanted) == text


def test_threads_change_nothing(candidates):
    one, two = (Classifier(threads=threads).log_probabilities(*candidates) for threads in (1, 2))
    np.testing.assert_allclose(one, two, atol=1e-3)


def test_the_line_network_beside_it_changes_nothing(candidates):
    classifier = Classifier()
    reader = LineReader(classifier.network)
    first = classifier.log_probabilities(*candidates)
    for width in (64, 256, 128):
        reader.log_probabilities([np.full((32, width), 90, np.uint8)])
        np.testing.assert_array_equal(classifier.log_probabilities(*candidates), first)
