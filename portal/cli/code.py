"""The commands that use a binding: repositories and refs, the reason why one is missing, a lease,
a clone."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import uuid
from argparse import Namespace
from typing import Any

from portal.cli import tables
from portal.cli.client import JSON, Client, Query, Refused, piece
from portal.cli.tables import show


def repos(portal: Client, options: Namespace) -> int:
    query: Query = [("q", options.q)] if options.q else []
    found = portal.whole(f"/bindings/{piece(options.binding)}/repositories", query)
    rows = [
        (one["path"], one["default_branch"], one["visibility"], one["access"], one["id"])
        for one in found["data"]
    ]
    show(
        options.json,
        found,
        tables.table(["REPOSITORY", "BRANCH", "VISIBILITY", "ACCESS", "ID"], rows),
    )
    _age(found)
    return 0


def branches(portal: Client, options: Namespace) -> int:
    return _refs(portal, options, "branches")


def tags(portal: Client, options: Namespace) -> int:
    return _refs(portal, options, "tags")


def resolve(portal: Client, options: Namespace) -> int:
    found = portal.get(f"{_repository(options)}/resolve", [("ref", options.ref)]).body
    show(options.json, found, [f"{found['sha']} {found['ref']}"])
    return 0


def why(portal: Client, options: Namespace) -> int:
    """Why a repository cannot be seen: one reason, and where it is put right."""
    path = f"/bindings/{piece(options.binding)}/diagnoses"
    found = portal.post(path, {"link": options.link}).body
    pairs = [
        ("verdict", found["verdict"]),
        ("code", found["code"]),
        ("reason", found["detail"]),
        ("put it right", found["fix_url"]),
        ("ask", found["ask"]),
    ]
    show(options.json, found, tables.facts(pairs))
    return 0


def lease(portal: Client, options: Namespace) -> int:
    """A clone credential for minutes. Its password is printed: it is what was asked for."""
    body = {"repository": options.repo, "ttl": options.ttl, "kind": options.kind}
    body |= {"build": options.build} if options.build else {}
    found = portal.post(f"/bindings/{piece(options.binding)}/leases", body).body
    names = ("url", "username", "password", "expires_at", "id")
    show(options.json, found, tables.facts((name, found[name]) for name in names))
    return 0


def clone(portal: Client, options: Namespace) -> int:
    """`git clone` through the portal. Our own credential helper hands git the lease through a pipe;
    it stands in no argument, no environment and no file, and ends with the clone."""
    known = portal.get(_repository(options)).body
    url = f"{portal.site}/git/{options.binding}/{known['path']}.git"
    build = f"clone-{uuid.uuid4()}"
    done = subprocess.run(  # noqa: S603 - a fixed program; what is typed stands behind "--"
        ["git", *helper(portal.site), "clone", "--", url, *filter(None, [options.dir])],  # noqa: S607 - git is where PATH says
        env=os.environ | {"MOORING_BUILD": build, "GIT_TERMINAL_PROMPT": "0"},
        stdout=sys.stderr,
        check=False,
    )
    _end(portal, options.binding, build)
    if done.returncode:
        raise Refused(f"git ended with status {done.returncode}.")
    show(options.json, known, [])
    return 0


def helper(site: str) -> list[str]:
    """git's options that make our credential helper the only one for this portal, this once."""
    # -P: a folder called portal where somebody happens to stand must not be run with our token.
    command = f"!{shlex.quote(sys.executable)} -P -m portal.cli.credential"
    wanted = {
        "credential.helper": "",
        f"credential.{site}.helper": command,
        f"credential.{site}.useHttpPath": "true",
    }
    return [word for name, value in wanted.items() for word in ("-c", f"{name}={value}")]


def _end(portal: Client, binding: str, build: str) -> None:
    """End the leases of this clone; one that cannot be ended ends by itself, minutes later."""
    query = [("binding", binding), ("build", build), ("status", "active")]
    try:
        for one in portal.whole("/leases", query)["data"]:
            portal.ask("DELETE", f"/leases/{one['id']}")
    except Refused as refused:
        tables.note(f"The lease ends by itself: {refused.detail}")


def _refs(portal: Client, options: Namespace, kind: str) -> int:
    found = portal.whole(f"{_repository(options)}/{kind}")
    rows: list[tuple[Any, ...]] = [(one["name"], one["sha"], _marks(one)) for one in found["data"]]
    show(options.json, found, tables.table(["NAME", "COMMIT", ""], rows))
    _age(found)
    return 0


def _marks(ref: JSON) -> str:
    return " ".join(word for word in ("default", "protected") if ref.get(word))


def _repository(options: Namespace) -> str:
    return f"/bindings/{piece(options.binding)}/repositories/{piece(options.repo)}"


def _age(found: JSON) -> None:
    meta = found.get("meta") or {}
    if meta.get("stale"):
        tables.note(f"The platform does not answer; this is from {meta['fetched_at']}.")
