"""From the ledger to the queue: send a job's pages, and send again what got lost on the way.

The ledger is the truth, so a lost message is only a page that is ``queued`` while nothing is under way for it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from worker.batches import batch_limit, batched
from worker.broker import Broker
from worker.ledger import Ledger
from worker.owner import is_gone
from worker.records import QueuedPage
from worker.settings import Settings

log = logging.getLogger(__name__)

_CHUNK = 1000


def send_job(ledger: Ledger, broker: Broker, job_id: str) -> int:
    """Send all waiting pages of a job.

    Args:
        ledger: The ledger.
        broker: The broker.
        job_id: The job.

    Returns:
        How many pages were sent.

    Raises:
        UnavailableError: The broker or the ledger does not answer; what was not sent is sent by `reconcile`.
    """
    limit = batch_limit(ledger.jobs.count(job_id).queued)
    after = sent = 0
    while pages := ledger.pages.queued(job_id, after, _CHUNK):
        _send(ledger, broker, pages, limit)
        after = pages[-1].id
        sent += len(pages)
    return sent


def reconcile(ledger: Ledger, broker: Broker, settings: Settings) -> int:
    """Take pages back from workers that are gone, and send again what waits without a message.

    It may run anywhere, any number of times, and in several places at once: a message too many costs a millisecond.

    Args:
        ledger: The ledger.
        broker: The broker.
        settings: Delivery cap and patience.

    Returns:
        How many pages were sent.

    Raises:
        UnavailableError: The broker or the ledger does not answer.
    """
    cap = settings.delivery_cap
    lost = ledger.pages.lose_expired(cap)
    for owner in ledger.pages.owners():
        if is_gone(owner):
            lost += ledger.pages.lose_owner(owner, cap)
    _send(ledger, broker, lost, batch_limit(len(lost)))
    sent = len(lost)
    patience = settings.resend_after
    while True:
        moment = time.time()
        pages = ledger.pages.take_unsent(
            sent_before=broker.oldest_sent() - patience, queued_before=moment - patience, moment=moment, limit=_CHUNK
        )
        if not pages:
            break
        pages.sort(key=lambda page: (page.job_id, page.id))
        for batch in batched(pages, batch_limit(len(pages))):
            broker.send(batch[0].job_id, [page.id for page in batch], moment)
        sent += len(pages)
    if sent:
        log.info("sent %d pages again", sent)
    return sent


def _send(ledger: Ledger, broker: Broker, pages: Sequence[QueuedPage], limit: int) -> None:
    moment = time.time()
    for batch in batched(pages, limit):
        broker.send(batch[0].job_id, [page.id for page in batch], moment)
    ledger.pages.mark_sent([page.id for page in pages], moment)
