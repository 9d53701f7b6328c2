"""Bindings as code (product.md A10): export, plan and apply against a running portal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bindings.models import Binding, Trigger
from portal.cli import apply, plan
from portal.cli.client import Client
from portal.ground import rls
from portal.tenants.models import Instance, Tenant
from tests.bindings import using
from tests.bindings.sources import GitHub, GitLab, live, opened
from tests.people import Somebody
from tests.portal.cli.conftest import Said, Terminal

VARIABLE = "PROD_REGISTRY_GITLAB_TOKEN"


@pytest.fixture
def binding(gitlab: GitLab, alice: Somebody, instance: Instance) -> Binding:
    return gitlab.bind(alice.actor, instance, labels={"team": "images"})


class File:
    """A file of one instance, and what the terminal makes of it."""

    def __init__(self, terminal: Terminal, gitlab: GitLab) -> None:
        self.terminal, self.path = terminal, terminal.home / "bindings.json"
        self.gitlab: dict[str, Any] = {
            "provider": "gitlab",
            "base_url": gitlab.base_url,
            "account": "build-bot",
            "labels": {"team": "images"},
            "token_env": VARIABLE,
        }
        self.trigger: dict[str, Any] = {
            "name": "api main",
            "provider": "gitlab",
            "repository": "platform/api",
            "mode": "manual",
            "branches": ["main"],
        }

    def write(self, *bindings: Any, triggers: tuple[Any, ...] = (), **more: Any) -> None:
        place = {"name": "prod-registry", "bindings": bindings, "triggers": triggers}
        self.path.write_text(json.dumps({"mooring": 1, "instances": [place], **more}))

    def plan(self) -> list[Any]:
        said = self.terminal.mooring("plan", str(self.path), "--json")
        changes: list[Any] = said.json["changes"]
        assert said.status == (2 if changes else 0)
        return changes

    def apply(self, *words: str, **tokens: str) -> Said:
        having = self.terminal.having(**tokens)
        said = having.mooring("apply", str(self.path), "--json", *words)
        assert not [token for token in tokens.values() if token in said.out + said.err]
        return said


@pytest.fixture
def file(terminal: Terminal, gitlab: GitLab, instance: Instance) -> File:
    return File(terminal, gitlab)


def outcomes(said: Said) -> list[tuple[str, str]]:
    return [(item["action"], item["status"]) for item in said.json["items"]]


def triggers(instance: Instance) -> list[Trigger]:
    with rls.tenant(instance.tenant_id):
        return list(Trigger.objects.of(instance.tenant_id))


def test_a_file_is_made_so_and_a_second_time_changes_nothing(
    file: File, gitlab: GitLab, instance: Instance
) -> None:
    file.write(file.gitlab, triggers=(file.trigger,))
    assert [one["action"] for one in file.plan()] == ["bind", "create"]
    without = file.apply()
    assert (without.status, outcomes(without)) == (1, [("bind", "failed"), ("create", "skipped")])
    assert VARIABLE in without.json["items"][0]["detail"]
    done = file.apply(**{VARIABLE: gitlab.token()})
    assert (done.status, outcomes(done)) == (0, [("bind", "done"), ("create", "done")]), done.err
    (bound,), (trigger,) = live(instance), triggers(instance)
    assert (opened(bound), bound.labels) == (gitlab.token(), {"team": "images"})
    assert (trigger.name, trigger.branches, trigger.mode) == ("api main", ["main"], "manual")
    assert file.plan() == []
    again = file.apply()
    assert (again.status, outcomes(again)) == (0, [])


def test_an_export_changes_nothing_and_holds_no_token(
    file: File, gitlab: GitLab, binding: Binding
) -> None:
    file.write(triggers=(file.trigger,))
    assert file.apply().status == 0
    said = file.terminal.mooring("export", "-i", "prod-registry")
    assert said.status == 0, said.err
    (place,) = said.json["instances"]
    assert place["bindings"][0]["token_env"] == VARIABLE
    assert [one["name"] for one in place["triggers"]] == ["api main"]
    assert gitlab.token() not in said.out
    file.path.write_text(said.out)
    assert file.plan() == []
    assert outcomes(file.apply()) == []


def test_fields_are_changed_and_what_is_not_mentioned_stays(
    file: File, binding: Binding, instance: Instance
) -> None:
    file.write(triggers=(file.trigger,))
    file.apply()
    file.write(
        file.gitlab | {"labels": {"team": "core"}},
        triggers=(file.trigger | {"branches": ["main", "release/*"], "enabled": False},),
    )
    first, second = file.plan()
    assert first["fields"] == {"labels": [{"team": "images"}, {"team": "core"}]}
    assert set(second["fields"]) == {"branches", "enabled"}
    assert outcomes(file.apply()) == [("change", "done"), ("change", "done")]
    (trigger,) = triggers(instance)
    assert (trigger.branches, trigger.enabled) == (["main", "release/*"], False)
    file.write(file.gitlab | {"labels": {"team": "core"}})
    assert file.plan() == []


def test_another_account_needs_to_be_allowed(
    file: File, gitlab: GitLab, binding: Binding, instance: Instance
) -> None:
    file.write(file.gitlab | {"account": "ann"})
    (change,) = file.plan()
    assert (change["action"], change["fields"]) == ("switch", {"account": ["build-bot", "ann"]})
    theirs = {VARIABLE: gitlab.token(login="ann")}
    assert outcomes(file.apply(**theirs)) == [("switch", "refused")]
    mixed_up = file.apply("--allow-switch", **{VARIABLE: gitlab.token()})
    assert outcomes(mixed_up) == [("switch", "failed")]
    assert live(instance) == [binding]
    done = file.apply("--allow-switch", **theirs)
    assert (done.status, outcomes(done)) == (0, [("switch", "done")]), done.json
    assert [one.account_login for one in live(instance)] == ["ann"]


def test_what_shall_go_says_so(file: File, binding: Binding, instance: Instance) -> None:
    file.write(triggers=(file.trigger,))
    file.apply()
    file.write({"provider": "gitlab", "account": "ann", "absent": True})
    assert outcomes(file.apply()) == [("unbind", "refused")]
    gone = file.trigger | {"absent": True}
    file.write(file.gitlab | {"absent": True}, triggers=(gone,))
    assert outcomes(file.apply()) == [("delete", "done"), ("unbind", "done")]
    assert (live(instance), triggers(instance)) == ([], [])
    assert file.plan() == []


def test_a_refused_token_is_replaced_when_there_is_another(
    file: File, gitlab: GitLab, binding: Binding
) -> None:
    with rls.tenant(binding.tenant_id):
        Binding.objects.of(binding.tenant_id).filter(pk=binding.pk).update(status="revoked")
    second = gitlab.sandbox.new_token("gitlab", "build-bot", "second", ["api"])
    file.write(file.gitlab)
    assert file.plan() == []
    done = file.apply(**{VARIABLE: second})
    assert (done.status, outcomes(done)) == (0, [("replace", "done")]), done.json
    assert opened(binding) == second


def test_what_somebody_changed_meanwhile_is_left_alone(
    file: File, site: str, secret: str, binding: Binding
) -> None:
    portal = Client(site, secret)
    file.write(file.gitlab | {"labels": {"team": "core"}})
    (step,) = plan.steps(portal, plan.read(str(file.path)), may_switch=False)
    theirs = {"labels": {"team": "theirs"}}
    portal.ask("PATCH", f"/bindings/{binding.public_id}", body=theirs, match="*")
    item = apply.carry_out(portal, step)
    assert (item["status"], item["code"]) == ("failed", "X-MATCH-02")
    assert item["detail"].endswith("Plan again.")
    labels = portal.get(f"/bindings/{binding.public_id}").body["labels"]
    assert labels == theirs["labels"]


def test_endpoints_of_a_trigger_go_by_name(
    file: File, acme: Tenant, binding: Binding, instance: Instance
) -> None:
    listener = using.endpoint(acme)
    file.write(triggers=(file.trigger | {"endpoints": ["nobody"]},))
    assert "There is no endpoint nobody." in file.apply().json["items"][0]["detail"]
    file.write(triggers=(file.trigger | {"endpoints": ["builder"]},))
    assert outcomes(file.apply()) == [("create", "done")]
    assert [one.endpoints for one in triggers(instance)] == [[listener.pk]]
    assert file.plan() == []
    file.write(triggers=(file.trigger | {"endpoints": None},))
    assert file.plan()[0]["fields"] == {"endpoints": [["builder"], None]}
    assert outcomes(file.apply()) == [("change", "done")]


def test_where_only_consent_counts_there_is_a_link(file: File, github: GitHub) -> None:
    file.write({"provider": "github", "host": "github-sandbox"})
    said = file.apply()
    (item,) = said.json["items"]
    assert (said.status, item["status"]) == (1, "waiting")
    assert "/i/" in item["detail"]


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"mooring": 2, "instances": []}',
        '{"mooring": 1, "instances": [{"name": "x", "bindnigs": []}]}',
        '{"mooring": 1, "instances": [{"name": "x", "bindings": [{"token": "glpat-test"}]}]}',
        '{"mooring": 1, "instances": [{"name": "x", "triggers": [{"name": "y"}]}]}',
    ],
    ids=["no-json", "no-object", "version", "typing-mistake", "written-token", "lacks-a-field"],
)
def test_a_file_that_is_not_understood_changes_nothing(shell: Terminal, text: str) -> None:
    path: Path = shell.home / "bindings.json"
    path.write_text(text)
    somewhere = shell.having(MOORING_URL="http://127.0.0.1:1", MOORING_TOKEN="mrg_" + "0" * 49)
    said = somewhere.mooring("apply", str(path))
    assert (said.status, said.out) == (2, "")
    assert "glpat-test" not in said.err
