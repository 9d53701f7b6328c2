"""The way to a platform and back: what is asked, what binds, and that nobody is signed in by it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib.sessions.models import Session
from django.utils import timezone

from bindings.models import Authorization, Binding, CodeHost
from bindings.services.custody import sealed
from portal.ground import rls
from portal.tenants.models import Instance, Membership, User
from tests.bindings.oauth.browser import Traveller, dead_tokens, query_of
from tests.bindings.sources import CALLBACK, GitHub, GitLab, live, opened, stored
from tests.bindings.web.reading import read
from tests.people import Somebody

SOURCES = "/t/acme/instances/prod-registry/sources/"
BIND = f"{SOURCES}github/bind/"


def social_rows() -> tuple[int, ...]:
    return tuple(m.objects.count() for m in (SocialAccount, SocialToken, SocialApp, User))


def attempts(instance: Instance) -> list[str]:
    with rls.tenant(instance.tenant_id):
        rows = Authorization.objects.of(instance.tenant_id).filter(instance=instance)
        return list(rows.order_by("id").values_list("status", flat=True))


# -- the way that succeeds ------------------------------------------------------------------------


def test_the_platform_is_asked_for_exactly_what_the_page_said(
    traveller: Traveller, instance: Instance, github: GitHub
) -> None:
    url = traveller.leave(instance)
    asked = query_of(url)
    assert url.startswith(f"{github.host.base_url}/login/oauth/authorize?")
    assert set(asked.pop("scope").split()) == {"repo", "admin:repo_hook", "read:org"}
    assert len(asked.pop("state")) >= 16
    assert len(asked.pop("code_challenge")) == 43
    assert asked == {
        "client_id": "mooring-sandbox",
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "code_challenge_method": "S256",
    }
    for hidden in (instance.public_id, str(instance.pk), instance.name, "acme"):
        assert hidden not in url


def test_nothing_of_the_request_changes_what_is_asked(
    traveller: Traveller, instance: Instance
) -> None:
    where = "/t/acme/instances/prod-registry/sources/github/start/"
    bad = {
        "scope": "delete_repo",
        "client_id": "evil",
        "redirect_uri": "https://evil.example/",
        "auth_params": "redirect_uri=https://evil.example/",
        "process": "login",
    }
    usual = query_of(traveller.leave(instance))
    answer = traveller.client.post(f"{where}?scope=delete_repo&client_id=evil", bad)
    changed = query_of(answer.headers["Location"])
    for name in ("client_id", "redirect_uri"):
        assert changed[name] == usual[name]
    assert set(changed["scope"].split()) == set(usual["scope"].split())
    assert traveller.client.get(where).status_code == 405


def test_for_manual_builds_less_is_asked(traveller: Traveller, instance: Instance) -> None:
    assert query_of(traveller.leave(instance, mode="manual"))["scope"] == "repo"


def test_another_account_asks_the_platform_for_its_chooser(
    traveller: Traveller, instance: Instance
) -> None:
    assert "prompt" not in query_of(traveller.leave(instance))
    assert query_of(traveller.leave(instance, another="1"))["prompt"] == "select_account"


def test_what_comes_back_waits_for_a_confirmation(traveller: Traveller, instance: Instance) -> None:
    answer = traveller.bind(instance)
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"{SOURCES}github/confirm/"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in answer.headers["Cache-Control"]
    (binding,) = live(instance)
    assert (binding.status, binding.account_login) == ("pending", "octavia")
    assert attempts(instance) == ["confirming"]


def test_nobody_is_signed_in_out_or_made(
    traveller: Traveller, alice: Somebody, instance: Instance
) -> None:
    before, sessions = social_rows(), Session.objects.count()
    session = traveller.client.session.session_key
    traveller.bind(instance)
    assert social_rows() == before == (0, 0, 0, 1)
    assert Session.objects.count() == sessions
    assert traveller.client.session.session_key == session
    assert traveller.client.get("/t/acme/instances/").context["user"] == alice.person


def test_one_account_is_bound_to_instances_of_two_tenants(
    alice: Somebody,
    mallory: Somebody,
    github: GitHub,
    instance: Instance,
    second_instance: Instance,
    foreign_instance: Instance,
) -> None:
    for somebody, where in (
        (alice, instance),
        (alice, second_instance),
        (mallory, foreign_instance),
    ):
        answer = Traveller(somebody.client, github.sandbox).bind(where)
        assert answer.headers["Location"].endswith("/confirm/")
    accounts = {live(one)[0].account_id for one in (instance, second_instance, foreign_instance)}
    assert accounts == {"1001"}


def test_two_tabs_finish_in_the_opposite_order(
    traveller: Traveller, instance: Instance, second_instance: Instance
) -> None:
    first, second = traveller.leave(instance), traveller.leave(second_instance)
    later = traveller.come_back(traveller.consent(second, "otto"))
    earlier = traveller.come_back(traveller.consent(first, "octavia"))
    assert [one.status_code for one in (later, earlier)] == [302, 302]
    assert live(instance)[0].account_login == "octavia"
    assert live(second_instance)[0].account_login == "otto"


def test_two_servers_of_one_platform_keep_their_own_clients(
    traveller: Traveller, github: GitHub, instance: Instance, second_instance: Instance
) -> None:
    other = second_github(github)
    here = query_of(traveller.leave(instance))
    there = query_of(traveller.leave(second_instance, host=other.public_id))
    assert (here["client_id"], there["client_id"]) == ("mooring-sandbox", "another-app")
    assert there["redirect_uri"].endswith("/oauth/callback/github-other/")


def second_github(github: GitHub) -> CodeHost:
    """The same platform, registered once more under another name."""
    host = CodeHost(
        slug="github-other",
        provider="github",
        label="GitHub, once more",
        base_url=f"{github.host.base_url}/",
        api_url=github.host.api_url,
        client_id="another-app",
    )
    sealed.put_client_secret(host, "another-test-secret", now=timezone.now())
    with rls.fleet("a test's second GitHub"):
        host.save(force_insert=True)
    return host


# -- refused --------------------------------------------------------------------------------------


def test_who_cancels_is_told_that_nothing_changed(traveller: Traveller, instance: Instance) -> None:
    back = traveller.consent(traveller.leave(instance), approve=False)
    answer = traveller.come_back(back)
    assert answer.headers["Location"] == f"{BIND}?problem=GH-OAUTH-01"
    page = read(traveller.client.get(answer.headers["Location"]))
    assert "You cancelled on GitHub. Nothing changed." in page.text
    assert (live(instance), attempts(instance)) == ([], ["failed"])
    assert traveller.exchanges == 0


def test_each_trouble_of_the_platform_has_its_code(
    traveller: Traveller, instance: Instance, github: GitHub
) -> None:
    for answer, code in {
        "error=server_error": "GH-OAUTH-05",
        "error=unauthorized_client": "GH-OAUTH-03",
        "error=%3Cscript%3E": "GH-OAUTH-04",
        "": "GH-OAUTH-04",
        "code=never-issued": "GH-OAUTH-04",
    }.items():
        state = query_of(traveller.leave(instance))["state"]
        found = traveller.come_back(f"{CALLBACK}?state={state}&{answer}")
        assert (answer, found.headers["Location"]) == (answer, f"{BIND}?problem={code}")
    assert live(instance) == []


def test_a_platform_that_goes_away_meanwhile_binds_nothing(
    traveller: Traveller, instance: Instance, github: GitHub
) -> None:
    back = traveller.consent(traveller.leave(instance))
    github.sandbox.fault("github", "status:503", "/login/oauth/access_token")
    answer = traveller.come_back(back)
    assert answer.headers["Location"] == f"{BIND}?problem=GH-OAUTH-05"
    assert live(instance) == []


def test_a_scope_that_was_not_granted_is_named_and_the_token_ended(
    traveller: Traveller, instance: Instance, github: GitHub
) -> None:
    with rls.fleet("a test asks for less"):
        CodeHost.objects.filter(pk=github.host.pk).update(scopes=["read:org"])
    dead = dead_tokens(github.sandbox, "octavia")
    answer = traveller.bind(instance)
    assert answer.headers["Location"] == f"{BIND}?problem=GH-SCOPE-01"
    assert live(instance) == []
    assert dead_tokens(github.sandbox, "octavia") == dead + 1
    page = read(traveller.client.get(answer.headers["Location"]))
    assert "GH-SCOPE-01" in page.text


def test_an_account_bound_meanwhile_wins_and_the_late_token_is_ended(
    traveller: Traveller, alice: Somebody, instance: Instance, github: GitHub
) -> None:
    back = traveller.consent(traveller.leave(instance), "otto")
    first = github.bind(alice.actor, instance)
    dead = dead_tokens(github.sandbox, "otto")
    answer = traveller.come_back(back)
    assert answer.headers["Location"] == f"{BIND}?problem=GH-DUP-01"
    assert [one.pk for one in live(instance)] == [first.pk]
    assert dead_tokens(github.sandbox, "otto") == dead + 1


def test_a_second_bind_does_not_even_leave(
    traveller: Traveller, alice: Somebody, instance: Instance, github: GitHub
) -> None:
    github.bind(alice.actor, instance)
    answer = traveller.start(instance)
    assert answer.status_code == 409
    assert "GitHub is already bound to octavia on this instance." in read(answer).text


def test_who_lost_the_right_on_the_way_binds_nothing(
    admin: Somebody, instance: Instance, github: GitHub
) -> None:
    traveller = Traveller(admin.client, github.sandbox)
    for column, status in (("role", 403), ("left_at", 404)):
        back = traveller.consent(traveller.leave(instance))
        lost = {"role": "developer"} if column == "role" else {"left_at": timezone.now()}
        Membership.objects.filter(user=admin.person).update(**lost)
        assert traveller.come_back(back).status_code == status
        Membership.objects.filter(user=admin.person).update(role="admin", left_at=None)
    assert (live(instance), traveller.exchanges) == ([], 0)


# -- reconnecting ---------------------------------------------------------------------------------


def test_the_same_account_is_connected_again_without_a_question(
    traveller: Traveller, alice: Somebody, instance: Instance, github: GitHub
) -> None:
    binding = github.bind(alice.actor, instance)
    old = opened(binding)
    answer = traveller.bind(instance, binding=binding.public_id)
    assert answer.headers["Location"] == SOURCES
    text = read(traveller.client.get(SOURCES)).text
    assert "octavia is connected again. 0 webhooks repaired, 0 missed pushes sent." in text
    now: Binding = stored(binding)
    assert (now.pk, now.status) == (binding.pk, "active")
    assert opened(binding) != old
    accounts = github.sandbox.account("github", "octavia")["tokens"]
    assert [one["state"] for one in accounts if one["token"] == old] == ["revoked"]


def test_another_account_is_named_and_changes_nothing(
    traveller: Traveller, alice: Somebody, instance: Instance, github: GitHub
) -> None:
    binding = github.bind(alice.actor, instance)
    old, dead = opened(binding), dead_tokens(github.sandbox, "otto")
    answer = traveller.bind(instance, "otto", binding=binding.public_id)
    assert answer.headers["Location"] == f"{BIND}?problem=GH-ACC-01"
    page = read(traveller.client.get(answer.headers["Location"]))
    assert "This is otto, but the binding belongs to octavia." in page.text
    assert "Sign in as octavia" in page.text
    assert page.fields["binding"]["value"] == binding.public_id
    assert opened(binding) == old
    assert dead_tokens(github.sandbox, "otto") == dead + 1


def test_a_binding_of_another_platform_is_not_reconnected(
    traveller: Traveller, alice: Somebody, instance: Instance, gitlab: GitLab
) -> None:
    binding = gitlab.bind(alice.actor, instance)
    assert traveller.start(instance, binding=binding.public_id).status_code == 404
    assert attempts(instance) == []


def test_anothers_binding_cannot_be_named(
    traveller: Traveller,
    mallory: Somebody,
    foreign_instance: Instance,
    instance: Instance,
    github: GitHub,
) -> None:
    theirs = github.bind(mallory.actor, foreign_instance)
    assert traveller.start(instance, binding=theirs.public_id).status_code == 404


# -- who may, and from where ----------------------------------------------------------------------


def test_only_admins_leave_and_only_with_a_fresh_sign_in(
    alice: Somebody,
    bob: Somebody,
    carol: Somebody,
    mallory: Somebody,
    github: GitHub,
    instance: Instance,
) -> None:
    from datetime import timedelta

    for somebody, status in ((bob, 403), (carol, 403), (mallory, 404)):
        assert Traveller(somebody.client, github.sandbox).start(instance).status_code == status
    late = Traveller(alice.signed_in(ago=timedelta(minutes=16)), github.sandbox).start(instance)
    assert late.headers["Location"].startswith("/accounts/reauthenticate/")
    forged = Traveller(alice.signed_in(ago=timedelta(), enforce_csrf_checks=True), github.sandbox)
    assert forged.start(instance).status_code == 403
    assert attempts(instance) == []


def test_an_unknown_or_disabled_host_is_nothing(
    traveller: Traveller, instance: Instance, github: GitHub
) -> None:
    client: Any = traveller.client
    assert client.get("/oauth/callback/nowhere/?state=x").status_code == 404
    back = traveller.consent(traveller.leave(instance))
    with rls.fleet("a test switches a host off"):
        CodeHost.objects.filter(pk=github.host.pk).update(enabled=False)
    assert traveller.come_back(back).status_code == 404
    assert urlsplit(back).path == "/oauth/callback/github-sandbox/"
