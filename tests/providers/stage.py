"""One provider before the sandbox: the account that plays, and a git client beside it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from providers.base import Provider
from providers.catalogue import REGISTRY
from providers.http import Door
from providers.types import (
    Clone,
    Credential,
    Expiry,
    Host,
    Page,
    Quality,
    Ref,
    Repository,
    Rules,
)
from tests.hosts import Sandbox
from tests.providers.cast import CASTS, Cast

T = TypeVar("T")
Listing = Callable[..., Page[Ref]]
MOST_PAGES = 20


class HastyDoor(Door):
    """A door that gives up after half a second, so that faults of time cost a test no more."""

    def ask(self, method: str, url: str, **more: Any) -> Any:
        more["seconds"] = min(more.get("seconds", 15.0), 0.5)
        return super().ask(method, url, **more)


@dataclass(frozen=True)
class Stage:
    """Everything a promise may use."""

    slug: str
    sandbox: Sandbox
    door: Door
    hasty: Door
    folder: Path

    @property
    def cast(self) -> Cast:
        return CASTS[self.slug]

    @property
    def provider(self) -> type[Provider]:
        return REGISTRY[self.slug]

    @property
    def rules(self) -> Rules:
        return Rules(sandbox=("127.0.0.1", self.sandbox.port))

    @property
    def host(self) -> Host:
        base = self.sandbox.base(self.slug)
        apps = self.sandbox.state()["providers"][self.slug]["apps"]
        app = (apps[0]["client_id"], apps[0]["client_secret"]) if apps else ()
        return Host(base, self.provider.api_url(base), *app)

    def account(self, name: str = "full", **facts: Any) -> Provider:
        """`login` with its token of that name."""
        known = self.sandbox.token_facts(self.slug, self.cast.login, name)
        told = _issued(known) if self.cast.issued else {}
        return self.account_with(known["token"], **{**told, **facts})

    def account_with(self, token: str, *, hasty: bool = False, **facts: Any) -> Provider:
        given = {"token": token, "kind": self.cast.kind, **self.cast.credential}
        credential = Credential(**{**given, **facts})
        door = self.hasty if hasty else self.door
        return self.provider(self.host, credential, door, self.rules)

    def fault(self, name: str, path: str = "**", **more: Any) -> None:
        self.sandbox.fault(self.slug, name, path, **more)

    # -- git ---------------------------------------------------------------------------------------

    def git(self, clone: Clone, *words: str) -> subprocess.CompletedProcess[str]:
        """Git with the credential behind GIT_ASKPASS: no secret in a URL or an argument."""
        for name, text in (("username", clone.username), ("password", clone.password)):
            (self.folder / name).write_text(text)
        asks = self.folder / "askpass"
        asks.write_text(
            f'#!/bin/sh\ncase "$1" in Username*) cat {self.folder}/username;;'
            f" *) cat {self.folder}/password;; esac\n"
        )
        asks.chmod(0o700)
        settings = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GIT_ASKPASS": str(asks),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_NOSYSTEM": "1",
            "LC_ALL": "C.UTF-8",
        }
        return subprocess.run(
            ["git", *words], env=settings, capture_output=True, text=True, timeout=60, check=False
        )

    def truth(self, repository: str) -> dict[str, str]:
        """What git itself says: full ref name -> commit, annotated tags peeled."""
        clone = self.account().clone(repository)
        told = self.git(clone, "ls-remote", clone.url)
        assert told.returncode == 0, told.stderr
        lines = [line.split("\t") for line in told.stdout.splitlines()]
        return {ref.removesuffix("^{}"): sha for sha, ref in lines if ref.startswith("refs/")}


def _issued(known: Mapping[str, Any]) -> dict[str, Any]:
    """What the host said when it issued a token; an account keeps it, the host forgets it."""
    if known["expires_at"] is None:
        return {}
    end = datetime.fromtimestamp(known["expires_at"], UTC)
    return {"scopes": frozenset(known["scopes"]), "expiry": Expiry(end, Quality.EXACT)}


def all_repositories(account: Provider, matching: str = "") -> list[Repository]:
    """Every page of the repositories, from the first cursor to the last."""
    found = pages(lambda cursor: account.repositories(matching=matching, cursor=cursor))
    return [item for page in found for item in page.items]


def all_refs(ask: Listing, path: str, matching: str = "") -> list[Ref]:
    """Every page of the branches or tags; `ask` is the account's method."""
    found = pages(lambda cursor: ask(path, matching=matching, cursor=cursor))
    return [item for page in found for item in page.items]


def pages(ask: Callable[[str], Page[T]]) -> Iterator[Page[T]]:
    cursor = ""
    for _ in range(MOST_PAGES):
        page = ask(cursor)
        yield page
        if not (cursor := page.next):
            return
    raise AssertionError("the list does not end")
