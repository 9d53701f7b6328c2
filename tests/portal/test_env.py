"""The environment: typed once, and loud, in a sentence that never shows the value."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path

import pytest

from portal import env
from portal.env import BadSetting

ROOT = Path(env.__file__).parent.parent
KEYS = "test1:" + base64.b64encode(b"t" * 32).decode()
PRODUCTION = {
    "MOORING_ENV": "production",
    "MOORING_URL": "https://portal.example",
    "MOORING_SECRET_KEY": "test-secret-key",
    "MOORING_KEYS": KEYS,
    "MOORING_EMAIL_URL": "submission://robot:test-word@mail.example",
    "DATABASE_URL": "postgres://mooring_login:test-word@db.example/mooring",
    "REDIS_URL": "redis://cache.example/0",
}


@pytest.fixture(autouse=True)
def _nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("MOORING_", "DATABASE_URL", "REDIS_URL", "CELERY_")):
            monkeypatch.delenv(name)


def given(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


def test_a_bare_machine_needs_nothing(tmp_path: Path) -> None:
    found = env.read(tmp_path / ".local")

    assert (found.stage, found.url, found.bind) == (
        "development",
        "http://127.0.0.1:8000",
        "127.0.0.1:8000",
    )
    assert found.allowed_hosts == ("127.0.0.1",)
    assert found.database["USER"] == "mooring_login"
    assert found.owner_database["USER"] == "mooring_owner"
    assert found.database["HOST"] == found.owner_database["HOST"]
    assert found.redis_url.startswith("unix://")
    assert found.broker_url.startswith("redis+socket://")


def test_the_keys_of_a_bare_machine_are_made_once_and_private(tmp_path: Path) -> None:
    local = tmp_path / ".local"
    first, second = env.read(local), env.read(local)

    assert (first.keys, first.secret_key) == (second.keys, second.secret_key)
    assert first.keys != env.read(tmp_path / "other" / ".local").keys
    assert len(base64.urlsafe_b64decode(first.keys.partition(":")[2])) == 32
    for name in ("keys", "secret_key"):
        assert (local / name).stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in local.iterdir() if path.is_file()) == ["keys", "secret_key"]


def test_production_starts_with_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, **PRODUCTION)
    found = env.read(Path("/nowhere"))

    assert found.production
    assert found.log_format == "json"
    assert found.broker_url == found.redis_url == "redis://cache.example/0"
    assert found.owner_database["USER"] == "mooring_owner"
    assert found.owner_database["PASSWORD"] == ""
    assert found.email["EMAIL_HOST"] == "mail.example"


@pytest.mark.parametrize("name", sorted(PRODUCTION.keys() - {"MOORING_ENV"}))
def test_production_names_what_is_missing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    given(monkeypatch, **PRODUCTION)
    monkeypatch.delenv(name)
    with pytest.raises(BadSetting, match=f"^{name} is not set"):
        env.read()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MOORING_URL", "http://portal.example"),
        ("MOORING_SANDBOX_URL", "http://127.0.0.1:8100"),
        ("MOORING_CONFIRM_SECONDS", "5"),
        ("MOORING_MASS_GUARD", "90,5"),
        ("MOORING_ENDPOINT_ALLOW_CIDRS", "10.0.0.0/8,127.0.0.0/30"),
        ("MOORING_ENDPOINT_ALLOW_CIDRS", "::/0"),
    ],
)
def test_production_refuses_what_is_unsafe(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    given(monkeypatch, **PRODUCTION | {name: value})
    with pytest.raises(BadSetting, match=name):
        env.read()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MOORING_ENV", "prod-test-value"),
        ("MOORING_URL", "portal-test-value"),
        ("MOORING_URL", "https://test-value.example/path"),
        ("MOORING_URL", "https://test-value.example:port"),
        ("MOORING_SANDBOX_URL", "ftp://test-value"),
        ("MOORING_TRUSTED_PROXIES", "test-value"),
        ("MOORING_TRUSTED_PROXIES", "-1"),
        ("MOORING_PROFILE", "test-value"),
        ("MOORING_ALLOW_CIDRS", "10.0.0.0/8,test-value"),
        ("MOORING_ALLOW_CIDRS", "10.0.0.1/8"),
        ("MOORING_ENDPOINT_ALLOW_HTTP", "test-value"),
        ("MOORING_CA_BUNDLE", "/test-value/ca.pem"),
        ("MOORING_MASS_GUARD", "20"),
        ("MOORING_MASS_GUARD", "test,value"),
        ("MOORING_HOOK_MAX_BYTES", "test-value"),
        ("MOORING_LEASE_MINUTES", "0"),
        ("MOORING_LOG_LEVEL", "test-value"),
        ("MOORING_EMAIL_URL", "test-value"),
        ("DATABASE_URL", "mysql://user:test-value@db.example/mooring"),
        ("DATABASE_URL", "postgres://user:test-value@db.example:port/mooring"),
        ("DATABASE_URL", "postgres://user:test-value@db.example/"),
        ("MOORING_OWNER_DATABASE_URL", "test-value"),
    ],
)
def test_what_is_wrong_is_named_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    given(monkeypatch, **{name: value})
    with pytest.raises(BadSetting) as wrong:
        env.read(tmp_path / ".local")

    assert str(wrong.value).startswith(name)
    assert "test" not in str(wrong.value).replace("development, test, production", "")
    assert wrong.value.__cause__ is None
    assert wrong.value.__suppress_context__ or wrong.value.__context__ is None


def test_a_secret_may_come_as_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(KEYS + "\n")
    given(monkeypatch, MOORING_KEYS_FILE=str(tmp_path / "keys"))
    assert env.read(tmp_path / ".local").keys == KEYS


def test_an_address_may_come_as_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgres://mooring_login:test-word@db.example/mooring\n")
    given(monkeypatch, DATABASE_URL_FILE=str(tmp_path / "url"))
    found = env.read(tmp_path / ".local")
    assert (found.database["HOST"], found.database["PASSWORD"]) == ("db.example", "test-word")
    assert (found.owner_database["HOST"], found.owner_database["PASSWORD"]) == ("db.example", "")


def test_a_value_and_a_file_at_once_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text(KEYS)
    given(monkeypatch, MOORING_KEYS=KEYS, MOORING_KEYS_FILE=str(tmp_path / "keys"))
    with pytest.raises(BadSetting, match="MOORING_KEYS or MOORING_KEYS_FILE, not both"):
        env.read(tmp_path / ".local")


def test_a_file_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given(monkeypatch, MOORING_KEYS_FILE=str(tmp_path / "none"))
    with pytest.raises(BadSetting, match=r"^MOORING_KEYS_FILE does not name a file"):
        env.read(tmp_path / ".local")


def test_an_empty_value_is_no_value(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given(monkeypatch, MOORING_REGIONS="", MOORING_LEASE_MINUTES="", MOORING_MASS_GUARD="")
    found = env.read(tmp_path / ".local")
    assert (found.regions, found.lease_minutes, found.mass_guard) == (("default",), 15, (20, 5))


@pytest.mark.parametrize(
    ("bind", "url"),
    [
        ("127.0.0.1:8001", "http://127.0.0.1:8001"),
        ("0.0.0.0:9000", "http://127.0.0.1:9000"),
        ("[::]:9000", "http://127.0.0.1:9000"),
    ],
)
def test_the_address_of_a_bare_machine_follows_its_port(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bind: str, url: str
) -> None:
    given(monkeypatch, MOORING_BIND=bind)
    assert env.read(tmp_path / ".local").url == url


def test_no_secret_is_in_what_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, **PRODUCTION)
    given(monkeypatch, MOORING_METRICS_TOKEN="test-word", MOORING_AUDIT_KEY="test-key")
    printed = repr(env.read())
    assert "test-" not in printed
    assert KEYS not in printed


def test_every_variable_is_in_the_example_file_and_no_other() -> None:
    example = (ROOT / ".env.example").read_text()
    named = set(re.findall(r"^(?:# )?([A-Z_]+)=", example, re.MULTILINE))
    source = Path(env.__file__).read_text()
    read = set(re.findall(r'"((?:MOORING|DATABASE|REDIS|CELERY)_[A-Z_]+)"', source))
    assert named == read
