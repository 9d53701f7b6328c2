"""Code hosts as operators keep them: what goes in, whom it concerns, and what never comes out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from bindings.models import Binding, CodeHost, HostOffer
from bindings.services.bind import hosts, servers
from bindings.services.bind.servers import NotAccepted
from bindings.services.custody import sealed
from bindings.services.keep import pause
from portal.ground import rls
from portal.tenants.models import Tenant
from tests.bindings.admin.conftest import Operator, address, now_is, said, told
from tests.bindings.api import rows
from tests.hosts import Sandbox
from tests.people import Somebody
from tests.providers.certificates import Authority

SECRET = "a-test-secret-of-the-app-4711"
NONE = {"offers-TOTAL_FORMS": "0", "offers-INITIAL_FORMS": "0"}
BLANK = {
    "provider": "gitlab",
    "label": "GitLab of Example",
    "base_url": "https://gitlab.example.com/",
    "enabled": "on",
    "offered": "on",
    **NONE,
}


def add(operator: Operator, **typed: str) -> Any:
    return operator.client.post(address("bindings_codehost_add"), {**BLANK, **typed}, follow=True)


def change(operator: Operator, host: CodeHost, **typed: str) -> Any:
    """Save the form of a host with what it showed, and `typed`."""
    where = address("bindings_codehost_change", host.pk)
    form = operator.client.get(where).context["adminform"].form
    shown = {name: form[name].value() for name in form.fields if form[name].value()}
    sent = {name: "on" if value is True else value for name, value in shown.items()}
    kept = {name: value for name, value in {**sent, **NONE, **typed}.items() if value != "off"}
    return operator.client.post(where, kept, follow=True)


def stored(slug: str) -> CodeHost:
    with rls.fleet("a test"):
        return CodeHost.objects.get(slug=slug)


def errors(answer: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = answer.context["adminform"].form.errors
    return found


@pytest.fixture
def host(operator: Operator) -> CodeHost:
    """A GitLab that an operator has entered."""
    answer = add(operator, client_id="app-1", new_secret=SECRET)
    assert "was added successfully" in said(answer)[0]
    return stored("gitlab-of-example")


def test_an_address_is_kept_in_one_spelling(host: CodeHost) -> None:
    assert host.base_url == "https://gitlab.example.com"
    assert host.api_url == "https://gitlab.example.com/api/v4"
    assert host.owner_id is None


def test_the_same_server_is_not_entered_twice(operator: Operator, host: CodeHost) -> None:
    answer = add(operator, label="Again", base_url="https://GITLAB.example.com")
    assert errors(answer) == {"base_url": ["This server is here already."]}


def test_two_hosts_never_share_a_callback(operator: Operator, host: CodeHost) -> None:
    answer = add(operator, base_url="https://other.example.com")
    assert list(errors(answer)) == ["slug"]


@pytest.mark.parametrize(
    "typed",
    [
        "ftp://gitlab.example.com",
        "https://user:test@gitlab.example.com",
        "https://127.0.0.1",
        "gitlab",
    ],
)
def test_an_address_nobody_may_dial_is_refused(operator: Operator, typed: str) -> None:
    assert list(errors(add(operator, base_url=typed))) == ["base_url"]


def test_the_secret_goes_in_and_only_its_fingerprint_comes_out(
    operator: Operator, host: CodeHost
) -> None:
    assert sealed.client_secret(host) == SECRET
    page = operator.sees("bindings_codehost_change", host.pk)
    assert SECRET not in page
    assert f"fingerprint {sealed.client_fingerprint(host)}, entered 2" in page
    assert "/oauth/callback/gitlab-of-example/" in page


def test_a_secret_is_not_repeated_when_the_form_is(operator: Operator) -> None:
    answer = add(operator, base_url="nonsense", new_secret=SECRET)
    assert list(errors(answer)) == ["base_url"]
    assert SECRET not in answer.content.decode()


def test_a_form_without_a_secret_keeps_the_one_there_is(operator: Operator, host: CodeHost) -> None:
    change(operator, host, label="Another name")
    after = stored(host.slug)
    assert after.label == "Another name"
    assert sealed.client_secret(after) == SECRET
    change(operator, host, new_secret="another-test-secret")
    assert sealed.client_secret(stored(host.slug)) == "another-test-secret"


def test_the_history_names_fields_and_no_values(operator: Operator, host: CodeHost) -> None:
    change(operator, host, new_secret="another-test-secret", label="New")
    entries = [entry.get_change_message() for entry in LogEntry.objects.all()]
    assert any("client secret" in entry.lower() for entry in entries)
    page = operator.sees("bindings_codehost_history", host.pk)
    for value in (SECRET, "another-test-secret"):
        assert value not in page + "".join(entries)


def test_a_token_only_goes_where_it_was_bound(operator: Operator, host: CodeHost) -> None:
    change(operator, host, base_url="https://elsewhere.example.com", provider="github", slug="x")
    assert stored(host.slug).base_url == host.base_url
    assert stored(host.slug).provider == "gitlab"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("10.20.0.0/16", "10.20.0.0/16"), (" fd12::/32 ", "fd12::/32"), ("100.64.0.0/10",) * 2],
)
def test_a_private_range_can_be_opened(typed: str, kept: str) -> None:
    assert servers.private_range(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        *("0.0.0.0/0", "8.8.8.0/24", "127.0.0.0/8", "::1/128", "169.254.169.254/32", "::/0"),
        *("100.100.100.200/32", "fd00:ec2::254/128", "10.20.1.1/16", "gitlab.example", ""),
    ],
)
def test_no_other_range_can_be_opened(typed: str) -> None:
    with pytest.raises(NotAccepted):
        servers.private_range(typed)


def test_a_refused_range_is_named_in_the_form(operator: Operator, host: CodeHost) -> None:
    answer = change(operator, host, private_cidrs="10.1.0.0/16,169.254.0.0/16")
    assert (
        "169.254.0.0/16 is not inside a range that can be opened"
        in errors(answer)["private_cidrs"][0]
    )
    change(operator, host, private_cidrs="10.1.0.0/16, 192.168.7.0/24")
    assert stored(host.slug).private_cidrs == ["10.1.0.0/16", "192.168.7.0/24"]


def test_certificates_are_kept_when_all_can_be_read(operator: Operator, host: CodeHost) -> None:
    bundle = Authority().pem + "\n" + Authority("Another").pem
    change(operator, host, ca_bundle=bundle)
    assert stored(host.slug).ca_bundle.count("BEGIN CERTIFICATE") == 2


def test_a_bad_certificate_is_refused_with_its_line() -> None:
    good = Authority().pem
    now = timezone.now()
    damaged = good + good.replace("M", "N", 5)
    line = good.count("\n") + 1
    with pytest.raises(NotAccepted, match=f"Line {line}: this certificate cannot be read."):
        servers.certificates(damaged, now=now)
    with pytest.raises(NotAccepted, match="Line 1: no certificate begins here"):
        servers.certificates("not a certificate", now=now)
    with pytest.raises(NotAccepted, match="Line 1: this certificate ended on"):
        servers.certificates(good, now=now + timedelta(days=60))


def test_a_change_of_reach_with_living_bindings_needs_a_reason(
    operator: Operator, bound: Binding, foreign: Binding
) -> None:
    answer = change(operator, bound.host, private_cidrs="10.1.0.0/16")
    assert "2 living bindings of 2 tenants" in errors(answer)["reason"][0]
    assert stored(bound.host.slug).private_cidrs == []
    change(operator, bound.host, private_cidrs="10.1.0.0/16", reason="It moved inside.")
    assert stored(bound.host.slug).private_cidrs == ["10.1.0.0/16"]
    assert "It moved inside." in operator.sees("bindings_codehost_history", bound.host_id)


def test_a_host_leads_to_what_it_concerns(
    operator: Operator, bound: Binding, foreign: Binding
) -> None:
    page = operator.sees("bindings_codehost_change", bound.host_id)
    where = f"{address('bindings_binding_changelist')}?host={bound.host.public_id}"
    assert f'<a href="{where}">2 bindings of 2 tenants</a>' in page


def test_switched_off_all_its_bindings_pause_and_wake_with_it(
    operator: Operator, bound: Binding, foreign: Binding, acme: Tenant
) -> None:
    answer = change(operator, bound.host, enabled="off", reason="A test.")
    assert "2 bindings paused." in said(answer)
    for binding in (bound, foreign):
        row = now_is(binding)
        assert (row.status, row.why, row.before) == ("suspended", "host_disabled", "active")
        assert row.schedule.next_check_at is None
    assert told(acme, "binding.suspended")[0].actor["kind"] == "operator"
    answer = change(operator, bound.host, enabled="on", reason="A test.")
    assert "2 bindings resumed." in said(answer)
    assert {now_is(one).status for one in (bound, foreign)} == {"active"}


def test_what_an_operator_paused_does_not_wake_with_its_host(
    operator: Operator, bound: Binding, alice: Somebody
) -> None:
    pause.suspend(actor=alice.actor, binding=bound, reason="a test")
    change(operator, bound.host, enabled="off", reason="A test.")
    change(operator, bound.host, enabled="on", reason="A test.")
    assert (now_is(bound).status, now_is(bound).why) == ("suspended", "operator")


def test_a_host_is_offered_to_chosen_tenants(
    operator: Operator, host: CodeHost, acme: Tenant, globex: Tenant
) -> None:
    typed = {"offers-TOTAL_FORMS": "1", "offers-0-tenant": str(acme.pk)}
    change(operator, host, offered="off", **typed)
    with rls.fleet("a test"):
        assert HostOffer.objects.get().tenant == acme
    assert hosts.offered(acme, "gitlab") == [host]
    assert hosts.offered(globex, "gitlab") == []


def test_held_verdicts_are_released(operator: Operator, bound: Binding) -> None:
    with rls.fleet("a test"):
        CodeHost.objects.filter(pk=bound.host_id).update(held_since=timezone.now())
    assert bound.host.slug in operator.sees("bindings_codehost_changelist", held="1")
    answer = act(operator, "release", bound.host)
    assert said(answer) == ["Released: 1."]
    after = stored(bound.host.slug)
    assert after.held_since is None
    assert after.released_at is not None
    assert "Released held verdicts." in operator.sees("bindings_codehost_history", bound.host_id)


def act(operator: Operator, action: str, *chosen: CodeHost) -> Any:
    sent = {"action": action, "_selected_action": [str(one.pk) for one in chosen], "index": "0"}
    return operator.client.post(address("bindings_codehost_changelist"), sent, follow=True)


def test_an_app_is_tested_at_its_platform(
    operator: Operator, sandbox: Sandbox, settings: Any
) -> None:
    settings.MOORING_SANDBOX_URL = sandbox.url
    known = sandbox.state()["providers"]["gitlab"]["apps"][0]
    typed = {"base_url": sandbox.base("gitlab"), "client_id": known["client_id"]}
    add(operator, slug="right", new_secret=known["client_secret"], **typed)
    assert said(act(operator, "test_app", stored("right"))) == [
        "right: the platform knows this app."
    ]
    change(operator, stored("right"), new_secret="a-wrong-test-secret")
    assert "does not know this client id" in said(act(operator, "test_app", stored("right")))[0]
    assert "There is no app to test" in said(act(operator, "test_app", rows.host("github")))[0]


def test_a_platform_that_is_away_is_said(
    operator: Operator, sandbox: Sandbox, settings: Any
) -> None:
    settings.MOORING_SANDBOX_URL = sandbox.url
    sandbox.fault("gitlab", "status:502")
    typed = {"base_url": sandbox.base("gitlab"), "client_id": "app", "new_secret": SECRET}
    add(operator, slug="away", **typed)
    assert "could not be asked" in said(act(operator, "test_app", stored("away")))[0]


def test_what_only_an_operator_knows_of_a_server_is_kept(operator: Operator) -> None:
    typed = {"provider": "codeup", "label": "Codeup Region", "base_url": "https://x.example.com"}
    wrong = add(operator, **typed, options="edition = moon")
    assert errors(wrong) == {"options": ["edition is one of: central, region."]}
    add(operator, **typed, options="edition = region")
    region = stored("codeup-region")
    assert region.options == {"edition": "region"}
    assert "edition = region" in operator.sees("bindings_codehost_change", region.pk)
    change(operator, region, options="")
    assert stored("codeup-region").options == {}
