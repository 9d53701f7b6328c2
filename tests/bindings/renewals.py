"""Pairs that renew themselves: bindings of every host that rotates, and processes that may die.

pair(sandbox, "gitlab", instance)   a live binding with a fresh pair of the sandbox
Worker(sandbox)                     a process of ours: `call` waits, `begin` does not, `kill` is -9
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.utils import timezone

from bindings.models import Binding, CodeHost, Credential, RefreshIntent, Schedule
from bindings.services.custody import sealed
from portal.ground import rls
from portal.tenants.models import Instance
from providers.catalogue import REGISTRY
from providers.types import Credential as Secret
from providers.types import Expiry, Method, Quality
from tests.bindings import forked
from tests.bindings.sources import APP, APP_SECRET
from tests.hosts import Sandbox

ACCOUNT = {
    "gitlab": "build-bot",
    "gitea": "build-bot",
    "bitbucket": "octavia",
    "gitee": "octavia",
    "github": "octavia",
}
ROTATING = ("gitlab", "bitbucket", "gitea", "gitee")
TOKEN_PATH = {
    "gitlab": "/oauth/token",
    "bitbucket": "/site/oauth2/access_token",
    "gitea": "/login/oauth/access_token",
    "gitee": "/oauth/token",
    "github": "/login/oauth/access_token",
}
_SCOPES = {
    "gitlab": ["api"],
    "gitea": ["read:user", "write:repository", "read:organization"],
    "bitbucket": ["account", "repository", "webhook"],
    "gitee": ["user_info", "projects", "hook"],
}
_KIND = {"github": "app"}
PATIENCE = 20.0


def host(sandbox: Sandbox, provider: str) -> CodeHost:
    """The operator's server of this provider, with its app."""
    slug, base_url = f"{provider}-rotating", sandbox.base(provider)
    found = CodeHost(
        slug=slug,
        provider=provider,
        label=slug,
        base_url=base_url,
        api_url=REGISTRY[provider].api_url(base_url),
        client_id=f"{APP}-expiring" if provider == "github" else APP,
    )
    sealed.put_client_secret(found, APP_SECRET, now=timezone.now())
    with rls.fleet("a test's host"):
        known = CodeHost.objects.filter(slug=slug).first()
        if known is None:
            found.save(force_insert=True)
    return known or found


def pair(
    sandbox: Sandbox,
    provider: str,
    instance: Instance,
    name: str = "pair",
    *,
    life: timedelta = timedelta(hours=2),
    due: bool = True,
    **more: Any,
) -> Binding:
    """A live binding of a pair that the sandbox has just issued."""
    account, now = ACCOUNT[provider], timezone.now()
    scopes, kind = _SCOPES.get(provider, []), _KIND.get(provider, "oauth")
    sandbox.new_token(provider, account, name, scopes, kind=kind)
    facts = sandbox.token_facts(provider, account, name)
    who = sandbox.account(provider, account)
    columns = {
        "status": "active",
        "kind": "oauth",
        "account_id": str(who["external_id"]),
        "account_login": account,
        "username": account,
        "quality": "unknown",
        "renews": True,
        "bound_at": now,
    }
    binding = Binding(
        tenant_id=instance.tenant_id,
        instance=instance,
        host=host(sandbox, provider),
        provider=provider,
        **(columns | more),
    )
    row = Credential(binding=binding, tenant_id=instance.tenant_id)
    secret = Secret(
        token=facts["token"],
        refresh_token=facts["refresh_token"],
        expiry=Expiry(now + life, Quality.EXACT),
        kind=Method.OAUTH,
    )
    sealed.put(row, secret, now=now)
    row.renew_at = now if due else now + life
    with rls.tenant(instance.tenant_id):
        binding.save(force_insert=True)
        row.save(force_insert=True)
        Schedule.objects.create(
            binding=binding, host_id=binding.host_id, next_check_at=now + timedelta(hours=12)
        )
    return binding


def change(binding: Binding, **columns: Any) -> None:
    """Change columns of the credential."""
    with rls.tenant(binding.tenant_id):
        Credential.objects.of(binding.tenant_id).filter(pk=binding.pk).update(**columns)


def ended(binding: Binding) -> None:
    """Its access token is over, by our clock."""
    now = timezone.now()
    change(binding, expires_at=now - timedelta(seconds=5), issued_at=now - timedelta(hours=2))


def intent(binding: Binding) -> RefreshIntent | None:
    with rls.tenant(binding.tenant_id):
        found: RefreshIntent | None = (
            RefreshIntent.objects.of(binding.tenant_id).filter(pk=binding.pk).first()
        )
    return found


def over(binding: Binding) -> None:
    """Let the request of the open intent be over for long."""
    with rls.tenant(binding.tenant_id):
        RefreshIntent.objects.of(binding.tenant_id).filter(pk=binding.pk).update(
            deadline=timezone.now() - timedelta(minutes=1)
        )


def refreshes(sandbox: Sandbox, provider: str) -> int:
    """Requests to the token endpoint since the test began."""
    return sandbox.count(provider, TOKEN_PATH[provider])


def eventually(holds: Callable[[], Any]) -> Any:
    """What `holds` gives as soon as it is true."""
    until = time.monotonic() + PATIENCE
    while not (found := holds()):
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.01)
    return found


class Worker:
    """One process of ours, made by a fork of a server that has loaded everything."""

    def __init__(self, sandbox: Sandbox, **settings: Any) -> None:
        given = {"MOORING_SANDBOX_URL": sandbox.url} | settings
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.bindings.forked"])
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=forked.serve, args=(theirs, given), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def begin(self, what: str, *args: Any) -> None:
        self._pipe.send((what, args))

    def answer(self) -> Any:
        """What the work that was begun gives."""
        assert self._pipe.poll(PATIENCE * 3), "the worker does not answer"
        return self._pipe.recv()

    def call(self, what: str, *args: Any) -> Any:
        self.begin(what, *args)
        return self.answer()

    def kill(self) -> None:
        """SIGKILL: nothing of it runs on."""
        self._process.kill()
        self._process.join(PATIENCE)

    def close(self) -> None:
        self.kill()
        self._process.close()
        self._pipe.close()


@contextmanager
def workers(sandbox: Sandbox, count: int = 1, **settings: Any) -> Iterator[list[Worker]]:
    """So many processes; all are gone after the block."""
    crew = [Worker(sandbox, **settings) for _ in range(count)]
    try:
        yield crew
    finally:
        for one in crew:
            one.close()
