"""Tables of the ledger, and connections to the two databases that can hold it."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from extractor.errors import UnavailableError, UsageError
from worker.settings import masked

SCHEMA_VERSION = 2
_SQLITE_PATIENCE = 60.0
"""Seconds to wait for another process to let go of a SQLite file."""
_SCHEMA_LOCK = 0x64696769  # any number that is ours, for PostgreSQL's advisory lock


class PathName(sa.types.TypeDecorator[str]):
    """A path as its bytes: names that are no UTF-8 survive, and no database has an opinion about them."""

    impl = sa.LargeBinary
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> bytes | None:
        """Encode as the file system does."""
        return None if value is None else os.fsencode(value)

    def process_result_value(self, value: bytes | None, dialect: sa.Dialect) -> str | None:
        """Decode as the file system does."""
        return None if value is None else os.fsdecode(value)


metadata = sa.MetaData()

schema_table = sa.Table("digits_schema", metadata, sa.Column("version", sa.Integer, primary_key=True))

jobs_table = sa.Table(
    "digits_jobs",
    metadata,
    sa.Column("id", sa.String(12), primary_key=True),
    sa.Column("name", sa.Text, nullable=False, server_default=""),
    sa.Column("idempotency_key", sa.String(64), index=True),
    sa.Column("executor", sa.String(8), nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("base", PathName, nullable=False),
    sa.Column("options", sa.Text, nullable=False),
    sa.Column("network", sa.String(64), nullable=False),
    sa.Column("created", sa.Float(53), nullable=False, index=True),
    sa.Column("runner", sa.Text),
    sa.Column("runner_until", sa.Float(53), nullable=False, server_default="0"),
)

_page_id = sa.BigInteger().with_variant(sa.Integer, "sqlite")

pages_table = sa.Table(
    "digits_pages",
    metadata,
    sa.Column("id", _page_id, primary_key=True, autoincrement=True),
    sa.Column("job_id", sa.String(12), sa.ForeignKey("digits_jobs.id"), nullable=False),
    sa.Column("document", PathName, nullable=False),
    sa.Column("page", sa.Integer, nullable=False),
    sa.Column("weight", sa.Integer, nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("deliveries", sa.Integer, nullable=False, server_default="0"),
    sa.Column("queued_at", sa.Float(53), nullable=False),
    sa.Column("sent_at", sa.Float(53), nullable=False, server_default="0"),
    sa.Column("owner", sa.Text),
    sa.Column("lease_until", sa.Float(53), nullable=False, server_default="0"),
    sa.Column("result", sa.Text),
    # Page numbers must never come again: a late message for a purged page would hit another one.
    sqlite_autoincrement=True,
)
sa.Index("digits_pages_by_job", pages_table.c.job_id, pages_table.c.id)
sa.Index("digits_pages_by_state", pages_table.c.job_id, pages_table.c.state)
for _name, _column, _state in (("waiting", "sent_at", "queued"), ("running", "lease_until", "running")):
    _where = pages_table.c.state == sa.text(f"'{_state}'")
    sa.Index(f"digits_pages_{_name}", pages_table.c[_column], sqlite_where=_where, postgresql_where=_where)


# One row a job, see worker.ledger_counts. A table of its own, so that who changes a job does not wait for its pages.
counts_table = sa.Table(
    "digits_counts",
    metadata,
    sa.Column("job_id", sa.String(12), sa.ForeignKey("digits_jobs.id"), primary_key=True),
    *(
        sa.Column(state, sa.Integer, nullable=False, server_default="0")
        for state in ("queued", "running", "done", "failed", "cancelled")
    ),
    sa.Column("moved", sa.Float(53), nullable=False, server_default="0"),  # when a page last ended
)


class Database:
    """A connection pool with our transaction rules and errors a user can read.

    SQLite runs in WAL mode with ``synchronous=FULL``: a result that was stored survives a power cut. Writers take the
    lock when their transaction begins, so none fails half-way because another came between.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self.shown_url = masked(url)
        self._engine = _engine(url, timeout)
        self.dialect = self._engine.dialect.name

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Open a transaction that only reads.

        Raises:
            UnavailableError: The ledger is out of reach.
        """
        with self._readable_errors(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Open a transaction that writes; it is committed at the end of the block.

        Raises:
            UnavailableError: The ledger is out of reach.
        """
        with (
            self._readable_errors(),
            self._engine.connect().execution_options(digits_writes=True) as connection,
            connection.begin(),
        ):
            yield connection

    def create_tables(self) -> None:
        """Create what is missing, and bring an earlier version's tables up to date; safe in many processes at once.

        Raises:
            UnavailableError: The ledger is out of reach.
            UsageError: The ledger was made by a later version.
        """
        with self.read() as connection:
            # Nearly always all is there, and whoever only looks must not wait for those who write.
            if self._version(connection) == SCHEMA_VERSION:
                return
        with self.write() as connection:
            if self.dialect == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
            metadata.create_all(connection)
            version = self._version(connection)
            if version is not None and version < 2:
                _count_pages(connection)
            if version is None or version < SCHEMA_VERSION:
                connection.execute(schema_table.delete())
                connection.execute(schema_table.insert().values(version=SCHEMA_VERSION))

    def _version(self, connection: sa.Connection) -> int | None:
        """Return the version of the tables, None when there are none."""
        if not sa.inspect(connection).has_table(schema_table.name):
            return None
        version: int | None = connection.scalar(sa.select(sa.func.max(schema_table.c.version)))
        if version is not None and version > SCHEMA_VERSION:
            raise UsageError(
                f"the ledger {self.shown_url} has schema {version}; this version knows {SCHEMA_VERSION}",
                "update digit-extractor here, or name another ledger in DIGITS_LEDGER_URL",
            )
        return version

    @contextlib.contextmanager
    def _readable_errors(self) -> Iterator[None]:
        try:
            yield
        except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError, exc.InternalError) as error:
            raise self._unavailable(error) from error
        except exc.DatabaseError as error:
            # SQLite says "file is not a database" with the general class; its sub-classes are faults of ours.
            if type(error) is exc.DatabaseError:
                raise self._unavailable(error) from error
            raise

    def _unavailable(self, error: exc.SQLAlchemyError) -> UnavailableError:
        # The driver's own words may quote the URL with its password: only SQLite's, which knows none, are shown.
        reason = f": {getattr(error, 'orig', error)}" if self.dialect == "sqlite" else ""
        return UnavailableError(f"the ledger {self.shown_url} is out of reach{reason}", "see DIGITS_LEDGER_URL")


def lock_in_order(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> None:
    """Lock pages that are about to be changed in the order of their numbers, without reading them.

    Whoever changes several pages does so: two who lock the same pages in different orders would wait for each other.
    SQLite, which has one writer at a time, needs none of this.
    """
    if connection.dialect.name == "postgresql":
        locked = sa.select(pages_table.c.id).where(condition).order_by(pages_table.c.id).with_for_update().subquery()
        connection.execute(sa.select(sa.func.count()).select_from(locked))


def _count_pages(connection: sa.Connection) -> None:
    """Fill the counters of jobs that were recorded before there were any (schema 1)."""
    columns = [column for column in counts_table.columns if column.name not in ("job_id", "moved")]
    numbers = [
        sa.func.coalesce(sa.func.sum(sa.case((pages_table.c.state == column.name, 1), else_=0)), 0)
        for column in columns
    ]
    joined = jobs_table.outerjoin(pages_table, pages_table.c.job_id == jobs_table.c.id)
    query = sa.select(jobs_table.c.id, *numbers).select_from(joined).group_by(jobs_table.c.id)
    connection.execute(counts_table.delete())
    connection.execute(counts_table.insert().from_select(["job_id", *(column.name for column in columns)], query))


def _engine(url: str, timeout: float) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
    except exc.ArgumentError:
        raise UsageError(f"DIGITS_LEDGER_URL is not a URL: {masked(url)}", "such as sqlite:////path/file") from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _sqlite(parsed)
    if backend in ("postgresql", "postgres"):
        return _postgresql(parsed, timeout)
    raise UsageError(f"a ledger of kind {backend} is not known", "use sqlite:/// or postgresql://")


def _sqlite(url: sa.URL) -> sa.Engine:
    if not url.database or url.database == ":memory:":
        raise UsageError("a SQLite ledger needs a file", "such as sqlite:////path/ledger.sqlite3")
    folder = Path(url.database).absolute().parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UnavailableError(
            f"the ledger's folder {folder} cannot be made: {error.strerror}", "see DIGITS_LEDGER_URL"
        ) from error
    engine = sa.create_engine(url, connect_args={"timeout": _SQLITE_PATIENCE, "isolation_level": None})

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        _write_ahead(cursor)
        for pragma in ("synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("digits_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _write_ahead(cursor: sqlite3.Cursor) -> None:
    """Switch a file to its write-ahead log; where several do so to a new file, SQLite refuses without waiting."""
    until = time.monotonic() + _SQLITE_PATIENCE
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(random.uniform(0.005, 0.05))


_NOTICE_A_LOST_SERVER = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
_NOTICE_A_LOST_SERVER["tcp_user_timeout"] = 60_000
_LET_GO_OF_A_LOST_CLIENT = {
    "idle_in_transaction_session_timeout": 30_000,
    "tcp_keepalives_idle": 30,
    "tcp_keepalives_interval": 10,
    "tcp_keepalives_count": 3,
}


def _postgresql(url: sa.URL, timeout: float) -> sa.Engine:
    arguments = {"connect_timeout": max(2, round(timeout)), "application_name": "digits", **_NOTICE_A_LOST_SERVER}
    try:
        engine = sa.create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args={name: value for name, value in arguments.items() if name not in url.query},
            pool_pre_ping=True,
            pool_size=2,
        )
    except ImportError:
        raise UsageError("a PostgreSQL ledger needs its driver", "pip install 'digit-extractor[postgres]'") from None

    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        # A machine cut off in the middle of a transaction must not keep its rows locked until TCP gives up, in hours.
        with connection.cursor() as cursor:
            for setting, value in _LET_GO_OF_A_LOST_CLIENT.items():
                cursor.execute(f"set {setting} = {value}")
        connection.commit()

    return engine
