"""GitLab: projects, branches, tags and commits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from providers.sandbox.depot import CommitInfo, GitRef
from providers.sandbox.dialect import Call, Routes
from providers.sandbox.dialects.gitlab_account import moment
from providers.sandbox.dialects.gitlab_rules import (
    API,
    READ,
    as_bool,
    keyset,
    matches,
    member,
    not_found,
    number,
    on_project,
    paged,
    role,
    visible,
)
from providers.sandbox.records import Repository, Role
from providers.sandbox.wire import Answer, json_answer

routes: Routes[Call] = Routes()


@routes.on("GET", f"{API}/projects", READ)
def projects(call: Call) -> Answer:
    found = [p for p in call.site.repositories.values() if visible(call, p)]
    for wanted in (_membership, _owned, _least_level, _search, _archived, _visibility):
        found = [p for p in found if wanted(call, p)]
    simple = as_bool(call.request.args.get("simple"), False) or call.account is None
    if call.request.args.get("pagination") == "keyset":
        page, headers = keyset(call, found)
    else:
        page, headers = paged(call, _ordered(call, found))
    return json_answer([project_json(call, p, simple=simple) for p in page], headers=headers)


def _membership(call: Call, project: Repository) -> bool:
    return not as_bool(call.request.args.get("membership"), False) or member(call, project)


def _owned(call: Call, project: Repository) -> bool:
    wanted = as_bool(call.request.args.get("owned"), False)
    return not wanted or role(call, project) >= Role.ADMIN


def _least_level(call: Call, project: Repository) -> bool:
    return role(call, project) >= number(call, "min_access_level", 0)


def _search(call: Call, project: Repository) -> bool:
    wanted = call.request.args.get("search", "").lower()
    whole = as_bool(call.request.args.get("search_namespaces"), False) or "/" in wanted
    return wanted in (project.path if whole else project.name).lower()


def _archived(call: Call, project: Repository) -> bool:
    wanted = call.request.args.get("archived")
    return wanted is None or project.archived == as_bool(wanted, False)


def _visibility(call: Call, project: Repository) -> bool:
    return call.request.args.get("visibility", project.visibility) == project.visibility


def _ordered(call: Call, found: list[Repository]) -> list[Repository]:
    keys: dict[str, Callable[[Repository], Any]] = {
        "id": lambda p: p.id,
        "name": lambda p: p.name.lower(),
        "path": lambda p: p.path.lower(),
        "last_activity_at": lambda p: p.pushed or p.created,
    }
    key = keys.get(call.request.args.get("order_by", "id"), keys["id"])
    descending = call.request.args.get("sort", "desc") == "desc"
    return sorted(found, key=key, reverse=descending)


def project_json(call: Call, project: Repository, *, simple: bool = False) -> dict[str, Any]:
    url = f"{call.base}/{project.path}"
    said: dict[str, Any] = {
        "id": project.id,
        "description": project.description or None,
        "name": project.name,
        "name_with_namespace": project.path.replace("/", " / "),
        "path": project.name,
        "path_with_namespace": project.path,
        "created_at": moment(project.created),
        "default_branch": project.default_branch,
        "tag_list": [],
        "topics": [],
        "ssh_url_to_repo": f"git@sandbox.example:{project.path}.git",
        "http_url_to_repo": f"{url}.git",
        "web_url": url,
        "readme_url": None,
        "avatar_url": None,
        "star_count": 0,
        "last_activity_at": moment(project.pushed or project.created),
        "visibility": project.visibility,
        "namespace": _namespace(call, project),
    }
    if simple:
        return said
    more = {
        "archived": project.archived,
        "empty_repo": project.default_branch is None,
        "permissions": _permissions(call, project),
    }
    return {**said, **more}


def _namespace(call: Call, project: Repository) -> dict[str, Any]:
    owner = call.site.accounts[project.owner]
    kind = "group" if owner.kind == "Group" else "user"
    return {
        "id": owner.id,
        "name": owner.name,
        "path": project.owner.rpartition("/")[2],
        "kind": kind,
        "full_path": project.owner,
        "web_url": f"{call.base}/{'groups/' if kind == 'group' else ''}{project.owner}",
    }


def _permissions(call: Call, project: Repository) -> dict[str, Any]:
    """Own role and the role through groups; either may be null."""
    own = Role.ADMIN if call.login == project.owner else project.roles.get(call.login, 0)
    group = call.site.group_role(call.login, project) if call.login else 0
    return {"project_access": _access(own), "group_access": _access(group)}


def _access(level: int) -> dict[str, int] | None:
    return {"access_level": int(level), "notification_level": 3} if level else None


@on_project(routes, "GET")
def one(call: Call, project: Repository) -> Answer:
    return json_answer(project_json(call, project, simple=call.account is None))


# -- refs ------------------------------------------------------------------------------------------


def _refs(call: Call, project: Repository, space: str) -> list[GitRef]:
    refs = call.world.depot.refs(call.site.slug, project)
    wanted = call.request.args.get("search", "")
    return [
        ref
        for full, ref in refs.items()
        if full.startswith(f"refs/{space}/") and (not wanted or matches(ref.name, wanted))
    ]


@on_project(routes, "GET", "/repository/branches", least=Role.READ)
def branches(call: Call, project: Repository) -> Answer:
    page, headers = paged(call, _refs(call, project, "heads"))
    return json_answer([_branch(call, project, ref) for ref in page], headers=headers)


@on_project(routes, "GET", "/repository/branches/{branch}", least=Role.READ)
def branch(call: Call, project: Repository) -> Answer:
    ref = call.world.depot.refs(call.site.slug, project).get(f"refs/heads/{call.parts['branch']}")
    return json_answer(_branch(call, project, ref)) if ref else not_found("Branch")


def _branch(call: Call, project: Repository, ref: GitRef) -> dict[str, Any]:
    return {
        "name": ref.name,
        "commit": _commit_of(call, project, ref),
        "merged": False,
        "protected": ref.name in project.protected,
        "developers_can_push": False,
        "developers_can_merge": False,
        "can_push": role(call, project) >= Role.WRITE,
        "default": ref.name == project.default_branch,
        "web_url": f"{call.base}/{project.path}/-/tree/{quote(ref.name)}",
    }


@on_project(routes, "GET", "/repository/tags", least=Role.READ)
def tags(call: Call, project: Repository) -> Answer:
    found = _refs(call, project, "tags")
    if call.request.args.get("sort", "desc") == "desc":
        found = found[::-1]
    page, headers = paged(call, found)
    return json_answer([_tag(call, project, ref) for ref in page], headers=headers)


@on_project(routes, "GET", "/repository/tags/{tag}", least=Role.READ)
def tag(call: Call, project: Repository) -> Answer:
    ref = call.world.depot.refs(call.site.slug, project).get(f"refs/tags/{call.parts['tag']}")
    return json_answer(_tag(call, project, ref)) if ref else not_found("Tag")


def _tag(call: Call, project: Repository, ref: GitRef) -> dict[str, Any]:
    return {
        "name": ref.name,
        "message": ref.message,
        "target": ref.target,
        "commit": _commit_of(call, project, ref),
        "release": None,
        "protected": False,
        "created_at": None,
    }


@on_project(routes, "GET", "/repository/commits/{sha}", least=Role.READ)
def commit(call: Call, project: Repository) -> Answer:
    """Branch, tag or commit id; git's own order, so a tag wins over a branch of the same name."""
    info = None
    if project.default_branch is not None:
        info = call.world.depot.commit(call.site.slug, project, call.parts["sha"])
    if info is None:
        return not_found("Commit")
    more = {"stats": {"additions": 1, "deletions": 0, "total": 1}, "last_pipeline": None}
    return json_answer({**_commit(call, project, info), **more})


def _commit_of(call: Call, project: Repository, ref: GitRef) -> dict[str, Any] | None:
    info = call.world.depot.commit(call.site.slug, project, ref.commit)
    return _commit(call, project, info) if info else None


def _commit(call: Call, project: Repository, info: CommitInfo) -> dict[str, Any]:
    return {
        "id": info.id,
        "short_id": info.id[:8],
        "created_at": moment(info.committed),
        "parent_ids": list(info.parents),
        "title": info.title,
        "message": info.message,
        "author_name": info.author,
        "author_email": info.author_email,
        "authored_date": moment(info.authored),
        "committer_name": info.committer,
        "committer_email": info.committer_email,
        "committed_date": moment(info.committed),
        "trailers": {},
        "web_url": f"{call.base}/{project.path}/-/commit/{info.id}",
    }
