"""Using a credential: only outside transactions, only what is usable, and use counts as a check."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from bindings.models import Binding, CodeHost, Schedule
from bindings.services.bind import replace, unbind
from bindings.services.custody import door as doors
from bindings.services.custody import sealed
from bindings.services.custody.use import TransactionOpen, provider_at, stored, use
from portal.ground import rls
from portal.ground.refusals import NotYours, Refusal
from providers.errors import TokenRejected
from providers.http import Door
from providers.types import Credential as Secret
from providers.types import Profile
from tests.bindings import far
from tests.bindings.sources import GitHub, GitLab
from tests.bindings.sources import stored as row_of
from tests.people import Somebody

# -- using ---------------------------------------------------------------------------------------


def test_use_counts_as_a_check(gitlab: GitLab, binding: Binding) -> None:
    before = row_of(binding).schedule
    with time_machine.travel(timezone.now() + timedelta(hours=20)):
        with use(binding, why="test") as account:
            assert account.identify().login == "build-bot"
        row, now = row_of(binding), timezone.now()
    assert row.used_at is not None
    assert now - row.used_at < timedelta(seconds=5)
    assert row.schedule.checked_at > before.checked_at
    assert row.schedule.next_check_at > before.next_check_at
    assert row.version == binding.version


def test_a_busy_client_writes_once_a_minute(gitlab: GitLab, binding: Binding) -> None:
    for _ in range(3):
        with use(row_of(binding), why="test") as account:
            account.identify()
    first = row_of(binding).used_at
    with use(row_of(binding), why="test"):
        pass
    assert row_of(binding).used_at == first
    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        with use(row_of(binding), why="test"):
            pass
        assert row_of(binding).used_at != first


def test_a_refusal_brings_the_next_check_forward_and_travels_on(
    gitlab: GitLab, binding: Binding
) -> None:
    gitlab.sandbox.revoke("full", "gitlab", "build-bot")
    with pytest.raises(TokenRejected), use(binding, why="test") as account:
        account.identify()
    row = row_of(binding)
    assert row.schedule.next_check_at <= timezone.now()
    assert (row.status, row.suspicion, row.used_at) == ("active", 0, None)


def test_a_token_that_is_suspected_already_is_not_asked_about_sooner(
    gitlab: GitLab, binding: Binding
) -> None:
    gitlab.sandbox.revoke("full", "gitlab", "build-bot")
    planned = timezone.now() + timedelta(seconds=90)
    with rls.fleet("a test suspects it"):
        Binding.objects.filter(pk=binding.pk).update(suspicion=1, refused_at=timezone.now())
        Schedule.objects.filter(pk=binding.pk).update(next_check_at=planned)
    with pytest.raises(TokenRejected), use(binding, why="test") as account:
        account.identify()
    assert row_of(binding).schedule.next_check_at == planned


def test_a_use_does_not_hide_that_the_server_fails(gitlab: GitLab, binding: Binding) -> None:
    planned = timezone.now() + timedelta(minutes=4)
    with rls.fleet("a test lets it fail"):
        Schedule.objects.filter(pk=binding.pk).update(failures=2, next_check_at=planned)
    with use(binding, why="test"):
        pass
    assert row_of(binding).schedule.next_check_at == planned


@pytest.mark.parametrize("status", ["pending", "revoked", "expired", "suspended", "undecryptable"])
def test_what_cannot_be_used_now_is_not_opened(
    gitlab: GitLab, binding: Binding, status: str
) -> None:
    """The row counts as it is now, not as the caller remembers it."""
    with rls.fleet("a test turns it"):
        Binding.objects.filter(pk=binding.pk).update(status=status)
    with pytest.raises(Refusal) as caught, use(binding, why="test"):
        raise AssertionError("it was used")
    assert (caught.value.code, caught.value.extra) == ("X-STATE-01", {"state": status})


@pytest.mark.parametrize("status", ["active", "expiring", "insufficient"])
def test_what_can_be_used_is(gitlab: GitLab, binding: Binding, status: str) -> None:
    with rls.fleet("a test turns it"):
        Binding.objects.filter(pk=binding.pk).update(status=status)
    with use(binding, why="test") as account:
        assert account.identify().login == "build-bot"


def test_what_was_unbound_is_not_opened(gitlab: GitLab, alice: Somebody, binding: Binding) -> None:
    unbind.unbind(actor=alice.actor, binding=binding)
    with pytest.raises(NotYours), use(binding, why="test"):
        raise AssertionError("it was used")
    with pytest.raises(NotYours):
        stored(binding)


def test_the_generation_comes_with_the_secret(
    gitlab: GitLab, alice: Somebody, binding: Binding
) -> None:
    assert (stored(binding).generation, stored(binding).secret.token) == (1, gitlab.token())
    replace.replace_token(actor=alice.actor, binding=binding, token=gitlab.token("sudo"))
    known = stored(binding)
    assert (known.generation, known.secret.token) == (2, gitlab.token("sudo"))
    assert gitlab.token("sudo") not in repr(known)


def test_no_host_is_asked_inside_a_transaction(gitlab: GitLab, binding: Binding) -> None:
    with rls.tenant(binding.tenant_id), pytest.raises(TransactionOpen):
        stored(binding)
    with (
        rls.tenant(binding.tenant_id),
        pytest.raises(TransactionOpen),
        use(binding, why="test"),
    ):
        raise AssertionError("it was used")
    for scope in (rls.fleet("test"), rls.login()):
        with scope, pytest.raises(TransactionOpen):
            provider_at(binding.host, Secret("glpat-test-0123456789"))


def test_the_log_names_journey_and_binding_and_no_secret(
    gitlab: GitLab, binding: Binding, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with use(binding, why="a test's journey"):
        pass
    assert "a test's journey" in caplog.text
    assert binding.public_id in caplog.text
    assert gitlab.token() not in caplog.text


def test_an_empty_credential_is_never_sent(
    gitlab: GitLab, binding: Binding, superuser: Any
) -> None:
    superuser.execute("UPDATE bindings_credential SET access = NULL")
    with pytest.raises(sealed.Undecryptable):
        stored(binding)


# -- the door ------------------------------------------------------------------------------------


def test_a_process_has_one_door_and_may_be_given_another(db: None) -> None:
    first = doors.door()
    assert doors.door() is first
    with far.installed(Door()) as other:
        assert doors.door() is other
    assert doors.door() is first


def test_we_say_who_we_are(gitlab: GitLab, binding: Binding, settings: Any) -> None:
    with use(binding, why="test") as account:
        account.identify()
    last = gitlab.sandbox.requests("gitlab", "/api/v4/user")[-1]
    sent = {name.lower(): value for name, value in last["headers"].items()}
    assert sent["user-agent"] == f"Mooring/{settings.MOORING_VERSION}"
    assert "cookie" not in sent


def test_rules_come_from_the_operator(settings: Any) -> None:
    settings.MOORING_SANDBOX_URL = ""
    settings.MOORING_ALLOW_CIDRS = ("10.20.0.0/16",)
    settings.MOORING_EGRESS_PROXY = "http://proxy.example:3128"
    host = CodeHost(ca_bundle="PEM", private_cidrs=["192.168.7.0/24"])
    rules = doors.rules_for(host)
    assert (rules.profile, rules.ca_bundle) == (Profile.EXTENDED, "PEM")
    assert rules.private == ("192.168.7.0/24", "10.20.0.0/16")
    assert (rules.proxy, rules.sandbox) == ("http://proxy.example:3128", None)
    host.profile, host.proxy_url = "seed", "http://own.example:3128"
    strict = doors.rules_for(host)
    assert (strict.profile, strict.private, strict.ca_bundle) == (Profile.SEED, (), "")
    assert strict.proxy == "http://own.example:3128"


def test_the_sandbox_is_one_place_of_loopback(settings: Any) -> None:
    settings.MOORING_SANDBOX_URL = "http://127.0.0.1:8100"
    assert doors.sandbox_origin() == ("127.0.0.1", 8100)
    settings.MOORING_SANDBOX_URL = ""
    assert doors.sandbox_origin() is None


def test_an_app_secret_that_does_not_open_stops_no_account(
    github: GitHub, caplog: pytest.LogCaptureFixture
) -> None:
    github.host.client_secret = type(github.host.client_secret)(b"damaged")
    assert doors.host_for_accounts(github.host).client_secret == ""
    assert "does not open" in caplog.text
    with pytest.raises(sealed.Undecryptable):
        doors.host_value(github.host)
    token = github.sandbox.token("github", "octavia")
    assert provider_at(github.host, Secret(token)).identify().login == "octavia"
