"""The command ``digits finetune``. Everything heavy is imported inside."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import click

MODEL_HELP = "Folder of the network to start from; the shipped one when absent."
DATA_HELP = "Folder of the training sets, or MNIST as an npz file: what is rehearsed. MNIST from Keras when absent."


@click.command("finetune")
@click.argument("labels", type=click.Path(path_type=Path), metavar="LABELS.jsonl")
@click.option("--output", type=click.Path(path_type=Path), required=True, help="New folder for the network.")
@click.option("--model", type=click.Path(path_type=Path), envvar="DIGITS_MODEL", help=MODEL_HELP)
@click.option("--data", type=click.Path(path_type=Path), envvar="DIGITS_DATA", help=DATA_HELP)
@click.option(
    "--held-out",
    type=click.FloatRange(min=0.02, max=0.8),
    default=0.2,
    show_default=True,
    help="Share of the images that before and after are compared on; nothing learns from them.",
)
@click.option("--held-out-list", type=click.Path(path_type=Path), help="Also write their labels, for `digits score`.")
@click.option("--left-out-list", type=click.Path(path_type=Path), help="Also write the labels that fit no image.")
@click.option("--seed", type=click.IntRange(min=0, max=2**31 - 1), default=1, show_default=True, help="Of all chance.")
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True, help="Processes for images.")
@click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text", show_default=True)
def finetune_command(
    labels: Path,
    output: Path,
    model: Path | None,
    data: Path | None,
    held_out: float,
    held_out_list: Path | None,
    left_out_list: Path | None,
    seed: int,
    workers: int,
    output_format: str,
) -> None:
    """Make the network your own: teach it the strings of LABELS.jsonl, and write it to a folder for --model.

    A line of LABELS.jsonl is {"file": "scan-1.png", "lines": ["12345"]}: an image of one string, and its digits.
    The network before and after are compared on a part of the images that nothing learns from.
    """
    from training.comparison import to_text
    from training.files import write_text
    from training.finetune import finetune
    from training.finetune_settings import FinetuneSettings
    from training.labels import to_jsonl
    from training.stage_progress import stages

    # A run that is told to stop clears up as one that is interrupted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = FinetuneSettings(seed=seed, held_out=held_out)
    with stages() as watcher:
        result = finetune(labels, output, watcher, model=model, data=data, settings=settings, workers=workers)
    for path, images in ((held_out_list, result.held_out), (left_out_list, result.left_out)):
        if path is not None:
            write_text(path, to_jsonl(images))
    counts = result.counts
    if output_format == "json":
        report = {
            "network": str(output),
            "images": counts.images,
            "held_out": counts.held_out,
            "calibration": counts.calibration,
            "learnt": counts.learnt,
            "left_out": counts.left_out,
            "digits": result.digits,
            "before": result.before.to_dict(),
            "after": result.after.to_dict(),
            "minutes": result.card["minutes"],
        }
        click.echo(json.dumps(report, indent=2))
        return
    click.echo(
        f"{output}: learnt from {counts.learnt} of {counts.images} images in {result.card['minutes']} minutes; "
        f"{counts.calibration} fitted the confidence, {counts.held_out} were held out"
    )
    if counts.left_out:
        click.echo(f"{counts.left_out} labels do not fit their image and were left out; --left-out-list names them")
    click.echo(to_text(result.before, result.after, result.digits))
