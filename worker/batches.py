"""How many pages travel together: enough to be worth a message, few enough that no process waits for another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from worker.records import QueuedPage

MAX_PAGES = 32
"""Pages in one batch at most."""

_FULL_WEIGHT = 32
_WEIGHT_BYTES = 4096
_PARTS = 64


def weight_of(file_bytes: int, pages: int) -> int:
    """Estimate the work in one page of a file, without decoding it.

    Reading costs roughly in proportion to the page's pixels, and those to the bytes of its file: a crop of a postal
    code of 4 KiB counts 1, a scanned sheet counts as a full batch.

    Args:
        file_bytes: Length of the file.
        pages: Pages in it.
    """
    return min(_FULL_WEIGHT, 1 + file_bytes // max(1, pages) // _WEIGHT_BYTES)


def batch_limit(pages: int, parts: int = _PARTS) -> int:
    """Return how many pages a batch may have so that a job falls into about so many parts or more."""
    return max(1, min(MAX_PAGES, pages // parts))


def batched(pages: Iterable[QueuedPage], limit: int) -> Iterator[list[QueuedPage]]:
    """Gather pages of one job into batches, in their order.

    A page that was delivered before travels alone: the process that had it was lost, perhaps because of it.

    Args:
        pages: Pages in order.
        limit: Pages in a batch at most.
    """
    batch: list[QueuedPage] = []
    weight = 0
    for page in pages:
        alone = page.deliveries > 0
        fits = weight + page.weight <= _FULL_WEIGHT and len(batch) < limit and batch[:1] and not alone
        if batch and not (fits and batch[0].deliveries == 0 and batch[0].job_id == page.job_id):
            yield batch
            batch, weight = [], 0
        batch.append(page)
        weight += page.weight
    if batch:
        yield batch
