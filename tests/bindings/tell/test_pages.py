"""What people see of it: the bell, the list, their preferences, and the mailbox of developers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dj_email_url
import pytest
from django.core.mail import EmailMessage, get_connection
from django.test import Client

from bindings import tasks
from bindings.notices import LINES, Channel, Topic
from bindings.services.tell import preferences
from portal import mailbox
from portal.tenants.models import Instance, Membership
from tests import factories
from tests.bindings.sources import GitLab
from tests.bindings.web.reading import asked_of_database, read
from tests.people import Somebody

PAGE, CHOICES = "/t/acme/notices/", "/me/notifications/"


@pytest.fixture
def told(gitlab: GitLab, alice: Somebody, dora: Somebody, instance: Instance) -> None:
    """dora, an admin, was told that alice has bound an account."""
    gitlab.bind(alice.actor, instance)
    tasks.tell_people()


def unread(one: Somebody) -> int:
    return Membership.objects.get(user=one.person).unread


def test_the_bell_counts_what_was_not_read_and_costs_no_question(
    told: None, dora: Somebody, bob: Somebody
) -> None:
    quiet = asked_of_database(bob.client, "/t/acme/instances/prod-registry/sources/")
    assert asked_of_database(dora.client, "/t/acme/instances/prod-registry/sources/") == quiet
    page = dora.client.get("/t/acme/instances/", headers={"Accept-Language": "en"})
    assert "Notifications, 1 unread" in page.content.decode()
    assert 'class="dot"' in page.content.decode()
    assert 'class="dot"' not in bob.client.get("/t/acme/instances/").content.decode()


def test_the_list_is_the_readers_own_and_can_be_marked_as_read(
    told: None, dora: Somebody, bob: Somebody, mallory: Somebody
) -> None:
    browser = dora.client
    assert "Alice bound build-bot on GitLab to prod-registry" in read(browser.get(PAGE)).text
    assert unread(dora) == 1
    assert browser.post(f"{PAGE}read/").status_code == 302
    assert unread(dora) == 0
    assert "Mark all as read" not in read(browser.get(PAGE)).text
    assert "Nothing to tell you yet." in read(bob.client.get(PAGE)).text
    assert mallory.client.get(PAGE).status_code == 404


def test_one_line_can_be_read_alone_and_nobody_elses(
    told: None, dora: Somebody, bob: Somebody
) -> None:
    shown = dora.client.get(PAGE).content.decode()
    line = shown.partition('name="line" value="')[2].partition('"')[0]
    assert line.startswith("ntc_")
    assert bob.client.post(f"{PAGE}read/", {"line": line}).status_code == 302
    assert unread(dora) == 1
    dora.client.post(f"{PAGE}read/", {"line": line})
    assert unread(dora) == 0


def test_the_list_speaks_chinese(told: None, dora: Somebody) -> None:
    page = dora.client.get(PAGE, headers={"Accept-Language": "zh-hans"})
    assert "Alice 将 GitLab 账号 build-bot 绑定到 prod-registry" in page.content.decode()


def test_the_matrix_begins_with_the_defaults_and_keeps_what_was_chosen(bob: Somebody) -> None:
    browser = bob.client
    assert preferences.of_people([bob.person.pk]).rows == {}
    asked = {topic.value: line.channel.value for topic, line in LINES.items()}
    asked |= {"broken": "digest", "changes": "nonsense", "language": "zh-hans"}
    answer = browser.post(CHOICES, asked | {"zone": "Asia/Shanghai"})
    assert answer.status_code == 302
    chosen = preferences.of_people([bob.person.pk])
    assert chosen.channel(bob.person.pk, Topic.BROKEN) is Channel.DIGEST
    assert chosen.channel(bob.person.pk, Topic.CHANGES) is Channel.PORTAL
    bob.person.refresh_from_db()
    assert (bob.person.language, bob.person.zone) == ("zh-hans", "Asia/Shanghai")
    shown = browser.get(CHOICES).content.decode()
    assert (
        'name="broken" value="digest" aria-label="已到期、需要重新连接、无法解密: 每日邮件" checked'
        in shown
    )


@pytest.mark.parametrize("odd", [{"zone": "Mars/Olympus"}, {"language": "tlh"}])
def test_what_does_not_exist_cannot_be_chosen(bob: Somebody, odd: dict[str, str]) -> None:
    answer = bob.client.post(CHOICES, {"language": "en", "zone": "UTC"} | odd)
    assert answer.status_code == 422
    assert preferences.of_people([bob.person.pk]).rows == {}


def test_who_wants_to_hear_nothing_hears_nothing(
    gitlab: GitLab, alice: Somebody, dora: Somebody, instance: Instance, mailoutbox: Any
) -> None:
    preferences.keep(person=dora.person, channels={Topic.CHANGES: Channel.NONE})
    gitlab.bind(alice.actor, instance)
    tasks.tell_people()
    assert unread(dora) == 0


def test_who_wants_a_mail_of_everything_gets_one(
    gitlab: GitLab, alice: Somebody, dora: Somebody, instance: Instance, mailoutbox: Any
) -> None:
    preferences.keep(person=dora.person, channels={Topic.CHANGES: Channel.MAIL})
    gitlab.bind(alice.actor, instance)
    tasks.tell_people()
    tasks.send_mails()
    assert [mail.subject for mail in mailoutbox] == [
        "Alice 将 GitLab 账号 build-bot 绑定到 prod-registry"
    ]


def test_a_new_member_is_told_from_then_on(
    told: None, alice: Somebody, gitlab: GitLab, second_instance: Instance
) -> None:
    erik = factories.person("erik")
    factories.member(alice.tenant, erik, "admin")
    gitlab.bind(alice.actor, second_instance)
    tasks.tell_people()
    assert Membership.objects.get(user=erik).unread == 1


# -- the mailbox of developers --------------------------------------------------------------------


def test_the_mailbox_shows_what_a_development_server_mailed(
    db: None, settings: Any, tmp_path: Path
) -> None:
    settings.MOORING_ENV, settings.EMAIL_BACKEND = "development", mailbox.BACKEND
    settings.EMAIL_FILE_PATH = str(tmp_path)
    assert "No mail yet." in Client().get("/mailbox/").content.decode()
    with get_connection() as connection:
        for number in range(2):
            body = f"你好 http://127.0.0.1:8000/t/{number}"
            message = EmailMessage(f"Mail {number}", body, to=["bob@example.com"])
            message.connection = connection
            message.send()
    page = Client().get("/mailbox/").content.decode()
    assert "Mail 0" in page
    assert "Mail 1" in page
    assert '<a href="http://127.0.0.1:8000/t/1"' in page


def test_the_address_of_the_mailbox_leads_below_the_local_folder(tmp_path: Path) -> None:
    found = dj_email_url.parse(mailbox.address(tmp_path))
    assert found["EMAIL_BACKEND"] == mailbox.BACKEND
    assert found["EMAIL_FILE_PATH"] == str(tmp_path / "mailbox")


@pytest.mark.parametrize(
    ("stage", "backend"),
    [
        ("production", mailbox.BACKEND),
        ("test", mailbox.BACKEND),
        ("development", "django.core.mail.backends.smtp.EmailBackend"),
    ],
)
def test_nowhere_else_is_there_a_mailbox(
    db: None, settings: Any, tmp_path: Path, stage: str, backend: str
) -> None:
    settings.MOORING_ENV, settings.EMAIL_BACKEND = stage, backend
    settings.EMAIL_FILE_PATH = str(tmp_path)
    assert Client().get("/mailbox/").status_code == 404
