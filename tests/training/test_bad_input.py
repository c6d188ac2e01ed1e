"""Bad input of the training commands: one clear line, the right exit code, and nothing half-written."""

from __future__ import annotations

import gzip
import resource
import shutil
import subprocess
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

from extractor.network import default_model
from training.files import StorageError
from worker.cli import main


@pytest.fixture
def digits(capsys):
    """Runs a command as from a shell."""

    def run(*arguments):
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return SimpleNamespace(code=int(exit_.value.code or 0), out=out, lines=err.splitlines())

    return run


@pytest.fixture
def refused(digits):
    """Runs a command that must end with one line, and returns that line."""

    def run(*arguments, code=2):
        done = digits(*arguments)
        assert done.code == code, done.lines
        assert done.out == ""
        assert len(done.lines) == 1, done.lines
        assert done.lines[0].startswith("digits: ")
        return done.lines[0]

    return run


@contextmanager
def files_up_to(size):
    """No file grows beyond so many bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def arrays_of(data):
    return {"x_train": data.train.x, "y_train": data.train.y, "x_test": data.test.x, "y_test": data.test.y}


def write_idx(path, array, open_=open):
    with open_(path, "wb") as stream:
        stream.write(bytes([0, 0, 8, array.ndim]))
        stream.write(b"".join(size.to_bytes(4, "big") for size in array.shape))
        stream.write(array.tobytes())


def names_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


DAMAGE = {
    "cut off": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "text": lambda content: b"not an archive",
    "a byte flipped": lambda content: content[:5000] + bytes([content[5000] ^ 255]) + content[5001:],
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_a_corrupt_archive_is_named(refused, archive, tmp_path, damage, command):
    path = tmp_path / "corrupt.npz"
    path.write_bytes(DAMAGE[damage](archive.read_bytes()))
    run = tmp_path / "run"
    arguments = ("train", "dense-128", "--run", run) if command == "train" else ("evaluate",)
    assert f"{path} is damaged or no npz file" in refused(*arguments, "--data", path)
    assert not run.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x_train": np.zeros((600, 28, 28, 1), np.uint8)}, "has the shape (600, 28, 28, 1), not (N, height, width)"),
        ({"x_train": np.zeros((600, 20, 28), np.uint8)}, "has the shape (600, 20, 28), not (N, 28, 28)"),
        ({"x_test": np.zeros((0, 28, 28), np.uint8)}, "x_test has the shape (0, 28, 28)"),
        ({"x_test": np.zeros((200, 28, 28))}, "x_test is of type float64, not uint8"),
        ({"y_train": np.full(600, 10)}, "y_train holds the label 10 at 0; labels are the digits 0 to 9"),
        ({"y_test": np.zeros(199, np.uint8)}, "y_test has the shape (199,), not (200,): one label an image"),
        ({"y_test": None}, "has no array y_test"),
    ],
)
def test_arrays_that_are_not_digits_are_named(refused, drawn, tmp_path, changes, words):
    path, run = tmp_path / "wrong.npz", tmp_path / "run"
    np.savez(path, **{key: value for key, value in (arrays_of(drawn) | changes).items() if value is not None})
    assert words in refused("train", "dense-128", "--data", path, "--run", run)
    assert not run.exists()


@pytest.mark.parametrize("damage", ["cut off", "text", "a byte flipped"])
def test_a_damaged_idx_file_is_named(refused, drawn, tmp_path, damage):
    folder = tmp_path / "idx"
    folder.mkdir()
    arrays = arrays_of(drawn)
    for key, name in (("x_train", "train-images"), ("y_train", "train-labels"), ("x_test", "t10k-images")):
        write_idx(folder / f"{name}-idx{arrays[key].ndim}-ubyte", arrays[key])
    line = refused("train", "dense-128", "--data", folder, "--run", tmp_path / "run")
    assert "no t10k-labels idx file" in line
    path = folder / "t10k-labels-idx1-ubyte.gz"
    write_idx(path, arrays["y_test"], gzip.open)
    content = path.read_bytes()
    path.write_bytes(DAMAGE["cut off"](content) if damage != "text" else b"no idx")
    if damage == "a byte flipped":
        path.write_bytes(content[:-6] + bytes([content[-6] ^ 255]) + content[-5:])
    assert str(path) in refused("train", "dense-128", "--data", folder, "--run", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_absent_data_are_named(refused, tmp_path):
    line = refused("train", "cnn", "--data", tmp_path / "absent.npz", "--run", tmp_path / "run")
    assert f"no data set at {tmp_path / 'absent.npz'}" in line
    assert "no data set at" in refused("evaluate", "--data", tmp_path / "absent.npz")
    assert names_in(tmp_path) == []


@pytest.mark.train
def test_data_of_another_checksum_train_with_a_warning(digits, archive, recipe_file, tmp_path):
    run = tmp_path / "run"
    done = digits("train", recipe_file, "--data", archive, "--run", run, "--epochs", 1, "--limit", 50)
    assert done.code == 0
    assert "is not MNIST (other x_train, y_train, x_test, y_test): its accuracies are not comparable" in done.lines[0]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("epochs = 4", "epochs = 4\nmomentum = 0.9", "unknown key training.momentum"),
        ("epochs = 4", "", "key training.epochs is missing"),
        ("seed = 3", 'seed = "three"', "training.seed"),
        ("[network]", "[network", "not valid TOML"),
    ],
)
def test_a_faulty_recipe_is_named_by_its_key(refused, archive, recipe_file, tmp_path, old, new, words):
    faulty, run = tmp_path / "faulty.toml", tmp_path / "run"
    faulty.write_text(recipe_file.read_text().replace(old, new))
    line = refused("train", faulty, "--data", archive, "--run", run)
    assert words in line
    assert str(faulty) in line
    assert not run.exists()


def test_an_unknown_recipe_lists_the_known_ones(refused, tmp_path):
    assert "one of cnn, dense-128" in refused("train", "resnet", "--run", tmp_path / "run")


@pytest.mark.parametrize("name", ["crops.tflite", "line.tflite"])
@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_a_flipped_byte_in_the_readers_network_is_found(refused, archive, tmp_path, name, command):
    model = shutil.copytree(default_model(), tmp_path / "model")
    content = bytearray((model / name).read_bytes())
    content[len(content) // 2] ^= 1
    (model / name).write_bytes(content)
    arguments = ("evaluate", "--data", archive) if command == "evaluate" else ("predict", tmp_path / "any.png")
    line = refused(*arguments, "--model", model)
    assert f"{name} is damaged: its checksum is not the one on its card" in line


@pytest.mark.train
@pytest.mark.parametrize("name", ["weights.tflite", "weights.keras"])
def test_a_flipped_byte_in_the_network_of_a_run_is_found(refused, archive, trained_run, tmp_path, name):
    run = shutil.copytree(trained_run, tmp_path / "run")
    content = bytearray((run / name).read_bytes())
    content[len(content) // 3] ^= 1
    (run / name).write_bytes(content)
    line = refused("evaluate", "--data", archive, "--model", run / name)
    assert f"{name} is damaged: its sha256 is not the one in card.json" in line


@pytest.mark.train
def test_a_file_that_may_not_grow_is_named(digits, archive, recipe_file, tmp_path):
    run = tmp_path / "run"
    with files_up_to(100):
        done = digits("train", recipe_file, "--data", archive, "--run", run)
    assert done.code == 69
    line = done.lines[-1]
    assert f"Cannot write {run / 'recipe.toml'}: File too large (free some space and give the same command" in line
    assert names_in(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path):
    """A disk of its own, which is as large as it is told to be."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def resize(size, *options):
        command = ["mount", "-t", "tmpfs", "-o", ",".join([*options, f"size={size}"]), "tmpfs", str(folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    if not resize("200k"):
        pytest.skip("only the superuser may mount a disk")
    try:
        yield folder, lambda size: resize(size, "remount")
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.train
def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_space(digits, small_disk, archive, recipe_file):
    disk, resize = small_disk
    run = disk / "run"
    arguments = ("train", recipe_file, "--data", archive, "--run", run, "--epochs", 1, "--limit", 50)
    for size, file in (("200k", "checkpoint.npz"), ("600k", "weights.keras")):
        assert resize(size)
        done = digits(*arguments)
        assert done.code == 69, done
        full = f"digits: Cannot write {run / file}: No space left on device (free some space and give the same command"
        assert done.lines[-1].startswith(full)
        assert not [line for line in done.lines if "Traceback" in line]
        assert not [name for name in names_in(disk) if "partial" in name or "temp" in name]
        assert not (run / "card.json").exists()
    assert resize("16m")
    again = digits(*arguments)
    assert again.code == 0
    assert "going on after epoch 1" in again.lines


@pytest.mark.train
def test_a_full_disk_leaves_no_half_of_a_saved_model(tmp_path):
    from training import networks
    from training.recipe import DenseNetwork

    model = networks.build(DenseNetwork(kind="dense", hidden=(64,)))
    for size in (1_000, 150_000):
        with files_up_to(size), pytest.raises(StorageError, match=r"saved_model: File too large.*free some space"):
            networks.export_saved_model(model, tmp_path / "saved_model")
        assert names_in(tmp_path) == []


@pytest.mark.train
def test_figures_that_do_not_fit_leave_none_half_drawn(refused, trained_run, tmp_path):
    folder = tmp_path / "figures"
    with files_up_to(1_000):
        line = refused("plot", trained_run, "--output", folder, code=69)
    assert "curves.png: File too large" in line
    assert names_in(tmp_path) == []


def test_a_crop_that_cannot_be_written_is_named(refused, drawn, tmp_path):
    import cv2

    picture = tmp_path / "seven.png"
    cv2.imwrite(str(picture), drawn.test.x[7])
    (tmp_path / "file").write_text("no folder")
    line = refused("predict", picture, "--crops", tmp_path / "file" / "crops", code=69)
    assert "Cannot write" in line


def test_what_is_no_run_is_named(refused, tmp_path):
    assert "holds no complete run" in refused("plot", tmp_path)
    assert "holds no network" in refused("evaluate", "--model", tmp_path)


def test_an_option_out_of_its_range_is_named(digits, tmp_path):
    for option, value in (("--epochs", 0), ("--batch-size", -1), ("--learning-rate", 0), ("--limit", 1)):
        done = digits("train", "cnn", option, value, "--run", tmp_path / "run")
        assert done.code == 2
        assert option in done.lines[-1]
    assert not (tmp_path / "run").exists()
