from __future__ import annotations

import gzip
import shutil

import numpy as np
import pytest

from training import datasets
from training.datasets import DatasetError


def write_idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    content = header + array.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def idx_folder(folder, drawn, suffix=""):
    write_idx(folder / f"train-images-idx3-ubyte{suffix}", drawn.train.x)
    write_idx(folder / f"train-labels-idx1-ubyte{suffix}", drawn.train.y)
    write_idx(folder / f"t10k-images-idx3-ubyte{suffix}", drawn.test.x)
    write_idx(folder / f"t10k-labels-idx1-ubyte{suffix}", drawn.test.y)
    return folder


def arrays_of(drawn):
    return {"x_train": drawn.train.x, "y_train": drawn.train.y, "x_test": drawn.test.x, "y_test": drawn.test.y}


def test_scaling_ends_at_zero_and_one():
    scaled = datasets.scale(np.array([[[0, 255]]], np.uint8))
    assert scaled.dtype == np.float32
    assert scaled.min() == 0
    assert scaled.max() == 1


def test_an_archive_of_other_digits_is_taken_with_a_note(archive, drawn):
    data = datasets.load_training(archive)
    assert np.array_equal(data.train.x, drawn.train.x)
    assert np.array_equal(data.test.y, drawn.test.y)
    assert data.name == "drawn.npz"
    assert "not MNIST" in data.note


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_give_the_same_as_the_archive(tmp_path, archive, drawn, suffix):
    data = datasets.load_training(idx_folder(tmp_path, drawn, suffix))
    assert data.sha256 == datasets.load_training(archive).sha256
    assert np.array_equal(data.train.x, drawn.train.x)


def test_any_one_of_the_idx_files_stands_for_all_four(tmp_path, drawn):
    idx_folder(tmp_path, drawn)
    data = datasets.load_training(tmp_path / "t10k-labels-idx1-ubyte")
    assert len(data.train) == 600
    assert len(data.test) == 200


def test_a_folder_of_data_sets_is_searched_for_mnist(tmp_path, archive):
    (tmp_path / "digits").mkdir()
    shutil.copy(archive, tmp_path / "digits" / "mnist.npz")
    assert len(datasets.load_training(tmp_path).test) == 200


def test_an_absent_data_set_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"no data set at .*nowhere\.npz"):
        datasets.load_training(tmp_path / "nowhere.npz")
    with pytest.raises(DatasetError, match="no train-images idx file"):
        datasets.load_training(tmp_path)


def test_no_network_and_no_cache_gives_one_line(tmp_path, monkeypatch):
    pytest.importorskip("keras")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    keras = datasets.backend.tensorflow().keras

    def unreachable(**_):
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", unreachable)
    with pytest.raises(DatasetError, match="--data") as caught:
        datasets.load_training(None)
    assert "\n" not in str(caught.value)


def test_a_damaged_archive_is_refused(tmp_path, archive):
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 1
    damaged = tmp_path / "damaged.npz"
    damaged.write_bytes(content)
    with pytest.raises(DatasetError, match="damaged"):
        datasets.load_training(damaged)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04"])
def test_what_is_no_archive_is_refused(tmp_path, content):
    path = tmp_path / "digits.npz"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="damaged or no npz"):
        datasets.load_training(path)


def test_a_cut_off_idx_file_is_refused(tmp_path, drawn):
    path = idx_folder(tmp_path, drawn) / "train-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DatasetError, match="599 bytes of data, not 600"):
        datasets.load_training(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x_train": np.zeros((600, 14, 14), np.uint8)}, r"x_train has the shape \(600, 14, 14\), not \(N, 28, 28\)"),
        ({"x_test": np.zeros((200, 784), np.uint8)}, "x_test has the shape"),
        ({"x_train": np.zeros((600, 28, 28), np.float32)}, "type float32, not uint8"),
        ({"y_train": np.zeros(599, np.uint8)}, "one label an image"),
        ({"y_train": np.full(600, 10, np.uint8)}, "holds the label 10 at 0"),
        ({"y_test": np.full(200, -1)}, "holds the label -1 at 0"),
        ({"y_test": np.zeros(200)}, "not a whole number"),
        ({"y_test": None}, "has no array y_test"),
    ],
)
def test_arrays_that_are_not_digits_are_refused(tmp_path, drawn, changes, message):
    arrays = {key: value for key, value in (arrays_of(drawn) | changes).items() if value is not None}
    path = tmp_path / "wrong.npz"
    np.savez(path, **arrays)
    with pytest.raises(DatasetError, match=message):
        datasets.load_training(path)


def test_an_archive_is_never_unpickled(tmp_path):
    path = tmp_path / "objects.npz"
    np.savez(path, x_train=np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DatasetError, match="damaged"):
        datasets.load_training(path)


def test_digits_drawn_for_these_tests_are_framed_as_mnist(drawn):
    assert datasets.is_mnist_framed(drawn.train.x)


def test_digits_that_fill_the_frame_are_not_framed_as_mnist(drawn):
    assert not datasets.is_mnist_framed(np.roll(drawn.train.x, 6, axis=1))
    assert not datasets.is_mnist_framed(np.zeros((3, 28, 28), np.uint8))


def test_dark_ink_on_light_paper_is_turned_over(drawn):
    images, note = datasets.to_mnist_format(np.invert(drawn.test.x))
    assert np.array_equal(images, drawn.test.x)
    assert note == "inverted"


def test_a_set_of_small_images_is_normalised_for_evaluation(tmp_path):
    x = np.zeros((20, 16, 16), np.uint8)
    x[:, 2:14, 7:9] = 255
    np.savez(tmp_path / "bars.npz", x=x, y=np.ones(20, np.int64))
    [found] = datasets.load_evaluation(tmp_path / "bars.npz")
    assert found.name == "bars"
    assert found.digits.x.shape == (20, 28, 28)
    assert datasets.is_mnist_framed(found.digits.x)
    assert "normalised from 16x16" in found.note


def test_evaluation_takes_every_set_of_a_folder_mnist_first(tmp_path, archive, drawn):
    shutil.copy(archive, tmp_path / "mnist.npz")
    np.savez(tmp_path / "another.npz", x=drawn.test.x, y=drawn.test.y)
    sets = datasets.load_evaluation(tmp_path)
    assert [item.name for item in sets] == ["mnist", "another"]
    assert [len(item.digits) for item in sets] == [200, 200]


def test_evaluation_reads_idx_files(tmp_path, drawn):
    [found] = datasets.load_evaluation(idx_folder(tmp_path, drawn))
    assert np.array_equal(found.digits.y, drawn.test.y)


def test_an_archive_without_digits_is_refused_for_evaluation(tmp_path):
    np.savez(tmp_path / "empty.npz", z=np.zeros(3))
    with pytest.raises(DatasetError, match="no digits to evaluate on"):
        datasets.load_evaluation(tmp_path / "empty.npz")
