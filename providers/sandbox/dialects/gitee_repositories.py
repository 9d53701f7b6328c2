"""Gitee: the account, its repositories, branches, tags and commits."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from providers.sandbox.depot import CommitInfo, GitRef
from providers.sandbox.dialect import Call, Routes
from providers.sandbox.dialects.gitee_rules import (
    API,
    PROJECTS,
    USER,
    moment,
    on_repository,
    paged,
    role,
    say,
)
from providers.sandbox.records import Repository, Role
from providers.sandbox.wire import Answer, json_answer

routes: Routes[Call] = Routes()


@routes.on("GET", f"{API}/user", USER)
def user(call: Call) -> Answer:
    return json_answer({**account_json(call, call.login), "email": None})


def account_json(call: Call, login: str) -> dict[str, Any]:
    account = call.site.accounts[login]
    return {
        "id": account.id,
        "login": account.login,
        "name": account.name,
        "avatar_url": f"{call.base}/assets/no_portrait.png",
        "url": f"{call.base}{API}/users/{account.login}",
        "html_url": f"{call.base}/{account.login}",
        "type": "User",
    }


@routes.on("GET", f"{API}/user/repos", PROJECTS)
def mine(call: Call) -> Answer:
    """Own repositories and those one is a member of; without the scope `groups` those of
    organizations are left out, and nothing says so."""
    wanted = call.request.args.get("q", "").lower()
    groups = "groups" in (call.token.scopes if call.token else ())
    found = [
        r
        for r in call.site.repositories.values()
        if role(call, r) >= Role.READ
        and wanted in r.path.lower()
        and (groups or call.site.accounts[r.owner].kind == "User")
    ]
    backwards = call.request.args.get("direction", "asc") == "desc"
    page, headers = paged(call, sorted(found, key=lambda r: r.path, reverse=backwards))
    return json_answer([repository_json(call, r) for r in page], headers=headers)


@on_repository(routes, "GET")
def one(call: Call, repository: Repository) -> Answer:
    return json_answer(repository_json(call, repository))


def repository_json(call: Call, repository: Repository) -> dict[str, Any]:
    owner = call.site.accounts[repository.owner]
    url = f"{call.base}/{repository.path}"
    mine = role(call, repository)
    public = repository.visibility == "public"
    return {
        "id": repository.id,
        "full_name": repository.path,
        "human_name": f"{owner.name}/{repository.name}",
        "url": f"{call.base}{API}/repos/{repository.path}",
        "namespace": {
            "id": owner.id,
            "type": "personal" if owner.kind == "User" else "group",
            "name": owner.name,
            "path": owner.login,
            "html_url": f"{call.base}/{owner.login}",
        },
        "path": repository.name,
        "name": repository.name,
        "owner": account_json(call, owner.login),
        "description": repository.description or None,
        "private": not public,
        "public": public,
        "internal": False,
        "fork": False,
        "html_url": f"{url}.git",
        "ssh_url": f"git@sandbox.example:{repository.path}.git",
        "default_branch": repository.default_branch,
        "pushed_at": None if repository.pushed is None else moment(repository.pushed),
        "created_at": moment(repository.created),
        "permission": {
            "pull": public or mine >= Role.READ,
            "push": mine >= Role.WRITE,
            "admin": mine >= Role.ADMIN,
        },
    }


# -- refs ------------------------------------------------------------------------------------------


def refs(call: Call, repository: Repository, space: str) -> list[GitRef]:
    known = call.world.depot.refs(call.site.slug, repository)
    return [ref for full, ref in known.items() if full.startswith(f"refs/{space}/")]


@on_repository(routes, "GET", "/branches")
def branches(call: Call, repository: Repository) -> Answer:
    page, headers = paged(call, refs(call, repository, "heads"))
    return json_answer([_branch(call, repository, ref) for ref in page], headers=headers)


@on_repository(routes, "GET", "/branches/{branch}")
def branch(call: Call, repository: Repository) -> Answer:
    name = call.parts["branch"]
    for ref in refs(call, repository, "heads"):
        if ref.name == name:
            return json_answer(_branch(call, repository, ref))
    return say(404, "Branch does not exist")


def _branch(call: Call, repository: Repository, ref: GitRef) -> dict[str, Any]:
    url = f"{call.base}{API}/repos/{repository.path}"
    return {
        "name": ref.name,
        "commit": {"sha": ref.commit, "url": f"{url}/commits/{ref.commit}"},
        "protected": ref.name in repository.protected,
        "protection_url": f"{url}/branches/{quote(ref.name)}/protection",
    }


@on_repository(routes, "GET", "/tags")
def tags(call: Call, repository: Repository) -> Answer:
    page, headers = paged(call, refs(call, repository, "tags"))
    return json_answer([_tag(ref) for ref in page], headers=headers)


def _tag(ref: GitRef) -> dict[str, Any]:
    return {"name": ref.name, "message": ref.message, "commit": {"sha": ref.commit, "date": None}}


@on_repository(routes, "GET", "/commits")
def commits(call: Call, repository: Repository) -> Answer:
    wanted = call.request.args.get("sha") or repository.default_branch or ""
    info = call.world.depot.commit(call.site.slug, repository, wanted)
    return json_answer([_commit(call, repository, info)] if info else [])


@on_repository(routes, "GET", "/commits/{sha}")
def commit(call: Call, repository: Repository) -> Answer:
    info = None
    if repository.default_branch is not None:
        info = call.world.depot.commit(call.site.slug, repository, call.parts["sha"])
    if info is None:
        return say(404, "Commit does not exist")
    return json_answer(_commit(call, repository, info))


def _commit(call: Call, repository: Repository, info: CommitInfo) -> dict[str, Any]:
    return {
        "sha": info.id,
        "html_url": f"{call.base}/{repository.path}/commit/{info.id}",
        "commit": {
            "author": {
                "name": info.author,
                "date": moment(info.authored),
                "email": info.author_email,
            },
            "committer": {
                "name": info.committer,
                "date": moment(info.committed),
                "email": info.committer_email,
            },
            "message": info.message,
            "tree": {"sha": info.tree},
        },
        "parents": [{"sha": parent} for parent in info.parents],
    }
