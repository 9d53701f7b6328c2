"""`POST /hooks/<hook>`, row by row of api.md 4.2."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from bindings.models import Binding, Hook
from bindings.models.hooks import Signature
from bindings.services.listen import accept
from portal.ground import ids, rls
from portal.tenants.models import Tenant
from tests.bindings import hooked


@pytest.fixture
def hook(acme: Tenant) -> Hook:
    """A GitHub hook of acme/app."""
    return hooked.hook(acme)


def test_accepted_duplicate_and_pong(hook: Hook) -> None:
    headers, body = hooked.github()
    first = hooked.post(hook, headers, body)
    assert (first.status_code, first.json()["status"]) == (202, "accepted")
    second = hooked.post(hook, headers, body)
    assert (second.status_code, second.json()) == (
        200,
        {"delivery": first.json()["delivery"], "status": "duplicate"},
    )
    ping = hooked.post(hook, *hooked.github({"zen": "test"}, event="ping"))
    assert (ping.status_code, ping.json()["status"]) == (200, "pong")
    assert ping.headers["Trace-Id"].startswith("req_")
    assert ping.headers["Content-Length"] == str(len(ping.content))


def test_a_body_seen_before_is_a_duplicate_where_the_id_is_not_proven(hook: Hook) -> None:
    _headers, body = hooked.github()
    statuses = [hooked.post(hook, *hooked.github(body)).status_code for _ in range(3)]
    assert statuses == [202, 200, 200]
    (row,) = hooked.deliveries(hook)
    assert row.duplicates == 2


def test_the_body_alone_counts_where_there_is_no_id(acme: Tenant) -> None:
    hook = hooked.hook(acme, "codeup")
    headers = {"x-codeup-token": hooked.SECRET, "codeup-event": "Push Hook"}
    bodies = [b'{"a": 1}', b'{"a": 1}', b'{"a": 2}']
    assert [hooked.post(hook, headers, b).status_code for b in bodies] == [202, 200, 202]


def test_one_id_with_two_bodies_is_one_delivery(hook: Hook) -> None:
    statuses = [
        hooked.post(hook, *hooked.github({"n": n}, delivery="the-same")).status_code
        for n in range(2)
    ]
    assert statuses == [202, 200]


def test_the_same_id_on_another_hook_is_another_delivery(hook: Hook, acme: Tenant) -> None:
    other = hooked.hook(acme)
    given = hooked.github(delivery="the-same")
    assert [hooked.post(at, *given).status_code for at in (hook, other)] == [202, 202]


@pytest.mark.parametrize(
    ("change", "signature"),
    [
        ({"x-hub-signature-256": "sha256=" + "0" * 64}, "mismatch"),
        ({"x-hub-signature-256": ""}, "missing"),
    ],
    ids=["wrong", "none"],
)
def test_what_is_not_proven_leaves_a_row_without_a_body(
    hook: Hook, change: dict[str, str], signature: str
) -> None:
    headers, body = hooked.github(delivery="wanted")
    answer = hooked.post(hook, headers | change, body)
    assert (answer.status_code, answer.json()["code"]) == (401, "X-HOOK-01")
    assert answer.headers["Content-Type"] == "application/problem+json"
    (row,) = hooked.deliveries(hook)
    assert (row.outcome, row.signature, row.key, bytes(row.body)) == (
        "refused",
        signature,
        None,
        b"",
    )
    # A forgery does not stand in the way of the real one.
    assert hooked.post(hook, headers, body).status_code == 202


def test_too_old_is_said(acme: Tenant) -> None:
    hook = hooked.hook(acme, "gitee")
    headers, body = hooked.gitee({"hook_name": "push_hooks"})
    assert hooked.post(hook, headers, body).status_code == 202
    with time_machine.travel(timezone.now() - timedelta(minutes=61)):
        headers, body = hooked.gitee({"hook_name": "push_hooks"})
    answer = hooked.post(hook, headers, body)
    assert (answer.status_code, answer.json()["code"]) == (401, "X-HOOK-02")


def test_a_flood_of_forgeries_leaves_sixty_rows_an_hour(hook: Hook) -> None:
    refused = accept.Refused("X-HOOK-01", _known(hook), Signature.MISMATCH)
    for _ in range(accept.REFUSED_KEPT + 5):
        accept.note_refused(refused, {"user-agent": "test"}, now=timezone.now())
    assert len(hooked.deliveries(hook)) == accept.REFUSED_KEPT


def _known(hook: Hook) -> accept.Known:
    return accept.find(hook.public_id, {}, now=timezone.now())


@pytest.mark.parametrize("which", ["unknown", "misspelt", "removed", "removing", "unbound"])
def test_whoever_is_not_there_is_404(hook: Hook, which: str) -> None:
    address = hook.public_id
    if which == "unknown":
        address = ids.public("hok", ids.uuid7())
    elif which == "misspelt":
        address = "hok_nobody"
    with rls.tenant(hook.tenant_id):
        if which.startswith("remov"):
            Hook.objects.of(hook.tenant_id).filter(pk=hook.pk).update(status=which)
        if which == "unbound":
            rows = Binding.objects.of(hook.tenant_id).filter(pk=hook.binding_id)
            rows.update(unbound_at=timezone.now())
    answer = hooked.post(address, *hooked.github())
    assert (answer.status_code, answer.json()["code"]) == (404, "X-FOUND-01")
    wrong = hooked.github(secret="test-wrong")
    assert hooked.post(address, *wrong).status_code == 404
    assert hooked.deliveries(hook) == []


def test_an_unknown_hook_costs_what_a_wrong_signature_costs(hook: Hook) -> None:
    """The same statements and the same proofs: nothing is there to be measured."""
    wrong = hooked.github(secret="test-wrong")
    asked = []
    for address in (hook.public_id, ids.public("hok", ids.uuid7())):
        with CaptureQueriesContext(connection) as queries, pytest.raises(accept.Refusal):
            accept.accept(address, *wrong, now=timezone.now())
        asked.append(len(queries))
    assert asked[0] == asked[1]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_post(hook: Hook, method: str) -> None:
    answer = Client().generic(method, f"/hooks/{hook.public_id}")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert answer.json()["code"] == "X-METHOD-01"


def test_only_json(hook: Hook) -> None:
    headers, body = hooked.github()
    answer = hooked.post(hook, headers | {"content-type": "text/plain"}, body)
    assert (answer.status_code, answer.json()["code"]) == (415, "X-MEDIA-01")
    good = hooked.post(hook, headers | {"content-type": "application/json; charset=utf-8"}, body)
    assert good.status_code == 202


def test_too_large_is_refused_before_it_is_read(hook: Hook, settings: Any) -> None:
    settings.MOORING_HOOK_MAX_BYTES = 1024
    answer = hooked.post(hook, *hooked.github(b"x" * 1025))
    assert (answer.status_code, answer.json()["code"]) == (413, "X-SIZE-01")
    assert hooked.post(hook, *hooked.github(b"x" * 1024)).status_code == 202
    assert hooked.deliveries(hook)[0].outcome == "queued"


def test_forms_of_django_set_no_limit(hook: Hook) -> None:
    assert hooked.post(hook, *hooked.github(b"x" * 3_000_000)).status_code == 202


def test_chunks_are_read_to_their_end(hook: Hook, settings: Any) -> None:
    headers, body = hooked.github()
    sent = {f"HTTP_{name.replace('-', '_').upper()}": value for name, value in headers.items()}
    unknown = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}

    def post() -> Any:
        client = Client()
        del client.defaults
        client.defaults = {}
        return client.request(
            **sent,
            **unknown,
            **{
                "REQUEST_METHOD": "POST",
                "PATH_INFO": f"/hooks/{hook.public_id}",
                "CONTENT_TYPE": "application/json",
                "wsgi.input": io.BytesIO(body),
            },
        )

    assert post().status_code == 202
    settings.MOORING_HOOK_MAX_BYTES = 10
    assert post().status_code == 413


class _Unread(io.RawIOBase):
    def read(self, *_: Any) -> bytes:
        raise AssertionError("somebody read the body")


@pytest.mark.parametrize("known", [True, False])
def test_without_a_proof_the_body_is_not_read(hook: Hook, known: bool) -> None:
    address = hook.public_id if known else ids.public("hok", ids.uuid7())
    answer = Client().request(
        **{
            "REQUEST_METHOD": "POST",
            "PATH_INFO": f"/hooks/{address}",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": "100",
            "wsgi.input": _Unread(),
        }
    )
    assert answer.status_code == (401 if known else 404)


def test_more_than_600_a_minute_wait(hook: Hook, superuser: Any) -> None:
    superuser.execute(
        "INSERT INTO bindings_delivery (id, tenant_id, created_at, hook_id, event, headers, body,"
        " origin, signature, outcome, trouble, refs, events, duplicates, replays, attempts,"
        " received_at) SELECT gen_random_uuid(), %s, now(), %s, '', '{}', '', 'provider', 'valid',"
        " 'ignored', '', '[]', '[]', 0, 0, 0, now() FROM generate_series(1, 600)",
        [hook.tenant_id, hook.pk],
    )
    answer = hooked.post(hook, *hooked.github())
    assert (answer.status_code, answer.json()["code"]) == (429, "X-RATE-01")
    assert int(answer.headers["Retry-After"]) <= 60
    assert hooked.post(hook, *hooked.github(secret="test-wrong")).status_code == 401


def test_repeats_count_too(hook: Hook) -> None:
    given = hooked.github()
    statuses = {hooked.post(hook, *given).status_code for _ in range(3)}
    assert statuses == {202, 200}
    for _ in range(accept.A_MINUTE):
        accept._mine.count(hook.pk, timezone.now())
    assert hooked.post(hook, *given).status_code == 429


def test_a_delivery_costs_one_short_transaction(hook: Hook) -> None:
    """Role, hook, delivery. Whoever adds a statement here adds it to every push there is."""
    headers, body = hooked.github()
    hooked.post(hook, *hooked.github())
    with CaptureQueriesContext(connection) as queries:
        accept.accept(hook.public_id, headers, body, now=timezone.now())
    sql = [q["sql"] for q in queries if q["sql"] not in ("BEGIN", "COMMIT")]
    assert len(sql) == 3, sql


def test_a_signed_in_browser_changes_nothing(hook: Hook, alice: Any) -> None:
    headers, body = hooked.github()
    answer = alice.client.post(
        f"/hooks/{hook.public_id}", body, "application/json", headers=headers
    )
    assert answer.status_code == 202
    assert "Set-Cookie" not in answer.headers


def test_the_former_secret_counts_for_a_day(acme: Tenant) -> None:
    hook = hooked.hook(acme, former="test-former-secret")
    assert hooked.post(hook, *hooked.github(secret="test-former-secret")).status_code == 202
    with rls.tenant(acme.pk):
        Hook.objects.of(acme).filter(pk=hook.pk).update(previous_until=timezone.now())
    assert hooked.post(hook, *hooked.github(secret="test-former-secret")).status_code == 401


def test_the_row_decides_the_platform(acme: Tenant) -> None:
    gitlab = hooked.hook(acme, "gitlab")
    assert hooked.post(gitlab, *hooked.github()).status_code == 401


def test_nothing_secret_is_stored(acme: Tenant) -> None:
    hook = hooked.hook(acme, "gitee")
    payload = {
        "hook_name": "push_hooks",
        "password": hooked.SECRET,
        "sign": "test-sign-of-gitee",
        "commits": [{"message": f'"password": "harmless" {hooked.SECRET}'}],
    }
    assert hooked.post(hook, *hooked.gitee(payload)).status_code == 202
    (row,) = hooked.deliveries(hook)
    kept = bytes(row.body).decode()
    assert hooked.SECRET not in kept
    assert "test-sign-of-gitee" not in kept
    assert "harmless" in kept
    assert set(row.headers) == {"content-type", "x-gitee-event", "x-gitee-timestamp"}


def test_without_our_keys_nothing_is_acknowledged(hook: Hook, superuser: Any) -> None:
    superuser.execute("UPDATE bindings_hook SET secret = '\\x01' WHERE id = %s", [hook.pk])
    answer = hooked.post(hook, *hooked.github())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")


def test_without_the_database_nothing_is_acknowledged(hook: Hook, superuser: Any) -> None:
    superuser.execute("ALTER TABLE bindings_delivery RENAME TO away")
    try:
        answer = hooked.post(hook, *hooked.github())
    finally:
        superuser.execute("ALTER TABLE away RENAME TO bindings_delivery")
    assert (answer.status_code, answer.json()["code"]) == (503, "X-SYS-02")
    assert answer.headers["Retry-After"] == "30"


def test_what_leads_nowhere_is_a_page(db: None) -> None:
    assert Client().get("/hooks/").status_code == 404
    assert Client().get("/hooks/a/b").status_code == 404
