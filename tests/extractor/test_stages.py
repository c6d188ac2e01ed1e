from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from extractor.reader import Reader, ReadOptions
from extractor.stages import clocked, stage


def test_stages_are_added_up_and_only_while_somebody_looks():
    with clocked() as seconds:
        for _ in range(2):
            with stage("one"):
                time.sleep(0.01)
        with pytest.raises(KeyError), stage("two"):
            raise KeyError
    with stage("three"):
        pass
    assert set(seconds) == {"one", "two"}
    assert seconds["one"] >= 0.02


def test_threads_do_not_count_for_each_other():
    def other():
        with stage("other"):
            pass

    with clocked() as seconds:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert seconds == {}


def test_a_reader_counts_every_stage():
    image = np.full((64, 200), 255, np.uint8)
    image[20:50, 40:45] = 0
    with clocked() as seconds:
        Reader().read(image, ReadOptions("line"))
    assert set(seconds) == {"clean", "layout", "segment", "classify", "line", "decode"}
    assert all(value >= 0 for value in seconds.values())
