"""What ``digits doctor`` looks at: each check gives lines in words, with what to do where something is wrong."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from extractor.errors import DigitsError, UnavailableError
from worker.ledger import Ledger
from worker.pages import network_sha256
from worker.settings import Settings, masked

_LOW_DISK_BYTES = 2**30
_PING_SECONDS = 3.0

Verdict = Literal["ok", "note", "wrong", "unreachable"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report.

    Attributes:
        verdict: ``ok``; ``note`` for what may be meant; ``wrong``; ``unreachable`` for a server that is needed.
        subject: What was looked at.
        text: What was found, and what to do.
    """

    verdict: Verdict
    subject: str
    text: str


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything, one thing after the other; a check that fails does not stop the others."""
    waiting: list[float] = []
    yield Finding("ok", "digits", f"{_version()}, Python {platform.python_version()}")
    yield from _guarded("network", lambda: _network(settings))
    yield from _guarded("ledger", lambda: _ledger(settings, waiting))
    # Without a broker `digits run` does all it should: only who has one set up, or work in it, must hear about it.
    needed = "broker_url" in settings.model_fields_set or bool(waiting)
    yield from _guarded("broker", lambda: _broker(settings, bool(waiting)), needed=needed)


def _version() -> str:
    try:
        return metadata.version("digit-extractor")
    except metadata.PackageNotFoundError:
        return "run from its source, not installed"


def _guarded(subject: str, check: Callable[[], Iterator[Finding]], *, needed: bool = True) -> Iterator[Finding]:
    try:
        yield from check()
    except UnavailableError as error:
        yield Finding("unreachable" if needed else "note", subject, str(error))
    except DigitsError as error:
        yield Finding("wrong", subject, str(error))


def _network(settings: Settings) -> Iterator[Finding]:
    sha256 = network_sha256(settings)
    import cv2

    from extractor.reader import Reader

    Reader(settings.model, threads=1)
    yield Finding("ok", "network", f"sha256 {sha256[:12]}..., loads; OpenCV {cv2.__version__}")


def _ledger(settings: Settings, waiting: list[float]) -> Iterator[Finding]:
    with Ledger(settings.ledger_url, settings.connect_timeout) as ledger:
        database = ledger.database
        with database.read() as connection:
            if database.dialect == "sqlite":
                version = connection.scalar(sa.text("select sqlite_version()"))
                path = Path(connection.engine.url.database or "").absolute()
            else:
                version = connection.scalar(sa.text("show server_version"))
                safe = connection.scalar(sa.text("show synchronous_commit"))
        yield Finding("ok", "ledger", f"{database.dialect} {version} at {database.shown_url}")
        if database.dialect == "sqlite":
            free = shutil.disk_usage(path.parent).free
            verdict: Verdict = "ok" if free > _LOW_DISK_BYTES else "wrong"
            advice = "" if verdict == "ok" else ": results may soon not be stored; make room"
            yield Finding(verdict, "disk", f"{free / 2**30:.1f} GiB free in {path.parent}{advice}")
        elif safe == "off":
            yield Finding("wrong", "ledger", "synchronous_commit is off: a power cut may lose results; set it on")
        oldest = ledger.pages.oldest_waiting()
        if oldest is None:
            yield Finding("ok", "queue", "no page of a queue job waits")
        else:
            waiting.append(oldest)
            yield Finding("ok", "queue", f"the page that waits longest has waited {time.time() - oldest:.0f} s")


def _broker(settings: Settings, pages_wait: bool) -> Iterator[Finding]:
    from worker.broker import Broker
    from worker.celery_app import app

    with Broker(settings) as broker:
        messages = broker.waiting()
        found = broker.redis_settings()
    kind = "broker" if found is None else f"Redis {found['version']}"
    yield Finding("ok", "broker", f"{kind} at {masked(settings.broker_url)}, {messages} messages wait")
    if found is not None:
        yield from _redis(found)
    inspect = app.control.inspect(timeout=_PING_SECONDS)
    stats: dict[str, Any] = inspect.stats() or {}
    names = [name for name in stats if name.startswith("digits-")]
    if names:
        pages = sum(sum(stats[name].get("total", {}).values()) for name in names)
        yield Finding("ok", "workers", f"{len(names)} alive, {pages} messages taken since they started")
    elif pages_wait:
        yield Finding("wrong", "workers", "none answers, and pages wait: start one with digits worker")
    else:
        yield Finding("note", "workers", "none answers; digits submit needs one, digits run does not")


def _redis(found: dict[str, str]) -> Iterator[Finding]:
    policy = found["maxmemory_policy"]
    if policy != "noeviction":
        yield Finding("wrong", "broker", f"maxmemory-policy is {policy}: messages may vanish; set noeviction")
    if found["aof"] != "1":
        yield Finding(
            "note", "broker", "no append-only file: a restart loses messages (they are sent again); set appendonly yes"
        )
