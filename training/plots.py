"""Figures of a run, as PNG and SVG: how it learnt, what it reads, where it errs, how far to trust it.

Colours are Okabe and Ito's, which people with any colour vision tell apart; nothing is told by colour alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractor.errors import UsageError
from training import evaluate, runs
from training.checkpoint import Epoch
from training.files import replacing
from training.fit import read_history
from training.runs import Predictions

BLUE, VERMILION, GREEN, GREY, ORANGE = "#0072B2", "#D55E00", "#009E73", "#6B6B6B", "#E69F00"

SAMPLES = 40
"""Digits on a sheet, ten a row."""

STYLE: Mapping[str, Any] = MappingProxyType(
    {
        "figure.dpi": 150,
        "figure.facecolor": "white",
        "font.size": 10,
        "axes.titlesize": 12,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#E3E3E3",
        "grid.linewidth": 0.8,
        "lines.linewidth": 1.8,
        "legend.frameon": False,
        "svg.hashsalt": "digits",
        "svg.fonttype": "none",
    }
)


def plot_run(run: Path, folder: Path | None = None) -> list[Path]:
    """Draw every figure of a complete run.

    Args:
        run: A run folder.
        folder: Where to; ``plots`` in the run folder when None.

    Returns:
        The files, PNG and SVG of each figure.

    Raises:
        RunError: There is no complete run, or a file of it is damaged.
        StorageError: Writing failed.
        UsageError: matplotlib is not installed.
    """
    title = f"{runs.read_card(run).get('recipe', run.name)}"
    history = read_history(run)
    predictions = runs.read_predictions(run)
    figures: dict[str, Callable[[], Any]] = {
        "curves": lambda: curves(title, history),
        "samples": lambda: samples(title, predictions),
        "misread": lambda: misread(title, predictions),
        "confusion": lambda: confusion(title, predictions),
        "reliability": lambda: reliability(title, predictions),
        "reject": lambda: reject(title, predictions),
    }
    folder = folder or run / runs.PLOTS
    written = []
    with _matplotlib().rc_context(STYLE):
        for name, draw in figures.items():
            figure = draw()
            for suffix in ("png", "svg"):
                path = folder / f"{name}.{suffix}"
                with replacing(path) as temporary:
                    # Without a date the same run gives the same file.
                    metadata = {"Date": None} if suffix == "svg" else {"Software": None}
                    figure.savefig(temporary, format=suffix, bbox_inches="tight", metadata=metadata)
                written.append(path)
    return written


def curves(title: str, history: Sequence[Epoch]) -> Any:
    """Draw loss and accuracy after each epoch, in training and in validation.

    Args:
        title: Name of the run.
        history: Its epochs.

    Returns:
        A matplotlib figure.
    """
    figure = _figure(10, 4)
    axes = figure.subplots(1, 2)
    epochs = [row.epoch for row in history]
    panels = (
        ("Loss (cross-entropy)", [row.loss for row in history], [row.val_loss for row in history]),
        ("Accuracy (%)", [100 * row.accuracy for row in history], [100 * row.val_accuracy for row in history]),
    )
    for axis, (label, training, validation) in zip(axes, panels, strict=True):
        axis.plot(epochs, training, color=BLUE, marker="o", markersize=4, label="training")
        axis.plot(epochs, validation, color=VERMILION, marker="s", markersize=4, linestyle="--", label="validation")
        axis.set(xlabel="Epoch", ylabel=label)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.margins(x=0.04)
        axis.legend()
    axes[0].set_ylim(bottom=0)
    best = min(history, key=lambda row: row.val_loss).epoch
    axes[0].axvline(best, color=GREY, linewidth=1, linestyle=":")
    axes[0].annotate(
        "lowest validation loss",
        (best, 0.52),
        xycoords=("data", "axes fraction"),
        xytext=(-4, 0),
        textcoords="offset points",
        rotation=90,
        ha="right",
        va="center",
        color=GREY,
        fontsize=8,
    )
    figure.suptitle(f"{title}: learning", fontweight="bold")
    return figure


def samples(title: str, predictions: Predictions) -> Any:
    """Draw digits of the test set with what was read and what is true.

    Args:
        title: Name of the run.
        predictions: What it said about the test set.

    Returns:
        A matplotlib figure.
    """
    places = np.arange(min(SAMPLES, len(predictions.y)))
    return _sheet(f"{title}: sample readings", predictions, places)


def misread(title: str, predictions: Predictions) -> Any:
    """Draw the misread digits, those first that the network was surest about.

    Args:
        title: Name of the run.
        predictions: What it said about the test set.

    Returns:
        A matplotlib figure.
    """
    probabilities = evaluate.digit_probabilities(predictions.log_probabilities)
    places = evaluate.worst_first(probabilities, predictions.y)
    shown = places[:SAMPLES]
    count = len(predictions.y)
    heading = f"{title}: {len(places)} of {count} misread" + (", worst first" if len(shown) > 1 else "")
    if len(shown) < len(places):
        heading += f" (the first {len(shown)})"
    return _sheet(heading, predictions, shown)


def confusion(title: str, predictions: Predictions) -> Any:
    """Draw how often each digit was read as which; the shade shows errors only, on a square-root scale.

    Args:
        title: Name of the run.
        predictions: What it said about the test set.

    Returns:
        A matplotlib figure.
    """
    counts = np.array(evaluate.score(predictions.log_probabilities, predictions.y).confusion)
    errors = counts.astype(np.float64)
    np.fill_diagonal(errors, 0)
    figure = _figure(6.6, 6.2)
    axis = figure.subplots()
    shade = np.sqrt(errors / max(1.0, errors.max()))
    axis.imshow(shade, cmap="Oranges", vmin=0, vmax=1.25)
    for row in range(10):
        axis.add_patch(
            _matplotlib().patches.Rectangle(
                (row - 0.5, row - 0.5), 1, 1, facecolor="#DCEAF4", edgecolor=BLUE, linewidth=0.8
            )
        )
        for column in range(10):
            if counts[row, column]:
                right = row == column
                axis.text(
                    column,
                    row,
                    str(counts[row, column]),
                    ha="center",
                    va="center",
                    fontsize=9,
                    color=BLUE if right else "black",
                    fontweight="bold" if right else "normal",
                )
    axis.set(ylabel="True digit", xticks=range(10), yticks=range(10))
    axis.set_xlabel("Read as\n(blue: read right; orange: misread, the darker the more often)")
    axis.set_title(f"{title}: confusion, {counts.sum()} digits")
    axis.grid(visible=False)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return figure


def reliability(title: str, predictions: Predictions) -> Any:
    """Draw how often the network is right against how sure it is, over how many readings that concerns.

    Args:
        title: Name of the run.
        predictions: What it said about the test set.

    Returns:
        A matplotlib figure.
    """
    result = evaluate.score(predictions.log_probabilities, predictions.y)
    bins = result.calibration
    confidences = [item.confidence for item in bins]
    accuracies = [item.accuracy for item in bins]
    intervals = [evaluate.wilson_interval(round(item.accuracy * item.count), item.count) for item in bins]
    low = [max(0.0, value - interval.low) for value, interval in zip(accuracies, intervals, strict=True)]
    high = [max(0.0, interval.high - value) for value, interval in zip(accuracies, intervals, strict=True)]
    figure = _figure(5.6, 6.4)
    axis, below = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    axis.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1.2, label="as sure as right")
    axis.errorbar(
        confidences,
        accuracies,
        yerr=(low, high),
        color=BLUE,
        marker="o",
        markersize=5,
        capsize=3,
        elinewidth=1,
        label="measured, with 95 % interval",
    )
    axis.text(0.97, 0.05, f"calibration error (ECE) {result.ece:.4f}", ha="right", transform=axis.transAxes)
    axis.set(ylabel="Share read right", ylim=(-0.02, 1.03), xlim=(0, 1.02))
    axis.set_title(f"{title}: reliability")
    axis.legend(loc="upper left")
    bars = evaluate.CALIBRATION_BINS
    centres = [(min(int(value * bars), bars - 1) + 0.5) / bars for value in confidences]
    below.bar(
        centres, [item.count for item in bins], width=0.9 / bars, color=ORANGE, edgecolor="#7A5300", linewidth=0.6
    )
    below.set(xlabel="Confidence", ylabel="Readings", yscale="log", ylim=(0.7, None))
    return figure


def reject(title: str, predictions: Predictions) -> Any:
    """Draw the error among accepted readings against the share that is rejected, least confident first.

    Args:
        title: Name of the run.
        predictions: What it said about the test set.

    Returns:
        A matplotlib figure.
    """
    probabilities = evaluate.digit_probabilities(predictions.log_probabilities)
    confidences = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == predictions.y
    _, accepted, errors = evaluate.reject_curve(confidences, right)
    rejected = 100 * (1 - accepted)
    # A logarithmic axis has no zero: the line ends where no accepted reading is wrong.
    shown = np.where(errors > 0, 100 * errors, np.nan)
    floor = 100 / len(predictions.y)
    figure = _figure(7, 4.6)
    axis = figure.subplots()
    axis.plot(rejected, shown, color=BLUE, drawstyle="steps-post")
    places = [evaluate.read_rate(confidences, right, error) for error in evaluate.ERROR_LEVELS]
    for rate, marker in zip(places, "osD", strict=True):
        if rate.rate > 0:
            axis.plot(
                100 * (1 - rate.rate),
                100 * rate.error,
                marker=marker,
                linestyle="none",
                color=VERMILION,
                markersize=6,
                label=f"{rate.error:.1%} wrong: {rate.rate:.2%} accepted",
            )
    reach = max([100 * (1 - rate.rate) for rate in places if rate.rate > 0], default=10.0)
    axis.set(
        xlabel="Rejected readings, least confident first (%)",
        ylabel="Wrong among the accepted (%)",
        yscale="log",
        xlim=(-0.02 * max(5.0, 2 * reach), min(100.0, max(5.0, 2 * reach))),
        ylim=(floor / 2, max(100 * float(errors[-1]) * 2, 2.0)),
    )
    axis.yaxis.set_major_formatter(_percent)
    axis.set_title(f"{title}: error against reject, {len(predictions.y)} digits")
    if axis.get_legend_handles_labels()[0]:
        axis.legend(loc="upper right")
    return figure


def _sheet(heading: str, predictions: Predictions, places: NDArray[np.intp]) -> Any:
    """Draw digits in rows of ten: above each what was read and how surely, and the truth."""
    probabilities = evaluate.digit_probabilities(predictions.log_probabilities)
    rows = max(1, -(-len(places) // 10))
    figure = _figure(11, 1.42 * rows + 0.6)
    grid = figure.subplots(rows, 10, squeeze=False)
    for axis in grid.flat:
        axis.set_axis_off()
    if len(places) == 0:
        grid[0, 0].text(0, 0.5, "none", fontsize=12)
    for axis, place in zip(grid.flat, places, strict=False):
        truth, reading = int(predictions.y[place]), int(probabilities[place].argmax())
        right = truth == reading
        axis.imshow(255 - predictions.x[place], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axis.set_title(
            f"{reading}, true {truth}\n{probabilities[place].max():.1%}",
            loc="center",
            fontsize=9,
            fontweight="normal" if right else "bold",
            color="black" if right else VERMILION,
        )
        axis.add_patch(
            _matplotlib().patches.Rectangle(
                (0, 0), 1, 1, transform=axis.transAxes, fill=False, linewidth=1, edgecolor=GREY if right else VERMILION
            )
        )
    figure.suptitle(f"{heading}\n", fontweight="bold", fontsize=12)
    return figure


def _percent(value: float, _: int) -> str:
    return f"{value:g}"


def _matplotlib() -> Any:
    """Import matplotlib without pyplot: figures of their own need no display, no backend and no closing."""
    try:
        import matplotlib as mpl
        import matplotlib.figure
        import matplotlib.patches
    except ModuleNotFoundError as error:
        raise UsageError(
            "Plots need matplotlib, which is not installed", "pip install 'digit-extractor[train]'"
        ) from error
    return mpl


def _figure(width: float, height: float) -> Any:
    return _matplotlib().figure.Figure(figsize=(width, height), layout="constrained")
