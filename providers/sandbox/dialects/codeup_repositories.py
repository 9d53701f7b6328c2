"""Codeup: the account, its organizations, repositories, branches, tags and commits."""

from __future__ import annotations

from typing import Any

from providers.sandbox.depot import CommitInfo, GitRef
from providers.sandbox.dialect import Call, Routes
from providers.sandbox.dialects.codeup_rules import (
    API,
    BRANCHES,
    MEMBERS,
    REPOSITORIES,
    TAGS,
    both_editions,
    is_region,
    moment,
    not_found,
    on_repository,
    paged,
    role,
    visible,
)
from providers.sandbox.records import Account, Repository
from providers.sandbox.wire import Answer, json_answer

LEVELS = {"private": 0, "internal": 10, "public": 20}
routes: Routes[Call] = Routes()


def external_id(account: Account) -> str:
    """Ids of people are hex."""
    return f"{account.id:024x}"


@routes.on("GET", f"{API}/platform/user", MEMBERS)
def user(call: Call) -> Answer:
    assert call.account is not None  # noqa: S101 - the route needs a token
    mine = _organizations(call)
    said = {
        "id": external_id(call.account),
        "name": call.account.name,
        "username": call.account.login,
        "email": f"{call.login}@sandbox.example",
        "nickName": call.account.name,
        "staffId": "",
        "createdAt": "2026-01-01T00:00:00.000+08:00",
    }
    if not is_region(call):
        said["lastOrganization"] = mine[0].login if mine else ""
    return json_answer(said)


@routes.on("GET", f"{API}/platform/organizations", MEMBERS)
def organizations(call: Call) -> Answer:
    if is_region(call):
        return not_found()
    mine = _organizations(call)
    return json_answer([{"id": o.login, "name": o.name, "description": ""} for o in mine])


def _organizations(call: Call) -> list[Account]:
    return [
        account
        for account in call.site.accounts.values()
        if account.kind == "Group" and "/" not in account.login and call.login in account.members
    ]


@both_editions(routes, "GET", "/repositories", REPOSITORIES)
def repositories(call: Call) -> Answer:
    """A list whose rows have no address to clone from, and levels as text."""
    wanted = call.request.args.get("search", "").lower()
    found = [
        r for r in call.site.repositories.values() if visible(call, r) and wanted in r.path.lower()
    ]
    if not is_region(call) and call.parts["organization"] not in {
        o.login for o in _organizations(call)
    }:
        return not_found()
    keys = {"path": lambda r: r.path, "name": lambda r: r.name}
    key = keys.get(call.request.args.get("orderBy", ""), lambda r: r.id)
    backwards = call.request.args.get("sort", "desc") == "desc"
    page, headers = paged(call, sorted(found, key=key, reverse=backwards))
    return json_answer([_row(call, r) for r in page], headers=headers)


def _row(call: Call, repository: Repository) -> dict[str, Any]:
    return {
        "id": repository.id,
        "name": repository.name,
        "path": repository.name,
        "nameWithNamespace": repository.path.replace("/", " / "),
        "webUrl": f"{call.base}/{repository.path}",
        "description": repository.description,
        "accessLevel": str(int(role(call, repository))),
        "archived": repository.archived,
        "visibility": repository.visibility,
        "createdAt": moment(repository.created),
        "lastActivityAt": moment(repository.pushed or repository.created),
        "starred": False,
        "demoProject": False,
    }


@on_repository(routes, "GET")
def one(call: Call, repository: Repository) -> Answer:
    """The whole of it, with the level as a number."""
    said = {
        **_row(call, repository),
        "pathWithNamespace": repository.path,
        "accessLevel": int(role(call, repository)),
        "allowPush": True,
        "defaultBranch": repository.default_branch,
        "httpUrlToRepo": f"{call.base}/{repository.path}.git",
        "sshUrlToRepo": f"git@sandbox.example:{repository.path}.git",
        "visibilityLevel": LEVELS[repository.visibility],
    }
    return json_answer(said)


# -- refs ------------------------------------------------------------------------------------------


def _refs(call: Call, repository: Repository, space: str) -> list[GitRef]:
    known = call.world.depot.refs(call.site.slug, repository)
    wanted = call.request.args.get("search", "")
    return [
        ref
        for full, ref in known.items()
        if full.startswith(f"refs/{space}/") and wanted in ref.name
    ]


@on_repository(routes, "GET", "/branches", BRANCHES)
def branches(call: Call, repository: Repository) -> Answer:
    page, headers = paged(call, _refs(call, repository, "heads"))
    return json_answer([_branch(call, repository, ref) for ref in page], headers=headers)


@on_repository(routes, "GET", "/branches/{branch}", BRANCHES)
def branch(call: Call, repository: Repository) -> Answer:
    known = call.world.depot.refs(call.site.slug, repository)
    ref = known.get(f"refs/heads/{call.parts['branch']}")
    return json_answer(_branch(call, repository, ref)) if ref else not_found()


def _branch(call: Call, repository: Repository, ref: GitRef) -> dict[str, Any]:
    return {
        "name": ref.name,
        "defaultBranch": ref.name == repository.default_branch,
        "protected": ref.name in repository.protected,
        "webUrl": f"{call.base}/{repository.path}/tree/{ref.name}",
        "commit": _commit_of(call, repository, ref),
    }


@on_repository(routes, "GET", "/tags", TAGS)
def tags(call: Call, repository: Repository) -> Answer:
    page, headers = paged(call, _refs(call, repository, "tags"))
    said = [
        {"name": ref.name, "message": ref.message, "commit": _commit_of(call, repository, ref)}
        for ref in page
    ]
    return json_answer(said, headers=headers)


@on_repository(routes, "GET", "/commits/{sha}")
def commit(call: Call, repository: Repository) -> Answer:
    info = None
    if repository.default_branch is not None:
        info = call.world.depot.commit(call.site.slug, repository, call.parts["sha"])
    return json_answer(_commit(info)) if info else not_found()


def _commit_of(call: Call, repository: Repository, ref: GitRef) -> dict[str, Any] | None:
    info = call.world.depot.commit(call.site.slug, repository, ref.commit)
    return _commit(info) if info else None


def _commit(info: CommitInfo) -> dict[str, Any]:
    return {
        "id": info.id,
        "shortId": info.id[:8],
        "title": info.title,
        "message": info.message,
        "authorName": info.author,
        "authorEmail": info.author_email,
        "authoredDate": moment(info.authored),
        "committerName": info.committer,
        "committerEmail": info.committer_email,
        "committedDate": moment(info.committed),
        "parentIds": list(info.parents),
    }
