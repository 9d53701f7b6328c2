"""GitHub: repositories, branches, tags, refs and commits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from providers.sandbox.depot import CommitInfo, GitRef
from providers.sandbox.dialect import Call, Routes
from providers.sandbox.dialects.github_rules import (
    API,
    DOCS,
    account_json,
    iso,
    node,
    not_found,
    on_repository,
    paged,
    permissions,
    refuse,
    restricted,
    unsigned,
    visible,
)
from providers.sandbox.records import Repository, Role
from providers.sandbox.wire import Answer, json_answer, redirect, text_answer

routes: Routes[Call] = Routes()


def repository_json(call: Call, repository: Repository) -> dict[str, Any]:
    url = f"{call.base}{API}/repos/{repository.path}"
    pushed = None if repository.pushed is None else iso(repository.pushed)
    return {
        "id": repository.id,
        "node_id": node("R", repository.id),
        "name": repository.name,
        "full_name": repository.path,
        "private": repository.visibility != "public",
        "owner": account_json(call, repository.owner),
        "html_url": f"{call.base}/{repository.path}",
        "description": repository.description or None,
        "fork": False,
        "url": url,
        "hooks_url": f"{url}/hooks",
        "created_at": iso(repository.created),
        "updated_at": iso(repository.pushed or repository.created),
        "pushed_at": pushed,
        "git_url": f"{call.base.replace('http', 'git', 1)}/{repository.path}.git",
        "ssh_url": f"git@sandbox.example:{repository.path}.git",
        "clone_url": f"{call.base}/{repository.path}.git",
        "size": 0 if repository.pushed is None else 12,
        "archived": repository.archived,
        "disabled": False,
        "visibility": repository.visibility,
        "default_branch": repository.default_branch or "main",
        "permissions": permissions(call, repository),
    }


# -- lists of repositories ---------------------------------------------------------------------


@routes.on("GET", f"{API}/user/repos", "")
def my_repositories(call: Call) -> Answer:
    if call.account is None:
        return refuse(401, "Requires authentication")
    mine = [r for r in call.site.repositories.values() if _affiliated(call, r)]
    return _listed(call, mine, "/user/repos")


@routes.on("GET", f"{API}/users/{{login}}/repos")
def their_repositories(call: Call) -> Answer:
    account = call.site.account(call.parts["login"])
    if account is None:
        return not_found()
    theirs = [r for r in call.site.repositories.values() if r.owner == account.login]
    public = [r for r in theirs if r.visibility == "public" or account.login == call.login]
    return _listed(call, public, f"/user/{account.id}/repos")


@routes.on("GET", f"{API}/orgs/{{login}}/repos")
def organization_repositories(call: Call) -> Answer:
    account = call.site.account(call.parts["login"])
    if account is None or account.kind != "Organization":
        return not_found()
    theirs = [r for r in call.site.repositories.values() if r.owner == account.login]
    return _listed(call, theirs, f"/organizations/{account.id}/repos")


def _affiliated(call: Call, repository: Repository) -> bool:
    wanted = call.request.args.get("affiliation", "owner,collaborator,organization_member")
    if repository.owner == call.login:
        return "owner" in wanted
    role = call.site.role(call.login, repository)
    kind = call.site.accounts[repository.owner].kind
    needed = "organization_member" if kind == "Organization" else "collaborator"
    return needed in wanted and role >= Role.READ


def _listed(call: Call, repositories: Iterable[Repository], path: str) -> Answer:
    """Those the caller may see, sorted; single sign-on leaves some out and says so."""
    wanted = call.request.args.get("visibility", "all")
    seen = [r for r in repositories if visible(call, r) and not restricted(call, r)]
    seen = [
        r for r in seen if wanted in {"all", "public" if r.visibility == "public" else "private"}
    ]
    hidden = sorted({call.site.accounts[r.owner].id for r in seen if unsigned(call, r)})
    shown = sorted((r for r in seen if not unsigned(call, r)), key=lambda r: r.path.lower())
    page, headers = paged(call, shown, path)
    if hidden:
        numbers = ",".join(str(number) for number in hidden)
        headers["x-github-sso"] = f"partial-results; organizations={numbers}"
    return json_answer([repository_json(call, r) for r in page], headers=headers)


@routes.on("GET", f"{API}/search/repositories")
def search(call: Call) -> Answer:
    """`q` of words with `user:` and `org:`; eventually consistent at the real host, not here."""
    words = call.request.args.get("q", "").split()
    owners = {w.partition(":")[2] for w in words if w.startswith(("user:", "org:"))}
    terms = [w.lower() for w in words if ":" not in w]
    found = [
        r
        for r in call.site.repositories.values()
        if visible(call, r)
        and (not owners or r.owner in owners)
        and all(term in r.name.lower() for term in terms)
    ]
    page, headers = paged(call, found, "/search/repositories")
    items = [repository_json(call, r) for r in page]
    said = {"total_count": len(found), "incomplete_results": False, "items": items}
    return json_answer(said, headers=headers)


@routes.on("GET", f"{API}/user/installations")
def installations(call: Call) -> Answer:
    """Where the GitHub App is installed: for its user tokens only."""
    if call.token is None or call.token.kind != "app":
        return refuse(403, "You must authenticate with an access token authorized to a GitHub App.")
    owners = sorted({r.owner for r in call.site.repositories.values() if visible(call, r)})
    items = [_installation(call, owner) for owner in owners]
    page, headers = paged(call, items, "/user/installations")
    return json_answer({"total_count": len(items), "installations": list(page)}, headers=headers)


@routes.on("GET", f"{API}/user/installations/{{id}}/repositories")
def installation_repositories(call: Call) -> Answer:
    if call.token is None or call.token.kind != "app":
        return refuse(403, "You must authenticate with an access token authorized to a GitHub App.")
    number = call.number("id")
    mine = [
        r
        for r in call.site.repositories.values()
        if call.site.accounts[r.owner].id == number and visible(call, r)
    ]
    page, headers = paged(call, mine, f"/user/installations/{number}/repositories")
    items = [repository_json(call, r) for r in page]
    return json_answer({"total_count": len(mine), "repositories": items}, headers=headers)


def _installation(call: Call, owner: str) -> dict[str, Any]:
    account = account_json(call, owner)
    return {
        "id": account["id"],
        "account": account,
        "repository_selection": "all",
        "permissions": {"contents": "read", "metadata": "read", "repository_hooks": "write"},
        "events": ["push"],
        "suspended_at": None,
    }


# -- one repository ------------------------------------------------------------------------------


@on_repository(routes, "GET", "", "repo")
def one(call: Call, repository: Repository) -> Answer:
    return json_answer(repository_json(call, repository))


def _refs(call: Call, repository: Repository, space: str) -> list[GitRef]:
    refs = call.world.depot.refs(call.site.slug, repository)
    return [ref for full, ref in refs.items() if full.startswith(f"refs/{space}/")]


@on_repository(routes, "GET", "/branches", "")
def branches(call: Call, repository: Repository) -> Answer:
    protected = call.request.args.get("protected")
    found = [
        _branch(call, repository, ref)
        for ref in _refs(call, repository, "heads")
        if protected is None or (ref.name in repository.protected) == (protected == "true")
    ]
    page, headers = paged(call, found, f"/repositories/{repository.id}/branches")
    return json_answer(list(page), headers=headers)


@on_repository(routes, "GET", "/branches/{branch+}", "")
def branch(call: Call, repository: Repository) -> Answer:
    name = call.parts["branch"]
    for ref in _refs(call, repository, "heads"):
        if ref.name == name:
            return json_answer(_branch(call, repository, ref))
    if name in repository.renamed_branches:
        now = quote(repository.renamed_branches[name], safe="")
        return redirect(f"{call.base}{API}/repositories/{repository.id}/branches/{now}", 301)
    return refuse(404, "Branch not found")


def _branch(call: Call, repository: Repository, ref: GitRef) -> dict[str, Any]:
    return {
        "name": ref.name,
        "commit": {"sha": ref.commit, "url": _commit_url(call, repository, ref.commit)},
        "protected": ref.name in repository.protected,
    }


@on_repository(routes, "GET", "/tags", "")
def tags(call: Call, repository: Repository) -> Answer:
    found = [_tag(call, repository, ref) for ref in _refs(call, repository, "tags")]
    page, headers = paged(call, found[::-1], f"/repositories/{repository.id}/tags")
    return json_answer(list(page), headers=headers)


def _tag(call: Call, repository: Repository, ref: GitRef) -> dict[str, Any]:
    base = f"{call.base}{API}/repos/{repository.path}"
    return {
        "name": ref.name,
        "zipball_url": f"{base}/zipball/{ref.full}",
        "tarball_url": f"{base}/tarball/{ref.full}",
        "commit": {"sha": ref.commit, "url": _commit_url(call, repository, ref.commit)},
        "node_id": node("T", repository.id),
    }


def _commit_url(call: Call, repository: Repository, sha: str) -> str:
    return f"{call.base}{API}/repos/{repository.path}/commits/{sha}"


@on_repository(routes, "GET", "/git/ref/{ref+}", "")
def git_ref(call: Call, repository: Repository) -> Answer:
    full = f"refs/{call.parts['ref']}"
    ref = call.world.depot.refs(call.site.slug, repository).get(full)
    if ref is None:
        return not_found()
    return json_answer(_git_ref(call, repository, ref))


@on_repository(routes, "GET", "/git/matching-refs/{prefix+}", "")
def matching_refs(call: Call, repository: Repository) -> Answer:
    full = f"refs/{call.parts['prefix']}"
    refs = call.world.depot.refs(call.site.slug, repository)
    found = [_git_ref(call, repository, ref) for name, ref in refs.items() if name.startswith(full)]
    path = f"/repositories/{repository.id}/git/matching-refs/{quote(call.parts['prefix'])}"
    page, headers = paged(call, found, path)
    return json_answer(list(page), headers=headers)


def _git_ref(call: Call, repository: Repository, ref: GitRef) -> dict[str, Any]:
    base = f"{call.base}{API}/repos/{repository.path}/git"
    kind = "tag" if ref.annotated else "commit"
    return {
        "ref": ref.full,
        "node_id": node("REF", repository.id),
        "url": f"{base}/{quote(ref.full)}",
        "object": {"sha": ref.target, "type": kind, "url": f"{base}/{kind}s/{ref.target}"},
    }


@on_repository(routes, "GET", "/git/tags/{sha}", "")
def git_tag(call: Call, repository: Repository) -> Answer:
    for ref in _refs(call, repository, "tags"):
        if ref.annotated and ref.target == call.parts["sha"]:
            target = {"sha": ref.commit, "type": "commit", "url": ""}
            said = {"sha": ref.target, "tag": ref.name, "message": ref.message, "object": target}
            return json_answer(said)
    return not_found()


@on_repository(routes, "GET", "/commits/{ref+}", "")
def commit(call: Call, repository: Repository) -> Answer:
    """Branch, tag, `heads/x`, `tags/x` or commit id; git's own order, so a tag wins over a branch
    of the same name."""
    if repository.default_branch is None:
        return json_answer({"message": "Git Repository is empty.", "documentation_url": DOCS}, 409)
    wanted = call.parts["ref"]
    info = call.world.depot.commit(call.site.slug, repository, wanted)
    if info is None:
        return json_answer({"message": f"No commit found for SHA: {wanted}"}, 422)
    if "application/vnd.github.sha" in call.request.headers.get("accept", ""):
        return text_answer(info.id)
    return json_answer(_commit(call, repository, info))


def _commit(call: Call, repository: Repository, info: CommitInfo) -> dict[str, Any]:
    url = _commit_url(call, repository, info.id)
    author = {"name": info.author, "email": info.author_email, "date": iso(info.authored)}
    committer = {
        "name": info.committer,
        "email": info.committer_email,
        "date": iso(info.committed),
    }
    return {
        "sha": info.id,
        "node_id": node("C", repository.id),
        "commit": {
            "author": author,
            "committer": committer,
            "message": info.message,
            "tree": {"sha": info.tree},
        },
        "url": url,
        "html_url": f"{call.base}/{repository.path}/commit/{info.id}",
        "author": None,
        "committer": None,
        "parents": [{"sha": parent} for parent in info.parents],
    }
