"""The account whose repositories `browse` lists: a hundred of them at the sandbox's GitHub."""

from __future__ import annotations

from bindings.models import Binding, CodeHost
from portal.ground import rls
from providers.catalogue import REGISTRY
from tests import factories
from tests.bindings import fleet
from tests.bindings.sources import stored
from tests.hosts import Sandbox

COUNT = 100  # one page of GitHub


def seed(sandbox: Sandbox) -> Binding:
    """octavia, bound, with exactly COUNT repositories."""
    base_url = sandbox.base("github")
    with rls.fleet("a benchmark's host"):
        host = CodeHost.objects.create(
            slug="bench",
            provider="github",
            label="bench",
            base_url=base_url,
            api_url=REGISTRY["github"].api_url(base_url),
            **fleet.QUICK,
        )
    tenant, token = (
        factories.tenant("bench", factories.person("bench")),
        sandbox.token("github", "octavia"),
    )
    known = 9  # that octavia has from the beginning
    sandbox.add_repositories("github", "octavia", count=COUNT - known, prefix="svc")
    (row,) = fleet.many(tenant, host, 1, token=token, kind="oauth", account_login="octavia")
    return stored(row)
