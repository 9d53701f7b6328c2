"""Gitea: the account, its repositories, branches, tags and commits."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from providers.sandbox.depot import CommitInfo, GitRef
from providers.sandbox.dialect import Call, Routes
from providers.sandbox.dialects.gitea_rules import (
    API,
    not_found,
    on_repository,
    paged,
    public_only,
    role,
    say,
    version,
    visible,
)
from providers.sandbox.records import Account, Repository, Role
from providers.sandbox.wire import Answer, json_answer
from providers.sandbox.world import Site

routes: Routes[Call] = Routes()


@routes.on("GET", f"{API}/version")
def tell_version(call: Call) -> Answer:
    return json_answer({"version": version(call)})


@routes.on("GET", f"{API}/user", "user")
def user(call: Call) -> Answer:
    assert call.account is not None  # noqa: S101 - the route needs a token
    said = user_json(call.base, call.account)
    more = {"email": f"{call.account.login}@sandbox.example", "is_admin": False}
    return json_answer({**said, **more})


def user_json(base: str, account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "login": account.login,
        "login_name": "",
        "full_name": account.name,
        "email": f"{account.login}@noreply.sandbox.example",
        "avatar_url": f"{base}/avatars/{account.id}",
        "html_url": f"{base}/{account.login}",
        "language": "",
        "is_admin": False,
        "created": "2024-01-01T00:00:00Z",
        "active": account.state == "active",
        "prohibit_login": account.state != "active",
        "visibility": "public",
        "username": account.login,
    }


@routes.on("GET", f"{API}/admin/cron", "admin")
def cron(call: Call) -> Answer:
    """For administrators of the server, of whom there are none here."""
    return say(call, 403, "user should be the site admin")


@routes.on("GET", f"{API}/user/repos", "user repository")
def own(call: Call) -> Answer:
    found = [r for r in call.site.repositories.values() if role(call, r) >= Role.READ]
    if public_only(call):
        found = [r for r in found if r.visibility == "public"]
    page, headers = paged(call, found)
    return json_answer([_repository(call, r) for r in page], headers=headers)


@routes.on("GET", f"{API}/repositories/{{id}}", "repository")
def by_number(call: Call) -> Answer:
    found = call.site.repositories.get(call.number("id"))
    if found is None or not visible(call, found):
        return not_found(call)
    if public_only(call) and found.visibility != "public":
        return say(call, 403, "token scope is limited to public repos")
    return json_answer(_repository(call, found))


@on_repository(routes, "GET")
def one(call: Call, repository: Repository) -> Answer:
    return json_answer(_repository(call, repository))


def _repository(call: Call, repository: Repository) -> dict[str, Any]:
    return repository_json(call.site, call.base, repository, role(call, repository))


def repository_json(site: Site, base: str, repository: Repository, level: int) -> dict[str, Any]:
    """`default_branch` is told before there is one; lists that are empty come as null."""
    url = f"{base}/{repository.path}"
    return {
        "id": repository.id,
        "owner": user_json(base, site.accounts[repository.owner]),
        "name": repository.name,
        "full_name": repository.path,
        "description": repository.description,
        "empty": repository.default_branch is None,
        "private": repository.visibility == "private",
        "internal": repository.visibility == "internal",
        "fork": False,
        "template": False,
        "mirror": False,
        "html_url": url,
        "url": f"{base}{API}/repos/{repository.path}",
        "ssh_url": f"git@sandbox.example:{repository.path}.git",
        "clone_url": f"{url}.git",
        "default_branch": repository.default_branch or "main",
        "archived": repository.archived,
        "created_at": moment(repository.created),
        "updated_at": moment(repository.pushed or repository.created),
        "permissions": {
            "admin": level >= Role.ADMIN,
            "push": level >= Role.WRITE,
            "pull": level >= Role.READ or repository.visibility != "private",
        },
        "topics": None,
    }


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


# -- refs ------------------------------------------------------------------------------------------


def _refs(call: Call, repository: Repository, space: str) -> list[GitRef]:
    refs = call.world.depot.refs(call.site.slug, repository)
    return [ref for full, ref in refs.items() if full.startswith(f"refs/{space}/")]


@on_repository(routes, "GET", "/branches")
def branches(call: Call, repository: Repository) -> Answer:
    page, headers = paged(call, _refs(call, repository, "heads"))
    return json_answer([_branch(call, repository, ref) for ref in page], headers=headers)


@on_repository(routes, "GET", "/branches/{name+}")
def branch(call: Call, repository: Repository) -> Answer:
    refs = call.world.depot.refs(call.site.slug, repository)
    ref = refs.get(f"refs/heads/{call.parts['name']}")
    return json_answer(_branch(call, repository, ref)) if ref else not_found(call)


def _branch(call: Call, repository: Repository, ref: GitRef) -> dict[str, Any]:
    info = call.world.depot.commit(call.site.slug, repository, ref.commit)
    return {
        "name": ref.name,
        "commit": commit_json(call.base, repository, info) if info else None,
        "protected": ref.name in repository.protected,
        "required_approvals": 0,
        "enable_status_check": False,
        "status_check_contexts": None,
        "user_can_push": role(call, repository) >= Role.WRITE,
        "user_can_merge": role(call, repository) >= Role.WRITE,
    }


@on_repository(routes, "GET", "/tags")
def tags(call: Call, repository: Repository) -> Answer:
    """How many there are is told, where the next page is is not."""
    page, headers = paged(call, _refs(call, repository, "tags"), links=False)
    return json_answer([_tag(call, repository, r) for r in page] or None, headers=headers)


@on_repository(routes, "GET", "/tags/{name+}")
def tag(call: Call, repository: Repository) -> Answer:
    refs = call.world.depot.refs(call.site.slug, repository)
    ref = refs.get(f"refs/tags/{call.parts['name']}")
    return json_answer(_tag(call, repository, ref)) if ref else not_found(call)


def _tag(call: Call, repository: Repository, ref: GitRef) -> dict[str, Any]:
    """Here the commit's id is `sha`, in a branch it is `id`."""
    url = f"{call.base}{API}/repos/{repository.path}/git/commits/{ref.commit}"
    return {
        "name": ref.name,
        "message": ref.message,
        "id": ref.target,
        "commit": {"url": url, "sha": ref.commit},
        "zipball_url": f"{call.base}/{repository.path}/archive/{quote(ref.name)}.zip",
        "tarball_url": f"{call.base}/{repository.path}/archive/{quote(ref.name)}.tar.gz",
    }


@on_repository(routes, "GET", "/git/commits/{sha}")
def commit(call: Call, repository: Repository) -> Answer:
    """Whatever git itself understands by it."""
    wanted = call.parts["sha"]
    if re.search(r"\.\.|[\x00-\x20~^:?*\[\\]", wanted):
        return say(call, 422, f"no valid ref or sha: {wanted}")
    info = None
    if repository.default_branch is not None:
        info = call.world.depot.commit(call.site.slug, repository, wanted)
    if info is None:
        return not_found(call)
    url = f"{call.base}/{repository.path}/commit/{info.id}"
    said = {"url": url, "sha": info.id, "html_url": url, "created": moment(info.committed)}
    return json_answer({**said, "commit": {"message": info.message}, "author": None, "files": None})


def commit_json(base: str, repository: Repository, info: CommitInfo) -> dict[str, Any]:
    """A commit as branches and pushes show it."""
    return {
        "id": info.id,
        "message": info.message,
        "url": f"{base}/{repository.path}/commit/{info.id}",
        "author": {"name": info.author, "email": info.author_email, "username": ""},
        "committer": {"name": info.committer, "email": info.committer_email, "username": ""},
        "verification": None,
        "timestamp": moment(info.committed),
        "added": None,
        "removed": None,
        "modified": None,
    }
