"""``digits score``: compare readings with the truth."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import click

from extractor.errors import UsageError
from extractor.names import printable
from extractor.scoring import Answer, Score, Share, align, score
from worker.cli.messages import say


@dataclass(frozen=True, slots=True)
class _String:
    field: str
    text: str
    confidence: float


_Pages = dict[tuple[str, int], list[_String]]
"""Document and page (0: the document as a whole) -> its strings in reading order."""


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
def score_command(gold: Path, pred: Path, output_format: str) -> None:
    """Compare the readings in PRED with the truth in GOLD.

    PRED is what `digits run --format csv` or `jsonl` wrote. GOLD is a file of the same kind, or JSON Lines with
    {"file": ..., "lines": [...]}. Documents are the same when the ends of their paths are. Strings belong together by
    the names of their fields where GOLD and PRED have the same names, else in reading order, at the least number of
    differing digits.
    """
    truth, read = _load(gold), _load(pred)
    answers, missing = _answers(truth, read)
    if missing:
        say(f"{missing} of {len(truth)} pages of the truth have no readings; their strings count as missed")
    result = score(answers)
    click.echo(json.dumps(_as_json(result)) if output_format == "json" else _as_text(result))


def _load(path: Path) -> _Pages:
    pages: _Pages = defaultdict(list)
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = _csv_strings(stream) if path.suffix.lower() == ".csv" else _json_strings(stream)
            for key, strings in rows:
                pages[key].extend(strings)
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error):
        raise UsageError(f"{printable(str(path))} holds no readings", "see digits score --help") from None
    return dict(pages)


def _csv_strings(stream: Iterable[str]) -> Iterator[tuple[tuple[str, int], list[_String]]]:
    for row in csv.DictReader(stream):
        key = row["document"], int(row.get("page") or 1)
        is_failure = (row.get("status") or "").startswith("failed")
        yield key, [] if is_failure else [_String(row["field"], row["text"], float(row.get("confidence") or 0))]


def _json_strings(stream: Iterable[str]) -> Iterator[tuple[tuple[str, int], list[_String]]]:
    for line in stream:
        if not line.strip():
            continue
        entry: dict[str, Any] = json.loads(line)
        if "lines" in entry:
            yield (entry["file"], 0), [_String("", text, 1.0) for text in entry["lines"]]
        else:
            fields = entry["fields"]
            strings = [_String(field["name"], field["text"], float(field["confidence"])) for field in fields]
            yield (entry["document"], entry["page"]), strings


def _answers(truth: _Pages, read: _Pages) -> tuple[list[Answer], int]:
    by_name: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for document, page in read:
        by_name[PurePath(document).name].append((document, page))
    answers: list[Answer] = []
    missing = 0
    for (document, page), strings in truth.items():
        keys = _same_document(document, page, by_name)
        missing += not keys
        answers += _compare(strings, [string for key in keys for string in read[key]])
    return answers, missing


def _same_document(document: str, page: int, by_name: Mapping[str, Sequence[tuple[str, int]]]) -> list[tuple[str, int]]:
    candidates = [key for key in by_name.get(PurePath(document).name, ()) if page in (0, key[1])]
    if not candidates:
        return []
    common = {name: _common_end(document, name) for name, _ in candidates}
    longest = max(common.values())
    best = {name for name, length in common.items() if length == longest}
    if len(best) > 1:
        raise UsageError(
            f"{printable(document)} may be any of {len(best)} documents that were read",
            "give longer paths in the truth",
        )
    return sorted(key for key in candidates if key[0] in best)


def _common_end(first: str, second: str) -> int:
    length = 0
    for a, b in zip(reversed(PurePath(first).parts), reversed(PurePath(second).parts), strict=False):
        if a != b:
            break
        length += 1
    return length


def _compare(truth: Sequence[_String], read: Sequence[_String]) -> list[Answer]:
    named = {string.field: string for string in read}
    if len(named) == len(read) and truth and all(string.field in named for string in truth):
        wanted = {string.field for string in truth}
        answers = [_answer(string, named[string.field]) for string in truth]
        return answers + [_answer(None, string) for string in read if string.field not in wanted and string.text]
    # A blank is nothing that was read, where the truth lists only what is written.
    read = [string for string in read if string.text]
    pairs = align([string.text for string in truth], [string.text for string in read])
    return [_answer(None if i is None else truth[i], None if j is None else read[j]) for i, j in pairs]


def _answer(truth: _String | None, read: _String | None) -> Answer:
    return Answer(
        None if truth is None else truth.text,
        None if read is None else read.text,
        0.0 if read is None else read.confidence,
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
    return "\n".join(lines)
