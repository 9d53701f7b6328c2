"""The only reader of the environment: every variable once, typed, with its default.

Each variable may also be given as a file, `NAME_FILE=/path`. What is wrong is said in one sentence
that names the variable and never its value.
"""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from environs import EnvError, FileAwareEnv

from portal import embedded
from portal.place import Place

STAGES = ("development", "test", "production")
CONFIRM_SECONDS = 60
MASS_GUARD = (20, 5)


class BadSetting(ValueError):
    """A variable is missing or wrong; the message is one sentence without its value."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What the environment decides. Addresses and keys never print."""

    stage: str
    url: str
    bind: str
    secret_key: str = field(repr=False)
    keys: str = field(repr=False)
    audit_key: str = field(repr=False)
    database: dict[str, Any] = field(repr=False)
    owner_database: dict[str, Any] = field(repr=False)
    redis_url: str = field(repr=False)
    broker_url: str = field(repr=False)
    allowed_hosts: tuple[str, ...]
    trusted_proxies: int
    profile: str
    allow_cidrs: tuple[str, ...]
    endpoint_allow_cidrs: tuple[str, ...]
    endpoint_allow_http: bool
    ca_bundle: str
    egress_proxy: str = field(repr=False)
    egress_ranges: tuple[str, ...]
    builder_ranges: tuple[str, ...]
    regions: tuple[str, ...]
    confirm_seconds: int
    mass_guard: tuple[int, int]
    hook_max_bytes: int
    rate_default: int
    rate_provider: int
    metrics_token: str = field(repr=False)
    social_sign_in: bool
    email: dict[str, Any] = field(repr=False)
    email_from: str
    sandbox_url: str
    spool: str
    log_format: str
    log_level: str
    lease_minutes: int
    lease_minutes_max: int
    delivery_days: int
    activity_days: int

    @property
    def production(self) -> bool:
        return self.stage == "production"


def read(local: Path = embedded.LOCAL) -> Environment:
    """Read everything; raises BadSetting. Outside production, missing addresses are those of the
    embedded services and missing keys are made once under `local`."""
    reader = _Reader()
    stage = _stage(reader)
    services = {} if stage == "production" else Place.of(local).addresses()
    bind = reader.text("MOORING_BIND", "127.0.0.1:8000")
    url = reader.address("MOORING_URL", f"http://{_reached_at(bind)}")
    database = reader.database("DATABASE_URL", services.get("DATABASE_URL", ""))
    redis_url = reader.text("REDIS_URL", services.get("REDIS_URL", ""))
    return Environment(
        stage=stage,
        url=url,
        bind=bind,
        secret_key=reader.made_once("MOORING_SECRET_KEY", local, _new_secret),
        keys=reader.made_once("MOORING_KEYS", local, _new_key_ring),
        audit_key=reader.text("MOORING_AUDIT_KEY"),
        database=database,
        owner_database=reader.owner_database(database, services),
        redis_url=redis_url,
        broker_url=reader.text("CELERY_BROKER_URL") or _broker(redis_url),
        allowed_hosts=reader.words("MOORING_ALLOWED_HOSTS", urlsplit(url).hostname or ""),
        trusted_proxies=reader.number("MOORING_TRUSTED_PROXIES", 0, most=10),
        profile=reader.choice("MOORING_PROFILE", ("seed", "extended"), "extended"),
        allow_cidrs=reader.networks("MOORING_ALLOW_CIDRS"),
        endpoint_allow_cidrs=reader.networks("MOORING_ENDPOINT_ALLOW_CIDRS"),
        endpoint_allow_http=reader.switch("MOORING_ENDPOINT_ALLOW_HTTP"),
        ca_bundle=reader.file("MOORING_CA_BUNDLE"),
        egress_proxy=reader.text("MOORING_EGRESS_PROXY"),
        egress_ranges=reader.words("MOORING_EGRESS_RANGES"),
        builder_ranges=reader.words("MOORING_BUILDER_RANGES"),
        regions=reader.words("MOORING_REGIONS", "default"),
        confirm_seconds=reader.number("MOORING_CONFIRM_SECONDS", CONFIRM_SECONDS, most=3600),
        mass_guard=reader.pair("MOORING_MASS_GUARD", MASS_GUARD),
        hook_max_bytes=reader.number("MOORING_HOOK_MAX_BYTES", 26_214_400, least=1024),
        rate_default=reader.number("MOORING_RATE_DEFAULT", 600, least=1),
        rate_provider=reader.number("MOORING_RATE_PROVIDER", 120, least=1),
        metrics_token=reader.text("MOORING_METRICS_TOKEN"),
        social_sign_in=reader.switch("MOORING_SOCIAL_SIGN_IN"),
        email=reader.email("MOORING_EMAIL_URL", "console:" if services else ""),
        email_from=reader.text("MOORING_EMAIL_FROM", f"mooring@{urlsplit(url).hostname}"),
        sandbox_url=reader.address("MOORING_SANDBOX_URL", ""),
        spool=reader.text("MOORING_SPOOL", str(local / "spool")),
        log_format=reader.choice("MOORING_LOG_FORMAT", ("json", "console"), _LINES[stage]),
        log_level=reader.choice("MOORING_LOG_LEVEL", _LEVELS, "info"),
        lease_minutes=reader.number("MOORING_LEASE_MINUTES", 15, least=1),
        lease_minutes_max=reader.number("MOORING_LEASE_MINUTES_MAX", 60, least=1),
        delivery_days=reader.number("MOORING_DELIVERY_DAYS", 30, least=1),
        activity_days=reader.number("MOORING_ACTIVITY_DAYS", 400, least=1),
    )


def for_children(**more: str) -> dict[str, str]:
    """What a child process of ours gets: all that we were given, and `more`."""
    return os.environ | more


_LINES = {"development": "console", "test": "json", "production": "json"}
_LEVELS = ("debug", "info", "warning", "error", "critical")
_NEEDED = (
    "DATABASE_URL",
    "REDIS_URL",
    "MOORING_URL",
    "MOORING_SECRET_KEY",
    "MOORING_KEYS",
    "MOORING_EMAIL_URL",
)


class _Reader:
    """Typed reading: environs converts, we say what is wrong."""

    def __init__(self) -> None:
        self._env = FileAwareEnv(strip_whitespace=True)

    def text(self, name: str, default: str = "") -> str:
        if os.environ.get(name) and os.environ.get(f"{name}_FILE"):
            raise BadSetting(f"Set {name} or {name}_FILE, not both.")
        try:
            value: str = self._env.str(name, "")
        except (EnvError, ValueError):
            raise BadSetting(f"{name}_FILE does not name a file that can be read.") from None
        return value or default

    def made_once(self, name: str, local: Path, make: Callable[[], str]) -> str:
        """A key: the one given, else the one in a private file, which is made when missing."""
        return self.text(name) or _made(local / name.removeprefix("MOORING_").lower(), make)

    def number(self, name: str, default: int, *, least: int = 0, most: int = 2**31) -> int:
        if not self.text(name):
            return default
        with _explained(f"{name} has to be a whole number from {least} to {most}."):
            value: int = self._env.int(name)
            if not least <= value <= most:
                raise ValueError
            return value

    def pair(self, name: str, default: tuple[int, int]) -> tuple[int, int]:
        with _explained(f"{name} has to be two whole numbers, like {default[0]},{default[1]}."):
            percent, least = (int(word) for word in self.words(name) or default)
        return percent, least

    def switch(self, name: str) -> bool:
        with _explained(f"{name} has to be 0 or 1."):
            return bool(self._env.bool(name)) if self.text(name) else False

    def choice(self, name: str, known: tuple[str, ...], default: str) -> str:
        value = self.text(name, default).lower()
        if value not in known:
            raise BadSetting(f"{name} has to be one of: {', '.join(known)}.")
        return value

    def words(self, name: str, default: str = "") -> tuple[str, ...]:
        return tuple(word.strip() for word in self.text(name, default).split(",") if word.strip())

    def networks(self, name: str) -> tuple[str, ...]:
        with _explained(f"{name} has to be networks like 10.0.0.0/8, separated by commas."):
            return tuple(str(ipaddress.ip_network(word)) for word in self.words(name))

    def address(self, name: str, default: str) -> str:
        value = self.text(name, default).rstrip("/")
        with _explained(f"{name} has to be an address like https://portal.example."):
            parts = urlsplit(value)
            plain = not (parts.query or parts.fragment or parts.username or parts.path)
            if value and not (parts.scheme in {"http", "https"} and parts.hostname and plain):
                raise ValueError
            _ = parts.port  # raises ValueError when it is not a port
        return value

    def file(self, name: str) -> str:
        value = self.text(name)
        if value and not os.access(value, os.R_OK):
            raise BadSetting(f"{name} does not name a file that can be read.")
        return value

    def database(self, name: str, default: str) -> dict[str, Any]:
        if not self.text(name, default):
            raise BadSetting(f"{name} is not set.")
        with _explained(f"{name} has to be like postgres://mooring_login:…@host:5432/mooring."):
            found: dict[str, Any] = self._env.dj_db_url(name, default or None)
            if found["ENGINE"] != "django.db.backends.postgresql" or not found["NAME"]:
                raise ValueError
        return found

    def owner_database(self, login: dict[str, Any], services: dict[str, str]) -> dict[str, Any]:
        """The owner's address; by default the login's server, where the owner needs no password."""
        name = "MOORING_OWNER_DATABASE_URL"
        if self.text(name):
            return self.database(name, "")
        if not self.text("DATABASE_URL") and services:
            return self.database(name, services[name])
        return login | {"USER": "mooring_owner", "PASSWORD": ""}

    def email(self, name: str, default: str) -> dict[str, Any]:
        self.text(name, default)
        with _explained(f"{name} has to be like submission://user:…@mail.example:587."):
            found: dict[str, Any] = self._env.dj_email_url(name, default)
            if "EMAIL_BACKEND" not in found:
                raise ValueError
        return found


@contextlib.contextmanager
def _explained(sentence: str) -> Iterator[None]:
    try:
        yield
    except BadSetting:
        raise
    except (EnvError, ValueError, KeyError):
        # Not chained: these errors may quote the value.
        raise BadSetting(sentence) from None


def _stage(reader: _Reader) -> str:
    stage = reader.choice("MOORING_ENV", STAGES, "development")
    if stage == "production":
        _refuse_unsafe(reader)
    return stage


def _refuse_unsafe(reader: _Reader) -> None:
    for name in _NEEDED:
        if not reader.text(name):
            raise BadSetting(f"{name} is not set; production does not start without it.")
    if not reader.address("MOORING_URL", "").startswith("https://"):
        raise BadSetting("MOORING_URL has to begin with https:// in production.")
    if reader.text("MOORING_SANDBOX_URL"):
        raise BadSetting("MOORING_SANDBOX_URL opens a loopback address; production refuses it.")
    fixed = {"MOORING_CONFIRM_SECONDS": "60", "MOORING_MASS_GUARD": "20,5"}
    for name, value in fixed.items():
        if reader.text(name, value).replace(" ", "") != value:
            raise BadSetting(f"{name} is fixed at {value} in production.")
    if any(map(_opens_loopback, reader.networks("MOORING_ENDPOINT_ALLOW_CIDRS"))):
        raise BadSetting("MOORING_ENDPOINT_ALLOW_CIDRS may not open loopback in production.")


def _opens_loopback(word: str) -> bool:
    network = ipaddress.ip_network(word)
    loopback = ipaddress.ip_network("127.0.0.0/8" if network.version == 4 else "::1/128")
    return network.overlaps(loopback)


def _reached_at(bind: str) -> str:
    """Where a server on this machine is found: one that listens everywhere, also on loopback."""
    host, _, port = bind.rpartition(":")
    everywhere = host in {"", "0.0.0.0", "[::]", "*"}  # noqa: S104 - compared, not bound
    return f"127.0.0.1:{port}" if everywhere else bind


def _broker(redis_url: str) -> str:
    """Celery's spelling of a Redis address: it knows socket files under another scheme."""
    if redis_url.startswith("unix://"):
        return redis_url.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=")
    return redis_url


def _new_secret() -> str:
    return secrets.token_urlsafe(50)


def _new_key_ring() -> str:
    return "local1:" + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def _made(path: Path, make: Callable[[], str]) -> str:
    """The key in this file; made, once, when there is none."""
    try:
        Place.of(path.parent).make_folder()
        with contextlib.suppress(FileExistsError):
            _write_new(path, make())
        return path.read_text().strip()
    except OSError as trouble:
        raise BadSetting(
            f"MOORING_{path.name.upper()} is not set and {path} cannot be made: {trouble.strerror}."
        ) from None


def _write_new(path: Path, value: str) -> None:
    """Write a private file that either does not exist or is complete."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.new")
    unfinished.touch(mode=0o600)
    unfinished.write_text(value + "\n")
    try:
        os.link(unfinished, path)
    finally:
        unfinished.unlink()
