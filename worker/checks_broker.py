"""What ``digits doctor`` says about the broker, the workers, and whether the queue moves."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from worker.findings import Finding, duration
from worker.ledger_counts import UnfinishedJob
from worker.settings import Settings, masked

_PING_SECONDS = 3.0
_FULL = 0.8


def broker_findings(settings: Settings, jobs: Sequence[UnfinishedJob]) -> Iterator[Finding]:
    """Look at the broker and at whoever answers there.

    Args:
        settings: Where it is.
        jobs: The queue jobs that are not finished.

    Raises:
        UnavailableError: It does not answer.
    """
    from worker.broker import Broker

    with Broker(settings) as broker:
        messages = broker.waiting()
        found = broker.redis_settings()
        workers = broker.workers(_PING_SECONDS)
    kind = "broker" if found is None else f"Redis {found['version']}"
    held = "" if found is None else f", {found['unacknowledged']} are with workers"
    yield Finding("ok", "broker", f"{kind} at {masked(settings.broker_url)}, {messages} messages wait{held}")
    if found is not None:
        yield from redis_findings(found)
    yield from worker_findings(workers, bool(jobs))
    yield from progress_findings(settings, jobs, bool(workers), messages, time.time())


def redis_findings(found: Mapping[str, str]) -> Iterator[Finding]:
    """Judge the settings and state of a Redis server that decide whether it keeps messages.

    Args:
        found: What `worker.broker.Broker.redis_settings` returned.
    """
    policy = found["maxmemory_policy"]
    if policy != "noeviction":
        yield Finding("wrong", "broker", f"maxmemory-policy is {policy}: messages may vanish; set noeviction")
    if found["aof"] != "1":
        yield Finding(
            "note", "broker", "no append-only file: a restart loses messages (they are sent again); set appendonly yes"
        )
    elif found["aof_write"] != "ok":
        yield Finding("wrong", "broker", "Redis cannot write its append-only file: is its disk full?")
    if found["snapshot"] != "ok":
        yield Finding(
            "wrong", "broker", "the last snapshot of Redis failed, so it may refuse messages: is its disk full?"
        )
    limit, used = int(found["maxmemory"]), int(found["used_memory"])
    if limit and used > _FULL * limit:
        share = f"{used / 2**20:.0f} of {limit / 2**20:.0f} MiB"
        yield Finding("wrong", "broker", f"Redis uses {share}: it will refuse messages; raise maxmemory")


def worker_findings(workers: Mapping[str, Any], pages_wait: bool) -> Iterator[Finding]:
    """Tell of each worker that answered what it has done so far.

    Args:
        workers: What they answered, by their names.
        pages_wait: Whether somebody waits for them.
    """
    for name, answer in sorted(workers.items()):
        taken = sum(answer.get("total", {}).values())
        processes = len(answer.get("pool", {}).get("processes", ()))
        # Workers tell how long they have been there; those of other makers may not.
        since = duration(float(answer.get("uptime", 0)))
        yield Finding("ok", "worker", f"{name}: {processes} processes, {taken} messages taken in {since}")
    if workers:
        return
    if pages_wait:
        yield Finding("wrong", "workers", "none answers, and pages wait: start one with digits worker")
    else:
        yield Finding("note", "workers", "none answers; digits submit needs one, digits run does not")


def progress_findings(
    settings: Settings, jobs: Sequence[UnfinishedJob], workers: bool, messages: int, now: float
) -> Iterator[Finding]:
    """Tell of each job that is not finished whether it moves.

    Args:
        settings: How long a page may take, and when pages without a message are sent again.
        jobs: The queue jobs that are not finished.
        workers: Whether any worker answers.
        messages: Messages that wait in the broker.
        now: Seconds since the epoch.
    """
    for job in jobs:
        still = now - job.moved
        state = f"job {job.id}: {job.queued} pages wait, {job.running} are being read; it last moved "
        state += f"{duration(still)} ago"
        # No page may take longer; and one that was lost with its worker waits for the end of its lease.
        if still < settings.page_lease + settings.resend_after:
            yield Finding("ok", "progress", state)
        elif not workers:
            yield Finding("wrong", "progress", f"{state}: no worker answers; start one with digits worker")
        elif job.running == 0 and messages == 0:
            yield Finding(
                "wrong", "progress", f"{state}: it has no messages, which workers send again; are they of this ledger?"
            )
        else:
            yield Finding(
                "wrong", "progress", f"{state}: workers answer but finish nothing; see their log, restart them"
            )
