"""The line network's examples, batches and shape."""

from __future__ import annotations

import numpy as np
import pytest

from extractor.line_input import HEIGHT, STRIDE
from training import line_network
from training.line_network import Lines, batches, load_lines
from training.reference_recipe import LineSettings


def line_settings(**changes) -> LineSettings:
    return LineSettings(
        **{
            "filters": (4, 4, 4, 4, 4, 8), "dropout": 0.1, "epochs": 1, "batch_size": 4,
            "learning_rate": 0.002, "weight_decay": 0.0005, "seed": 1,
        } | changes
    )  # fmt: skip


def shard(path, widths: list[int], texts: list[str]):
    """A shard of lines; the pixels of each line are its number."""
    rows = [[int(digit) for digit in text] + [-1] * (12 - len(text)) for text in texts]
    strips = np.concatenate(
        [np.full((HEIGHT, width), number + 1, np.uint8) for number, width in enumerate(widths)], axis=1
    )
    np.savez(
        path, digits=np.zeros((0, 28, 28), np.uint8), context=np.zeros((0, 28, 28), np.uint8),
        geometry=np.zeros((0, 8), np.float32), labels=np.zeros(0, np.int8), strips=strips,
        widths=np.array(widths, np.int32), texts=np.array(rows, np.int8),
    )  # fmt: skip
    return path


def test_lines_come_back_apart(tmp_path):
    lines = load_lines([shard(tmp_path / "a.npz", [40, 64, 24], ["12", "345", ""])])
    assert [picture.shape for picture in lines.pictures] == [(32, 40), (32, 64), (32, 24)]
    assert [int(picture[0, 0]) for picture in lines.pictures] == [1, 2, 3]
    assert [text.tolist() for text in lines.texts] == [[1, 2], [3, 4, 5], []]


def test_lines_without_room_for_their_text_are_left_out(tmp_path):
    lines = load_lines([shard(tmp_path / "a.npz", [8, 16, 16, 20], ["123", "121", "111", "1123"])])
    assert [text.tolist() for text in lines.texts] == [[1, 2, 1]]


def many_lines(count: int = 30) -> Lines:
    rng = np.random.default_rng(3)
    widths = rng.integers(6, 40, count) * STRIDE
    return Lines(
        [rng.integers(0, 256, (HEIGHT, width)).astype(np.uint8) for width in widths],
        [rng.integers(0, 10, rng.integers(1, 5)).astype(np.int8) for _ in widths],
    )


def test_an_epoch_sees_every_line_once_padded_to_its_batch():
    lines = many_lines()
    told = []
    for pictures, texts, lengths, steps in batches(lines, line_settings(), 0):
        assert pictures.shape[:2] == (len(texts), HEIGHT)
        assert pictures.shape[2] % 32 == 0
        assert (steps * STRIDE <= pictures.shape[2]).all()
        told += [tuple(row[:length]) for row, length in zip(texts.tolist(), lengths, strict=True)]
        for picture, width in zip(pictures, steps * STRIDE, strict=True):
            assert not picture[:, width:].any()
    assert sorted(told) == sorted(tuple(text.tolist()) for text in lines.texts)


def test_epochs_differ_and_are_repeatable():
    one, again, other = (
        [part[1].tolist() for part in batches(many_lines(), line_settings(), epoch)] for epoch in (0, 0, 1)
    )
    assert one == again
    assert one != other


@pytest.mark.train
def test_network_gives_a_step_for_each_stride():
    model = line_network.build(line_settings())
    for width in (64, 192):
        assert np.asarray(model(np.zeros((2, HEIGHT, width), np.float32))).shape == (2, width // STRIDE, 11)


@pytest.mark.train
def test_exact_counts_lines_that_are_right_in_full():
    lines = Lines([np.zeros((HEIGHT, 32), np.uint8)] * 2, [np.array([5], np.int8), np.array([5, 5], np.int8)])

    def says_five_then_blank(pictures, training):
        steps = np.zeros((1, pictures.shape[2] // STRIDE, 11), np.float32)
        steps[0, :3, 5] = 1.0
        steps[0, 3:, line_network.BLANK] = 1.0
        return steps

    assert line_network.exact(says_five_then_blank, lines) == 0.5
