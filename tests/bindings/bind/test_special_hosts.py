"""Older servers and special tokens: each is bound, and says in words what it cannot tell or do."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone

from bindings import expiry
from bindings.services.bind import servers, token
from bindings.services.bind.servers import NotAccepted
from bindings.services.bind.token import Bound, TokenAsk
from bindings.services.keep import sweep
from portal.ground import refusals, rls
from portal.tenants.models import Instance
from providers.catalogue import REGISTRY
from tests.bindings.seven import Seven
from tests.bindings.sources import GitHub, GitLab, make_due, refused, stored
from tests.people import Somebody

ACME = "60de7a6852743a51sandbox0"
BETA = "61f0c2aa9b1d4e72sandbox1"


def ask(
    all_seven: Seven, provider: str, name: str = "full", login: str = "build-bot", **more: Any
) -> Any:
    """A bind by hand of one of the seven."""
    typed = (
        all_seven.typed(provider) | {"token": all_seven.sandbox.token(provider, login, name)} | more
    )
    return TokenAsk(provider=provider, **typed)  # type: ignore[arg-type]  # texts and one date


def bind(
    alice: Somebody, instance: Instance, all_seven: Seven, provider: str, *names: str, **more: Any
) -> Bound:
    return token.bind(
        actor=alice.actor, instance=instance, ask=ask(all_seven, provider, *names, **more)
    )


def said(bound: Bound) -> dict[str, str]:
    """Code → sentence of what was told beside the success."""
    return {hint.code: refusals.words(hint.code, hint.facts).detail for hint in bound.hints}


def next_year() -> date:
    return timezone.now().date() + timedelta(days=300)


# -- GitLab ----------------------------------------------------------------------------------------

OLD = "This is GitLab 15.2.5. It cannot tell us when a token ends; please enter the date."


def test_a_gitlab_that_cannot_inspect_tokens_is_bound_with_a_stated_end(
    alice: Somebody, instance: Instance, gitlab: GitLab
) -> None:
    gitlab.fault("old_server")
    end = next_year()
    bound = gitlab.bound(alice.actor, instance, expires_on=end)
    assert said(bound)["GL-API-02"] == OLD
    row = stored(bound.binding)
    assert (row.quality, row.expires_at) == ("stated", expiry.deadline(end))
    assert row.stated_by == "Alice"
    assert all(proof["ok"] for proof in row.proofs.values())
    make_due(row)
    assert sweep.run().outcomes == {"ok": 1}
    assert stored(row).quality == "stated"


def test_without_a_date_its_end_is_unknown_and_asked_for(
    alice: Somebody, instance: Instance, gitlab: GitLab
) -> None:
    gitlab.fault("old_server")
    bound = gitlab.bound(alice.actor, instance)
    assert (bound.binding.quality, bound.binding.expires_at) == ("unknown", None)
    assert said(bound)["GL-EXP-01"] == (
        "GitLab did not tell us when this ends. Enter the date so that we can warn you."
    )


def test_the_rights_of_a_token_are_tried_where_they_are_not_told(
    alice: Somebody, instance: Instance, gitlab: GitLab
) -> None:
    gitlab.fault("old_server")
    refusal = refused(lambda: gitlab.bind(alice.actor, instance, "reduced"))
    assert refusal.code == "GL-SCOPE-02"
    binding = gitlab.bind(alice.actor, instance, "reduced", mode="manual")
    assert {name: proof["code"] for name, proof in binding.proofs.items() if not proof["ok"]} == {
        "hooks": "GL-SCOPE-02"
    }


@pytest.mark.parametrize(
    ("name", "login", "kind"),
    [
        ("project", "project_1077_bot_sandbox", "project"),
        ("group", "group_301_bot_sandbox", "group"),
    ],
)
def test_a_token_of_a_group_or_project_says_that_it_sees_only_that(
    alice: Somebody, instance: Instance, gitlab: GitLab, name: str, login: str, kind: str
) -> None:
    bound = gitlab.bound(alice.actor, instance, name, login=login)
    assert said(bound)["GL-USER-03"] == (
        f"This is a {kind} access token; GitLab shows it as {login}. It sees only that {kind}."
    )
    assert bound.binding.robot
    seen = {"project": 1, "group": 8}[kind]
    assert bound.binding.repositories_seen == seen


# -- GitHub ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base_url", "api_url"),
    [
        ("https://github.com", "https://api.github.com"),
        ("https://octo.ghe.com", "https://api.octo.ghe.com"),
        ("https://github.example", "https://github.example/api/v3"),
    ],
)
def test_each_edition_of_github_has_its_own_address_of_the_api(base_url: str, api_url: str) -> None:
    assert REGISTRY["github"].api_url(base_url) == api_url


def test_an_enterprise_server_is_bound_and_an_old_one_says_so(
    alice: Somebody, instance: Instance, github: GitHub
) -> None:
    assert github.host.api_url.endswith("/api/v3")
    github.sandbox.fault("github", "old_version", value="3.9.2")
    binding = github.bind(alice.actor, instance)
    assert (binding.status, binding.quality) == ("active", "unknown")
    with_words = refusals.words("GH-API-02", {"version": "3.9.2"}).detail
    assert with_words == (
        "This is GitHub Enterprise Server 3.9.2; we know versions from 3.17. It may work."
    )


# -- Gitea and Forgejo -----------------------------------------------------------------------------


def test_a_gitea_without_scopes_is_bound_and_says_what_its_token_can(
    alice: Somebody, instance: Instance, all_seven: Seven
) -> None:
    all_seven.sandbox.fault("gitea", "old_server")
    bound = bind(alice, instance, all_seven, "gitea")
    assert said(bound)["GT-API-02"] == (
        "This is Gitea 1.15.11. Scoped tokens came later;"
        " this token can do everything its owner can."
    )
    assert all(proof["ok"] for proof in bound.binding.proofs.values())


def test_a_forgejo_is_a_gitea(alice: Somebody, instance: Instance, all_seven: Seven) -> None:
    all_seven.sandbox.fault("gitea", "old_version", value="9.0.3+gitea-1.22.0")
    bound = bind(alice, instance, all_seven, "gitea")
    assert bound.binding.account_login == "build-bot"
    assert "GT-API-02" not in said(bound)


# -- Codeup ----------------------------------------------------------------------------------------


def test_of_several_organizations_somebody_chooses_one(
    alice: Somebody, instance: Instance, all_seven: Seven
) -> None:
    refusal = refused(lambda: bind(alice, instance, all_seven, "codeup", "full", "ann"))
    assert (refusal.code, refusal.field) == ("CU-ORG-01", "organization")
    assert refusals.words(refusal.code, refusal.facts).detail == (
        "This token works in 2 organizations. Choose one."
    )
    assert refusal.facts["choices"] == f"{ACME} Acme Foundry, {BETA} Beta Works"
    bound = bind(
        alice,
        instance,
        all_seven,
        "codeup",
        "full",
        "ann",
        organization=BETA,
        clone_username="ann-git",
    )
    assert bound.binding.organization == BETA


def test_an_organization_the_token_cannot_see_is_named(
    alice: Somebody, instance: Instance, all_seven: Seven
) -> None:
    refusal = refused(
        lambda: bind(alice, instance, all_seven, "codeup", organization="Acme Foundry")
    )
    assert (refusal.code, refusal.field) == ("CU-ORG-02", "organization")


def test_the_other_edition_is_told_apart_from_a_wrong_organization(
    alice: Somebody, instance: Instance, all_seven: Seven
) -> None:
    all_seven.sandbox.fault("codeup", "region_edition")
    refusal = refused(lambda: bind(alice, instance, all_seven, "codeup", organization=ACME))
    assert (refusal.code, refusal.field) == ("CU-ORG-03", "organization")


def test_the_region_edition_is_bound_where_the_operator_says_so(
    alice: Somebody, instance: Instance, all_seven: Seven
) -> None:
    all_seven.sandbox.fault("codeup", "region_edition")
    region(all_seven)
    binding = bind(alice, instance, all_seven, "codeup").binding
    assert (binding.status, binding.organization) == ("active", "")
    assert binding.repositories_seen


def region(all_seven: Seven) -> None:
    """The operator says which edition the server is."""
    host = all_seven.hosts["codeup"]
    host.options = servers.options_of("codeup", "edition = region")
    with rls.fleet("a test's operator"):
        host.save()


def test_only_what_the_platform_has_can_be_said_of_a_server() -> None:
    assert servers.options_of("codeup", "") == {}
    assert servers.options_of("codearts", " git_username = x-token ") == {"git_username": "x-token"}
    for wrong in ("edition = moon", "colour = red", "edition"):
        with pytest.raises(NotAccepted):
            servers.options_of("codeup", wrong)
    site = {"sign_in": "https://sso.example:8443"}
    assert servers.options_of("gitlab", "sign_in = https://sso.example:8443") == site
    for wrong in ("sso.example", "https://sso.example; script-src *", "javascript:x"):
        with pytest.raises(NotAccepted):
            servers.options_of("gitlab", f"sign_in = {wrong}")
