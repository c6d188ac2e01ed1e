"""What ``digits doctor`` looks at: each check gives lines in words, with what to do where something is wrong."""

from __future__ import annotations

import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import sqlalchemy as sa

from extractor.errors import DigitsError, UnavailableError
from worker.checks_broker import broker_findings
from worker.checks_security import security_findings
from worker.findings import Finding, duration
from worker.ledger import Ledger
from worker.ledger_counts import UnfinishedJob
from worker.ledger_schema import SCHEMA_VERSION
from worker.pages import network_sha256
from worker.settings import Settings

_LOW_DISK_BYTES = 2**30
_NETWORK_DRIVES = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs", "lustre"})
_UNSAFE = {
    "fsync": "a power cut may destroy the ledger",
    "full_page_writes": "a power cut may damage the ledger",
    "synchronous_commit": "a power cut may lose results",
}


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything, one thing after the other; a check that fails does not stop the others."""
    jobs: list[UnfinishedJob] = []
    yield Finding("ok", "digits", f"{_version()}, Python {platform.python_version()}")
    yield from _guarded("network", lambda: _network(settings))
    yield from _guarded("ledger", lambda: _ledger(settings, jobs))
    # Without a broker `digits run` does all it should: only who has one set up, or work in it, must hear about it.
    needed = "broker_url" in settings.model_fields_set or bool(jobs)
    yield from _guarded("broker", lambda: broker_findings(settings, jobs), needed=needed)
    yield from _guarded("security", lambda: security_findings(settings))


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


def _ledger(settings: Settings, jobs: list[UnfinishedJob]) -> Iterator[Finding]:
    with Ledger(settings.ledger_url, settings.connect_timeout) as ledger:
        with ledger.database.read() as connection:
            checks = list((_sqlite if ledger.database.dialect == "sqlite" else _postgresql)(connection))
        yield Finding("ok", "ledger", f"{checks[0].text} at {ledger.database.shown_url}, schema {SCHEMA_VERSION}")
        yield from checks[1:]
        jobs += ledger.jobs.unfinished()
        oldest = ledger.pages.oldest_waiting() if jobs else None
    if oldest is None:
        yield Finding("ok", "queue", "no page of a queue job waits")
    else:
        waited = duration(time.time() - oldest)
        yield Finding("ok", "queue", f"{len(jobs)} jobs are not finished; the page that waits longest: {waited}")


def _sqlite(connection: sa.Connection) -> Iterator[Finding]:
    yield Finding("ok", "ledger", f"sqlite {connection.scalar(sa.text('select sqlite_version()'))}")
    mode = connection.exec_driver_sql("pragma journal_mode").scalar()
    if mode != "wal":
        yield Finding("wrong", "ledger", f"its journal is {mode}, not wal: does it lie on a network drive?")
    folder = Path(connection.engine.url.database or "").absolute().parent
    kind = drive_kind(folder)
    if kind in _NETWORK_DRIVES:
        yield Finding(
            "wrong", "ledger", f"SQLite on a network drive ({kind}) may be damaged: move it, or use PostgreSQL"
        )
    free = shutil.disk_usage(folder).free
    if free > _LOW_DISK_BYTES:
        yield Finding("ok", "disk", f"{free / 2**30:.1f} GiB free in {folder}")
    else:
        text = f"{free / 2**30:.1f} GiB free in {folder}: results may soon not be stored; make room, or digits purge"
        yield Finding("wrong", "disk", text)


def _postgresql(connection: sa.Connection) -> Iterator[Finding]:
    yield Finding("ok", "ledger", f"postgresql {connection.scalar(sa.text('show server_version'))}")
    for setting, what in _UNSAFE.items():
        if connection.scalar(sa.text("select current_setting(:name)"), {"name": setting}) == "off":
            yield Finding("wrong", "ledger", f"{setting} is off: {what}; set it on")
    size = connection.scalar(sa.text("select pg_database_size(current_database())")) or 0
    yield Finding("ok", "disk", f"the ledger has {size / 2**20:.0f} MiB; how much is free, its server knows")


def drive_kind(folder: Path, mounts: Path = Path("/proc/mounts")) -> str:
    """Return the kind of file system that a folder lies on; empty where the system does not tell.

    Args:
        folder: The folder.
        mounts: Table of what is mounted where, as Linux writes it.
    """
    best, kind = "", ""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    place = os.path.realpath(folder)
    for line in lines:
        fields = line.split()
        # Blanks in names are written as octal numbers.
        point = fields[1].encode(errors="surrogateescape").decode("unicode_escape") if len(fields) > 2 else ""
        if point and os.path.commonpath((place, point)) == point and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind
