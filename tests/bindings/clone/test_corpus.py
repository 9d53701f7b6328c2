"""Every row of the corpus of attempts against leases and the proxy, over real sockets."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from bindings.models import Binding
from bindings.services.bind import unbind
from bindings.services.clone import leases
from bindings.services.clone.leases import Issued
from bindings.services.keep import pause
from portal.ground import rls
from portal.ground.refusals import Refusal
from portal.tenants.access import operator
from tests import factories
from tests.bindings.clone.conftest import Git, basic, change, lend, pair
from tests.bindings.sources import GitLab
from tests.hosts import Sandbox
from tests.people import Somebody
from tests.portal.rest.calls import send

CORPUS = Path(__file__).parents[1] / "corpora" / "leases.jsonl"
ROWS = [json.loads(line) for line in CORPUS.read_text().splitlines()]
PLAIN = [row for row in ROWS if "path" in row["request"]]
BY_LEASE = {row["id"]: row for row in ROWS if "lease" in row["request"]}
BY_HOST = {row["id"]: row for row in ROWS if "upstream" in row["request"]}
UPLOAD = "application/x-git-upload-pack-request"
SLOW = {"lease-057"}  # sixty seconds: a unit of it is in test_client.py


def raw(site: str, method: str, path: str, headers: list[str], body: bytes = b"") -> bytes:
    """One request, byte by byte as given; the whole answer."""
    place = urlsplit(site)
    head = [f"{method} {path} HTTP/1.1", *headers, "Connection: close", "", ""]
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=20) as wire:
        with contextlib.suppress(OSError):  # refused before it was all said
            wire.sendall("\r\n".join(head).encode() + body)
            wire.shutdown(socket.SHUT_WR)
        found = b""
        while piece := _piece(wire):
            found += piece
    return found


def _piece(wire: socket.socket) -> bytes:
    try:
        return wire.recv(65536)
    except ConnectionResetError:
        return b""


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def asked(row: Mapping[str, Any], site: str, made: Issued) -> list[int]:
    """The statuses this row's request gets, one for each of its methods."""
    request = row["request"]
    binding = made.lease.binding.public_id
    path = request["path"].replace("{lease}", binding).replace("acme/app", made.lease.path)
    path = path.replace("acme/other", "platform/web").replace("ACME/App", "Platform/API")
    given = dict(request.get("headers", {}))
    headers = [f"Host: {given.pop('Host', urlsplit(site).netloc)}", f"Authorization: {basic(made)}"]
    headers += [f"{name}: {value}" for name, value in given.items()]
    headers += request.get("raw_headers", [])
    methods = request["method"] if isinstance(request["method"], list) else [request["method"]]
    body = bytes(request.get("body_bytes", 0)) or (b"0000" if "POST" in methods else b"")
    if "POST" in methods and "Content-Type" not in given:
        headers.append(f"Content-Type: {UPLOAD}")
    if body and "raw_headers" not in request:
        headers.append(f"Content-Length: {len(body)}")
    return [status(raw(site, method, path, headers, body)) for method in methods]


def host_requests(sandbox: Sandbox) -> int:
    return sum(sandbox.state()["requests"].get("gitlab", {}).values())


def test_every_request_is_judged(git: Git, sandbox: Sandbox, lent: Issued):
    wrong = {}
    for row in PLAIN:
        if row["id"] in SLOW:
            continue
        before, expected = host_requests(sandbox), row["expect"]
        found = asked(row, git.site, lent)
        if not set(found) <= set(expected.get("status", found)):
            wrong[row["id"]] = found
        if expected.get("upstream_requests") == 0 and host_requests(sandbox) != before:
            wrong[row["id"]] = ["the host was asked"]
    assert wrong == {}


def test_nothing_of_the_client_reaches_the_host(git: Git, sandbox: Sandbox, lent: Issued):
    for row in PLAIN:
        if row["id"] in ("lease-053", "lease-054"):
            asked(row, git.site, lent)
    heard = sandbox.requests("gitlab", "/platform/api.git/git-upload-pack")
    assert heard
    for seen in heard:
        assert seen["headers"]["host"] == urlsplit(sandbox.url).netloc
        assert not {"x-forwarded-host", "x-original-url", "x-lease"} & set(seen["headers"])
        assert basic(lent) not in seen["headers"]["authorization"]


def refs(git: Git, made: Issued, **more: str) -> tuple[int, bytes]:
    path = f"/git/{made.lease.binding.public_id}/{made.lease.path}.git/info/refs"
    headers = [f"Host: {urlsplit(git.site).netloc}", f"Authorization: {basic(made)}"]
    headers += [f"{name}: {value}" for name, value in more.items()]
    answer = raw(git.site, "GET", f"{path}?service=git-upload-pack", headers)
    return status(answer), answer


def test_what_hosts_do_is_told_in_our_words(
    git: Git, sandbox: Sandbox, gitlab: GitLab, bound: Binding, lent: Issued
):
    assert set(BY_HOST) == {f"lease-{n:03}" for n in (60, 62, 64, 65, 66)}
    at = "/platform/api.git/**"
    gitlab.fault("status:401", at)
    found, answer = refs(git, lent)
    assert found == 502
    assert b"WWW-Authenticate" not in answer
    with rls.tenant(bound.tenant_id):
        bound.schedule.refresh_from_db()
    assert bound.schedule.next_check_at <= timezone.now()
    sandbox.clear_faults()
    gitlab.fault("redirect", at, value="https://evil.example/x.git")
    found, answer = refs(git, lent)
    assert found == 502
    assert b"evil.example" not in answer
    sandbox.clear_faults()
    gitlab.fault("html", at)
    assert refs(git, lent)[0] == 502


@pytest.fixture
def attempts(
    git: Git, bound: Binding, lent: Issued, alice: Somebody, bob: Somebody
) -> dict[str, Callable[[], int]]:
    """What each row of group "lease" does; the status it gets."""

    def used(username: str = lent.username, password: str = lent.password) -> int:
        wrong = Issued(lent.lease, lent.url, username, password)
        return refs(git, wrong)[0]

    def revoked() -> int:
        mine = lend(bob, bound)
        leases.revoke(actor=bob.actor, lease=mine.lease)
        return refs(git, mine)[0]

    def suspended() -> int:
        mine = lend(bob, bound)
        staff = operator(factories.person("oscar", is_staff=True), alice.tenant)
        pause.suspend(actor=staff, binding=bound, reason="a test")
        found = refs(git, mine)[0]
        pause.resume(actor=staff, binding=bound)
        assert refs(git, mine)[0] == 401
        return found

    def unbound() -> int:
        mine = lend(bob, bound)
        unbind.unbind(actor=alice.actor, binding=bound, confirm=bound.account_login)
        return refs(git, mine)[0]

    def asks(role: str = "developer", **body: Any) -> int:
        where = f"/api/v1/bindings/{bound.public_id}/leases"
        asked = {"repository": "platform/api"} | body
        return int(send(alice.api(role=role), "POST", where, asked).status_code)

    def admin() -> int:
        return int(Client(headers={"Authorization": basic(lent)}).get("/admin/").status_code)

    def listed() -> int:
        answer = send(alice.api(role="developer"), "GET", "/api/v1/leases")
        assert b"mrl_" not in answer.content
        assert lent.lease.public_id.encode() in answer.content
        return int(answer.status_code)

    half = lent.password[: len(lent.password) // 2]
    return {
        "lease-068": revoked,
        "lease-070": lambda: used(password=half.ljust(len(lent.password), "0")),
        "lease-075": lambda: used("token", alice.token().secret),
        "lease-077": admin,
        "lease-080": lambda: asks(ttl=30 * 86_400),
        "lease-081": lambda: asks(repository="secret/vault"),
        "lease-082": lambda: asks("viewer"),
        "lease-085": listed,
        "lease-073": suspended,
        "lease-072": unbound,
    }


def test_every_lease_is_judged(attempts: dict[str, Callable[[], int]]):
    assert set(attempts) == set(BY_LEASE)
    found = {name: attempt() for name, attempt in attempts.items()}
    wrong = {
        name: got
        for name, got in found.items()
        if got not in BY_LEASE[name]["expect"].get("status", [200])
    }
    assert wrong == {}


def test_a_good_lease_opens_no_other_binding(
    git: Git, bound: Binding, lent: Issued, mallory: Somebody, bob: Somebody
):
    path = f"/git/bnd_{'0' * 26}/platform/api.git/info/refs?service=git-upload-pack"
    headers = [f"Host: {urlsplit(git.site).netloc}", f"Authorization: {basic(lent)}"]
    assert status(raw(git.site, "GET", path, headers)) == 401
    nobody = pair(f"lse_{'0' * 26}", lent.password)
    assert status(raw(git.site, "GET", path, [headers[0], f"Authorization: {nobody}"])) == 401
    change(lent, expires_at=timezone.now() - timedelta(seconds=1))
    assert refs(git, lent)[0] == 401
    with pytest.raises(Refusal, match="X-FORM-03"):
        lend(bob, bound, seconds=59)
