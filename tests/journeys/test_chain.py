"""A push on every platform: hook, delivery, trigger, event, lease, clone, revoked, refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bindings.services.custody import use
from portal.ground import jobs
from portal.ground.jobs import Job
from portal.tenants.models import Instance
from tests.bindings.api.test_seven import ALL, Caller
from tests.bindings.seven import Seven
from tests.bindings.sources import live
from tests.chain import Chain, git
from tests.people import Somebody
from tests.providers.cast import CASTS
from tests.receiver import Receiver


@pytest.fixture
def caller(alice: Somebody, instance: Instance, all_seven: Seven) -> Caller:
    return Caller(alice, instance, all_seven)


@pytest.fixture
def builder() -> Iterator[Receiver]:
    with Receiver() as made:
        yield made


@pytest.fixture
def chain(site: str, alice: Somebody, builder: Receiver, tmp_path: Path) -> Chain:
    jobs.start(Job.RELAY)  # beat's part, once: a relay goes on by itself
    return Chain(site, alice.token().secret, builder, tmp_path)


def developer(caller: Caller, instance: Instance, repository: str) -> tuple[str, str]:
    """With what a developer's own git pushes. What we are bound with may not push everywhere."""
    (binding,), sandbox = live(instance), caller.seven.sandbox
    login = binding.account_login
    if binding.provider == "codearts":
        password = sandbox.new_token("codearts", login, "own git", [], kind="https")
        return f"{sandbox.account('codearts', login)['name']}/{login}", password
    if binding.provider == "bitbucket":
        scopes = ["repository", "repository:write"]
        return "x-token-auth", sandbox.new_token("bitbucket", login, "own git", scopes)
    with use.use(binding, why="a developer pushes") as account:
        own = account.clone(repository)
    return own.username, own.password


@pytest.mark.parametrize("provider", ALL)
def test_a_push_reaches_the_builder_and_is_cloned_there(
    chain: Chain, caller: Caller, instance: Instance, provider: str
) -> None:
    bound = caller.bind(provider)["id"]
    chain.listen()
    repository = chain.repository(bound, CASTS[provider].rich)
    path, branch = repository["path"], repository["default_branch"]
    trigger = chain.subscribe(instance.public_id, bound, path)

    user, password = developer(caller, instance, repository["external_id"])
    sha = chain.push(repository["clone_url"], user, password, branch)

    event = chain.told(sha)
    assert event["type"] == "build.push"
    assert event["data"]["trigger"]["id"] == trigger["id"]
    assert event["data"]["repository"]["id"] == repository["id"]
    assert (event["data"]["ref"], event["data"]["kind"]) == (f"refs/heads/{branch}", "branch")

    delivery = chain.get("GET", f"/deliveries/{event['data']['delivery']}")
    assert (delivery["outcome"], delivery["signature"]) == ("matched", "valid")
    assert delivery["events"] == [event["id"]]
    assert password not in str(delivery)

    lease = chain.lend(bound, path)
    chain.clone(lease, "built")
    assert git(chain.folder / "built", "rev-parse", "HEAD").stdout.strip() == sha
    assert password not in (chain.folder / "built" / ".git" / "config").read_text()

    chain.get("DELETE", f"/leases/{lease['id']}", status=204)
    refused = chain.clone(lease, "refused", ok=False)
    assert refused.returncode != 0
    assert "lease" in refused.stderr.lower()
    assert [event["id"]] == [one["id"] for one in chain.events()]
