"""Why a repository is not in the list: one verdict for each cause, in both languages."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import translation

from bindings.models import Binding
from bindings.services.browse import missing
from bindings.services.browse.missing import Diagnosis
from portal.ground import rls
from portal.tenants.models import Instance
from tests.bindings import fleet
from tests.bindings.seven import Seven
from tests.bindings.sources import GitHub, GitLab, refused, stored
from tests.hosts import Sandbox
from tests.people import Somebody


@pytest.fixture
def bound(gitlab: GitLab, alice: Somebody) -> Binding:
    """build-bot, bound at the sandbox's GitLab."""
    (row,) = fleet.many(alice.tenant, fleet.host(gitlab), 1, token=gitlab.token())
    return stored(row)


@pytest.fixture
def octavia(github: GitHub, alice: Somebody) -> Binding:
    """octavia of GitHub, by OAuth."""
    token = github.sandbox.token("github", "octavia")
    facts = {"kind": "oauth", "account_login": "octavia"}
    (row,) = fleet.many(alice.tenant, github.host, 1, token=token, **facts)
    return stored(row)


def ask(binding: Binding, link: str) -> Diagnosis:
    return missing.diagnose(binding=binding, link=link)


def change(binding: Binding, **facts: Any) -> Binding:
    with rls.tenant(binding.tenant_id):
        Binding.objects.of(binding.tenant_id).filter(pk=binding.pk).update(**facts)
    return stored(binding)


# -- what is pasted --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "link",
    [
        "{base}/platform/api",
        "{base}/platform/api.git",
        " {base}/platform/api/-/tree/main/src?ref=x#L3 ",
        "{base}/platform/api/tree/main",
        "http://build-bot:test-secret@127.0.0.1:{port}/gitlab/platform/api",
        "git@127.0.0.1:platform/api.git",
        "ssh://git@127.0.0.1:2222/platform/api.git",
        "platform/api",
        "/platform/api/",
        "127.0.0.1:{port}/gitlab/platform/api",
    ],
)
def test_every_way_to_name_a_repository_is_understood(bound: Binding, near: Sandbox, link: str):
    found = ask(bound, link.format(base=near.base("gitlab"), port=near.port))
    assert (found.verdict, found.path) == ("visible", "platform/api")
    assert found.repository is not None
    assert found.detail == "platform/api is visible. Open it."


@pytest.mark.parametrize(
    "link", ["", "api", "https://", "ftp://a/b/c", "{base}", "a/../b", "a\nb/c"]
)
def test_what_names_no_repository_is_the_fields_fault(bound: Binding, near: Sandbox, link: str):
    told = refused(lambda: ask(bound, link.format(base=near.base("gitlab"))))
    assert (told.code, told.field) == ("X-FORM-03", "link")


@pytest.mark.parametrize(
    ("link", "host"),
    [
        ("https://github.com/octavia/harbor", "github.com"),
        ("git@bitbucket.org:acme/web.git", "bitbucket.org"),
        ("gitlab.com/group/project", "gitlab.com"),
        ("ssh://git@altssh.gitlab.com:443/group/project.git", "gitlab.com"),
        ("http://127.0.0.1:{port}/github/octavia/harbor", "127.0.0.1:{port}"),
        ("https://somebody:test-secret@git.example.com/a/b", "git.example.com"),
    ],
)
def test_a_link_to_another_server_is_told_without_asking(
    bound: Binding, near: Sandbox, link: str, host: str
):
    before = len(near.requests("gitlab"))
    found = ask(bound, link.format(port=near.port))
    assert found.verdict == "wrong_host"
    here = f"127.0.0.1:{near.port}/gitlab"
    host = host.format(port=near.port)
    assert found.detail == f"This link is on {host}; this binding is for {here}."
    assert "test-secret" not in repr(found)
    assert len(near.requests("gitlab")) == before


# -- verdicts --------------------------------------------------------------------------------------


def test_a_platform_that_knows_nothing_of_it_does_not_say_which(bound: Binding):
    found = ask(bound, "ann/diary")
    assert (found.verdict, found.code) == ("not_visible", "GL-REPO-02")
    assert found.detail == (
        "GitLab says there is no ann/diary for build-bot: it does not exist, or build-bot is not a"
        " member."
    )
    assert found.fix_url.endswith("/gitlab/ann/diary/-/project_members")
    assert found.ask == "an owner of the group ann"
    with translation.override("zh-hans"):
        told = ask(bound, "ann/diary")
    assert told.detail == "GitLab 表示 build-bot 看不到 ann/diary：仓库不存在，或该账号不是成员。"
    assert told.ask == "群组 ann 的所有者"


def test_a_role_that_is_too_low_for_webhooks(bound: Binding):
    found = ask(bound, "ann/toolbox")
    assert (found.verdict, found.code) == ("role_too_low", "GL-HOOK-02")
    assert found.detail == ("build-bot is Reporter there. Adding webhooks needs Maintainer.")
    assert found.repository is not None
    assert ask(change(bound, mode="manual"), "ann/toolbox").verdict == "visible"


def test_an_archived_one(bound: Binding):
    found = ask(bound, "platform/old-site")
    assert (found.verdict, found.code) == ("archived", "GL-REPO-03")
    assert found.repository is not None


def test_a_token_without_the_scope(bound: Binding, gitlab: GitLab):
    gitlab.fault("insufficient_scope", "/api/v4/projects/**", value="api")
    found = ask(bound, "platform/api")
    assert found.verdict == "scope_missing"
    assert found.code.startswith("GL-SCOPE-")
    assert "/personal_access_tokens" in found.fix_url


def test_a_token_that_was_found_short_before(bound: Binding):
    proofs = {**bound.proofs, "list": {"ok": False, "code": "GL-SCOPE-01", "proven_at": None}}
    assert ask(change(bound, proofs=proofs), "ann/diary").verdict == "scope_missing"


def test_a_token_of_one_project_sees_only_that(bound: Binding):
    bot = change(bound, robot=True, account_login="project_1077_bot_ab12")
    found = ask(bot, "ann/diary")
    assert (found.verdict, found.code) == ("token_not_granted", "GL-USER-03")
    assert "project access token" in found.detail


def test_a_fine_grained_token_that_was_not_granted_this_one(octavia: Binding, near: Sandbox):
    near.fault("github", "insufficient_scope", "/api/v3/repos/**")
    found = ask(octavia, "octavia/harbor")
    assert found.verdict == "token_not_granted"


def test_an_organization_that_has_not_approved_the_app(octavia: Binding, near: Sandbox):
    near.fault("github", "org_restricted", value="acme-inc")
    found = ask(octavia, f"{near.base('github')}/acme-inc/web/pulls")
    assert (found.verdict, found.code, found.path) == (
        "organization_restricted",
        "GH-ORG-01",
        "acme-inc/web",
    )
    assert "/settings/connections/applications/" in found.fix_url
    assert found.ask == "an owner of the organization acme-inc"


def test_single_sign_on_has_its_link(octavia: Binding, near: Sandbox):
    near.fault("github", "sso_required", value="acme-inc")
    found = ask(octavia, "acme-inc/web")
    assert (found.verdict, found.code) == ("sso_required", "GH-ORG-02")
    assert "/orgs/acme-inc/sso" in found.fix_url


def test_left_out_by_the_profile(octavia: Binding, settings: Any):
    settings.MOORING_PROFILE = "seed"
    found = ask(octavia, "acme-inc/web")
    assert (found.verdict, found.code) == ("organization_restricted", "GH-USER-03")
    assert "acme-inc is an organization" in found.detail


@pytest.mark.parametrize("status", ["revoked", "expired", "pending", "suspended"])
def test_a_binding_that_cannot_be_used(bound: Binding, near: Sandbox, status: str):
    before = len(near.requests("gitlab"))
    found = ask(change(bound, status=status), "platform/api")
    assert (found.verdict, found.code) == ("binding_not_usable", "X-STATE-01")
    assert found.fix_url.endswith(f"/bindings/{bound.public_id}/")
    assert len(near.requests("gitlab")) == before


def test_a_refused_token_is_one_too(bound: Binding, gitlab: GitLab):
    gitlab.sandbox.revoke("full", "gitlab", "build-bot")
    found = ask(bound, "platform/api")
    assert (found.verdict, found.code) == ("binding_not_usable", "GL-TOK-01")


@pytest.mark.parametrize("fault", ["status:500", "html", "bad_json", "rate_limit", "reset"])
def test_a_host_that_does_not_answer_clearly_is_never_guessed_about(
    bound: Binding, gitlab: GitLab, fault: str
):
    ask(bound, "platform/api")
    gitlab.fault(fault)
    found = ask(bound, "platform/api")
    assert found.verdict == "unknown"
    assert found.code.startswith("GL-")
    assert found.detail == (
        "We could not find out: GitLab did not answer clearly. Try again in a minute."
    )


# -- every platform --------------------------------------------------------------------------------

SEEN = {
    "github": "octavia/harbor",
    "gitlab": "platform/images/base/debian",
    "gitee": "octavia/harbor",
    "bitbucket": "octavia/harbor",
    "codearts": "foundry00228/api",
    "codeup": "60de7a6852743a51sandbox0/platform/images/alpine",
    "gitea": "workshop/engine",
}


def test_every_platform_tells_the_two_apart(all_seven: Seven, instance: Instance):
    for provider, path in SEEN.items():
        bound, base = all_seven.bound(instance, provider), all_seven.sandbox.base(provider)
        there = ask(bound, f"{base}/{path}.git")
        assert (provider, there.verdict, there.path) == (provider, "visible", path)
        assert ask(bound, f"git@127.0.0.1:{path}.git").verdict == "visible"
        absent = ask(bound, f"{base}/{path}-no-such")
        assert (provider, absent.verdict) == (provider, "not_visible")
        assert absent.code.endswith("-REPO-02")


def test_a_workspace_that_keeps_the_app_out(all_seven: Seven, instance: Instance):
    bound = all_seven.bound(instance, "bitbucket")
    all_seven.sandbox.fault("bitbucket", "org_restricted", value="acme-inc")
    found = ask(bound, "acme-inc/web")
    assert (found.verdict, found.code) == ("organization_restricted", "BB-ORG-02")


def test_another_organization_than_the_bound_one(all_seven: Seven, instance: Instance):
    bound = change(all_seven.bound(instance, "codeup"), organization="60de7a6852743a51sandbox0")
    found = ask(bound, "60de7a6852743a51sandbox1/plant")
    assert (found.verdict, found.code) == ("token_not_granted", "CU-ORG-02")
    assert "60de7a6852743a51sandbox1" in found.detail


def test_a_token_for_public_repositories_alone(all_seven: Seven, instance: Instance):
    sandbox = all_seven.sandbox
    scopes = ["public-only", "read:user", "write:repository"]
    sandbox.change_token("full", "gitea", "build-bot", scopes=scopes)
    found = ask(all_seven.bound(instance, "gitea"), "workshop/engine")
    assert (found.verdict, found.code) == ("scope_missing", "GT-SCOPE-04")
