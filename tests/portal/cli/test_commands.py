"""The commands of `api.md` 8 against a portal over HTTP; those about code are in test_git."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from bindings import state
from bindings.models import Authorization, Binding
from bindings.services.bind import grant
from portal.cli import tables
from portal.cli.client import Client
from portal.ground import ids, rls
from portal.tenants.models import Instance
from tests.bindings import using
from tests.bindings.api import rows
from tests.bindings.sources import GitHub, GitLab, live, opened
from tests.people import Somebody
from tests.portal.cli.conftest import Terminal


@pytest.fixture
def binding(gitlab: GitLab, alice: Somebody, instance: Instance) -> Binding:
    return gitlab.bind(alice.actor, instance)


def test_whoami_says_who_and_what_for(terminal: Terminal) -> None:
    said = terminal.mooring("whoami")
    assert (said.status, said.err) == (0, "")
    assert "Acme (acme)" in said.out
    me = terminal.mooring("whoami", "--json").json
    assert (me["kind"], me["tenant"]["slug"], me["role"]) == ("token", "acme", "owner")


def test_a_token_is_bound_from_standard_input(
    terminal: Terminal, gitlab: GitLab, instance: Instance, secret: str
) -> None:
    token = gitlab.token()
    words = ["bind", "gitlab", "-i", instance.name, "--address", gitlab.base_url]
    said = terminal.mooring(*words, "--username", "build-bot", typed=f"{token}\n")
    assert said.status == 0, said.err
    assert "You have successfully bound your GitLab account." in said.out
    assert opened(live(instance)[0]) == token
    assert not {token, secret} & set(re.split(r"\s", said.out + said.err))
    terminal.mooring(*words, typed=token).refused("GL-DUP-01")


def test_a_dry_run_prints_the_six_steps(terminal: Terminal, gitlab: GitLab) -> None:
    words = ("test", "gitlab", "--address", gitlab.base_url)
    said = terminal.mooring(*words, typed=gitlab.token())
    steps = [line.split()[:2] for line in said.out.splitlines()[:6]]
    assert (said.status, [key for _mark, key in steps]) == (
        0,
        ["server", "tls", "token", "permissions", "repositories", "webhook"],
    )
    poor = terminal.mooring(*words, "--json", typed=gitlab.token("registry"))
    assert (poor.status, poor.json["ok"], poor.json["code"]) == (1, False, "GL-SCOPE-01")
    assert "(GL-SCOPE-01)" in poor.err


def test_a_refused_bind_shows_where_it_failed(
    terminal: Terminal, gitlab: GitLab, instance: Instance
) -> None:
    words = ("bind", "gitlab", "-i", instance.name, "--address", gitlab.base_url)
    said = terminal.mooring(*words, typed=gitlab.token("registry"))
    said.refused("GL-SCOPE-01")
    assert "x permissions" in said.err
    assert gitlab.token("registry") not in said.err


def test_consent_is_asked_for_by_a_link_and_waited_for(
    terminal: Terminal, github: GitHub, alice: Somebody, instance: Instance
) -> None:
    waiting = terminal.begin("bind", "github", "-i", instance.name, "--json")
    assert waiting.stderr is not None
    link = waiting.stderr.readline()
    assert re.search(r"http://localhost:\d+/i/\S+", link)
    with rls.tenant(alice.tenant.pk):
        row = Authorization.objects.of(alice.tenant.pk).get()
    pending = github.finish(alice.actor, github.waiting(row))
    grant.confirm(actor=alice.actor, binding=pending)
    out, _err = waiting.communicate(timeout=30)
    assert waiting.returncode == 0
    assert '"provider": "github"' in out


def test_sources_is_the_table_and_its_status_the_worst_tone(
    terminal: Terminal, instance: Instance
) -> None:
    names = ("sources", "-i", instance.name)
    assert terminal.mooring(*names).status == 0
    rows.binding(instance, "gitea", status="expiring", expires_at=timezone.now())
    assert terminal.mooring(*names).status == 2
    rows.binding(instance, "gitlab", status="revoked")
    red = terminal.mooring("sources")
    assert red.status == 3
    assert re.search(r"prod-registry +GitLab +revoked +build-bot", red.out)
    listed = terminal.mooring(*names, "--json")
    assert (listed.status, len(listed.json["data"])) == (3, 7)
    assert len(terminal.mooring("sources", "--json").json["data"][0]["sources"]) == 7


def test_the_tones_are_those_of_the_pages() -> None:
    lacking = {"list": {"ok": False}}
    for one in state.State:
        for lists, known in ((True, None), (False, lacking)):
            tone = state.face(one, lists=lists).tone.value
            assert tables.tone(one.value, known) == (tone if tone in ("red", "amber") else "")


def test_replace_and_rotate(terminal: Terminal, gitlab: GitLab, binding: Binding) -> None:
    second = gitlab.sandbox.new_token("gitlab", "build-bot", "second", ["api"])
    replaced = terminal.mooring("replace", binding.public_id, "--json", typed=second)
    assert (replaced.status, replaced.json["credential"]["generation"]) == (0, 2)
    assert opened(binding) == second
    rotated = terminal.mooring("rotate", binding.public_id, "--json")
    assert (rotated.status, rotated.json["credential"]["generation"]) == (0, 3), rotated.err


def test_replacing_with_another_account_is_refused(
    terminal: Terminal, gitlab: GitLab, binding: Binding
) -> None:
    other = gitlab.token("full", "ann")
    terminal.mooring("replace", binding.public_id, typed=other).refused("GL-ACC-01")


def test_expiring_lists_the_next_ends(terminal: Terminal, instance: Instance) -> None:
    end = timezone.now() + timedelta(days=6)
    row = rows.binding(instance, "gitlab", status="expiring", expires_at=end)
    said = terminal.mooring("expiring", "--within", "30d")
    assert said.status == 0
    assert row.public_id in said.out
    assert terminal.mooring("expiring", "--within", "2d", "--json").json["data"] == []
    assert terminal.mooring("expiring", "--within", "soon").status == 2


def test_repositories_branches_tags_and_refs(terminal: Terminal, binding: Binding) -> None:
    here = binding.public_id
    listed = terminal.mooring("repos", here, "-q", "platform", "--json")
    assert listed.status == 0, listed.err
    assert "platform/api" in [one["path"] for one in listed.json["data"]]
    assert "platform/api" in terminal.mooring("repos", here).out
    branches = terminal.mooring("branches", here, "platform/api").out.splitlines()
    assert branches[1].split()[0] == "main"
    sha = terminal.mooring("resolve", here, "platform/api", "main").out.split()[0]
    assert sha == branches[1].split()[1]
    assert terminal.mooring("tags", here, "platform/api", "--json").status == 0
    terminal.mooring("resolve", here, "platform/api", "nowhere").refused("GL-REF-01")


def test_unbinding_ends_it_with_a_receipt(terminal: Terminal, binding: Binding) -> None:
    said = terminal.mooring("unbind", binding.public_id, "--confirm", "build-bot")
    assert said.status == 0, said.err
    assert "build-bot at gitlab is unbound." in said.out
    terminal.mooring("unbind", binding.public_id).refused("X-GONE-01")


def test_a_build_is_started_by_hand_of_the_default_branch_or_any(
    terminal: Terminal, binding: Binding, instance: Instance
) -> None:
    made = {"name": "api main", "repository": "platform/api", "mode": "manual"}
    body = made | {"binding": binding.public_id}
    portal = Client(terminal.environment["MOORING_URL"], terminal.environment["MOORING_TOKEN"])
    trigger = portal.post(f"/instances/{instance.public_id}/triggers", body).body["id"]
    started = terminal.mooring("run", trigger, "--json")
    assert started.status == 0, started.err
    assert started.json["ref"] == "refs/heads/main"
    assert started.json["event"].startswith("evt_")
    other = terminal.mooring("run", trigger, "--ref", started.json["sha"])
    assert (other.status, started.json["sha"] in other.out) == (0, True)
    terminal.mooring("run", trigger, "--ref", "nowhere").refused("GL-REF-01")


def test_failed_deliveries_are_listed_and_replayed(terminal: Terminal, instance: Instance) -> None:
    hook = using.hook(rows.binding(instance))
    failed = using.delivery(hook, outcome="failed")
    using.delivery(hook)
    assert len(terminal.mooring("deliveries", "--json").json["data"]) == 2
    said = terminal.mooring("deliveries", "--failed", "--replay")
    assert (said.status, failed.public_id in said.out) == (0, True), said.err
    assert f"{failed.public_id} is taken up again." in said.err
    with rls.tenant(instance.tenant_id):
        failed.refresh_from_db()
    assert (failed.outcome, failed.replays) == ("queued", 1)
    assert terminal.mooring("deliveries", "--failed", "--json").json["data"] == []


def test_what_is_not_there_is_refused(terminal: Terminal, instance: Instance) -> None:
    nobodys = ids.public("bnd", ids.uuid7())
    terminal.mooring("check", nobodys).refused("X-FOUND-01")
    terminal.mooring("sources", "-i", "nowhere").refused("X-FOUND-01")


@pytest.mark.parametrize(
    "words",
    [[], ["sources", "extra"], ["nonsense"], ["bind", "gitlab"], ["deliveries", "--replay"]],
    ids=["nothing", "too-much", "unknown", "too-little", "replay-of-everything"],
)
def test_wrong_usage_is_2(terminal: Terminal, words: list[str]) -> None:
    said = terminal.mooring(*words)
    assert (said.status, said.out) == (2, "")


def test_an_argument_that_may_be_a_token_is_not_repeated(terminal: Terminal) -> None:
    said = terminal.mooring("bind", "gitlab", "-i", "x", "glpat-test-of-an-argument")
    assert said.status == 2
    assert "glpat" not in said.err
    assert "standard input" in said.err


def test_what_a_host_calls_itself_cannot_steer_the_terminal() -> None:
    lines = tables.table(["NAME"], [["\x1b[2Jgone\u202e\nnew line"]])
    assert lines == ["NAME", "?[2Jgone??new line"]
