"""Templates of a job: read when it is submitted, carried in its options, put together once in each process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from extractor.errors import UsageError
from extractor.names import printable
from extractor.templates import TemplateSource, parse_template, read_source
from worker.storage import Storage

if TYPE_CHECKING:
    from extractor.templates import Template

_MOST_KEPT = 16


def read_templates(paths: Sequence[Path]) -> tuple[TemplateSource, ...]:
    """Read the templates that a user names, and find out before the work begins whether they can be meant.

    Raises:
        TemplateError: One of them cannot.
        UsageError: Two of them have the same name.
    """
    sources = tuple(read_source(path) for path in paths)
    seen: dict[str, str] = {}
    for source in sources:
        name = parse_template(source).name
        if name in seen:
            files = f"{printable(seen[name])} and {printable(source.name)}"
            raise UsageError(f"{files} both describe the form {printable(name)!r}", "give each form a name of its own")
        seen[name] = source.name
    return sources


class JobTemplates:
    """The templates of the jobs that a process reads, each put together once.

    Args:
        storage: Opens nothing outside the folders that the process may read.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._known: dict[str, tuple[Template, ...]] = {}

    def of(self, job_id: str, options: Mapping[str, Any]) -> tuple[Template, ...]:
        """Return the templates of a job.

        Args:
            job_id: The job.
            options: Its options.

        Raises:
            DigitsError: A template, or its reference scan, cannot be used here.
        """
        if not options.get("templates"):
            return ()
        if job_id not in self._known:
            sources = [TemplateSource.from_dict(item) for item in options["templates"]]
            for source in sources:
                if source.reference:
                    with self._storage.local("", source.reference):
                        pass  # Raises when it lies outside the folders that may be opened.
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            self._known[job_id] = tuple(parse_template(source) for source in sources)
        return self._known[job_id]
