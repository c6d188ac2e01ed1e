"""Write the figures of docs/network.md from the shipped network's card: ``python docs/make_network_page.py``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

PAGE: Final = Path(__file__).with_name("network.md")
CARD: Final = Path(__file__).parents[1] / "extractor" / "models" / "card.json"
BEGIN: Final = "<!-- begin: written by docs/make_network_page.py -->\n"
END: Final = "<!-- end -->\n"
METRICS: Final = {
    "mnist_validation_accuracy_float": "crop network before its export, on 5,000 MNIST digits that trained nothing",
    "mnist_validation_accuracy": "shipped crop network, on the same digits",
    "mnist_test_accuracy": "shipped crop network, on the 10,000 MNIST test digits: read right",
    "mnist_test_rejected": "the same: taken for something else than one digit",
}
"""What the metrics of a card mean; others appear under their own name."""


def page(text: str, card: dict[str, Any]) -> str:
    """Put a card's figures into the page.

    Args:
        text: The page, with the two marks.
        card: The card.

    Returns:
        The page with everything between the marks replaced.
    """
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n" + "\n".join(figures(card)) + "\n" + END + after


def figures(card: dict[str, Any]) -> list[str]:
    """Lay out a card's figures; what it does not have is left out."""
    reading = card.get("reading", {})
    facts = {
        "licence": card.get("licence"),
        "made by": _code(card.get("command")),
        "trained in": f"{card['minutes']:g} minutes" if "minutes" in card else None,
        "with": f"TensorFlow {card['tensorflow']}, Python {card['python']}" if "tensorflow" in card else None,
        "accepted from": f"confidence {reading['accept']:.3f} on" if "accept" in reading else None,
        "temperature of the crop network": f"{reading['temperature']:.3f}" if "temperature" in reading else None,
    }
    lines = _table("the network", "", ((name, value) for name, value in facts.items() if value))
    metrics = dict(card.get("metrics", {}))
    rejection = metrics.pop("rejection", None)
    lines += _table("measured", "", ((METRICS.get(name, name), _share(value)) for name, value in metrics.items()))
    if rejection:
        rows = rejection["kinds"] | {"all of these": rejection["overall"]}
        heading = f"non-digits rejected, {_share(rejection['kept_test'])} of the test digits kept"
        lines += _table(heading, "", ((name, _share(item["rejected"])) for name, item in rows.items()))
    lines += _listed("Its weights learnt from", card.get("trained_on", ()))
    fitted = (f"{name}: {count} strings" for name, count in card.get("calibrated_on", {}).items())
    lines += _listed("Its confidence was fitted on, its weights learnt nothing from", fitted)
    lines += _table("file", "SHA-256", ((f"`{name}`", f"`{value}`") for name, value in card.get("sha256", {}).items()))
    lines += _table(
        "data", "SHA-256", ((f"`{name}`", f"`{value}`") for name, value in card.get("data_sha256", {}).items())
    )
    return lines


def _code(text: str | None) -> str | None:
    return f"`{text}`" if text else None


def _share(value: object) -> str:
    return f"{value:.2%}" if isinstance(value, float) and 0 <= value <= 1 else str(value)


def _table(left: str, right: str, rows: Iterable[tuple[str, str]]) -> list[str]:
    lines = [f"| {name} | {value} |" for name, value in rows]
    return [f"| {left} | {right} |", "|---|---|", *lines, ""] if lines else []


def _listed(title: str, items: Iterable[str]) -> list[str]:
    lines = [f"- {item}" for item in items]
    return [f"{title}:", "", *lines, ""] if lines else []


def main() -> None:
    """Write the page."""
    card = json.loads(CARD.read_text(encoding="utf-8"))
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), card), encoding="utf-8")


if __name__ == "__main__":
    main()
