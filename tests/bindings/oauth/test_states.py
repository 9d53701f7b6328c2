"""States: one use, ten minutes, this browser, this person, this host. Everything else is a 400
that asks the platform for nothing, binds nothing and signs nobody in (security.md 8)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.utils import timezone

from portal.tenants.models import Instance
from tests.bindings.oauth.browser import Traveller, query_of
from tests.bindings.oauth.test_return import second_github
from tests.bindings.sources import CALLBACK, GitHub, live
from tests.bindings.web.reading import read
from tests.people import Somebody

SAID = "This took too long, was used already, or started in another browser. Start again."
STATES = "socialaccount_states"  # allauth's session key


def refused(answer: Any) -> bool:
    """Is this the page that says: start again?"""
    page = read(answer)
    assert "GH-OAUTH-02" in page.text
    return answer.status_code == 400 and SAID in page.text


def test_a_state_swapped_between_two_people_binds_nothing_and_is_not_used_up(
    traveller: Traveller, admin: Somebody, instance: Instance
) -> None:
    back = traveller.consent(traveller.leave(instance))
    other = Traveller(admin.client, traveller.sandbox)
    assert refused(other.come_back(back))
    assert (traveller.exchanges, live(instance)) == (0, [])
    assert traveller.come_back(back).status_code == 302


def test_two_people_exchange_what_they_brought_back(
    traveller: Traveller, admin: Somebody, instance: Instance, second_instance: Instance
) -> None:
    other = Traveller(admin.client, traveller.sandbox)
    mine = query_of(traveller.consent(traveller.leave(instance), "octavia"))
    theirs = query_of(other.consent(other.leave(second_instance), "otto"))
    # My state with their code: their account would come to my instance.
    crossed = f"{CALLBACK}?state={mine['state']}&code={theirs['code']}"
    answer = traveller.come_back(crossed)
    # The verifier of my state does not fit their code.
    assert answer.headers["Location"].endswith("?problem=GH-OAUTH-04")
    assert (live(instance), live(second_instance)) == ([], [])


def test_a_state_is_used_once(traveller: Traveller, instance: Instance) -> None:
    back = traveller.consent(traveller.leave(instance))
    assert traveller.come_back(back).status_code == 302
    assert refused(traveller.come_back(back))
    assert traveller.exchanges == 1
    assert len(live(instance)) == 1


def test_a_state_that_failed_is_used_up_as_well(traveller: Traveller, instance: Instance) -> None:
    back = traveller.consent(traveller.leave(instance), approve=False)
    assert traveller.come_back(back).status_code == 302
    assert refused(traveller.come_back(back))


@pytest.mark.parametrize("state", ["", "forged", "a" * 16, "../../etc", "%00", "x" * 5000])
def test_a_forged_state_asks_nobody(traveller: Traveller, instance: Instance, state: str) -> None:
    traveller.leave(instance)
    assert refused(traveller.come_back(f"{CALLBACK}?state={state}&code=test"))
    assert refused(traveller.come_back(f"{CALLBACK}?code=test"))
    assert (traveller.exchanges, live(instance)) == (0, [])


def test_after_ten_minutes_it_is_too_late(traveller: Traveller, instance: Instance) -> None:
    back = traveller.consent(traveller.leave(instance))
    with time_machine.travel(timezone.now() + timedelta(minutes=10, seconds=1)):
        assert refused(traveller.come_back(back))
    assert (traveller.exchanges, live(instance)) == (0, [])


def test_a_state_of_one_host_is_nothing_at_another(
    traveller: Traveller, instance: Instance, github: GitHub
) -> None:
    second_github(github)
    back = traveller.consent(traveller.leave(instance))
    elsewhere = back.replace("/github-sandbox/", "/github-other/")
    assert refused(traveller.come_back(elsewhere))
    assert traveller.exchanges == 0
    assert traveller.come_back(back).status_code == 302


def test_another_browser_of_the_same_person_is_refused(
    traveller: Traveller, alice: Somebody, instance: Instance
) -> None:
    back = traveller.consent(traveller.leave(instance))
    other = Traveller(alice.client, traveller.sandbox)
    assert refused(other.come_back(back))
    assert refused(Traveller(Client(), traveller.sandbox).come_back(back))
    assert traveller.come_back(back).status_code == 302


def test_signing_out_ends_what_was_begun(traveller: Traveller, instance: Instance) -> None:
    back = traveller.consent(traveller.leave(instance))
    traveller.client.logout()
    assert refused(traveller.come_back(back))
    assert live(instance) == []


def test_who_signs_in_as_somebody_else_takes_nothing_along(
    traveller: Traveller, admin: Somebody, instance: Instance
) -> None:
    back = traveller.consent(traveller.leave(instance))
    traveller.client.force_login(admin.person)
    assert refused(traveller.come_back(back))
    assert live(instance) == []


def test_the_stock_callback_is_shut_and_leaves_the_state_alone(
    traveller: Traveller, alice: Somebody, instance: Instance
) -> None:
    back = traveller.consent(traveller.leave(instance))
    query = back.partition("?")[2]
    for stock in ("github", "bind", "gitlab"):
        for page in ("login/callback/", "login/"):
            answer = traveller.client.get(f"/accounts/{stock}/{page}?{query}")
            assert answer.status_code == 404
    assert traveller.client.get("/t/acme/instances/").context["user"] == alice.person
    assert traveller.come_back(back).status_code == 302


@pytest.mark.parametrize("process", ["login", "connect", "redirect", "", None])
def test_a_state_of_another_process_signs_nobody_in(
    traveller: Traveller, alice: Somebody, instance: Instance, process: str | None
) -> None:
    back = traveller.consent(traveller.leave(instance))
    session = traveller.client.session
    (state_id,) = session[STATES]
    stashed = session[STATES]
    stashed[state_id][0]["process"] = process
    session[STATES] = stashed
    session.save()
    assert refused(traveller.come_back(back))
    assert traveller.client.get("/t/acme/instances/").context["user"] == alice.person
    assert (traveller.exchanges, live(instance)) == (0, [])


def test_two_returns_at_once_bind_once(traveller: Traveller, instance: Instance) -> None:
    back = traveller.consent(traveller.leave(instance))
    cookie = traveller.client.cookies["mooring"].value

    def come_back(_: int) -> int:
        client = Client()
        client.cookies["mooring"] = cookie
        try:
            status: int = Traveller(client, traveller.sandbox).come_back(back).status_code
            return status
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        statuses = sorted(threads.map(come_back, range(4)))
    assert statuses == [302, 400, 400, 400]
    assert traveller.exchanges == 1
    assert len(live(instance)) == 1


def test_what_was_given_up_is_too_late(traveller: Traveller, instance: Instance) -> None:
    from bindings.models import Authorization
    from bindings.services.bind import links
    from portal.ground import rls

    back = traveller.consent(traveller.leave(instance))
    with rls.tenant(instance.tenant_id):
        links.cancel(authorization=Authorization.objects.of(instance.tenant_id).get())
    assert refused(traveller.come_back(back))
    assert traveller.exchanges == 0
