from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.errors import UsageError
from worker.settings import Settings, default_ledger_url, describe, has_secret, load_settings, masked

secrets = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=8).map("Z9".__add__)


@given(secrets, st.sampled_from(["redis", "rediss", "postgresql", "amqp"]))
def test_a_password_never_shows(secret, scheme):
    for url in (f"{scheme}://user:{secret}@host:1/0", f"{scheme}://:{secret}@h", f"{scheme}://h/d?password={secret}"):
        assert secret not in masked(url)
        assert masked(url).startswith(f"{scheme}://")


@pytest.mark.parametrize("url", ["sqlite:////a/b.db", "sqlite:///b.db", "redis://127.0.0.1:6379/0", "sqlite://"])
def test_a_url_without_secrets_is_shown_as_it_is(url):
    assert masked(url) == url


def test_every_setting_has_a_default_that_works_and_says_what_it_does(environment):
    lines = describe(Settings())
    assert {line.variable for line in lines} >= {
        "DIGITS_BROKER_URL",
        "DIGITS_LEDGER_URL",
        "DIGITS_DATA_ROOTS",
        "DIGITS_MODEL",
    }
    assert all(line.description for line in lines)


def test_the_environment_decides_and_empty_variables_do_not(environment):
    environment.setenv("DIGITS_DATA_ROOTS", os.pathsep.join(("/a", "/b")))
    environment.setenv("DIGITS_LEDGER_URL", "")
    settings = load_settings()
    assert settings.data_roots == (Path("/a"), Path("/b"))
    assert settings.ledger_url == default_ledger_url()
    assert {line.variable for line in describe(settings) if not line.is_default} - {"DIGITS_MODEL"} == {
        "DIGITS_DATA_ROOTS"
    }


def test_a_value_that_cannot_be_meant_names_its_variable(environment):
    environment.setenv("DIGITS_DELIVERY_CAP", "many")
    with pytest.raises(UsageError, match="DIGITS_DELIVERY_CAP"):
        load_settings()


def test_the_ledger_lies_in_the_users_state_folder(environment, tmp_path):
    environment.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_ledger_url() == f"sqlite:///{tmp_path}/digits/ledger.sqlite3"
    environment.setenv("XDG_STATE_HOME", "relative")
    assert default_ledger_url().startswith(f"sqlite:///{Path.home()}")


def test_a_lease_outlives_the_hard_limit_of_a_page(environment):
    settings = load_settings()
    assert settings.page_timeout < settings.hard_page_timeout < settings.page_lease


def test_roots_may_be_urls_whose_colons_separate_nothing(environment):
    environment.setenv("DIGITS_DATA_ROOTS", "/a:s3://bucket/in:memory://x:/b")
    assert load_settings().data_roots == (Path("/a"), "s3://bucket/in", "memory://x", Path("/b"))
    shown = {line.variable: line.value for line in describe(load_settings())}
    assert shown["DIGITS_DATA_ROOTS"] == "/a:s3://bucket/in:memory://x:/b"


def test_a_worker_started_in_the_root_folder_does_not_open_everything(environment):
    environment.delenv("DIGITS_DATA_ROOTS")
    environment.chdir("/")
    assert Path("/") not in load_settings().data_roots


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hush/hush@host/0",
        "redis://:hush#hush@host/0",
        "redis://:hush?hush@host/0",
        "redis://user:hu@sh@host/0",
        "postgresql://h/d?password=hu@sh",
        "sentinel://:hush@a:1;sentinel://:hush@b:1",
    ],
)
def test_a_password_with_characters_that_should_be_quoted_does_not_show_either(url):
    assert "hush" not in masked(url)
    assert "sh@" not in masked(url)


def test_a_url_with_a_secret_is_known():
    assert all(map(has_secret, ("s3://k:s@b/x", "https://h/x?X-Amz-Signature=1", "https://h/x?a=1&token=2")))
    assert not any(map(has_secret, ("s3://bucket/a@b.png", "https://h/x?page=1", "file:///a/b")))
