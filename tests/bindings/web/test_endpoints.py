"""Endpoints of a tenant, and clone credentials of a binding, as people read and press them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bindings.models import Binding, Dispatch, Endpoint, Lease
from portal.ground import rls
from portal.tenants.models import Instance
from tests.bindings import using
from tests.bindings.api import rows
from tests.bindings.web.conftest import Address
from tests.bindings.web.reading import asked_of_database, read
from tests.people import Somebody

HERE = "/t/acme/endpoints/"
CHINESE = {"Accept-Language": "zh-hans"}
COPY = "Your builder needs this secret to check our signature. Copy it now."
TYPED = {
    "name": "builder",
    "url": "https://builder.example/mooring",
    "kinds": ["build.*", "webhook.*"],
}


def endpoints(alice: Somebody) -> list[Endpoint]:
    with rls.tenant(alice.tenant.pk):
        return list(Endpoint.objects.of(alice.tenant).order_by("name"))


def test_a_secret_is_shown_once_in_the_answer_that_made_it(alice: Somebody) -> None:
    client = alice.client
    answer = client.post(f"{HERE}new/", TYPED)
    page = read(answer)
    assert COPY in page.text
    assert "no-store" in answer.headers["Cache-Control"]
    (made,) = endpoints(alice)
    where = f"{HERE}{made.public_id}/"
    again = client.post(f"{where}secret/")
    assert COPY in read(again).text
    shown = [text for text in page.text.split() if text.startswith("whsec_")]
    assert shown
    for at in (HERE, where, f"{where}change/", f"{where}secret/", f"{where}delete/"):
        assert "whsec_" not in client.get(at).content.decode()
    assert "whsec_" not in repr(dict(client.session))


def test_a_sign_in_of_long_ago_is_asked_again(alice: Somebody) -> None:
    old = alice.signed_in(ago=timedelta(minutes=20))
    made = using.endpoint(alice.tenant)
    for page in ("new/", f"{made.public_id}/secret/", f"{made.public_id}/delete/"):
        assert "/accounts/" in old.get(f"{HERE}{page}").headers["Location"]
    assert "/accounts/" in old.post(f"{HERE}{made.public_id}/test/").headers["Location"]


def test_what_is_wrong_stands_at_its_field(alice: Somebody) -> None:
    answer = alice.client.post(f"{HERE}new/", {**TYPED, "url": "https://127.0.0.1/"})
    assert answer.status_code == 422
    assert "This address is not allowed" in read(answer).text
    using.endpoint(alice.tenant)
    taken = alice.client.post(f"{HERE}new/", TYPED)
    assert "builder is already taken." in read(taken).text


def test_one_that_was_switched_off_says_why_and_what_is_kept(
    alice: Somebody, instance: Instance
) -> None:
    off = timezone.now() - timedelta(days=2)
    made = using.endpoint(
        alice.tenant, enabled=False, why="failures", disabled_at=off, failing_since=off
    )
    bound = rows.binding(instance, "gitlab")
    for _ in range(3):
        using.dispatch(
            using.event(bound, "binding.bound"), made, state="waiting", next_at=timezone.now()
        )
    client, where = alice.client, f"{HERE}{made.public_id}/"
    page = read(client.get(where)).text
    began = f"Disabled on {off.day} {off:%b %Y} after 5 days of failures. 3 events are kept until"
    assert began in page
    assert "Switch on again" in page
    chinese = read(client.get(where, headers=CHINESE)).text
    assert "连续失败 5 天后于" in chinese
    assert "停用，3 个事件保留到" in chinese
    client.post(f"{where}switch/", {"enabled": "on"})
    assert endpoints(alice)[0].enabled


def test_deliveries_are_shown_with_their_attempts_and_replayed(
    alice: Somebody, instance: Instance
) -> None:
    made, bound = using.endpoint(alice.tenant), rows.binding(instance, "gitlab")
    tries = [
        {"at": timezone.now().isoformat(), "ms": 12, "http_status": 503, "error": None},
        {"at": timezone.now().isoformat(), "ms": None, "http_status": None, "error": "timeout"},
    ]
    event = using.event(bound, "build.push", repository={"path": "platform/api"}, name="main")
    dead = using.dispatch(event, made, state="abandoned", tries=2, attempts=tries)
    client, where = alice.client, f"{HERE}{made.public_id}/"
    page = read(client.get(where)).text
    for said in ("build.push", "Given up", "2 tries", "503", "timeout", "12 ms"):
        assert said in page
    assert "build.push" not in read(client.get(f"{where}?status=delivered")).text
    assert "build.push" not in read(client.get(f"{where}?type=webhook.*")).text
    client.post(f"{where}replay/", {"dispatch": [dead.public_id]})
    with rls.tenant(made.tenant_id):
        assert Dispatch.objects.of(made.tenant_id).get(pk=dead.pk).state == "waiting"
    client.post(f"{where}test/")
    assert "endpoint.test" in read(client.get(where)).text
    assert client.post(f"{where}delete/").status_code == 302
    assert endpoints(alice) == []


def test_developers_look_and_are_told_who_changes(bob: Somebody, carol: Somebody) -> None:
    made = using.endpoint(bob.tenant)
    page = read(bob.client.get(HERE))
    assert "Endpoints are changed by admins: Alice." in page.text
    assert "New endpoint" not in page.links
    assert "New secret" not in read(bob.client.get(f"{HERE}{made.public_id}/")).text
    assert carol.client.get(HERE).status_code == 403
    assert "Endpoints" not in read(carol.client.get("/t/acme/instances/")).links


def test_the_pages_ask_the_database_ten_times_at_most(
    alice: Somebody, instance: Instance, at: Address
) -> None:
    bound = rows.binding(instance, "gitlab")
    made = [using.endpoint(alice.tenant, f"e-{n}") for n in range(12)]
    for n in range(12):
        using.dispatch(using.event(bound, "binding.bound"), made[0])
        using.lease(bound, f"p/{n}")
    assert asked_of_database(alice.client, HERE) <= 10
    assert asked_of_database(alice.client, f"{HERE}{made[0].public_id}/") <= 10
    assert asked_of_database(alice.client, at.of(bound, "leases/")) <= 10


# -- clone credentials ----------------------------------------------------------------------------


def leases(binding: Binding) -> list[Lease]:
    with rls.tenant(binding.tenant_id):
        return list(Lease.objects.of(binding.tenant_id))


def test_a_password_is_shown_once_beside_the_command(
    alice: Somebody, binding: Binding, at: Address
) -> None:
    client = alice.client
    typed: dict[str, Any] = {"repository": "platform/api", "minutes": "30", "build": "test"}
    answer = client.post(at.of(binding, "leases/new/"), typed)
    page = read(answer)
    assert "Copy it now. You will not see it again." in page.text
    assert f"git clone http://127.0.0.1:8000/git/{binding.public_id}/platform/api.git" in page.text
    assert "mrl_" in page.text
    (made,) = leases(binding)
    listed = client.get(at.of(binding, "leases/"))
    assert "mrl_" not in listed.content.decode()
    assert "mrl_" not in repr(dict(client.session))
    assert "platform/api Git proxy" in read(listed).text
    where = at.of(binding, f"leases/{made.public_id}/revoke/")
    assert "Revoke the clone credential for platform/api?" in read(client.get(where)).text
    assert client.post(where).status_code == 302
    assert "Revoked" in read(client.get(at.of(binding, "leases/?status=revoked"))).text
    assert "platform/api" not in read(client.get(at.of(binding, "leases/?status=active"))).text


def test_a_repository_that_is_not_there_is_refused_at_the_form(
    alice: Somebody, binding: Binding, at: Address
) -> None:
    typed = {"repository": "no/such", "minutes": "15"}
    answer = alice.client.post(at.of(binding, "leases/new/"), typed)
    assert answer.status_code == 422
    assert leases(binding) == []


@pytest.mark.parametrize("page", ["leases/", "leases/new/"])
def test_viewers_see_no_clones(carol: Somebody, instance: Instance, at: Address, page: str) -> None:
    bound = rows.binding(instance, "gitlab")
    assert carol.client.get(at.of(bound, page)).status_code == 403


def test_a_revoked_credential_shows_when_it_ended(
    alice: Somebody, instance: Instance, at: Address
) -> None:
    bound, now = rows.binding(instance, "gitlab"), timezone.now()
    using.lease(bound, revoked_at=now - timedelta(minutes=5))
    page = read(alice.client.get(at.of(bound, "leases/"))).text
    assert "Revoked" in page
    assert "5 min ago" in page
    assert "in 13 min" not in page


def test_how_to_set_up_the_helper_is_told(alice: Somebody, instance: Instance, at: Address) -> None:
    bound = rows.binding(instance, "gitlab")
    said = read(alice.client.get(at.of(bound, "leases/"))).text
    site = "http://127.0.0.1:8000"
    assert f"git config --global credential.{site}.helper mooring" in said
    assert f"git config --global credential.{site}.useHttpPath true" in said
    line = f'url."{site}/git/{bound.public_id}/".insteadOf "https://gitlab.example/"'
    assert line in said
