"""CodeArts: repositories by number, branches, tags and commits; and the API before this one."""

from __future__ import annotations

from typing import Any

from providers.sandbox.depot import CommitInfo, GitRef
from providers.sandbox.dialect import Call, Routes
from providers.sandbox.dialects.codearts_rules import (
    API,
    READ,
    moment,
    not_found,
    on_repository,
    paged,
    role,
)
from providers.sandbox.records import Repository, Role
from providers.sandbox.wire import Answer, json_answer

routes: Routes[Call] = Routes()


@routes.on("GET", f"{API}/user/repositories", READ)
def mine(call: Call) -> Answer:
    """Archived ones only when asked for, and the newest first unless told otherwise."""
    wanted = call.request.args.get("search", "").lower()
    archived = call.request.args.get("archived") == "true"
    found = [
        r
        for r in call.site.repositories.values()
        if role(call.site, call.login, r) >= Role.READ
        and wanted in r.path.lower()
        and r.archived == archived
    ]
    backwards = call.request.args.get("sort", "desc") == "desc"
    ordered = sorted(found, key=lambda r: (r.created, r.id), reverse=backwards)
    page, headers = paged(call, ordered)
    return json_answer([_row(call, r) for r in page], headers=headers)


def _row(call: Call, repository: Repository) -> dict[str, Any]:
    return {
        "id": repository.id,
        "uuid": f"{repository.id:032x}",
        "name": repository.name,
        "namespace": repository.owner,
        "path": repository.name,
        "name_with_namespace": repository.path.replace("/", " / "),
        "visibility": repository.visibility,
        "archived": repository.archived,
        "http_url_to_repo": f"{call.base}/{repository.path}.git",
        "ssh_url_to_repo": f"git@sandbox.example:{repository.path}.git",
        "project_id": f"{repository.id // 10:032x}",
        "permissions": role(call.site, call.login, repository) * 7,
        "created_at": moment(repository.created),
        "updated_at": moment(repository.pushed or repository.created),
        "status": "normal",
    }


@on_repository(routes, "GET")
def one(call: Call, repository: Repository) -> Answer:
    said = {
        **_row(call, repository),
        "path_with_namespace": repository.path,
        "default_branch": repository.default_branch,
        "empty_repo": repository.default_branch is None,
    }
    return json_answer(said)


# -- refs ------------------------------------------------------------------------------------------


def _refs(call: Call, repository: Repository, space: str) -> list[GitRef]:
    known = call.world.depot.refs(call.site.slug, repository)
    return [ref for full, ref in known.items() if full.startswith(f"refs/{space}/")]


@on_repository(routes, "GET", "/repository/branches")
def branches(call: Call, repository: Repository) -> Answer:
    """No search; the simple view leaves the commits out."""
    simple = call.request.args.get("view") == "simple"
    page, headers = paged(call, _refs(call, repository, "heads"))
    said = [_branch(call, repository, ref, simple=simple) for ref in page]
    return json_answer(said, headers=headers)


@on_repository(routes, "GET", "/repository/branch")
def branch(call: Call, repository: Repository) -> Answer:
    name = call.request.args.get("branch_name", "")
    for ref in _refs(call, repository, "heads"):
        if ref.name == name:
            return json_answer(_branch(call, repository, ref, simple=False))
    return not_found()


def _branch(call: Call, repository: Repository, ref: GitRef, *, simple: bool) -> dict[str, Any]:
    short = {"name": ref.name, "default": ref.name == repository.default_branch, "can_read": True}
    if simple:
        return short
    info = call.world.depot.commit(call.site.slug, repository, ref.commit)
    return {
        **short,
        "commit": _commit(info) if info else None,
        "merged": False,
        "protected": ref.name in repository.protected,
    }


@on_repository(routes, "GET", "/repository/tags")
def tags(call: Call, repository: Repository) -> Answer:
    wanted = call.request.args.get("search", "")
    found = [ref for ref in _refs(call, repository, "tags") if wanted in ref.name]
    page, headers = paged(call, found)
    said = [{"name": ref.name, "message": ref.message, "target": ref.commit} for ref in page]
    return json_answer(said, headers=headers)


@on_repository(routes, "GET", "/repository/commits")
def commits(call: Call, repository: Repository) -> Answer:
    """The history behind a branch, a tag or a commit id."""
    info = None
    if repository.default_branch is not None:
        wanted = call.request.args.get("sha") or repository.default_branch
        info = call.world.depot.commit(call.site.slug, repository, wanted)
    return json_answer([_commit(info)]) if info else not_found()


def _commit(info: CommitInfo) -> dict[str, Any]:
    return {
        "id": info.id,
        "short_id": info.id[:8],
        "message": info.message,
        "parent_ids": list(info.parents),
        "authored_date": moment(info.authored),
        "author_name": info.author,
        "author_email": info.author_email,
        "committed_date": moment(info.committed),
        "committer_name": info.committer,
        "committer_email": info.committer_email,
    }


# -- the API before this one: a refusal comes with status 200 --------------------------------------


@routes.on("GET", "/v2/projects/repositories", READ)
def before(call: Call) -> Answer:
    found = [
        r for r in call.site.repositories.values() if role(call.site, call.login, r) >= Role.READ
    ]
    rows = [
        {
            "repository_uuid": f"{r.id:032x}",
            "repository_id": r.id,
            "repository_name": r.name,
            "group_name": r.owner,
            "https_url": f"{call.base}/{r.path}.git",
            "userRole": min(role(call.site, call.login, r), 40),
        }
        for r in found
    ]
    result = {"total": len(rows), "repositories": rows}
    return json_answer({"error": None, "result": result, "status": "success"})


@routes.on("GET", "/v2/repositories/{repository}/branches", READ)
def branches_before(call: Call) -> Answer:
    found = call.site.repositories.get(call.number("repository"))
    if found is None or role(call.site, call.login, found) < Role.READ:
        error = {"code": "CH.00404001", "message": "repository does not exist"}
        return json_answer({"error": error, "result": None, "status": "failed"})
    rows = [{"name": ref.name} for ref in _refs(call, found, "heads")]
    result = {"total": len(rows), "branches": rows}
    return json_answer({"error": None, "result": result, "status": "success"})
