"""The calendar of end dates, read back by a program that is not ours; and its secret addresses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import icalendar
import pytest
from django.test import Client
from django.utils import timezone

from bindings.models import Binding, Feed
from bindings.services.tell import calendar
from portal.ground import bearer, rls
from portal.tenants.models import Instance, Membership, Tenant
from portal.tenants.services import members, tokens
from tests.bindings.fleet import host, many
from tests.bindings.sources import GitLab
from tests.people import Somebody

DAY = timezone.now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
SOON = DAY + timedelta(days=20)


@pytest.fixture
def ending(gitlab: GitLab, acme: Tenant) -> Binding:
    """It ends in twenty days, and its names try to break a calendar."""
    (row,) = many(
        acme,
        host(gitlab),
        1,
        quality="exact",
        expires_at=SOON,
        account_login="bot; a, b \\ 机器人" + "长" * 40,
        repositories_seen=12,
    )
    return row


def events(answer: Any) -> list[Any]:
    assert answer.status_code == 200, answer.content
    assert answer.headers["Content-Type"].startswith("text/calendar")
    return list(icalendar.Calendar.from_ical(answer.content).walk("VEVENT"))


def address_of(caller: Client) -> str:
    """The path of a new address of this caller."""
    answer = caller.generic("POST", "/api/v1/expiries/feed")
    assert answer.status_code == 201, answer.content
    return urlsplit(answer.json()["url"]).path


def test_each_end_is_an_event_with_what_stops_and_three_alarms(
    alice: Somebody, ending: Binding
) -> None:
    (event,) = events(alice.api().get("/api/v1/expiries.ics"))
    assert event["UID"] == f"{ending.public_id}-1@127.0.0.1"
    assert event["DTSTART"].dt == SOON.date()
    assert event["DTEND"].dt == SOON.date() + timedelta(days=1)
    assert f"GitLab token for {ending.instance.name} ends" == event["SUMMARY"]
    said = str(event["DESCRIPTION"])
    assert ending.account_login in said
    assert "What stops: 12 repositories" in said
    assert event["URL"].endswith(f"/t/acme/bindings/{ending.public_id}/")
    alarms = [alarm["TRIGGER"].dt for alarm in event.walk("VALARM")]
    assert alarms == [timedelta(days=-days) for days in (14, 7, 1)]


def test_no_line_is_longer_than_75_octets_and_no_letter_is_cut(
    alice: Somebody, ending: Binding
) -> None:
    body = alice.api().get("/api/v1/expiries.ics").content
    lines = body.split(b"\r\n")
    assert body.endswith(b"END:VCALENDAR\r\n")
    assert max(map(len, lines)) <= 75
    assert all(line.decode("utf-8") is not None for line in lines)
    assert b"\n" not in body.replace(b"\r\n", b"")


def test_an_end_with_an_hour_is_that_moment(alice: Somebody, gitlab: GitLab, acme: Tenant) -> None:
    moment = SOON + timedelta(hours=13, minutes=5)
    many(acme, host(gitlab), 1, quality="exact", expires_at=moment)
    (event,) = events(alice.api().get("/api/v1/expiries.ics"))
    assert event["DTSTART"].dt == moment
    assert isinstance(event["DTSTART"].dt, datetime)


def test_the_same_filters_hold_as_for_the_list(
    alice: Somebody, ending: Binding, gitlab: GitLab, acme: Tenant
) -> None:
    api = alice.api()
    many(acme, ending.host, 1, quality="idle", expires_at=SOON)
    many(acme, ending.host, 1, quality="exact", expires_at=SOON, renews=True)
    base = "/api/v1/expiries.ics"
    assert len(events(api.get(base))) == 1
    assert len(events(api.get(f"{base}?include_renewing=true"))) == 2
    assert events(api.get(f"{base}?within=P5D")) == []
    assert events(api.get(f"{base}?provider=github")) == []
    assert len(events(api.get(f"{base}?instance={ending.instance.public_id}"))) == 1
    assert api.get(f"{base}?odd=1").status_code == 400


def test_it_speaks_the_readers_language_and_any_accept(alice: Somebody, ending: Binding) -> None:
    api = alice.api()
    chinese = {"Accept-Language": "zh-hans", "Accept": "text/calendar"}
    (event,) = events(api.get("/api/v1/expiries.ics", headers=chinese))
    assert event["SUMMARY"] == f"{ending.instance.name} 的 GitLab 令牌到期"
    refused = api.get("/api/v1/expiries.ics", headers={"Accept": "application/xml"})
    assert refused.status_code == 406


def test_a_text_is_escaped_and_loses_its_control_signs() -> None:
    assert calendar.escape("a\\b;c,d\r\ne\x07\nf") == "a\\\\b\\;c\\,d\\ne\\nf"


# -- secret addresses -----------------------------------------------------------------------------


def test_an_address_works_without_a_sign_in_until_it_is_replaced_or_ended(
    alice: Somebody, ending: Binding
) -> None:
    api, stranger = alice.api(), Client()
    first = address_of(api)
    assert first.startswith("/feeds/mrf_")
    assert first.endswith(".ics")
    assert len(events(stranger.get(first))) == 1
    second = address_of(api)
    assert stranger.get(first).status_code == 404
    assert len(events(stranger.get(second))) == 1
    for _ in range(2):
        assert api.delete("/api/v1/expiries/feed").status_code == 204
    assert stranger.get(second).status_code == 404


def test_each_caller_has_one_address_of_their_own(
    alice: Somebody, bob: Somebody, ending: Binding
) -> None:
    paths = [address_of(one.api(personal=True)) for one in (alice, bob)]
    assert [Client().get(path).status_code for path in paths] == [200, 200]


def test_only_a_digest_of_the_key_is_kept(
    alice: Somebody, acme: Tenant, ending: Binding, superuser: Any
) -> None:
    path = address_of(alice.api())
    key = path.removeprefix("/feeds/").removesuffix(".ics")
    with rls.tenant(acme.pk):
        (feed,) = Feed.objects.of(acme)
    assert bytes(feed.digest) == bearer.digest(key)
    assert key not in str(superuser.execute("SELECT * FROM bindings_feed").fetchall())


def test_an_unchanged_calendar_is_not_sent_twice(alice: Somebody, ending: Binding) -> None:
    path = address_of(alice.api())
    tag = Client().get(path).headers["ETag"]
    again = Client().get(path, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    api = alice.api()
    known = api.get("/api/v1/expiries.ics").headers["ETag"]
    assert api.get("/api/v1/expiries.ics", headers={"If-None-Match": known}).status_code == 304


def test_who_may_not_look_any_more_has_no_calendar(
    alice: Somebody, bob: Somebody, ending: Binding
) -> None:
    mine = bob.client
    made = mine.post("/t/acme/expiry/feed/", {"act": "make"}).content.decode()
    path = "/feeds/" + made.partition("/feeds/")[2].partition(".ics")[0] + ".ics"
    assert Client().get(path).status_code == 200
    member = Membership.objects.get(user=bob.person)
    members.remove(actor=alice.actor, member=member, now=timezone.now())
    assert Client().get(path).status_code == 404


def test_a_revoked_token_takes_its_calendar_along(
    alice: Somebody, ending: Binding, instance: Instance
) -> None:
    made = alice.token("bindings:read", instances=[instance])
    client = Client(headers={"Authorization": f"Bearer {made.secret}"})
    path = address_of(client)
    # Limited to an instance without an end.
    assert events(Client().get(path)) == []
    public_id = made.token.public_id
    tokens.revoke(actor=alice.actor, public_id=public_id, now=timezone.now())
    assert Client().get(path).status_code == 404


def test_another_tenants_ends_are_not_in_it(
    mallory: Somebody, alice: Somebody, ending: Binding
) -> None:
    path = address_of(mallory.api())
    assert events(Client().get(path)) == []


WRONG = {
    "no key": "x",
    "nobody's": bearer.make("mrf"),
    "a token": bearer.make("mrg"),
    "unchecked": "mrf_" + "0" * 49,
}


@pytest.mark.parametrize("key", WRONG.values(), ids=WRONG)
def test_a_wrong_key_is_not_found(db: None, key: str) -> None:
    assert Client().get(f"/feeds/{key}.ics").status_code == 404


def test_the_page_shows_a_new_address_once_and_ends_it(alice: Somebody, ending: Binding) -> None:
    browser, page = alice.client, "/t/acme/expiry/feed/"
    assert "/feeds/" not in browser.get(page).content.decode()
    assert "/feeds/mrf_" in browser.post(page, {"act": "make"}).content.decode()
    assert "/feeds/" not in browser.get(page).content.decode()
    assert browser.post(page, {"act": "end"}).status_code == 302
