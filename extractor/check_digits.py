"""Check digits, as python-stdnum knows them.

Those of `SCHEMES` have few states: for a number of known length, what the digits so far say is a checksum. They decide
inside the decoding. Any other module of python-stdnum that can tell a valid number, such as ``isbn`` or ``de.idnr``, is
asked for one string after the other.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from functools import lru_cache
from types import ModuleType

SCHEMES = {
    "luhn": "luhn",
    "verhoeff": "verhoeff",
    "damm": "damm",
    "ean": "ean",
    "iso7064_mod_11_2": "iso7064.mod_11_2",
    "iso7064_mod_11_10": "iso7064.mod_11_10",
    "iso7064_mod_37_2": "iso7064.mod_37_2",
    "iso7064_mod_37_36": "iso7064.mod_37_36",
    "iso7064_mod_97_10": "iso7064.mod_97_10",
}
"""Name in templates -> module of python-stdnum."""

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?")


def is_known(name: str) -> bool:
    """Tell whether a check can be made."""
    return _module(name) is not None


def is_finite(name: str) -> bool:
    """Tell whether a check has so few states that it can be followed digit by digit."""
    return name in SCHEMES


def counts_from_the_end(name: str) -> bool:
    """Tell whether what a digit counts in a scheme depends on how many follow it."""
    return name in ("luhn", "verhoeff", "ean")


def is_valid(name: str, text: str) -> bool:
    """Tell whether a number passes its check.

    Args:
        name: A known check.
        text: Digits.
    """
    module = _module(name)
    return module is not None and bool(module.is_valid(text))


def checksum(name: str) -> Callable[[str], int]:
    """Return the function that gives the state of a scheme of `SCHEMES` after a number."""
    module = _module(name)
    assert module is not None
    if name == "ean":
        # It has no checksum of its own: the digit that would complete the number, less the one that is there.
        return lambda text: (int(module.calc_check_digit(text[:-1])) - int(text[-1])) % 10
    found: Callable[[str], int] = module.checksum
    return found


@lru_cache(maxsize=64)
def _module(name: str) -> ModuleType | None:
    path = SCHEMES.get(name, name)
    if not _NAME.fullmatch(path):
        return None
    try:
        module = importlib.import_module(f"stdnum.{path}")
    except ImportError:
        return None
    return module if callable(getattr(module, "is_valid", None)) else None
