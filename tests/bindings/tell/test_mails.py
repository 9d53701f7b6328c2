"""Mails: quiet when many fall at once, never lost, never doubled, and easy to end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from bindings import tasks
from bindings.models import Binding, CodeHost, Mail, Telling, facts
from bindings.services.keep import sweep, weather
from bindings.services.keep.weather import Saying, Sky
from bindings.services.tell import mails, outbox, people, preferences
from bindings.state import Facts, Status, turns
from portal.ground import bearer, rls
from portal.tenants.models import Instance, Membership, Tenant
from portal.tenants.services import members
from tests.bindings.fleet import Clock, host, many, until
from tests.bindings.sources import GitLab, make_due, stored
from tests.bindings.tell.conftest import ENDS
from tests.bindings.tell.post import HERE, subjects, tick, to
from tests.hosts import ROOT
from tests.people import Somebody

CROWD = 8


def rows(tenant: Tenant, model: Any) -> list[Any]:
    with rls.tenant(tenant.pk):
        return list(model.objects.of(tenant).order_by("pk"))


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    with time_machine.travel(moment, tick=False):
        yield


@pytest.fixture
def crowd(gitlab: GitLab, acme: Tenant, bob: Somebody) -> list[Binding]:
    """Eight bindings of one server, all bound by bob."""
    place = host(gitlab)
    return many(acme, place, CROWD, token=gitlab.token(), bound_by=bob.person)


def goes_dark(place: CodeHost, now: datetime) -> None:
    """The server has not answered for a quarter of an hour."""
    since = now - timedelta(minutes=16)
    was = Sky(down=True, failing_since=since, failures=5, ask_after=now)
    with at(now):
        weather.turn(place.pk, was, was.after(weather.Heard.FAILURE, now), now, Saying("timeout"))
        tick()


def comes_back(crowd: list[Binding], now: datetime) -> None:
    make_due(*crowd, at=now)
    with at(now):
        sweep.run(clock=Clock(now))
        tick()


def revoke(gitlab: GitLab, bound: Binding, name: str = "full") -> datetime:
    """The platform refuses the token, twice; returns when it was believed."""
    gitlab.sandbox.change_token(name, "gitlab", "build-bot", revoked=True)
    clock = Clock(timezone.now() - timedelta(minutes=3))
    for _ in range(2):
        make_due(bound, at=clock())
        sweep.run(clock=clock)
        clock.move(seconds=61)
    assert stored(bound).status == "revoked"
    return clock()


# -- quiet ----------------------------------------------------------------------------------------


def test_a_server_with_many_bindings_is_one_line_and_one_mail(
    crowd: list[Binding], bob: Somebody, acme: Tenant, mailoutbox: Any
) -> None:
    now, place = timezone.now(), stored(crowd[0]).host
    goes_dark(place, now)
    (line,) = rows(acme, Telling)
    assert (line.kind, line.many) == ("unreachable", CROWD)
    assert subjects(bob.person) == []
    with at(now + timedelta(minutes=31)):
        tick()
    assert subjects(bob.person) == [f"our-gitlab is unreachable: {CROWD} bindings"]
    comes_back(crowd, now + timedelta(minutes=40))
    with at(now + timedelta(minutes=51)):
        tick()
    assert subjects(bob.person)[1:] == [f"our-gitlab works again: {CROWD} bindings"]
    assert [(one.kind, one.many) for one in rows(acme, Telling)][1:] == [("recovered", CROWD)]


def test_a_server_that_is_back_within_half_an_hour_is_worth_no_mail(
    crowd: list[Binding], bob: Somebody, acme: Tenant, mailoutbox: Any
) -> None:
    now = timezone.now()
    goes_dark(stored(crowd[0]).host, now)
    comes_back(crowd, now + timedelta(minutes=12))
    for minutes in (31, 60, 60 * 26):
        with at(now + timedelta(minutes=minutes)):
            tick()
    assert subjects(bob.person) == []
    assert [one.kind for one in rows(acme, Telling)] == ["unreachable", "recovered"]


def test_stragglers_of_one_server_join_the_line_that_is_there(
    crowd: list[Binding], bob: Somebody, acme: Tenant, mailoutbox: Any
) -> None:
    start = timezone.now()
    for number, bound in enumerate(crowd):
        now = start + timedelta(minutes=number)
        fresh = stored(bound)
        turned = turns.turn(facts.of(fresh), Facts(Status.UNDECRYPTABLE), now)
        with at(now):
            with rls.fleet("a test tells"):
                facts.apply(fresh, turned.facts)
                outbox.record(outbox.of_verdict(fresh, turned, at=now))
            tick()
    mine = [line for line in rows(acme, Telling) if line.user_id == bob.person.pk]
    assert [line.many for line in mine] == [CROWD]
    with at(start + timedelta(minutes=11)):
        tick()
        tick()
    assert subjects(bob.person) == [f"our-gitlab: {CROWD} credentials cannot be opened"]


# -- who ------------------------------------------------------------------------------------------


def test_a_refused_token_is_told_at_once_to_binder_admins_and_owners(
    gitlab: GitLab,
    alice: Somebody,
    bob: Somebody,
    carol: Somebody,
    dora: Somebody,
    instance: Instance,
    mailoutbox: Any,
) -> None:
    bound = gitlab.bind(alice.actor, instance)
    with rls.tenant(instance.tenant_id):
        Binding.objects.filter(pk=bound.pk).update(bound_by=bob.person)
    with at(revoke(gitlab, bound)):
        tick()
    english = "GitLab no longer accepts build-bot for prod-registry"
    assert subjects(alice.person) == subjects(bob.person) == [english]
    assert subjects(dora.person) == ["GitLab 不再接受 prod-registry 的账号 build-bot"]
    assert subjects(carol.person) == []
    mail = to(bob.person)[0]
    assert "Alice" in mail.body
    assert "Dora" in mail.body
    assert f"/t/acme/bindings/{bound.public_id}/" in mail.body
    assert f"/t/acme/bindings/{bound.public_id}/replace/" in to(alice.person)[0].body
    (html, kind), *rest = mail.alternatives
    assert (kind, rest) == ("text/html", [])
    assert "<h1" in html
    everything = mail.message().as_string()
    assert gitlab.token() not in everything
    addresses = {word for word in everything.split() if word.startswith(("http://", "https://"))}
    assert {urlsplit(one).netloc for one in addresses} == {"127.0.0.1:8000"}


def test_where_the_binder_has_left_the_admins_stand_in(
    dated: Binding, alice: Somebody, bob: Somebody, dora: Somebody, acme: Tenant, mailoutbox: Any
) -> None:
    member = Membership.objects.get(user=bob.person)
    members.remove(actor=alice.actor, member=member, now=timezone.now())
    for hours in (0, 24):
        with at(ENDS - timedelta(days=20) + timedelta(hours=hours)):
            tick()
    assert subjects(bob.person) == []
    assert len(subjects(dora.person)) == 1


# -- never lost, never doubled --------------------------------------------------------------------


def child(*lines: str, **environment: str) -> subprocess.Popen[bytes]:
    """A process like a worker's, that does this."""
    program = "\n".join(["import django", "django.setup()", *lines])
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "portal.settings"} | environment,
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait(30)


def test_a_worker_killed_while_a_server_hangs_loses_no_mail_and_doubles_none(
    gitlab: GitLab, alice: Somebody, instance: Instance, mailoutbox: Any
) -> None:
    bound = gitlab.bind(alice.actor, instance)
    revoke(gitlab, bound)
    tasks.tell_people()
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        url = f"smtp://127.0.0.1:{frozen.getsockname()[1]}"
        worker = child("from bindings import tasks", "tasks.send_mails()", MOORING_EMAIL_URL=url)
        frozen.settimeout(30)
        connection, _address = frozen.accept()
        kill(worker)
        connection.close()
    (mail,) = rows(instance.tenant, Mail)
    assert (mail.attempts, mail.sent_at) == (1, None)
    tasks.send_mails()
    assert mailoutbox == []  # leased: somebody else may still be at it
    with at(timezone.now() + mails.LEASE):
        tick()
    (message,) = mailoutbox
    assert message.extra_headers["Message-ID"] == f"<{mail.pk.hex}@127.0.0.1>"
    with at(timezone.now() + timedelta(days=1)):
        tick()
    assert len(mailoutbox) == 1


def test_a_worker_killed_while_it_tells_has_told_nobody_or_everybody(
    gitlab: GitLab, alice: Somebody, instance: Instance, superuser: Any
) -> None:
    bound = gitlab.bind(alice.actor, instance)
    revoke(gitlab, bound)
    with superuser.transaction():
        superuser.execute("LOCK TABLE bindings_told IN EXCLUSIVE MODE")
        worker = child("from bindings import tasks", "tasks.tell_people()")
        until(lambda: waits(superuser))
        kill(worker)
    people.tell(timezone.now())
    people.tell(timezone.now())
    kinds = [line.kind for line in rows(instance.tenant, Telling)]
    assert sorted(kinds) == ["bound", "revoked"]


def waits(superuser: Any) -> bool:
    """Does somebody wait for the lock?"""
    found = superuser.execute(
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'bindings_told'::regclass"
    ).fetchone()
    return bool(found[0])


def test_a_dead_mail_server_stops_nothing_and_is_tried_again(
    gitlab: GitLab, alice: Somebody, instance: Instance, settings: Any, mailoutbox: Any
) -> None:
    bound = gitlab.bind(alice.actor, instance)
    working, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, f"{HERE}.Dead"
    now = revoke(gitlab, bound)
    with at(now):
        tick()
    (mail,) = rows(instance.tenant, Mail)
    assert (mail.attempts, mail.next_at) == (1, now + timedelta(minutes=1))
    with at(now + timedelta(minutes=1)):
        tick()
    settings.EMAIL_BACKEND = working
    with at(now + timedelta(minutes=10)):
        tick()
    assert subjects(alice.person) == ["GitLab no longer accepts build-bot for prod-registry"]


def test_a_mail_that_was_never_taken_is_given_up_after_three_days(
    gitlab: GitLab, alice: Somebody, instance: Instance, mailoutbox: Any
) -> None:
    bound = gitlab.bind(alice.actor, instance)
    with at(revoke(gitlab, bound)):
        tasks.tell_people()
    with at(timezone.now() + timedelta(days=4)):
        tasks.send_mails()
    (mail,) = rows(instance.tenant, Mail)
    assert (mail.next_at, mail.sent_at, mailoutbox) == (None, None, [])


# -- the way out ----------------------------------------------------------------------------------


def test_one_click_ends_mails_like_it_without_a_sign_in(
    gitlab: GitLab,
    alice: Somebody,
    instance: Instance,
    second_instance: Instance,
    mailoutbox: Any,
) -> None:
    bound = gitlab.bind(alice.actor, instance)
    other = gitlab.bind(alice.actor, second_instance)
    with at(revoke(gitlab, bound)):
        tick()
    (message,) = mailoutbox
    headers = message.extra_headers
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = urlsplit(headers["List-Unsubscribe"].strip("<>")).path
    stranger = Client(enforce_csrf_checks=True)
    assert stranger.get(path).status_code == 200
    assert preferences.of_people([alice.person.pk]).rows == {}
    for _ in range(2):
        answer = stranger.post(path, {"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
        assert answer.headers["Referrer-Policy"] == "strict-origin"
    assert preferences.of_people([alice.person.pk]).rows == {(alice.person.pk, "broken"): "portal"}
    with at(revoke(gitlab, other)):
        tick()
    assert len(mailoutbox) == 1


def test_of_the_key_only_its_digest_is_kept(
    gitlab: GitLab, alice: Somebody, instance: Instance, mailoutbox: Any, superuser: Any
) -> None:
    bound = gitlab.bind(alice.actor, instance)
    with at(revoke(gitlab, bound)):
        tick()
    key = mailoutbox[0].extra_headers["List-Unsubscribe"].strip("<>/").rpartition("/")[2]
    (mail,) = rows(instance.tenant, Mail)
    assert bearer.well_formed("mru", key)
    assert bytes(mail.digest) == bearer.digest(key)
    assert key not in str(superuser.execute("SELECT * FROM bindings_mail").fetchall())


OTHERS = {
    "no key": "x",
    "unchecked": "mru_" + "a" * 49,
    "nobody's": bearer.make("mru"),
    "a calendar's": bearer.make("mrf"),
}


@pytest.mark.parametrize("key", OTHERS.values(), ids=OTHERS)
def test_any_other_key_is_not_found(db: None, key: str) -> None:
    assert Client().get(f"/me/unsubscribe/{key}/").status_code == 404
    assert Client().post(f"/me/unsubscribe/{key}/").status_code == 404
