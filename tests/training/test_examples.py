"""Shards of examples are repeatable and come back as they were stored."""

from __future__ import annotations

import multiprocessing
from multiprocessing.pool import ThreadPool
from types import SimpleNamespace

import numpy as np
import pytest

from extractor.line_input import HEIGHT, STRIDE
from training import examples
from training.hypotheses import UNSURE

from . import drawn_sets


@pytest.fixture(autouse=True)
def _few_lines_here(monkeypatch):
    """Shards of eight lines, made in this process, where the size is set."""
    monkeypatch.setattr(examples, "LINES_PER_SHARD", 8)
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: SimpleNamespace(Pool=ThreadPool))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return drawn_sets.write_sets(tmp_path_factory.mktemp("sets") / "data")


def arrays(shard) -> dict[str, np.ndarray]:
    return {name: getattr(shard, name) for name in type(shard).__slots__}


def test_shards_hold_together(data, tmp_path):
    for kind in ("digits", "words"):
        for path in examples.make_shards(data, tmp_path, 5, kind, 2, 1):
            shard = examples.load_shard(path)
            count = len(shard.labels)
            assert shard.digits.shape == shard.context.shape == (count, 28, 28)
            assert shard.geometry.shape == (count, 8)
            assert UNSURE not in shard.labels
            assert shard.strips.shape == (HEIGHT, shard.widths.sum())
            assert (shard.widths % STRIDE == 0).all()
            assert shard.texts.shape == (len(shard.widths), examples.MAX_TEXT)
            assert shard.texts.min() >= -1
            assert shard.texts.max() <= 9
            if kind == "words":
                assert (shard.texts == -1).all()
                assert not (shard.labels < 10).any()
            for row in shard.texts:
                length = int((row >= 0).sum())
                assert (row[:length] >= 0).all(), "padding comes last"


def test_a_shard_is_repeated_by_its_number(data, tmp_path):
    first = examples.make_shards(data, tmp_path / "a", 5, "digits", 2, 1)
    second = examples.make_shards(data, tmp_path / "b", 5, "digits", 2, 2)
    for one, two in zip(first, second, strict=True):
        for name, values in arrays(examples.load_shard(one)).items():
            np.testing.assert_array_equal(values, getattr(examples.load_shard(two), name))
    a, b = (examples.load_shard(path) for path in first)
    assert a.widths.tolist() != b.widths.tolist()


def test_only_missing_shards_are_made(data, tmp_path):
    kept, gone = examples.make_shards(data, tmp_path, 5, "digits", 2, 1)
    stamp, content = kept.stat().st_mtime_ns, gone.read_bytes()
    gone.unlink()
    assert examples.make_shards(data, tmp_path, 5, "digits", 2, 1) == [kept, gone]
    assert kept.stat().st_mtime_ns == stamp
    assert gone.read_bytes() == content
