"""What ``digits doctor`` says about who could reach what."""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy as sa

from worker.findings import Finding
from worker.settings import Settings


def security_findings(settings: Settings) -> Iterator[Finding]:
    """Look at roots, passwords and addresses.

    Args:
        settings: What the environment says.
    """
    yield from _roots(settings)
    yield from _servers(settings)
    if settings.metrics_port is not None and not _is_local(settings.metrics_host):
        text = f"metrics are served at {settings.metrics_host} to whoever reaches it: keep that network closed"
        yield Finding("note", "metrics", text)


def _roots(settings: Settings) -> Iterator[Finding]:
    for root in settings.data_roots:
        if isinstance(root, str):
            if importlib.util.find_spec("fsspec") is None:
                text = "DIGITS_DATA_ROOTS names a URL, which needs pip install 'digit-extractor[remote]'"
                yield Finding("wrong", "roots", text)
        elif root == Path("/"):
            yield Finding("wrong", "roots", "DIGITS_DATA_ROOTS allows every file of the machine; name folders")
        elif not root.is_dir():
            yield Finding("note", "roots", f"there is no folder {root}; DIGITS_DATA_ROOTS names it")


def _servers(settings: Settings) -> Iterator[Finding]:
    broker = urlsplit(settings.broker_url)
    if broker.scheme in ("redis", "amqp") and not _is_local(broker.hostname or ""):
        hint = f"{broker.scheme}s://" if broker.scheme == "amqp" else "rediss://"
        if broker.scheme == "redis" and broker.password is None:
            yield Finding("note", "broker", f"it is elsewhere and asks for no password; give it one, and use {hint}")
        else:
            yield Finding("note", "broker", f"the way to it is not encrypted; use {hint}, or a network of its own")
    ledger = sa.make_url(settings.ledger_url)
    if ledger.get_backend_name() == "sqlite":
        yield from _ledger_file(Path(ledger.database or ""))
    elif not _is_local(ledger.host or ""):
        mode = ledger.query.get("sslmode") or os.environ.get("PGSSLMODE")
        if mode not in ("require", "verify-ca", "verify-full"):
            text = "the way to it may not be encrypted; append ?sslmode=verify-full, or use a network of its own"
            yield Finding("note", "ledger", text)


def _ledger_file(path: Path) -> Iterator[Finding]:
    try:
        mode = path.stat().st_mode
        folder_mode = path.absolute().parent.stat().st_mode
    except OSError:
        return
    if mode & (stat.S_IRGRP | stat.S_IROTH) and folder_mode & (stat.S_IXGRP | stat.S_IXOTH):
        yield Finding("note", "ledger", f"others on this machine may read results in {path}; chmod 600 closes it")


def _is_local(host: str) -> bool:
    """Tell whether a host is this machine itself; no host is a socket file."""
    if host in ("", "localhost") or host.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
