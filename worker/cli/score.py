"""``digits score``: compare readings with the truth."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from extractor.errors import DigitsError, UsageError
from extractor.names import printable
from extractor.scoring import Score, Share, score
from worker.cli.messages import say
from worker.comparison import Pair, compare, load
from worker.settings import load_settings

if TYPE_CHECKING:
    from extractor.error_browser import Mistake, WrongString
    from extractor.reader import Reader


@click.command("score")
@click.argument("gold", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("pred", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or one JSON object for programs.",
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.html",
    help="Also write a web page with every wrong string, its picture, and what each stage made of it.",
)
@click.option(
    "--model",
    type=click.Path(exists=True, path_type=Path),
    metavar="FOLDER",
    help="Network to look at wrong strings with, for --html; as in DIGITS_MODEL when not given.",
)
def score_command(gold: Path, pred: Path, output_format: str, html: Path | None, model: Path | None) -> None:
    """Compare the readings in PRED with the truth in GOLD.

    PRED is what `digits run --format csv` or `jsonl` wrote. GOLD is a file of the same kind, or JSON Lines with
    {"file": ..., "lines": [...]}. Documents are the same when the ends of their paths are. Strings belong together by
    the names of their fields where GOLD and PRED have the same names, else in reading order, at the least number of
    differing digits.

    For --html, pictures are looked for beside GOLD, as GOLD names them, else where PRED says they are.
    """
    if html is not None and not html.absolute().parent.is_dir():
        raise UsageError(f"cannot write to the folder of {printable(str(html))}", "does it exist?")
    truth, read = load(gold), load(pred)
    pairs, missing = compare(truth, read)
    if missing:
        say(f"{missing} of {len(truth)} pages of the truth have no readings; their strings count as missed")
    result = score([pair.answer for pair in pairs])
    click.echo(json.dumps(_as_json(result)) if output_format == "json" else _as_text(result))
    if html is not None:
        _write_errors(html, gold, pred, pairs, model)


def _write_errors(html: Path, gold: Path, pred: Path, pairs: Sequence[Pair], model: Path | None) -> None:
    """Write the page of wrong strings.

    Raises:
        UsageError: It cannot be written.
        ModelError: The network is missing, damaged or of another make.
    """
    import cv2

    from extractor import error_browser
    from extractor.reader import Reader
    from worker.files import whole_file

    cv2.setNumThreads(0)
    reader = Reader(model or load_settings().model)
    written = sum(pair.truth is not None for pair in pairs)
    with whole_file(html) as stream:
        mistakes = _mistakes(reader, pairs, (gold.parent, pred.parent))
        error_browser.write(mistakes, stream, f"{pred.name} against {gold.name}", written)


def _mistakes(reader: Reader, pairs: Sequence[Pair], folders: Sequence[Path]) -> Iterator[Mistake]:
    from extractor.documents import load_page
    from extractor.error_browser import investigate

    strings = Counter(pair.gold for pair in pairs)
    wrong = sorted((pair for pair in pairs if not pair.answer.is_exact), key=lambda pair: pair.page or pair.gold)
    for (document, page), group in groupby(wrong, key=lambda pair: pair.page or pair.gold):
        image = None
        on_page = list(group)
        path = _picture_of(on_page[0].gold[0], document, folders)
        if path is None:
            say(f"no picture: {printable(document)} is neither beside the truth nor where it was read")
        else:
            try:
                image = load_page(path, max(1, page))
            except DigitsError as error:
                say(f"no picture: {error}")
        for pair in on_page:
            yield investigate(reader, image, _wrong_string(pair), alone=strings[pair.gold] == 1)


def _picture_of(gold: str, document: str, folders: Sequence[Path]) -> Path | None:
    """Find a page's file: as the truth names it, as the readings name it, each also beside the files themselves."""
    places = [*(folder / name for name in (gold, document) for folder in folders), Path(document)]
    return next((place for place in places if place.is_file()), None)


def _wrong_string(pair: Pair) -> WrongString:
    from extractor.error_browser import WrongString

    document, page = pair.page or pair.gold
    known = pair.read or pair.truth
    names = [document, f"page {page}" if page > 1 else "", known.field if known else ""]
    return WrongString(
        where=", ".join(filter(None, names)),
        truth=None if pair.truth is None else pair.truth.text,
        read=None if pair.read is None else pair.read.text,
        confidence=0.0 if pair.read is None else pair.read.confidence,
        status="" if pair.read is None else pair.read.status,
        box=None if pair.read is None else pair.read.box,
        digit_boxes=() if pair.truth is None else pair.truth.digit_boxes,
    )


def _as_json(result: Score) -> dict[str, Any]:
    def share(value: Share) -> dict[str, float]:
        return {"count": value.count, "total": value.total, "share": value.value, "low": value.low, "high": value.high}

    return {
        "exact": share(result.exact),
        "character_error_rate": result.character_error_rate,
        "missed": result.missed,
        "invented": result.invented,
        "read_rates": {f"{limit:g}": share(rate) for limit, rate in result.read_rates.items()},
        "trusted": {f"{confidence:g}": share(right) for confidence, right in result.trusted.items()},
        "calibration_error": result.calibration_error,
    }


def _as_text(result: Score) -> str:
    def share(value: Share) -> str:
        interval = f"95 % interval {value.low:.1%} to {value.high:.1%}"
        return f"{value.value:7.2%}  {value.count} of {value.total}, {interval}"

    lines = [
        f"exact strings                {share(result.exact)}",
        f"character error rate         {result.character_error_rate:7.2%}",
        f"missed strings               {result.missed:7}",
        f"invented strings             {result.invented:7}",
    ]
    lines += [f"read rate at {limit:4.1%} error     {share(rate)}" for limit, rate in result.read_rates.items()]
    lines += [
        f"right at confidence >= {level:g} {'':<{4 - len(f'{level:g}')}} {share(right)}"
        for level, right in result.trusted.items()
    ]
    lines.append(f"expected calibration error   {result.calibration_error:7.2%}")
    return "\n".join(lines)
