"""What the control API does to the world: tokens, pushes, repositories, roles, accounts, hooks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from providers.sandbox import hooks
from providers.sandbox.depot import ZEROS
from providers.sandbox.dialect import Push
from providers.sandbox.histories import PERSON
from providers.sandbox.records import Account, Change, Hook, Repository, Role, Token
from providers.sandbox.world import Site, World

HOURLY = 5000


class Wrong(Exception):
    """The order cannot be carried out; `status` says what kind of mistake it is."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


# -- tokens ----------------------------------------------------------------------------------------


def add_token(site: Site, asked: Mapping[str, Any]) -> Token:
    account = _account(site, str(asked.get("account", "")))
    scopes = [str(scope) for scope in asked.get("scopes") or []]
    expires = _moment(asked.get("expires_on"))
    name, kind = str(asked.get("name", "token")), str(asked.get("kind") or "")
    dialect = site.world.dialects[site.slug]
    try:
        return dialect.make_token(site, account.login, name, scopes, expires, kind)
    except ValueError as wrong:
        raise Wrong(400, str(wrong)) from None


def token_named(world: World, name: str, narrower: Mapping[str, str]) -> Token:
    """The newest token of that name, provided it belongs to one account only."""
    found = [
        (slug, token)
        for slug, site in world.sites.items()
        for token in site.tokens.values()
        if token.name == name
        and narrower.get("provider", slug) == slug
        and narrower.get("account", token.login) == token.login
    ]
    owners = {(slug, token.login) for slug, token in found}
    if not found:
        raise Wrong(404, f"no token {name!r}")
    if len(owners) > 1:
        raise Wrong(409, f"several accounts have a token {name!r}: say provider and account")
    return found[-1][1]


def change_token(token: Token, asked: Mapping[str, Any], now: float) -> None:
    if "expires_on" in asked:
        token.expires = _moment(asked["expires_on"])
    if "expires_in" in asked:
        token.expires = now + float(asked["expires_in"])
    if "scopes" in asked:
        token.scopes = [str(scope) for scope in asked["scopes"]]
    if "revoked" in asked:
        token.revoked = bool(asked["revoked"])


def _moment(text: object) -> float | None:
    """A date (00:00 UTC) or a moment in ISO form as Unix seconds."""
    if not text:
        return None
    try:
        given = datetime.fromisoformat(str(text))
    except ValueError:
        raise Wrong(400, f"{text!r} is no date") from None
    return (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()


# -- code ------------------------------------------------------------------------------------------


def push(site: Site, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Move refs as a person would, then deliver. `before` and `after` are those of the first."""
    world = site.world
    with world.lock:
        repository = _repository(site, str(asked.get("repository", "")))
        refs = [_full(str(ref)) for ref in asked.get("refs") or [asked.get("ref") or ""]]
        if asked.get("delete"):
            moved = [c for ref in refs for c in world.depot.delete_ref(site.slug, repository, ref)]
        else:
            script = _script(site, repository, refs, annotated=bool(asked.get("annotated")))
            moved = world.depot.write(site.slug, repository, script)
        login = str(asked.get("account") or _pusher(site, repository))
        change = Push(login, _in_order(moved, refs))
        hooks.pushed(world, site, repository, change)
    sent = hooks.deliver(world, site, repository, change) if asked.get("deliver", True) else []
    first = change.changes[0] if change.changes else Change(refs[0], ZEROS, ZEROS)
    return {"before": first.before, "after": first.after, "deliveries": sent}


def _in_order(moved: list[Change], refs: list[str]) -> list[Change]:
    return sorted(moved, key=lambda change: refs.index(change.ref))


def _full(ref: str) -> str:
    if not ref:
        raise Wrong(400, "ref is missing")
    return ref if ref.startswith("refs/") else f"refs/heads/{ref}"


def _pusher(site: Site, repository: Repository) -> str:
    owner = site.accounts[repository.owner]
    if owner.kind == "User":
        return owner.login
    roles = {**owner.members, **repository.roles}
    return max(roles, key=lambda login: roles[login], default=owner.login)


def _script(site: Site, repository: Repository, refs: list[str], *, annotated: bool) -> bytes:
    """A fast-import script: a commit on each branch, a tag on the default branch's tip."""
    known = site.world.depot.refs(site.slug, repository)
    default = f"refs/heads/{repository.default_branch}"
    stamp = f"{PERSON} {int(site.world.now())} +0000"
    text = []
    for ref in refs:
        name = ref.split("/", 2)[2]
        start = ref if ref in known else default if default in known else ""
        if not ref.startswith("refs/tags/"):
            text.append(_commit(ref, f"Push to {name} ({site.next_id()})", stamp, start))
        elif annotated:
            said = f"Release {name}"
            text.append(f"tag {name}\nfrom {default}^0\ntagger {stamp}\n{_data(said)}\n")
        else:
            text.append(f"reset {ref}\nfrom {default}^0\n\n")
    return "".join(text).encode()


def _commit(ref: str, message: str, stamp: str, start: str) -> str:
    origin = f"from {start}^0\n" if start else ""
    return (
        f"commit {ref}\nauthor {stamp}\ncommitter {stamp}\n{_data(message)}\n{origin}"
        f"M 100644 inline PUSHED.md\n{_data(message)}\n"
    )


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}"


def add_repositories(site: Site, asked: Mapping[str, Any]) -> list[Repository]:
    owner = _below(site, _account(site, str(asked.get("owner", ""))), str(asked.get("below") or ""))
    history = str(asked.get("history") or "plain")
    prefix = str(asked.get("prefix") or "extra")
    made = []
    for number in range(int(asked.get("count") or 1)):
        name = prefix if "count" not in asked else f"{prefix}-{number:03d}"
        made.append(
            site.add_repository(
                site.next_id(),
                f"{owner.login}/{name}",
                history=history,
                visibility=str(asked.get("visibility") or "private"),
                default_branch="master" if history == "master" else "main",
                roles={str(k): _role(v) for k, v in (asked.get("roles") or {}).items()},
            )
        )
    return made


def _below(site: Site, owner: Account, path: str) -> Account:
    """The group at `path` below this one, made level by level where it is not there."""
    for name in filter(None, path.split("/")):
        login = f"{owner.login}/{name}"
        owner = site.accounts.get(login) or site.add_account(site.next_id(), login, name, "Group")
    return owner


def change_repository(site: Site, path: str, asked: Mapping[str, Any]) -> Repository:
    repository = _repository(site, path)
    if asked.get("path"):
        _account(site, str(asked["path"]).rpartition("/")[0])
        repository.former_paths.append(repository.path)
        repository.path = str(asked["path"])
    for name in ("archived", "visibility"):
        if name in asked:
            setattr(repository, name, asked[name])
    if asked.get("rename_branch"):
        _rename_branch(site, repository, *asked["rename_branch"])
    if asked.get("deleted"):
        del site.repositories[repository.id]
        for hook in site.hooks_of(repository):
            del site.hooks[hook.id]
    return repository


def _rename_branch(site: Site, repository: Repository, old: str, new: str) -> None:
    depot = site.world.depot
    script = f"reset refs/heads/{new}\nfrom refs/heads/{old}^0\n\n".encode()
    depot.write(site.slug, repository, script)
    depot.delete_ref(site.slug, repository, f"refs/heads/{old}")
    repository.renamed_branches[old] = new
    if repository.default_branch == old:
        repository.default_branch = new


def _repository(site: Site, path: str) -> Repository:
    found = site.repositories.get(int(path)) if path.isdigit() else site.find(path)
    if found is None:
        raise Wrong(404, f"no repository {path!r}")
    return found


# -- people, hooks, budgets ------------------------------------------------------------------------


def change_role(site: Site, asked: Mapping[str, Any]) -> None:
    login = _account(site, str(asked.get("account", ""))).login
    where = (
        _account(site, str(asked["group"])).members
        if asked.get("group")
        else _repository(site, str(asked.get("repository", ""))).roles
    )
    role = _role(asked.get("role"))
    if role:
        where[login] = role
    else:
        where.pop(login, None)


def _role(given: object) -> int:
    if isinstance(given, int):
        return given
    try:
        return int(Role[str(given).upper()])
    except KeyError:
        raise Wrong(400, f"{given!r} is no role") from None


def change_account(site: Site, login: str, asked: Mapping[str, Any]) -> Account:
    account = _account(site, login)
    account.state = str(asked.get("state", account.state))
    account.name = str(asked.get("name", account.name))
    if asked.get("login"):
        _rename(site, account, str(asked["login"]))
    return account


def _rename(site: Site, account: Account, login: str) -> None:
    """The number stays; everything that names the account follows."""
    old, account.login = account.login, login
    site.accounts = {a.login: a for a in site.accounts.values()}
    for token in site.tokens.values():
        token.login = login if token.login == old else token.login
    for roles in [a.members for a in site.accounts.values()] + [
        r.roles for r in site.repositories.values()
    ]:
        if old in roles:
            roles[login] = roles.pop(old)
    for repository in site.repositories.values():
        if repository.owner == old:
            repository.former_paths.append(repository.path)
            repository.path = f"{login}/{repository.name}"


def _account(site: Site, login: str) -> Account:
    found = site.account(login)
    if found is None:
        raise Wrong(404, f"no account {login!r} at {site.slug}")
    return found


def hook(site: Site, number: str) -> Hook:
    """By our number, or by the id of a platform that has others."""
    named = {str(h.settings.get("uuid")): h for h in site.hooks.values()}
    found = site.hooks.get(int(number)) if number.isdigit() else named.get(number)
    if found is None:
        raise Wrong(404, f"no hook {number}")
    return found


def change_hook(site: Site, number: str, asked: Mapping[str, Any]) -> Hook:
    found = hook(site, number)
    found.active = bool(asked.get("active", found.active))
    found.off_for_good = bool(asked.get("disabled", found.off_for_good))
    if "off_seconds" in asked:
        found.off_until = site.world.now() + float(asked["off_seconds"])
    found.url = str(asked.get("url", found.url))
    found.settings.update(asked.get("settings", {}))
    if asked.get("deleted"):
        del site.hooks[found.id]
    return found


def set_budget(site: Site, asked: Mapping[str, Any]) -> None:
    login = _account(site, str(asked.get("account", ""))).login
    hour = int(site.world.now()) // 3600
    site.spent[f"{hour}|{login}"] = HOURLY - int(asked.get("remaining", HOURLY))
