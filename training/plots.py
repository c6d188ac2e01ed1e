"""Figures of a run, as PNG and SVG: how it learnt, what it reads, where it errs, how far to trust it.

Colours are Okabe and Ito's, which people with any colour vision tell apart; nothing is told by colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractor.errors import UsageError
from training import evaluate, runs
from training.checkpoint import Epoch
from training.evaluate import Evaluation
from training.files import replacing
from training.fit import read_history
from training.runs import Predictions

BLUE, VERMILION, GREY, ORANGE = "#0072B2", "#D55E00", "#6B6B6B", "#E69F00"

SAMPLES = 40
"""Digits on a sheet, ten a row."""

MARKERS = dict(zip(evaluate.ERROR_LEVELS, "osD", strict=True))
"""Of the allowed errors in the figure of error against reject."""

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


@dataclass(frozen=True, slots=True)
class Curves:
    """What is drawn of a history.

    Attributes:
        network: Of which network of the run; empty when it has one.
        loss: Name of the loss.
        right: What the accuracy is the share of.
    """

    network: str = ""
    loss: str = "Loss (cross-entropy)"
    right: str = "Accuracy (%)"


PLAIN = Curves()
REFERENCE = (
    Curves("crops", right="Digits read right (%)"),
    Curves("line", "Loss (CTC)", "Strings read right (%)"),
)
"""The networks of a reference run, by the names of their histories."""


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
    title = runs.recipe_name(run)
    figures: dict[str, Callable[[], Any]] = {}
    if runs.is_reference(run):
        for item in REFERENCE:
            if not (run / runs.HISTORIES[item.network]).is_file():
                continue
            history = read_history(run, runs.HISTORIES[item.network])
            figures[f"curves-{item.network}"] = partial(curves, title, history, item)
    else:
        figures["curves"] = partial(curves, title, read_history(run))
    readings = Readings(title, runs.read_predictions(run))
    figures |= {
        "samples": readings.samples,
        "misread": readings.misread,
        "confusion": readings.confusion,
        "reliability": readings.reliability,
        "reject": readings.reject,
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


def curves(title: str, history: Sequence[Epoch], kind: Curves = PLAIN) -> Any:
    """Draw loss and accuracy after each epoch, in training and in validation, as far as they were measured.

    Args:
        title: Name of the run.
        history: Its epochs; what was not measured is NaN.
        kind: Which network, and what its numbers mean.

    Returns:
        A matplotlib figure.
    """
    figure = _figure(10, 4)
    axes = figure.subplots(1, 2)
    epochs = [row.epoch for row in history]
    panels = (
        (kind.loss, [row.loss for row in history], [row.val_loss for row in history]),
        (kind.right, [100 * row.accuracy for row in history], [100 * row.val_accuracy for row in history]),
    )
    for axis, (label, training, validation) in zip(axes, panels, strict=True):
        if not any(map(math.isnan, training)):
            axis.plot(epochs, training, color=BLUE, marker="o", markersize=4, label="training")
        if not any(map(math.isnan, validation)):
            axis.plot(epochs, validation, color=VERMILION, marker="s", markersize=4, linestyle="--", label="validation")
        axis.set(xlabel="Epoch", ylabel=label)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.margins(x=0.04)
    axes[0].set_ylim(bottom=0)
    if not any(math.isnan(row.val_loss) for row in history):
        best = min(history, key=lambda row: row.val_loss).epoch
        axes[0].axvline(best, color=GREY, linewidth=1.2, linestyle=":", label=f"lowest validation loss: epoch {best}")
    for axis in axes:
        axis.legend()
    figure.suptitle(f"{title}: learning" + (f", network {kind.network}" if kind.network else ""), fontweight="bold")
    return figure


class Readings:
    """Draws what a network said about a test set; every method returns a matplotlib figure.

    Args:
        title: Name of the run.
        predictions: What it said.
    """

    def __init__(self, title: str, predictions: Predictions) -> None:
        self.title = title
        self.predictions = predictions
        self.probabilities = evaluate.digit_probabilities(predictions.log_probabilities)

    @cached_property
    def evaluation(self) -> Evaluation:
        """What was measured on it."""
        return evaluate.score(self.predictions.log_probabilities, self.predictions.y)

    def samples(self) -> Any:
        """Draw the first digits of the test set with what was read and what is true."""
        places = np.arange(min(SAMPLES, len(self.predictions.y)))
        return self._sheet("sample readings", "Above each: what was read, what is true, how sure it was", places)

    def misread(self) -> Any:
        """Draw the misread digits, those first that the network was surest about."""
        places = evaluate.worst_first(self.probabilities, self.predictions.y)
        shown = f", the worst {SAMPLES} of them" if len(places) > SAMPLES else ""
        heading = f"{len(places):,} of {len(self.predictions.y):,} misread{shown}"
        return self._sheet(
            heading, "Surest first; above each: what was read, what is true, how sure it was", places[:SAMPLES]
        )

    def confusion(self) -> Any:
        """Draw how often each digit was read as which; the shade shows errors only, on a square-root scale."""
        counts = np.array(self.evaluation.confusion)
        errors = counts.astype(np.float64)
        np.fill_diagonal(errors, 0)
        figure = _figure(6.6, 6.2)
        axis = figure.subplots()
        shade = np.ma.masked_equal(np.sqrt(errors / max(1.0, errors.max())), 0)
        axis.imshow(shade, cmap="Oranges", vmin=-0.1, vmax=1.25)
        for row in range(10):
            axis.add_patch(
                _matplotlib().patches.Rectangle(
                    (row - 0.5, row - 0.5), 1, 1, facecolor="#DCEAF4", edgecolor=BLUE, linewidth=0.8
                )
            )
        for (row, column), count in np.ndenumerate(counts):
            right = row == column
            colour = BLUE if right else "white" if shade[row, column] > 0.85 else "black"
            weight = "bold" if right else "normal"
            if count:
                axis.text(column, row, str(count), ha="center", va="center", fontsize=9, color=colour, weight=weight)
        axis.set(ylabel="True digit", xticks=range(10), yticks=range(10))
        axis.set_xlabel("Read as\n(blue: read right; orange: misread, the darker the more often)")
        axis.set_title(f"{self.title}: confusion, {counts.sum():,} digits")
        axis.grid(visible=False)
        axis.set_xticks(np.arange(0.5, 9), minor=True)
        axis.set_yticks(np.arange(0.5, 9), minor=True)
        axis.grid(visible=True, which="minor")
        axis.tick_params(length=0, which="both")
        axis.spines[:].set_visible(False)
        return figure

    def reliability(self) -> Any:
        """Draw how often the network is right against how sure it is, over how many readings that concerns."""
        bins = self.evaluation.calibration
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
        axis.text(
            0.97, 0.05, f"calibration error (ECE) {self.evaluation.ece:.4f}", ha="right", transform=axis.transAxes
        )
        axis.set(ylabel="Share read right", ylim=(-0.02, 1.03), xlim=(0, 1.02))
        axis.set_title(f"{self.title}: reliability, {len(self.predictions.y):,} digits")
        axis.legend(loc="upper left")
        bars = evaluate.CALIBRATION_BINS
        centres = [(min(int(value * bars), bars - 1) + 0.5) / bars for value in confidences]
        counts = [item.count for item in bins]
        below.bar(centres, counts, width=0.9 / bars, color=ORANGE, edgecolor="#7A5300", linewidth=0.6)
        below.set(xlabel="Confidence", ylabel="Readings", yscale="log", ylim=(0.7, None))
        below.yaxis.set_major_formatter(_plain)
        return figure

    def reject(self) -> Any:
        """Draw the error among accepted readings against the share that is rejected, least confident first."""
        confidences = self.probabilities.max(axis=1)
        right = self.probabilities.argmax(axis=1) == self.predictions.y
        _, accepted, errors = evaluate.reject_curve(confidences, right)
        # A logarithmic axis has no zero: the line ends where no accepted reading is wrong.
        some = errors > 0
        rejected, shown = 100 * (1 - accepted[some]), 100 * errors[some]
        figure = _figure(7, 4.6)
        axis = figure.subplots()
        axis.plot(rejected, shown, color=BLUE, drawstyle="steps-post")
        places = [rate for rate in self.evaluation.read_rates if rate.rate > 0]
        for rate in places:
            axis.plot(
                100 * (1 - rate.rate),
                100 * rate.error,
                marker=MARKERS[rate.error],
                linestyle="none",
                color=VERMILION,
                markersize=6,
                label=f"{rate.error:.1%} wrong: {rate.rate:.2%} accepted",
            )
        reach = min(100.0, max([5.0, *(200 * (1 - rate.rate) for rate in places)]))
        within = shown[rejected <= reach]
        axis.set(
            xlabel="Rejected readings, least confident first (%)",
            ylabel="Wrong among the accepted (%)",
            yscale="log",
            xlim=(-0.02 * reach, reach),
            ylim=(min([0.09, *within.tolist()]) / 1.5, max([2.0, *(2 * within).tolist()])),
        )
        axis.yaxis.set_major_formatter(_plain)
        axis.set_title(f"{self.title}: error against reject, {len(self.predictions.y):,} digits")
        if places:
            axis.legend(loc="upper right")
        return figure

    def _sheet(self, heading: str, note: str, places: NDArray[np.intp]) -> Any:
        """Draw digits in rows of ten: above each what was read, the truth, and how sure the network was."""
        rows = max(1, -(-len(places) // 10))
        figure = _figure(11, 1.42 * rows + 0.8)
        grid = figure.subplots(rows, 10, squeeze=False)
        for axis in grid.flat:
            axis.set_axis_off()
        if len(places) == 0:
            grid[0, 0].text(0, 0.5, "none", fontsize=12)
        for axis, place in zip(grid.flat, places, strict=False):
            truth, reading = int(self.predictions.y[place]), int(self.probabilities[place].argmax())
            right = truth == reading
            axis.imshow(255 - self.predictions.x[place], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axis.set_title(
                f"{reading}, true {truth}\n{self.probabilities[place].max():.1%}",
                loc="center",
                fontsize=9,
                fontweight="normal" if right else "bold",
                color="black" if right else VERMILION,
            )
            axis.add_patch(
                _matplotlib().patches.Rectangle(
                    (0, 0),
                    1,
                    1,
                    transform=axis.transAxes,
                    fill=False,
                    linewidth=1,
                    edgecolor=GREY if right else VERMILION,
                )
            )
        figure.suptitle(f"{self.title}: {heading}\n", fontweight="bold", fontsize=12)
        if len(places):
            figure.supxlabel(note, fontsize=9, color=GREY)
        return figure


def _plain(value: float, _: int) -> str:
    return f"{value:,g}"


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
