"""GitHub's OAuth bind before a GitHub that somebody else has made (npm `emulate` 0.8.0).

Its known gaps: it takes any unknown token for its first user; it never says which scopes a token
has, so that what is missing cannot be known and nothing may be claimed either way; and it speaks no
git, so that who binds here has no repository whose clone could be tried.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from bindings.models import CodeHost, Credential
from bindings.services.custody import sealed
from bindings.services.custody.use import provider_at
from bindings.services.keep import sweep
from portal.ground import rls
from portal.tenants.models import Instance
from providers.errors import NotFound
from providers.types import Credential as Secret
from providers.types import Method
from tests.bindings.sources import credential, live, make_due, stored, told
from tests.judges import emulated
from tests.judges.emulated import Emulated
from tests.people import Somebody

CALLBACK = f"http://127.0.0.1:8000/oauth/callback/{emulated.SLUG}/"
START = "/t/acme/instances/prod-registry/sources/github/start/"
CONFIRM = "/t/acme/instances/prod-registry/sources/github/confirm/"


@pytest.fixture(scope="module")
def far(judges: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    running = emulated.start(judges, tmp_path_factory.mktemp("emulate"), CALLBACK)
    yield running
    running.end()


@pytest.fixture
def host(far: Emulated, settings: Any, db: None) -> CodeHost:
    """An operator's GitHub, which is the emulated one. Its API begins at its address."""
    settings.MOORING_SANDBOX_URL = far.url
    made = CodeHost(
        slug=emulated.SLUG,
        provider="github",
        label="GitHub",
        base_url=far.url,
        api_url=far.url,
        client_id=emulated.CLIENT,
    )
    sealed.put_client_secret(made, emulated.SECRET, now=timezone.now())
    with rls.fleet("a test's GitHub"):
        made.save(force_insert=True)
    return made


def come_back(client: Client, far: Emulated, login: str = "octavia") -> Any:
    """Leave, consent as `login`, come back; the answer of the callback."""
    leaves = client.post(START)
    assert leaves.status_code == 302, leaves.content.decode()
    back = far.consent(leaves.headers["Location"], login)
    assert back.startswith(CALLBACK)
    return client.get(back.removeprefix("http://127.0.0.1:8000"))


def test_the_version_is_the_one_we_were_judged_by(judges: Path) -> None:
    package = json.loads((judges / "emulate" / "package.json").read_bytes())
    assert package["version"] == "0.8.0"


def test_the_whole_way_of_a_bind(
    host: CodeHost, far: Emulated, alice: Somebody, instance: Instance
) -> None:
    client = alice.client
    answer = come_back(client, far)
    assert (answer.status_code, answer.headers["Location"]) == (302, CONFIRM)
    (waiting,) = live(instance)
    assert (waiting.status, waiting.account_login) == ("pending", "octavia")
    assert client.post(CONFIRM).status_code == 302
    (bound,) = live(instance)
    assert (bound.state, bound.account_login) == ("healthy", "octavia")
    assert told(alice.tenant) == ["binding.bound"]
    # What it said with the token is kept; that checks say nothing more takes nothing away.
    assert credential(bound).scopes == ["admin:repo_hook", "read:org", "repo"]
    assert {name: proof["ok"] for name, proof in bound.proofs.items()} == dict.fromkeys(
        ("list", "refs", "clone", "hooks"), True
    )
    make_due(bound)
    assert sweep.run().outcomes == {"ok": 1}
    assert stored(bound).state == "healthy"


def test_a_code_works_once(
    host: CodeHost, far: Emulated, alice: Somebody, instance: Instance
) -> None:
    client = alice.client
    leaves = client.post(START)
    back = far.consent(leaves.headers["Location"], "octavia")
    path = back.removeprefix("http://127.0.0.1:8000")
    assert client.get(path).headers["Location"] == CONFIRM
    again = client.get(path)
    assert again.headers.get("Location") != CONFIRM
    assert len(live(instance)) == 1


def test_a_token_it_does_not_know_is_not_our_account(
    host: CodeHost, far: Emulated, alice: Somebody, instance: Instance
) -> None:
    """It takes unknown tokens for its first user: we see another account, and use it no more."""
    client = alice.client
    come_back(client, far)
    client.post(CONFIRM)
    (bound,) = live(instance)
    with rls.tenant(bound.tenant_id):
        row = Credential.objects.of(bound.tenant_id).get(pk=bound.pk)
        sealed.put(row, Secret("gho_unknown-to-it", kind=Method.OAUTH), now=timezone.now())
        row.save()
    make_due(bound)
    sweep.run()
    assert (stored(bound).status, stored(bound).why) == ("suspended", "identity_changed")


def test_the_app_is_known_by_its_secret(
    host: CodeHost, far: Emulated, alice: Somebody, instance: Instance
) -> None:
    sealed.put_client_secret(host, "not-the-secret", now=timezone.now())
    with rls.fleet("a test's GitHub"):
        host.save()
    assert come_back(alice.client, far).headers.get("Location") != CONFIRM
    assert live(instance) == []


def test_code_is_listed_and_refs_are_resolved(host: CodeHost, far: Emulated) -> None:
    secret = Secret(emulated.LIBRARIAN, kind=Method.OAUTH)
    librarian = provider_at(host, secret)
    assert librarian.inspect().scopes is None
    assert librarian.inspect().missing == {}
    (harbor,) = librarian.repositories().items
    assert (harbor.path, harbor.visibility, harbor.default_branch) == (
        *("librarian/harbor", "private", "main"),
    )
    assert librarian.repository("librarian/harbor") == harbor
    (main,) = librarian.branches(harbor.path).items
    assert (main.name, main.default) == ("main", True)
    assert librarian.resolve_ref(harbor.path, "main").commit == main.commit
    assert librarian.tags(harbor.path).items == ()
    with pytest.raises(NotFound):
        librarian.resolve_ref(harbor.path, "nope")


def test_hooks_come_change_and_go(host: CodeHost, far: Emulated) -> None:
    librarian = provider_at(host, Secret(emulated.LIBRARIAN, kind=Method.OAUTH))
    url = "http://127.0.0.1:9/hooks/judged"
    made = librarian.add_hook("librarian/harbor", url=url, secret="a-secret-for-judging")
    assert librarian.add_hook("librarian/harbor", url=url, secret="another-secret").id == made.id
    assert [hook.url for hook in librarian.hooks("librarian/harbor")] == [url]
    librarian.repair_hook("librarian/harbor", made.id, url=url, secret="a-third-secret")
    librarian.remove_hook("librarian/harbor", made.id)
    assert librarian.hooks("librarian/harbor") == ()
