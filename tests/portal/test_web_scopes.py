"""A page of a tenant: its scope, who gets in, what a refusal looks like, its headers."""

from __future__ import annotations

import base64
import re
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.ground import rls
from portal.tenants.models import Instance, Membership, ServiceToken, Tenant
from portal.tenants.services import members
from tests.people import Somebody, bearer
from tests.portal.site import log_of, said

pytestmark = pytest.mark.urls("tests.portal.site")


def test_a_page_of_a_tenant_runs_in_its_scope(alice: Somebody, acme: Tenant) -> None:
    assert said(alice.client.get("/t/acme/scope/")) == str(acme.pk)
    assert rls.current() is None


def test_a_page_that_asks_a_code_host_runs_outside(alice: Somebody) -> None:
    assert said(alice.client.get("/t/acme/reaching/")) == "None"


def test_a_page_is_rendered_inside_the_scope(
    alice: Somebody, instance: Instance, foreign_instance: Instance
) -> None:
    assert said(alice.client.get("/t/acme/late/")) == instance.name


def test_a_page_costs_four_queries_of_its_frame(alice: Somebody, bob: Somebody) -> None:
    client = bob.client
    client.get("/t/acme/scope/")
    with CaptureQueriesContext(connection) as queries:
        client.get("/t/acme/scope/")
    kinds = [query["sql"].split()[0] for query in queries.captured_queries]
    # session, person, memberships, scope; BEGIN and COMMIT are not counted by everybody
    assert kinds.count("SELECT") == 4
    assert set(kinds) <= {"SELECT", "BEGIN", "COMMIT"}


def test_many_people_at_once_each_see_their_own(
    alice: Somebody, mallory: Somebody, foreign_instance: Instance
) -> None:
    """200 pages of two tenants, interleaved over the threads of one process."""
    wrong: list[str] = []

    def look(who: Somebody, browser: Client) -> None:
        slug, own = who.tenant.slug, str(who.tenant.pk)
        for _ in range(25):
            seen = said(browser.get(f"/t/{slug}/scope/"))
            if seen != own:
                wrong.append(seen)
        connection.close()

    threads = [
        threading.Thread(target=look, args=[who, who.client])
        for who in (alice, mallory)
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_who_is_not_signed_in_is_asked_to_and_led_back(nobody: Client) -> None:
    answer = nobody.get("/t/acme/tokens/?page=2")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/accounts/login/?next=%2Ft%2Facme%2Ftokens%2F%3Fpage%3D2"


def test_a_part_of_a_page_leads_the_whole_page_to_sign_in(nobody: Client) -> None:
    answer = nobody.get(
        "/t/acme/scope/",
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/t/acme/tokens/"},
    )
    assert answer.headers["HX-Redirect"] == "/accounts/login/?next=%2Ft%2Facme%2Ftokens%2F"


def test_anothers_tenant_looks_like_one_that_does_not_exist(
    alice: Somebody, mallory: Somebody
) -> None:
    client = mallory.client
    theirs, random, unknown = (
        client.get(f"/t/{slug}/scope/") for slug in ("acme", "no-such-tenant", "x/y/z")
    )
    assert {answer.status_code for answer in (theirs, random, unknown)} == {404}
    assert bare(theirs) == bare(random) == bare(unknown)


def bare(answer: Any) -> str:
    """A page without what names the request itself."""
    page = re.sub(r'name="csrfmiddlewaretoken" value="[^"]+"', "", said(answer))
    return re.sub(r'name="next" value="[^"]+"', "", page)


def test_a_look_into_anothers_tenant_stands_in_ones_own_log(
    alice: Somebody, mallory: Somebody
) -> None:
    mallory.client.get("/t/acme/scope/")
    (denied,) = log_of(mallory.tenant, "access.denied")
    assert denied["data"] == {"code": "X-FOUND-01", "path": "/t/acme/scope/"}
    assert denied["actor"] == {
        "kind": "user",
        "id": mallory.person.public_id,
        "name": "Mallory",
        "ip": "192.0.2.7",
    }
    assert log_of(alice.tenant, "access.denied") == []


def test_a_former_member_is_out_at_the_next_request(alice: Somebody, bob: Somebody) -> None:
    client = bob.client
    assert client.get("/t/acme/scope/").status_code == 200
    member = Membership.objects.get(user=bob.person)
    members.remove(actor=alice.actor, member=member, now=timezone.now())
    assert client.get("/t/acme/scope/").status_code == 404


def test_who_was_switched_off_is_out_at_the_next_request(bob: Somebody) -> None:
    client = bob.client
    bob.person.is_active = False
    bob.person.save()
    assert client.get("/t/acme/scope/").status_code == 302


def test_a_new_password_ends_the_other_sessions(bob: Somebody) -> None:
    client = bob.client
    bob.person.set_password("another test password")
    bob.person.save()
    assert client.get("/t/acme/scope/").status_code == 302


def test_an_api_token_opens_no_page(alice: Somebody) -> None:
    client = bearer(alice.token("instances:read").secret)
    assert client.get("/t/acme/scope/").status_code == 302
    assert client.get("/admin/").status_code == 302


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer {session}"},
        {"Authorization": "Basic {basic}"},
        {"Authorization": "Token {secret}"},
        {"X-Api-Key": "{secret}"},
        {"Cookie": "token={secret}"},
    ],
)
def test_a_token_counts_only_as_a_bearer(alice: Somebody, headers: dict[str, str]) -> None:
    secret = alice.token("instances:read").secret
    words = {
        "secret": secret,
        "session": alice.client.session.session_key or "",
        "basic": base64.b64encode(f"{secret}:".encode()).decode(),
    }
    sent = {name: value.format(**words) for name, value in headers.items()}
    assert Client(headers=sent).get(f"/api/v1/me?api_key={secret}").status_code in (400, 401)
    assert Client(headers=sent).get("/api/v1/me").status_code == 401
    assert bearer(secret).get("/api/v1/me").status_code == 200


def test_using_a_token_is_noted_after_the_answer(alice: Somebody) -> None:
    made = alice.token("instances:read")
    bearer(made.secret).get("/api/v1/me")
    assert ServiceToken.objects.get(pk=made.token.pk).used_at is not None


def test_being_here_is_noted_after_the_answer(bob: Somebody) -> None:
    bob.client.get("/t/acme/scope/")
    assert Membership.objects.get(user=bob.person).seen_at is not None


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("X-FOUND-01", 404),
        ("X-STATE-02", 409),
        ("X-GONE-01", 410),
        ("X-LEASE-01", 422),
        ("X-RATE-02", 429),
        ("GL-NET-02", 502),
        ("GL-HTTP-01", 422),  # a notice has no status of its own
    ],
)
def test_a_refusal_has_its_status_and_undoes_the_work(
    alice: Somebody, code: str, status: int
) -> None:
    answer = alice.client.get(f"/t/acme/failing/{code}/")
    assert answer.status_code == status
    with rls.tenant(alice.tenant.pk):
        assert not Instance.objects.exists()


def test_a_refusal_says_its_sentence_its_code_and_its_trace(alice: Somebody) -> None:
    answer = alice.client.get("/t/acme/failing/X-RATE-02/")
    page = said(answer)
    assert "Checked a moment ago. Try again in 7 s." in page
    assert "X-RATE-02" in page
    assert answer.headers["Trace-Id"] in page
    assert answer.headers["Retry-After"] == "7"


def test_a_refusal_speaks_the_readers_language(alice: Somebody) -> None:
    client = alice.signed_in(ago=timedelta(), headers={"Accept-Language": "zh-CN"})
    assert "刚刚检测过" in said(client.get("/t/acme/failing/X-RATE-02/"))


def test_a_role_too_low_is_recorded(alice: Somebody, carol: Somebody) -> None:
    answer = carol.client.get("/t/acme/forbidden/")
    assert answer.status_code == 403
    assert "Ask an admin: Alice" in said(answer)
    (denied,) = log_of(alice.tenant, "access.denied")
    assert denied["data"]["code"] == "X-ROLE-01"


def test_a_crash_undoes_the_work_and_names_its_trace(alice: Somebody) -> None:
    client = alice.client
    client.raise_request_exception = False
    answer = client.get("/t/acme/crashing/")
    assert answer.status_code == 500
    assert answer.headers["Trace-Id"] in said(answer)
    assert "test" not in re.sub(r"testserver", "", said(answer))
    with rls.tenant(alice.tenant.pk):
        assert not Instance.objects.exists()


def test_every_answer_has_its_own_trace(nobody: Client) -> None:
    first, second = (nobody.get("/healthz").headers["Trace-Id"] for _ in range(2))
    assert re.fullmatch(r"req_[0-9a-hjkmnp-tv-z]{26}", first)
    assert first != second


def test_what_a_person_sees_is_cached_nowhere(alice: Somebody, nobody: Client) -> None:
    answer = alice.client.get("/t/acme/scope/")
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert {"Cookie", "Authorization"} <= {w.strip() for w in answer.headers["Vary"].split(",")}
    assert "Cache-Control" not in nobody.get("/healthz").headers


def test_browsers_are_told_to_be_careful(alice: Somebody) -> None:
    headers = alice.client.get("/t/acme/tokens/").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "DENY"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("where", "policy"),
    [
        ("/oauth/callback/nowhere/?code=test", "no-referrer"),
        ("/i/test-code/", "strict-origin"),  # a form stands there
        ("/accounts/password/reset/key/test-code/", "strict-origin"),
    ],
)
def test_an_address_with_a_code_is_told_to_nobody(nobody: Client, where: str, policy: str) -> None:
    assert nobody.get(where).headers["Referrer-Policy"] == policy


@pytest.mark.parametrize(
    ("proxies", "forwarded", "seen"),
    [
        (0, "198.51.100.1", "192.0.2.7"),
        (1, "198.51.100.1", "198.51.100.1"),
        (1, "203.0.113.5, 198.51.100.1", "198.51.100.1"),
        (2, "203.0.113.5, 198.51.100.1", "203.0.113.5"),
        (2, "198.51.100.1", "198.51.100.1"),
        (1, "", "192.0.2.7"),
        (1, "not an address", ""),
    ],
)
def test_only_our_own_proxies_say_who_asks(
    mallory: Somebody, settings: Any, proxies: int, forwarded: str, seen: str
) -> None:
    settings.MOORING_TRUSTED_PROXIES = proxies
    mallory.client.get("/t/acme/scope/", headers={"X-Forwarded-For": forwarded})
    (denied,) = log_of(mallory.tenant, "access.denied")
    assert denied["actor"]["ip"] == seen
