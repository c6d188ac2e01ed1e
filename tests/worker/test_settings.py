from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.errors import UsageError
from worker.settings import Settings, default_ledger_url, describe, load_settings, masked

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
