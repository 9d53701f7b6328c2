"""What `make run` shows when everything stands: where to go, who to be, what to paste."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_LONGEST = 80


def text(url: str, local: Path) -> str:
    """The screen for the demo data of `local`, which `seed_demo` wrote (api.md 9.3)."""
    demo = json.loads((local / "demo.json").read_text())
    return "\n".join(["", *_lines(url, local, demo), "", "Ctrl-C ends everything.", ""])


def _lines(url: str, local: Path, demo: dict[str, Any]) -> Iterator[str]:
    yield f"Mooring   {url}"
    yield f"Sandbox   {demo['sandbox_url']}"
    yield f"Mailbox   {url}/mailbox/"
    yield f"Log       {local / 'logs' / 'run.log'}"
    yield ""
    yield "Sign in"
    people = [(one, f"{one['role']} of {one['tenant']}") for one in demo["users"]]
    people.append((demo["operator"], f"operator, {url}/admin/"))
    yield from _table([(who["email"], who["password"], what) for who, what in people])
    yield ""
    yield "API tokens"
    yield from _table([(one["name"], one["token"], one["tenant"]) for one in demo["tokens"]])
    yield ""
    yield "Accounts of the sandbox, ready to bind"
    yield from _table(list(_sandbox(demo["sandbox"])))
    yield ""
    yield f"Tokens with fewer scopes, with an end, revoked ones: {local / 'demo.json'}"


def _sandbox(hosts: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """The first token of each account; the others are for trying what fails."""
    for host in hosts.values():
        for account in host.get("accounts", []):
            for token in account["tokens"][:1]:
                yield host["base_url"], account["login"], _fits(token["token"])


def _fits(token: str) -> str:
    """A token that a person can select; some platforms issue thousands of characters."""
    return token if len(token) <= _LONGEST else "(too long to show here: see demo.json)"


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        yield "  " + "  ".join(cells).rstrip()
