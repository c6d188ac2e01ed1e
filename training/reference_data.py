"""The sets that the reference network learns from: where they are, and whether they are whole."""

from __future__ import annotations

from pathlib import Path

from training import datasets, letters
from training.datasets import DatasetError
from training.glyphs import SOURCES

MNIST = "digits/mnist.npz"
LETTERS = "letters/letters_hw62.npz"
WORDS = "letters/dhsd_words.npz"
FILES = (*(f"digits/{source}.npz" for source in SOURCES), LETTERS, WORDS)
"""Every file in the folder of the sets."""


def folder_of(data: Path) -> Path:
    """Return the folder that holds every set.

    Args:
        data: That folder, or MNIST's file in it.

    Raises:
        DatasetError: There is no such folder, or a set is missing.
    """
    if not data.exists():
        raise DatasetError(f"There is no data set at {data}", f"the reference recipe takes a folder with {MNIST}")
    folder = data if data.is_dir() else data.parent.parent
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise DatasetError(
            f"{folder} lacks {', '.join(missing)}", "the reference recipe learns from all of its sets, see the docs"
        )
    return folder


def check(folder: Path, mnist_train: int) -> str:
    """Read every set once and hold it to its shape.

    Args:
        folder: What `folder_of` returned.
        mnist_train: How many of MNIST's training digits are learnt from; the others validate, so there must be more.

    Returns:
        What the user should know about the sets; may be empty.

    Raises:
        DatasetError: A set is damaged, or of another shape.
    """
    mnist = datasets.load_training(folder / MNIST)
    if len(mnist.train) <= mnist_train:
        raise DatasetError(
            f"{folder / MNIST} holds {len(mnist.train):,} training digits, not more than {mnist_train:,}",
            "the last of them validate",
        )
    for source in SOURCES[1:]:
        path = folder / "digits" / f"{source}.npz"
        arrays = datasets.read_npz(path)
        keys = ("x_train", "y_train") if "x_train" in arrays else ("x", "y")
        if any(key not in arrays for key in keys):
            raise DatasetError(f"{path} has no digits to learn from", "it has x and y, or x_train and y_train")
        datasets.check_images(str(path), keys[0], arrays[keys[0]])
        datasets.check_labels(str(path), keys[1], arrays[keys[1]], len(arrays[keys[0]]))
    letters.load(folder / LETTERS)
    words = datasets.read_npz(folder / WORDS).get("x")
    if words is None:
        raise DatasetError(f"{folder / WORDS} has no array x, the pictures of words")
    datasets.check_images(str(folder / WORDS), "x", words)
    return mnist.note
