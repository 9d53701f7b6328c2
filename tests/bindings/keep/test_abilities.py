"""What an account can do, ability by ability: a permission that is taken away is one that is lost,
and what is left goes on being useful."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bindings.models import Binding, Check
from bindings.services.bind import token
from bindings.services.bind.token import TokenAsk
from bindings.services.browse import repositories
from bindings.services.custody import use
from bindings.services.keep import checks, sweep
from portal.ground import rls
from portal.tenants.models import Instance
from tests.bindings.seven import ACCOUNTS, BY_TOKEN, Seven
from tests.bindings.sources import GitHub, GitLab, make_due, opened, stored
from tests.bindings.web.reading import read
from tests.factories import NOW
from tests.people import Somebody


class Lost:
    """What is left of a token's rights, and what that takes away."""

    def __init__(self, provider: str, left: Callable[[list[str]], list[str]], **lost: str) -> None:
        self.provider, self.left, self.lost = provider, left, lost


def without(*names: str) -> Callable[[list[str]], list[str]]:
    return lambda scopes: [one for one in scopes if one not in names]


def only(*names: str) -> Callable[[list[str]], list[str]]:
    return lambda scopes: list(names)


CASES = {
    "gitlab, hooks": Lost("gitlab", only("read_api", "read_repository"), hooks="GL-SCOPE-02"),
    "github, hooks and private code": Lost(
        "github",
        only("admin:repo_hook", "read:org"),
        list="GH-SCOPE-01",
        refs="GH-SCOPE-01",
        clone="GH-SCOPE-01",
    ),
    "gitea, hooks": Lost(
        "gitea", only("read:user", "read:repository", "read:organization"), hooks="GT-SCOPE-02"
    ),
    "codeup, hooks": Lost(
        "codeup", lambda scopes: [s for s in scopes if "hook" not in s.lower()], hooks="CU-SCOPE-02"
    ),
    "codeup, refs": Lost(
        "codeup",
        lambda scopes: [s for s in scopes if "branch" not in s.lower() and "tag" not in s.lower()],
        refs="CU-SCOPE-04",
    ),
}


def bind(alice: Somebody, instance: Instance, all_seven: Seven, provider: str) -> Binding:
    if provider in BY_TOKEN:
        typed: dict[str, Any] = all_seven.typed(provider)
        asked = TokenAsk(provider=provider, token=all_seven.token(provider), **typed)
        return token.bind(actor=alice.actor, instance=instance, ask=asked).binding
    github = GitHub(all_seven.sandbox, all_seven.hosts["github"])
    return github.bind(alice.actor, instance)


@pytest.mark.parametrize(
    ("name", "by"), [*((name, "sweep") for name in CASES), ("gitlab, hooks", "hand")]
)
def test_a_permission_taken_away_is_exactly_one_ability_lost(
    alice: Somebody, instance: Instance, all_seven: Seven, name: str, by: str
) -> None:
    case = CASES[name]
    binding = bind(alice, instance, all_seven, case.provider)
    look = {"sweep": by_sweep, "hand": by_hand}[by]
    before, held = stored(binding).proofs, rights(all_seven, binding)
    give(all_seven, binding, case.left(held))
    look(binding)
    row = stored(binding)
    assert row.status == "insufficient"
    lost = {what: proof["code"] for what, proof in row.proofs.items() if not proof["ok"]}
    assert lost == case.lost
    for what in set(before) - set(case.lost):
        assert row.proofs[what]["proven_at"] >= before[what]["proven_at"]
    give(all_seven, binding, held)
    look(binding)
    row = stored(binding)
    assert row.status in ("active", "expiring")
    assert all(proof["ok"] for proof in row.proofs.values())


def by_sweep(binding: Binding) -> None:
    make_due(binding)
    assert sweep.run().asked == 1


def by_hand(binding: Binding) -> None:
    with rls.tenant(binding.tenant_id):  # one may be begun every five seconds
        Check.objects.of(binding.tenant_id).update(started_at=NOW)
    checks.run_now(binding=stored(binding))


def _named(all_seven: Seven, binding: Binding) -> dict[str, Any]:
    text, login = opened(binding), ACCOUNTS[binding.provider]
    known = all_seven.sandbox.account(binding.provider, login)["tokens"]
    return next(one for one in known if one["token"] == text)


def rights(all_seven: Seven, binding: Binding) -> list[str]:
    return list(_named(all_seven, binding)["scopes"])


def give(all_seven: Seven, binding: Binding, scopes: list[str]) -> None:
    """As its owner would in the settings of the platform."""
    name, login = _named(all_seven, binding)["name"], ACCOUNTS[binding.provider]
    all_seven.sandbox.change_token(name, binding.provider, login, scopes=scopes)


# -- reduced bindings ------------------------------------------------------------------------------


def test_a_reduced_binding_lists_reads_and_clones_and_says_what_it_cannot(
    alice: Somebody, instance: Instance, gitlab: GitLab
) -> None:
    binding = gitlab.bind(alice.actor, instance, "reduced", mode="manual")
    assert (binding.mode, binding.state) == ("manual", "healthy")
    listing = repositories.repositories(binding=stored(binding))
    assert "platform/api" in {one.path for one in listing.rows}
    with use.use(stored(binding), why="a test") as account:
        assert account.resolve_ref("platform/api", "main").kind == "branch"
        assert account.read_refs("platform/api")
    shown = alice.api().get(f"/api/v1/bindings/{binding.public_id}").json()
    assert {what: able["code"] for what, able in shown["capabilities"].items()} == {
        "list": None,
        "refs": None,
        "clone": None,
        "hooks": "GL-SCOPE-02",
    }
    assert shown["capabilities"]["hooks"]["proven_at"] is None
    page = read(alice.client.get(f"/t/acme/bindings/{binding.public_id}/")).text
    assert "For manual builds only" in page
    assert "What for Needs Has" in page
    assert "Add webhooks api No GL-SCOPE-02" in page
    assert "List repositories read_api Yes proven just now" in page


def test_the_owner_of_a_reduced_token_is_not_reminded_of_what_was_chosen(
    alice: Somebody, instance: Instance, gitlab: GitLab
) -> None:
    binding = gitlab.bind(alice.actor, instance, "reduced", mode="manual")
    by_sweep(binding)
    assert stored(binding).status == "active"


def test_a_reduced_token_becomes_a_full_binding_when_it_is_replaced_and_the_mode_changed(
    alice: Somebody, instance: Instance, gitlab: GitLab
) -> None:
    binding = gitlab.bind(alice.actor, instance, "reduced", mode="manual")
    path = f"/api/v1/bindings/{binding.public_id}"
    caller, match = alice.api(), {"If-Match": "*"}
    swapped = caller.put(
        f"{path}/credential", {"token": gitlab.token()}, "application/json", headers=match
    )
    assert swapped.status_code == 200
    full = caller.patch(path, {"mode": "full"}, "application/json", headers=match)
    assert full.json()["mode"] == "full"
    assert full.json()["capabilities"]["hooks"]["ok"] is True
