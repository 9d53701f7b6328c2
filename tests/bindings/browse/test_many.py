"""Hundreds of repositories in groups, on each platform: all of them, searched, or an error."""

from __future__ import annotations

import pytest

from bindings.models import Binding, Repository
from bindings.services.browse import repositories
from portal.ground import rls
from portal.ground.refusals import Refusal
from portal.tenants.models import Instance
from tests.bindings.seven import ACCOUNTS, Seven

OWNERS = {
    "github": ("acme-inc", ""),
    "gitlab": ("platform/images", "deep/down/below"),
    "gitee": ("acme-inc", ""),
    "bitbucket": ("harbor-works", ""),
    "codearts": ("foundry00228", ""),
    "codeup": ("60de7a6852743a51sandbox0/platform/images", "deep/down"),
    "gitea": ("workshop", ""),
}
"""Platform → a group, organization, workspace or project, and groups below it."""
LISTS = {
    "github": "/api/v3/user/repos",
    "gitlab": "/api/v4/projects",
    "gitee": "/api/v5/user/repos",
    "bitbucket": "/2.0/repositories/harbor-works",
    "codearts": "/v4/user/repositories",
    "codeup": "/oapi/v1/codeup/organizations/*/repositories",
    "gitea": "/api/v1/user/repos",
}


def remembered(binding: Binding) -> int:
    with rls.tenant(binding.tenant_id):
        return Repository.objects.of(binding.tenant_id).filter(host_id=binding.host_id).count()


@pytest.mark.parametrize("provider", OWNERS)
def test_250_repositories_in_groups_are_all_there(
    all_seven: Seven, instance: Instance, provider: str
):
    bound, sandbox = all_seven.bound(instance, provider), all_seven.sandbox
    owner, below = OWNERS[provider]
    roles = {ACCOUNTS[provider]: "read"}
    made = sandbox.add_repositories(
        provider, owner, below=below, count=250, prefix="svc", roles=roles
    )
    whole = repositories.repositories(binding=bound)
    paths = [row.path for row in whole.rows]
    assert {row["path"] for row in made} <= set(paths)
    assert len(paths) == len(set(paths)) == remembered(bound)
    deep = f"{owner}/{below}".rstrip("/") + "/svc-249"
    assert [row.path for row in repositories.select(whole.rows, q="SVC-249")] == [deep]

    # What came later the list does not have: the host itself finds it, by name and by path.
    (late,) = sandbox.add_repositories(provider, owner, below=below, prefix="later", roles=roles)
    found = repositories.lookup(binding=bound, q="LATER")
    assert (found.searched, [row.path for row in found.rows]) == (True, [late["path"]])
    typed = repositories.search(binding=bound, q=f"{sandbox.base(provider)}/{late['path']}.git")
    assert [row.path for row in typed.rows] == [late["path"]]

    # A page that fails removes nothing, and is no shorter list.
    before = remembered(bound)
    sandbox.fault(provider, "status:500", LISTS[provider], after=1)
    stale = repositories.repositories(binding=bound, fresh=True)
    assert stale.stale
    assert [row.path for row in stale.rows] == paths
    assert remembered(bound) == before


def test_a_list_without_a_last_good_one_is_an_error(all_seven: Seven, instance: Instance):
    bound = all_seven.bound(instance, "gitea")
    all_seven.sandbox.add_repositories("gitea", "workshop", count=60)
    all_seven.sandbox.fault("gitea", "status:500", LISTS["gitea"], after=1)
    with pytest.raises(Refusal) as refused:
        repositories.repositories(binding=bound)
    assert refused.value.code == "GT-API-03"
    assert remembered(bound) == 0
