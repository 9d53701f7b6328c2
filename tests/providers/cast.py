"""Who plays what at the sandbox's code hosts, so that one promise can be asked of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from providers.types import Method, Purpose, Quality

Missing = Mapping[Purpose, tuple[str, ...]]

NO_API: Missing = {Purpose.HOOKS: ("api",)}
NO_REPO: Missing = dict.fromkeys((Purpose.LIST, Purpose.REFS, Purpose.CLONE), ("repo",))


@dataclass(frozen=True)
class Cast:
    """One provider's people, repositories and tokens in the first state of the sandbox."""

    login: str
    name: str
    kind: Method  # how the usual token came to us
    # Repositories, by what `login` finds or may do there.
    rich: str  # private, odd names, annotated tags; may add hooks
    read: str
    write: str
    empty: str
    twins: str  # a branch and a tag named "stable"
    many: str  # more than a page of branches and of tags
    secret: str  # private, and hidden from `login`
    crowd: str  # whose repositories are multiplied
    # Roles by the sandbox's words: the highest that may not add hooks, the lowest that may.
    below: str
    enough: str
    # Tokens of `login` by name.
    missing: Mapping[str, Missing]  # what each lacks
    refused: Mapping[str, tuple[str, ...]]  # cannot be bound at all for want of this
    dead: Mapping[str, str]  # and the reason we give
    ends: Mapping[str, Quality]
    hookless: tuple[str, str]  # a token that may not touch the hooks of a repository it sees
    untold: tuple[str, str]  # a token whose scopes are not told, and the fault that does it
    pair: tuple[str, str]  # the kind of token that comes with a refresh token, and its app
    # Paths below the provider's root.
    user: str
    listing: str
    hooks: str
    optional: tuple[str, ...]  # keys of an account that may be missing
    account_keys: tuple[str, ...]  # and those that may not
    repository_keys: tuple[str, ...]


CASTS: dict[str, Cast] = {
    "github": Cast(
        login="octavia",
        name="Octavia Sandbox",
        kind=Method.OAUTH,
        rich="octavia/harbor",
        read="acme-inc/docs",
        write="otto/workshop",
        empty="octavia/blank",
        twins="octavia/twins",
        many="octavia/busy",
        secret="otto/vault",
        crowd="octavia",
        below="maintain",
        enough="admin",
        missing={
            "full": {},
            "classic": {},
            "hooks-only": NO_REPO,
            "public-only": {**NO_REPO, Purpose.HOOKS: ("admin:repo_hook",)},
        },
        refused={},
        dead={"revoked": "revoked", "ended": "revoked"},
        ends={"full": Quality.IDLE, "classic": Quality.NEVER, "dated": Quality.EXACT},
        hookless=("public-only", "octavia/busy"),
        untold=("fine", ""),
        pair=("app", "mooring-sandbox-expiring"),
        user="/api/v3/user",
        listing="/api/v3/user/repos",
        hooks="/api/v3/repos/octavia/harbor/hooks",
        optional=("name", "avatar_url", "html_url"),
        account_keys=("id", "login"),
        repository_keys=("id", "full_name", "name", "owner", "clone_url", "html_url"),
    ),
    "gitlab": Cast(
        login="build-bot",
        name="Build Bot",
        kind=Method.TOKEN,
        rich="platform/api",
        read="research/model",
        write="platform/reports",
        empty="build-bot/scratch",
        twins="build-bot/twins",
        many="platform/images/base/alpine",
        secret="ann/diary",
        crowd="build-bot",
        below="write",
        enough="maintain",
        missing={
            "full": {},
            "reduced": NO_API,
            "list-only": {**NO_API, Purpose.CLONE: ("read_repository",)},
        },
        refused={"registry": ("api",)},
        dead={"revoked": "revoked", "ended": "expired"},
        ends={"full": Quality.EXACT, "ending": Quality.EXACT},
        hookless=("reduced", "platform/api"),
        untold=("full", "old_server"),
        pair=("oauth", "mooring-sandbox"),
        user="/api/v4/user",
        listing="/api/v4/projects",
        hooks="/api/v4/projects/platform%2Fapi/hooks",
        optional=("name", "avatar_url", "web_url"),
        account_keys=("id", "username"),
        repository_keys=("id", "path_with_namespace", "http_url_to_repo", "web_url"),
    ),
}
