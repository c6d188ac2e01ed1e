"""The ledger's memory of watched folders: which files and contents were met, and which were delivered.

A **content** is known by its SHA-256 and is read once, whatever files it comes in. A **file** is known by its name,
length and time of change, so that nothing is read through again after a restart; it is delivered once its content has
been read and its result written.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from worker.ledger_schema import Database, PathName
from worker.owner import is_gone, this_process

_metadata = sa.MetaData()

_watches = sa.Table(
    "digits_watches",
    _metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("owner", sa.Text),
    sa.Column("owner_until", sa.Float(53), nullable=False, server_default="0"),
)
_contents = sa.Table(
    "digits_watched_contents",
    _metadata,
    sa.Column("watch", sa.String(64), primary_key=True),
    sa.Column("sha256", sa.String(64), primary_key=True),
    sa.Column("document", PathName, nullable=False),
    sa.Column("job_id", sa.String(12), index=True),
)
_files = sa.Table(
    "digits_watched_files",
    _metadata,
    sa.Column("watch", sa.String(64), primary_key=True),
    sa.Column("document", PathName, primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("changed_ns", sa.BigInteger, nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("delivered", sa.Boolean, nullable=False),
)
sa.Index("digits_watched_files_by_content", _files.c.watch, _files.c.sha256)
sa.Index("digits_watched_files_open", _files.c.watch, _files.c.delivered)


@dataclass(frozen=True, slots=True)
class FileState:
    """What tells a file apart from a later one of the same name, without reading it."""

    size: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class Content:
    """Something to read, or read already.

    Attributes:
        sha256: What it is known by.
        document: The file that it was first met in, relative to the folder.
        job_id: The job that reads it; None when it was not given to one yet.
    """

    sha256: str
    document: str
    job_id: str | None


class FolderRows:
    """What is remembered of one watched folder.

    Args:
        database: The ledger's.
        watch: What tells this folder, read with these options, from others.
    """

    def __init__(self, database: Database, watch: str) -> None:
        self._database = database
        self._watch = watch
        with database.read() as connection:
            complete = sa.inspect(connection).has_table(_files.name)
        if not complete:
            with database.write() as connection:
                _metadata.create_all(connection)

    def take(self, lease: float) -> bool:
        """Become the one process that watches, or renew that.

        Args:
            lease: Seconds after which a process of another machine counts as gone.

        Returns:
            Whether no other process does.
        """
        me, now = this_process(), time.time()
        values = {"owner": me, "owner_until": now + lease}
        mine = _watches.c.id == self._watch
        with self._database.write() as connection:
            row = connection.execute(sa.select(_watches).where(mine).with_for_update()).first()
            if row is None:
                connection.execute(_watches.insert().values(id=self._watch, **values))
                return True
            if row.owner not in (None, me) and row.owner_until > now and not is_gone(row.owner):
                return False
            connection.execute(_watches.update().where(mine).values(**values))
        return True

    def let_go(self) -> None:
        """Say that this process watches no longer."""
        with self._database.write() as connection:
            connection.execute(
                _watches.update()
                .where(_watches.c.id == self._watch, _watches.c.owner == this_process())
                .values(owner=None, owner_until=0.0)
            )

    def files(self) -> dict[str, FileState]:
        """Return all files met so far, by name."""
        query = sa.select(_files.c.document, _files.c.size, _files.c.changed_ns).where(_files.c.watch == self._watch)
        with self._database.read() as connection:
            return {row.document: FileState(row.size, row.changed_ns) for row in connection.execute(query)}

    def add(self, document: str, state: FileState, sha256: str) -> None:
        """Remember a file, new or changed, and its content; one that only has another time now stays delivered."""
        here = sa.and_(_files.c.watch == self._watch, _files.c.document == document)
        values = {"size": state.size, "changed_ns": state.changed_ns, "sha256": sha256}
        with self._database.write() as connection:
            known = connection.scalar(sa.select(_files.c.sha256).where(here))
            if known is None:
                row = {"watch": self._watch, "document": document, "delivered": False}
                connection.execute(_files.insert().values(**row, **values))
            elif known == sha256:
                connection.execute(_files.update().where(here).values(**values))
            else:
                connection.execute(_files.update().where(here).values(delivered=False, **values))
            content = sa.and_(_contents.c.watch == self._watch, _contents.c.sha256 == sha256)
            if connection.scalar(sa.select(_contents.c.sha256).where(content)) is None:
                row = {"watch": self._watch, "sha256": sha256, "document": document}
                connection.execute(_contents.insert().values(**row))

    def forget(self, document: str) -> None:
        """Forget a file that vanished before it was read; its content waits on in another file, or is forgotten too."""
        lost = sa.and_(_contents.c.watch == self._watch, _contents.c.document == document, _contents.c.job_id.is_(None))
        other = (
            sa.select(sa.func.min(_files.c.document))
            .where(_files.c.watch == _contents.c.watch, _files.c.sha256 == _contents.c.sha256)
            .scalar_subquery()
        )
        with self._database.write() as connection:
            connection.execute(_files.delete().where(_files.c.watch == self._watch, _files.c.document == document))
            connection.execute(_contents.delete().where(lost, other.is_(None)))
            connection.execute(_contents.update().where(lost).values(document=other))

    def unread(self, limit: int) -> list[Content]:
        """Return contents that no job has, oldest name first."""
        query = (
            sa.select(_contents)
            .where(_contents.c.watch == self._watch, _contents.c.job_id.is_(None))
            .order_by(_contents.c.document)
            .limit(limit)
        )
        with self._database.read() as connection:
            return [Content(row.sha256, row.document, None) for row in connection.execute(query)]

    def give(self, contents: Sequence[Content], job_id: str | None) -> None:
        """Note which job reads some contents; None when theirs was deleted and they wait again."""
        with self._database.write() as connection:
            connection.execute(
                _contents.update()
                .where(_contents.c.watch == self._watch, _contents.c.sha256.in_([item.sha256 for item in contents]))
                .values(job_id=job_id)
            )

    def undelivered(self) -> dict[str, list[tuple[Content, str]]]:
        """Return, by job, the contents that jobs have, each with a file whose result is not written."""
        query = (
            sa.select(_contents.c.sha256, _contents.c.document, _contents.c.job_id, _files.c.document.label("file"))
            .join(_files, sa.and_(_files.c.watch == _contents.c.watch, _files.c.sha256 == _contents.c.sha256))
            .where(_contents.c.watch == self._watch, _contents.c.job_id.is_not(None), _files.c.delivered.is_(False))
            .order_by(_files.c.document)
        )
        found: dict[str, list[tuple[Content, str]]] = {}
        with self._database.read() as connection:
            for row in connection.execute(query):
                content = Content(row.sha256, row.document, row.job_id)
                found.setdefault(row.job_id, []).append((content, row.file))
        return found

    def deliver(self, document: str, sha256: str) -> None:
        """Note that the result of a file is written, unless the file has another content by now."""
        with self._database.write() as connection:
            connection.execute(
                _files.update()
                .where(_files.c.watch == self._watch, _files.c.document == document, _files.c.sha256 == sha256)
                .values(delivered=True)
            )
