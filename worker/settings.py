"""Settings from ``DIGITS_*`` environment variables, typed and self-describing, each with a default that works.

``digits doctor`` prints what `describe` returns, so a variable that is not in `Settings` does not exist.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from extractor.errors import UsageError

PREFIX = "DIGITS_"
LogFormat = Literal["text", "json"]

_SECRET_PARAMETERS = frozenset(
    {"password", "passwd", "passfile", "sslpassword", "ssl_password", "token", "secret", "sig", "signature"}
    | {"x-amz-signature", "x-amz-credential", "x-amz-security-token"}
)


def state_folder() -> Path:
    """Return the user's folder for data of ours that must survive (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_STATE_HOME", "")
    # The specification has relative paths ignored.
    root = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return root / "digits"


def default_ledger_url() -> str:
    """Return the URL of the SQLite file used when no ledger is named."""
    return f"sqlite:///{state_folder() / 'ledger.sqlite3'}"


def default_roots() -> tuple[Path, ...]:
    """Return the folders a queue worker reads from when none are named: the home and the current folder.

    A service is often started in ``/``, which nobody means to open.
    """
    return tuple(folder for folder in (Path.home(), Path.cwd()) if folder != Path("/"))


class Settings(BaseSettings):
    """Everything that the environment decides."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    broker_url: str = Field(
        default="redis://127.0.0.1:6379/0",
        description="Where `submit` and `worker` meet: redis://, rediss:// or amqp://",
    )
    ledger_url: str = Field(
        default_factory=default_ledger_url, description="Where jobs and results are kept: sqlite:/// or postgresql://"
    )
    data_roots: Annotated[tuple[Path | str, ...], NoDecode] = Field(
        default_factory=default_roots,
        description="Folders and URLs, separated by colons, outside of which a queue worker opens nothing",
    )
    model: Path | None = Field(default=None, description="Folder of the network; the shipped one when not set")
    page_timeout: float = Field(
        default=120.0,
        gt=0,
        le=3600,
        description="Seconds a page may take; after half as many more its process ends",
    )
    lease: float = Field(
        default=30.0, gt=0, le=3600, description="Seconds beyond a page's limit after which its worker counts as gone"
    )
    delivery_cap: int = Field(
        default=3, ge=1, le=100, description="Times a page is given to a process before it counts as poison"
    )
    resend_after: float = Field(
        default=30.0, gt=0, description="Seconds after which a waiting page without a message is sent again"
    )
    child_memory_mb: int = Field(
        default=2048, ge=256, description="Resident MiB above which a worker's process is replaced after its page"
    )
    page_memory_mb: int | None = Field(
        default=None,
        ge=256,
        description="MiB a process may take for a page; a page that needs more fails. Four fifths of the machine's or "
        "container's memory when not set",
    )
    connect_timeout: float = Field(default=3.0, gt=0, le=60, description="Seconds to wait for the broker or the ledger")
    log_format: LogFormat = Field(default="text", description="Form of the log: text, or json with one object a line")
    metrics_port: int | None = Field(
        default=None, ge=1, le=65535, description="Port of a worker's Prometheus metrics; none when not set"
    )
    metrics_host: str = Field(
        default="127.0.0.1", min_length=1, description="Address at which a worker's metrics are served"
    )

    @field_validator("data_roots", mode="before")
    @classmethod
    def _split_roots(cls, value: object) -> object:
        if isinstance(value, str):
            # The colon of a URL is no separator.
            parts = [part for part in re.split(rf"{re.escape(os.pathsep)}(?!//)", value) if part]
            return tuple(part if "://" in part else Path(part).absolute() for part in parts)
        return value

    @property
    def hard_page_timeout(self) -> float:
        """Seconds after which a page's process is stopped, whatever it is doing."""
        return self.page_timeout * 1.5

    @property
    def page_lease(self) -> float:
        """Seconds for which a claimed page belongs to its worker: longer than the worker can live with it."""
        return self.hard_page_timeout + self.lease


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of what ``digits doctor`` says about settings.

    Attributes:
        variable: Name in the environment.
        value: What holds, credentials masked.
        is_default: Whether the environment says nothing.
        description: What it decides.
    """

    variable: str
    value: str
    is_default: bool
    description: str


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        UsageError: A variable cannot be meant as it stands.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        variable = PREFIX + str(first["loc"][0]).upper()
        raise UsageError(f"{variable} is not valid: {first['msg']}", "see `digits doctor --help`") from None


def describe(settings: Settings) -> list[Setting]:
    """Return every variable with its value, credentials masked."""
    lines = []
    for name, field in Settings.model_fields.items():
        value = getattr(settings, name)
        if name == "data_roots":
            text = os.pathsep.join(masked(root) if isinstance(root, str) else str(root) for root in value)
        elif name.endswith("_url"):
            text = masked(value)
        else:
            text = "" if value is None else str(value)
        is_default = name not in settings.model_fields_set
        lines.append(Setting(PREFIX + name.upper(), text, is_default, field.description or ""))
    return lines


def masked(url: str) -> str:
    """Return a URL that may be shown: no user, no password, no secret parameter.

    >>> masked("redis://:secret@host:6379/0?password=x")
    'redis://***@host:6379/0?password=%2A%2A%2A'
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not a URL)"
    netloc = parts.netloc
    if url.count("@") > netloc.count("@") and netloc:
        # A password with an unquoted "/", "?" or "#" ends up outside of where it belongs: nothing can be shown safely.
        return f"{parts.scheme}://***"
    if "@" in netloc:
        netloc = "***@" + netloc.rpartition("@")[2]
    query = parts.query
    if query:
        pairs = parse_qsl(query, keep_blank_values=True)
        query = urlencode([(key, "***" if key.lower() in _SECRET_PARAMETERS else value) for key, value in pairs])
    text = urlunsplit((parts.scheme, netloc, parts.path, query, ""))
    # urlunsplit drops the empty host of sqlite:////path.
    return text if parts.netloc or not url.startswith(f"{parts.scheme}://") else text.replace(":", "://", 1)


def has_secret(url: str) -> bool:
    """Tell whether a URL carries a user, a password or a secret parameter."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return True
    return "@" in parts.netloc or any(key.lower() in _SECRET_PARAMETERS for key, _ in parse_qsl(parts.query))
