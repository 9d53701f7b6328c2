"""Bitbucket: the account, its workspaces, their repositories, branches, tags and commits."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from providers.sandbox.depot import CommitInfo, GitRef
from providers.sandbox.dialect import Call, Routes
from providers.sandbox.dialects.bitbucket_rules import (
    API,
    account_uuid,
    listed,
    moment,
    on_repository,
    removed,
    repository_uuid,
    role,
    say,
    visible,
    workspaces,
)
from providers.sandbox.records import Account, Repository, Role
from providers.sandbox.wire import Answer, json_answer
from providers.sandbox.world import Site

LEAST = {"member": Role.READ, "contributor": Role.WRITE, "admin": Role.ADMIN}
routes: Routes[Call] = Routes()


@routes.on("GET", f"{API}/user", "account")
def user(call: Call) -> Answer:
    assert call.account is not None  # noqa: S101 - the route needs a token
    said = account_json(call.base, call.account)
    state = "active" if call.account.state == "active" else "inactive"
    return json_answer({**said, "account_status": state, "has_2fa_enabled": None})


def account_json(base: str, account: Account) -> dict[str, Any]:
    """Without `username`, as accounts of today are."""
    kind = "team" if account.kind == "Group" else "user"
    url = f"{base}/{account_uuid(account).replace('{', '%7B').replace('}', '%7D')}/"
    return {
        "type": kind,
        "uuid": account_uuid(account),
        "account_id": f"712020:sandbox-{account.id}",
        "nickname": account.login,
        "display_name": account.name,
        "links": {"avatar": {"href": f"{url}avatar"}, "html": {"href": url}},
    }


@routes.on("GET", f"{API}/user/workspaces", "account")
def own_workspaces(call: Call) -> Answer:
    return listed(call, [_membership(call, workspace) for workspace in workspaces(call)])


def _membership(call: Call, workspace: Account) -> dict[str, Any]:
    admin = workspace.login == call.login or workspace.members.get(call.login, 0) >= Role.ADMIN
    return {
        "type": "workspace_access",
        "administrator": admin,
        "workspace": _workspace(workspace),
    }


def _workspace(account: Account) -> dict[str, Any]:
    return {"type": "workspace_base", "uuid": account_uuid(account), "slug": account.login}


@routes.on("GET", f"{API}/repositories", "repository")
@routes.on("GET", f"{API}/workspaces", "account")
@routes.on("GET", f"{API}/user/permissions/repositories", "account")
@routes.on("GET", f"{API}/user/permissions/workspaces", "account")
def across_workspaces(call: Call) -> Answer:
    """Gone since April 2026."""
    return removed("CHANGE-2770")


@routes.on("GET", f"{API}/repositories/{{workspace}}", "repository")
def repositories(call: Call) -> Answer:
    slug, asked = call.parts["workspace"], call.request.args.get("role", "")
    if slug not in call.site.accounts:
        return say(404, f"No workspace with identifier '{slug}'.")
    if call.switched("org_restricted") == slug:
        return say(403, "The administrator of this workspace has restricted access for apps.")
    least = LEAST.get(asked, Role.NONE)
    if asked and asked not in LEAST:
        return say(400, f"Unknown role: {asked}")
    found = [
        repository_json(call.site, call.base, one, call.login)
        for one in call.site.repositories.values()
        if one.owner == slug and visible(call, one) and role(call, one) >= least
    ]
    return listed(call, found)


@on_repository(routes, "GET")
def one(call: Call, repository: Repository) -> Answer:
    return json_answer(repository_json(call.site, call.base, repository, call.login))


def repository_json(
    site: Site, base: str, repository: Repository, login: str = ""
) -> dict[str, Any]:
    """The link to clone carries the caller's name. Nothing tells the caller's role."""
    url, owner = f"{base}/{repository.path}", site.accounts[repository.owner]
    parts = urlsplit(url)
    clone = parts._replace(netloc=f"{login}@{parts.netloc}" if login else parts.netloc).geturl()
    branch = repository.default_branch
    return {
        "type": "repository",
        "uuid": repository_uuid(repository),
        "full_name": repository.path,
        "name": repository.name,
        "slug": repository.name,
        "scm": "git",
        "is_private": repository.visibility != "public",
        "description": repository.description,
        "mainbranch": {"type": "branch", "name": branch} if branch else None,
        "owner": account_json(base, owner),
        "workspace": _workspace(owner),
        "created_on": moment(repository.created + repository.id),
        "updated_on": moment(repository.pushed or repository.created),
        "links": {
            "self": {"href": f"{base}{API}/repositories/{repository.path}"},
            "html": {"href": url},
            "clone": [
                {"name": "https", "href": f"{clone}.git"},
                {"name": "ssh", "href": f"git@sandbox.example:{repository.path}.git"},
            ],
        },
    }


# -- refs ------------------------------------------------------------------------------------------


def _refs(call: Call, repository: Repository, space: str) -> Answer:
    refs = call.world.depot.refs(call.site.slug, repository)
    kind = "branch" if space == "heads" else "tag"
    found = [
        _ref(call, repository, ref, kind)
        for full, ref in refs.items()
        if full.startswith(f"refs/{space}/")
    ]
    return listed(call, found)


def _ref(call: Call, repository: Repository, ref: GitRef, kind: str) -> dict[str, Any]:
    info = call.world.depot.commit(call.site.slug, repository, ref.commit)
    target = commit_json(call.base, repository, info) if info else None
    return {"name": ref.name, "type": kind, "target": target, "message": ref.message or None}


@on_repository(routes, "GET", "/refs/branches")
def branches(call: Call, repository: Repository) -> Answer:
    return _refs(call, repository, "heads")


@on_repository(routes, "GET", "/refs/tags")
def tags(call: Call, repository: Repository) -> Answer:
    return _refs(call, repository, "tags")


@on_repository(routes, "GET", "/commit/{revision}")
def commit(call: Call, repository: Repository) -> Answer:
    wanted, info = call.parts["revision"], None
    if repository.default_branch is not None:
        info = call.world.depot.commit(call.site.slug, repository, wanted)
    if info is None:
        return say(404, "Commit not found", data={"shas": [wanted]})
    return json_answer(commit_json(call.base, repository, info))


def commit_json(base: str, repository: Repository, info: CommitInfo) -> dict[str, Any]:
    url = f"{base}/{repository.path}/commits/{info.id}"
    return {
        "type": "commit",
        "hash": info.id,
        "date": moment(info.committed),
        "message": f"{info.message}\n",
        "author": {"type": "author", "raw": f"{info.author} <{info.author_email}>"},
        "parents": [{"type": "commit", "hash": parent} for parent in info.parents],
        "links": {"html": {"href": url}},
    }
