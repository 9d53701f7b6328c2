"""The whole way of a push, by the public contract only: hook, trigger, signed event, lease, clone.

A build system's view: everything is asked over HTTP of a running portal, git is git, and the
builder is a server that believes nothing but the signature.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from tests.hosts import Reply, ask
from tests.receiver import Receiver

PATIENCE = 30.0
QUIET = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@sandbox.example",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@sandbox.example",
}


def until(found: Callable[[], Any], *, seconds: float = PATIENCE) -> Any:
    """What `found` returns, as soon as it returns something."""
    ends = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.05)
    return value


def git(folder: Path, *arguments: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
    """Run git, knowing nothing of this machine's settings."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**QUIET, "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert not ok or done.returncode == 0, done.stderr
    return done


def with_password(url: str, user: str, password: str) -> str:
    """An address with credentials, as only a test may write one."""
    parts = urlsplit(url)
    pair = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return parts._replace(netloc=f"{pair}@{parts.netloc}").geturl()


@dataclass
class Chain:
    """A build system with one API token, at a running portal, and its builder."""

    site: str
    token: str = field(repr=False)
    builder: Receiver
    folder: Path
    secret: str = field(default="", repr=False)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        sent = {"Authorization": f"Bearer {self.token}", "If-Match": "*", **headers}
        return ask(method, f"{self.site}/api/v1{path}", json_body=body, headers=sent)

    def get(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        answer = self.ask(method, path, body)
        assert answer.status == status, (method, path, answer.status, answer.body.decode())
        return answer.json() if answer.body else None

    # -- what has to be there before a push ------------------------------------------------------

    def listen(self) -> dict[str, Any]:
        """The builder is told of builds; its secret is known to nobody else."""
        body = {"name": "builder", "url": self.builder.url, "events": ["build.*"]}
        made = self.get("POST", "/endpoints", body, status=201)
        self.secret = made["secret"]
        return dict(made)

    def repository(self, binding: str, path: str) -> dict[str, Any]:
        """Found as a build system finds it: by searching; `default_branch` is the one listed first,
        because lists of some platforms name none."""
        here = f"/bindings/{binding}/repositories"
        found = self.get("GET", f"{here}?q={quote(path)}&limit=100")["data"]
        (row,) = [one for one in found if one["path"] == path]
        (first, *_) = self.get("GET", f"{here}/{quote(path, safe='')}/branches")["data"]
        return {**row, "default_branch": first["name"]}

    def subscribe(self, instance: str, binding: str, repository: str, **more: Any) -> Any:
        """A webhook, made twice to no effect, and a trigger for every branch."""
        body = {"repository": repository}
        hook = self.get("POST", f"/bindings/{binding}/webhooks", body, status=201)
        again = self.get("POST", f"/bindings/{binding}/webhooks", body, status=200)
        assert again["id"] == hook["id"]
        asked = {
            "name": f"all of {repository}"[:80],
            "binding": binding,
            "repository": repository,
            "mode": "automatic",
            "branches": ["**"],
            "tags": ["v*"],
            **more,
        }
        trigger = self.get("POST", f"/instances/{instance}/triggers", asked, status=201)
        assert trigger["webhook"] == hook["id"]
        return trigger

    # -- what happens then -----------------------------------------------------------------------

    def push(self, url: str, user: str, password: str, branch: str, name: str = "work") -> str:
        """Commit and push with git as a developer would; the commit."""
        work = self.folder / name
        if not work.exists():
            git(self.folder, "clone", "-q", with_password(url, user, password), name)
        git(work, "checkout", "-q", branch)
        (work / "pushed.txt").write_text(f"{time.monotonic_ns()}\n")
        git(work, "add", "pushed.txt")
        git(work, "commit", "-q", "-m", "Try the whole way")
        git(work, "push", "-q", "origin", f"HEAD:{branch}")
        return git(work, "rev-parse", "HEAD").stdout.strip()

    def told(self, sha: str) -> dict[str, Any]:
        """The event of a commit at the builder, whose signature was right."""

        def found() -> dict[str, Any] | None:
            for event in self.events():
                if event["data"].get("after") == sha:
                    return event
            return None

        return dict(until(found))

    def events(self) -> list[dict[str, Any]]:
        """What an idempotent builder has: each event once, its signature right."""
        return list({one["id"]: one for one in self.builder.verified(self.secret)}.values())

    def lend(self, binding: str, repository: str) -> dict[str, Any]:
        body = {"repository": repository, "ttl": 600, "build": "chain test"}
        return dict(self.get("POST", f"/bindings/{binding}/leases", body, status=201))

    def clone(self, lease: dict[str, Any], name: str, *, ok: bool = True) -> Any:
        address = with_password(lease["url"], lease["username"], lease["password"])
        return git(self.folder, "clone", "-q", address, name, ok=ok)
