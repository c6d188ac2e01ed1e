"""Documents wherever they lie: files by their paths, and anything that fsspec knows by a URL.

A path is relative to its job's folder. A URL (``s3://bucket/scan.png``, ``sftp://host/scan.png``, ``file:///scan.png``)
is copied whole into a nameless temporary file before it is read: whatever ends the process, nothing stays behind. Who
has no URLs needs no fsspec.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any, BinaryIO
from urllib.parse import unquote

from extractor.documents import SUFFIXES, Limits, find_documents
from extractor.errors import DigitsError, DocumentError, UsageError
from extractor.names import printable
from worker.records import is_url, location
from worker.settings import has_secret, masked

log = logging.getLogger(__name__)

_CHUNK = 2**20


def find(paths: Sequence[Path | str]) -> Iterator[str]:
    """List the documents that a user means, those behind URLs too; see `extractor.documents.find_documents`.

    Args:
        paths: Files, folders and URLs of either, in the order wanted.

    Returns:
        The names of the documents, each beginning with what led to it.

    Raises:
        UsageError: At once, when a path or URL does not exist or has no document in it.
    """
    found: list[Iterator[str]] = []
    for path in paths:
        if isinstance(path, str) and is_url(path):
            found.append(_find_remote(path))
        else:
            found.append(map(str, find_documents([Path(path)])))
    return (document for documents in found for document in documents)


class Storage:
    """Gives out documents as local files.

    Args:
        roots: Folders and URLs outside of which nothing is opened; None for no such limit.
        limits: What a document may ask for; the defaults when None.
    """

    def __init__(self, roots: Sequence[Path | str] | None = None, limits: Limits | None = None) -> None:
        self._roots = None if roots is None else _Roots(roots)
        self._limits = limits or Limits()
        self._copy: _Copy | None = None

    def close(self) -> None:
        """Give up the copy of the last remote document."""
        if self._copy is not None:
            self._copy.file.close()
            self._copy = None

    @contextlib.contextmanager
    def local(self, base: str, document: str) -> Iterator[Path]:
        """Give out a document as a local file for the time of a block.

        The copy of a remote document is kept until another is asked for: its next page needs it again. Errors that the
        block raises name the document as its user does.

        Args:
            base: Folder that paths are relative to.
            document: Path or URL.

        Raises:
            DocumentError: ``outside_roots``, ``missing``, ``unreadable`` or ``too_many_bytes``.
        """
        path = self._fetched(document) if is_url(document) else self._checked(location(base, document), document)
        try:
            yield path
        except DigitsError as error:
            error.message = error.message.replace(printable(str(path)), printable(document))
            raise

    def _checked(self, path: Path, document: str) -> Path:
        if self._roots is not None:
            self._roots.check_path(path, document)
        return path

    def _fetched(self, url: str) -> Path:
        with _readable_errors(url):
            system, path = _open_system(url)
            if _is_local(system):
                return self._checked(Path(path), url)
            if self._roots is not None:
                self._roots.check_url(system, path, url)
            system.invalidate_cache()
            version = str(system.ukey(path))
            if self._copy is None or (self._copy.url, self._copy.version) != (url, version):
                self.close()
                self._copy = _Copy(url, version, self._download(system, path))
        # Where the platform gives a shared position to each opening of this name, it must be the beginning.
        self._copy.file.seek(0)
        return Path(f"/dev/fd/{self._copy.file.fileno()}")

    def _download(self, system: Any, path: str) -> BinaryIO:
        copy = tempfile.TemporaryFile(prefix="digits-")  # noqa: SIM115 - it lives until the next document
        try:
            with system.open(path, "rb") as stream:
                size = 0
                while data := stream.read(_CHUNK):
                    size += len(data)
                    if size > self._limits.max_bytes:
                        limit = f"{self._limits.max_bytes / 2**20:,.0f}"
                        raise DocumentError(f"the file has more than {limit} MiB", "split it", "too_many_bytes")
                    copy.write(data)
            copy.flush()
        except BaseException:
            copy.close()
            raise
        return copy


@dataclass(frozen=True, slots=True)
class _Copy:
    url: str
    version: str
    file: BinaryIO


class _Roots:
    """Places outside of which nothing is opened; links in local ones are followed before the question is asked."""

    def __init__(self, roots: Sequence[Path | str]) -> None:
        urls = [root for root in roots if isinstance(root, str) and is_url(root)]
        self._paths = [os.path.realpath(root) for root in roots if root not in urls]
        self._urls: list[tuple[Any, str]] = []
        for url in urls:
            with _readable_errors(url):
                system, path = _open_system(url)
            if _is_local(system):
                self._paths.append(os.path.realpath(path))
            else:
                self._urls.append((system, path.rstrip("/")))

    def check_path(self, path: Path, document: str) -> None:
        real = os.path.realpath(path)
        if not any(os.path.commonpath((root, real)) == root for root in self._paths):
            raise _outside(document)

    def check_url(self, system: Any, path: str, document: str) -> None:
        if not any(system == other and (path == root or path.startswith(f"{root}/")) for other, root in self._urls):
            raise _outside(document)


def _outside(document: str) -> DocumentError:
    log.warning("refused a document outside DIGITS_DATA_ROOTS")
    return DocumentError(
        f"{printable(document)}: it lies outside the folders this worker may open",
        "add its folder to DIGITS_DATA_ROOTS of the workers",
        "outside_roots",
    )


def _find_remote(url: str) -> Iterator[str]:
    """List the documents behind a URL as `find_documents` does for folders: by name, nothing hidden."""
    try:
        with _readable_errors(url):
            system, path = _open_system(url)
            if system.isfile(path):
                return iter([url])
        documents = _under(url, system, path)
        first = next(documents, None)
    except DocumentError as error:
        raise UsageError(error.message, error.hint) from None
    if first is None:
        kinds = ", ".join(sorted(suffix.removeprefix(".") for suffix in SUFFIXES))
        raise UsageError(f"there are no documents at {printable(url)}", f"it should hold files of kind {kinds}")
    return (document for part in ([first], documents) for document in part)


def _under(url: str, system: Any, path: str) -> Iterator[str]:
    with _readable_errors(url):
        entries = sorted(system.ls(path, detail=True), key=lambda entry: str(entry["name"]).rstrip("/"))
    for entry in entries:
        name = PurePosixPath(entry["name"].rstrip("/")).name
        here = f"{url.rstrip('/')}/{name}"
        if name.startswith(".") or entry["name"].rstrip("/") == path.rstrip("/"):
            continue
        if entry["type"] == "directory":
            if not entry.get("islink"):
                yield from _under(here, system, entry["name"])
        elif PurePosixPath(name).suffix.lower() in SUFFIXES:
            yield here


def _open_system(url: str) -> tuple[Any, str]:
    """Return the file system of a URL and the path in it.

    A chain of URLs (``zip://a::file://b``) would lead around `_Roots`, and a URL with a password would end up in the
    ledger and in results.
    """
    if has_secret(url):
        raise DocumentError(f"{masked(url)}: a password in it would show", "give it in the environment", "unreadable")
    if "::" in url or ".." in unquote(url).split("/"):
        raise DocumentError(f"{printable(url)}: it must name one place, without ..", "", "unreadable")
    system, path = _fsspec().core.url_to_fs(url)
    return system, str(path)


def _fsspec() -> ModuleType:
    try:
        import fsspec.core
    except ImportError:
        hint = "pip install 'digit-extractor[remote]'"
        raise DocumentError("documents behind a URL need another package", hint, "unreadable") from None
    module: ModuleType = fsspec
    return module


def _is_local(system: Any) -> bool:
    protocols = (system.protocol,) if isinstance(system.protocol, str) else system.protocol
    return "file" in protocols


@contextlib.contextmanager
def _readable_errors(url: str) -> Iterator[None]:
    """Turn whatever a file system raises into one line; its own words may quote more than may be shown."""
    name = printable(url)
    try:
        yield
    except DocumentError as error:
        if not error.message.startswith(name) and not has_secret(url):
            error.message = f"{name}: {error.message}"
        raise
    except (FileNotFoundError, NotADirectoryError):
        raise DocumentError(f"{name}: the file is not there", "was it moved or deleted?", "missing") from None
    except PermissionError:
        raise DocumentError(f"{name}: no permission to read it", "change its permissions", "unreadable") from None
    except ImportError:
        scheme = url.partition(":")[0]
        hint = f"see which one fsspec wants for {scheme}://, such as s3fs for s3://"
        raise DocumentError(f"{name}: {scheme}:// needs another package", hint, "unreadable") from None
    except ValueError:
        raise DocumentError(f"{name}: this kind of URL is not known", "", "unreadable") from None
    except Exception as error:  # each file system has errors of its own
        raise DocumentError(f"{name}: it cannot be read ({type(error).__name__})", "", "unreadable") from None
