"""The page of an attempt that was made by API: who it asks, what it does, and that once."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from bindings.services.bind import links
from bindings.services.bind.links import Begun
from portal.ground import rls
from portal.tenants.models import Instance
from tests.bindings.oauth.browser import Traveller
from tests.bindings.sources import GitHub, live
from tests.bindings.web.reading import read
from tests.people import Somebody

CHINESE = {"Accept-Language": "zh-hans"}


@pytest.fixture
def begun(alice: Somebody, github: GitHub, instance: Instance) -> Begun:
    """An attempt alice made with her API token."""
    return links.begin(actor=alice.actor, instance=instance, provider="github")


@pytest.fixture
def page(begun: Begun) -> str:
    return f"/i/{begun.code}/"


def test_it_asks_for_sign_in_and_leads_back(page: str, nobody: Client) -> None:
    answer = nobody.get(page)
    assert answer.headers["Location"] == f"/accounts/login/?next={page}"
    assert nobody.post(page).headers["Location"].startswith("/accounts/login/")


def test_it_says_who_asks_for_what(page: str, alice: Somebody) -> None:
    said = "Alice asks you to connect GitHub to prod-registry. This does exactly that, once. Start"
    answer = alice.client.get(page)
    assert said in read(answer).text
    assert answer.headers["Referrer-Policy"] == "strict-origin"
    assert "no-store" in answer.headers["Cache-Control"]
    said = "Alice 请您将 GitHub 连接到 prod-registry。此页面仅完成这一步，且只能使用一次。"
    assert said in read(alice.client.get(page, headers=CHINESE)).text


def test_start_leads_to_the_platform_and_the_return_to_the_confirmation(
    page: str, alice: Somebody, github: GitHub, instance: Instance
) -> None:
    client = alice.client
    policy = client.get(page).headers["Content-Security-Policy"]
    assert f"form-action 'self' {github.sandbox.url}" in policy
    traveller = Traveller(client, github.sandbox)
    url = client.post(page).headers["Location"]
    answer = traveller.come_back(traveller.consent(url))
    assert answer.headers["Location"].endswith("/sources/github/confirm/")
    assert live(instance)[0].account_login == "octavia"
    assert "This link has been used." in read(client.get(page)).text
    assert "此链接已被使用。" in read(client.get(page, headers=CHINESE)).text
    assert client.post(page).status_code == 200
    assert traveller.exchanges == 1


def test_looking_at_it_uses_nothing_up(
    page: str, alice: Somebody, begun: Begun, instance: Instance
) -> None:
    for _ in range(3):
        assert "Start" in read(alice.client.get(page)).text
    with rls.tenant(instance.tenant_id):
        begun.authorization.refresh_from_db()
    assert begun.authorization.status == "waiting"


def test_after_ten_minutes_it_has_ended(page: str, alice: Somebody) -> None:
    client = alice.client
    with time_machine.travel(timezone.now() + timedelta(minutes=11)):
        day = timezone.now().date()
        text = read(client.get(page)).text
        said = f"This link ended on {day.day} {day:%b %Y}. Ask Alice for a new one."
        assert said in text
        assert "Start" not in text
        chinese = read(client.get(page, headers=CHINESE)).text
        assert (
            f"此链接已于 {day.year}年{day.month}月{day.day}日 失效，请向 Alice 重新索取。"
            in chinese
        )
        assert client.post(page).status_code == 200


def test_only_admins_of_the_tenant_find_it(
    page: str, bob: Somebody, mallory: Somebody, alice: Somebody
) -> None:
    assert bob.client.get(page).status_code == 403
    assert mallory.client.get(page).status_code == 404
    for wrong in ("/i/unknown/", f"{page[:-2]}x/", f"{page[:-3]}/"):
        assert alice.client.get(wrong).status_code == 404


def test_an_old_sign_in_is_asked_again_first(page: str, alice: Somebody) -> None:
    late = alice.signed_in(ago=timedelta(minutes=16))
    for answer in (late.get(page), late.post(page)):
        assert answer.headers["Location"].startswith("/accounts/reauthenticate/?next=")
