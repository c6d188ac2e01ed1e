"""The ledger: which pages there are, how far they are, and what was read. It is the truth; the queue is transport.

A page is always in exactly one state::

                    +------------- retry ---------------+----------+
                    v                                   |          |
    (recorded) -> queued --claim--> running --finish--> done     failed
                   ^  |                |                           ^
                   |  |                +--- at the delivery cap ---+  (code ``poison``)
                   |  |                |
                   +--|-- worker lost -+
                      |                |
                      +---- cancel ----+--> cancelled --retry--> queued

- ``claim`` is one transaction. It counts a delivery, and lends the page to its owner until the lease ends. A page is
  taken from an owner only when the lease has ended or the owner is certainly dead.
- ``finish`` stores a result where the page is queued or running, and does nothing elsewhere. So the first result wins,
  a message may come twice, and a result that comes after a cancel is dropped.
- ``worker lost`` puts a page back, or fails it once it was delivered as often as the cap allows.
- ``release`` is the polite form, for a worker that stops in an orderly way: the delivery does not count.
- Done pages are never read again; ``retry`` takes failed and cancelled ones and counts from zero.

A job is ``submitting`` until all its pages are recorded, then ``active``; whether it is finished follows from its
pages. ``cancelled`` keeps late deliveries away from it. Each local job has at most one runner, which renews its claim.
"""

from __future__ import annotations

from types import TracebackType

from worker.ledger_jobs import JobRows
from worker.ledger_pages import PageRows
from worker.ledger_schema import Database


class Ledger:
    """Jobs and pages in one database.

    A ledger must not be carried through a fork: every process opens its own.

    Args:
        url: ``sqlite:////path/file`` or ``postgresql://...``.
        connect_timeout: Seconds to wait for a server.

    Attributes:
        jobs: What is done with jobs.
        pages: What is done with pages.
        database: The connections.

    Raises:
        UnavailableError: The database is out of reach.
        UsageError: The URL cannot be meant.
    """

    def __init__(self, url: str, connect_timeout: float = 3.0) -> None:
        self.database = Database(url, connect_timeout)
        self.database.create_tables()
        self.jobs = JobRows(self.database)
        self.pages = PageRows(self.database)

    def close(self) -> None:
        """Close all connections."""
        self.database.close()

    def __enter__(self) -> Ledger:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        self.close()
