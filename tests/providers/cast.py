"""Who plays what at the sandbox's code hosts, so that one promise can be asked of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from providers.types import Method, Purpose, Quality

Missing = Mapping[Purpose, tuple[str, ...]]

NO_API: Missing = {Purpose.HOOKS: ("api",)}
NO_REPO: Missing = dict.fromkeys((Purpose.LIST, Purpose.REFS, Purpose.CLONE), ("repo",))

NO_PROJECTS: Missing = dict.fromkeys((Purpose.LIST, Purpose.REFS, Purpose.CLONE), ("projects",))
ACME = "60de7a6852743a51sandbox0"  # an organization's id: Codeup names it by no other word
NO_WRITING: Missing = {Purpose.HOOKS: ("write:repository",)}
NO_READING: Missing = dict.fromkeys(
    (Purpose.LIST, Purpose.REFS, Purpose.CLONE), ("read:repository",)
)
NO_REPOSITORY: Missing = dict.fromkeys((Purpose.LIST, Purpose.REFS, Purpose.CLONE), ("repository",))
NO_WEBHOOK: Missing = {Purpose.HOOKS: ("webhook",)}


@dataclass(frozen=True)
class Cast:
    """One provider's people, repositories and tokens in the first state of the sandbox."""

    login: str
    name: str | None
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
    # What hosts differ in.
    credential: Mapping[str, str] = field(default_factory=dict)  # what belongs to each token
    issued: bool = False  # scopes and end are told with the token and never again
    numbered: bool = True  # accounts are known by the key "id"
    rights: str = "permissions"  # the key of a repository that tells the account's role; "": lists
    roles: bool = True  # the account's role in a repository is told at all
    forwards: bool = True  # an old path leads to a moved repository
    identified: bool = True  # deliveries carry an id
    pages: tuple[int, ...] = (100, 100, 100)  # how three hundred repositories arrive
    gone: str = "refs/heads/release/1.0"  # a ref whose end is told as a push
    looks_like: tuple[str, ...] = ()  # providers whose proof its deliveries carry as well
    id_key: str = "id"  # of accounts and repositories
    nothing: str = "null"  # a list of nothing, written with null
    grace: float = 0.0  # seconds for which a spent refresh token still serves
    mark: bytes = b'"before"'  # by which a push is told from a greeting
    space_at: tuple[str | int, ...] = ("ref",)  # where a delivery says: a branch, a tag
    ref_at: tuple[str | int, ...] = ("ref",)  # and its name


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
            "registry": {
                **dict.fromkeys((Purpose.LIST, Purpose.REFS), ("read_api",)),
                Purpose.CLONE: ("read_repository",),
                **NO_API,
            },
        },
        refused={},
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
    "gitee": Cast(
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
            "reduced": {Purpose.HOOKS: ("hook",)},
            "narrow": {**NO_PROJECTS, Purpose.HOOKS: ("hook",)},
        },
        refused={"nameless": ("user_info",)},
        dead={"revoked": "revoked", "ended": "expired"},
        ends={"full": Quality.EXACT, "personal": Quality.UNKNOWN},
        hookless=("reduced", "octavia/busy"),
        untold=("personal", ""),
        pair=("oauth", "mooring-sandbox"),
        user="/api/v5/user",
        listing="/api/v5/user/repos",
        hooks="/api/v5/repos/octavia/harbor/hooks",
        optional=("name", "avatar_url", "html_url"),
        account_keys=("id", "login"),
        repository_keys=("id", "full_name"),
        issued=True,
        rights="permission",
        forwards=False,
        identified=False,
    ),
    "gitea": Cast(
        login="build-bot",
        name="Build Bot",
        kind=Method.TOKEN,
        rich="workshop/engine",
        read="museum/archive",
        write="workshop/manual",
        empty="build-bot/blank",
        twins="build-bot/twins",
        many="build-bot/busy",
        secret="ann/vault",
        crowd="build-bot",
        below="write",
        enough="admin",
        missing={
            "full": {},
            "everything": {},
            "reduced": NO_WRITING,
            "user-only": {**NO_READING, **NO_WRITING},
        },
        refused={"nameless": ("read:user",)},
        dead={"revoked": "unknown", "revoked-grant": "unknown"},
        ends={"full": Quality.UNKNOWN},
        hookless=("reduced", "workshop/engine"),
        untold=("full", "old_server"),
        pair=("oauth", "mooring-sandbox"),
        user="/api/v1/user",
        listing="/api/v1/user/repos",
        hooks="/api/v1/repos/workshop/engine/hooks",
        optional=("full_name", "avatar_url", "html_url"),
        account_keys=("id", "login"),
        repository_keys=("id", "full_name", "clone_url", "html_url"),
        pages=(50, 50, 50, 50, 50, 50),
        gone="refs/tags/v1.0.1",
        looks_like=("github",),
    ),
    "codeup": Cast(
        login="build-bot",
        name="构建机器人",
        kind=Method.TOKEN,
        rich=f"{ACME}/platform/api",
        read=f"{ACME}/model",
        write=f"{ACME}/platform/reports",
        empty=f"{ACME}/crew/blank",
        twins=f"{ACME}/crew/twins",
        many=f"{ACME}/platform/images/alpine",
        secret=f"{ACME}/payroll",
        crowd=f"{ACME}/crew",
        below="write",
        enough="maintain",
        missing={
            "full": {},
            "looking": {},
            "reduced": {Purpose.HOOKS: ("Webhook read/write",)},
            "refless": {Purpose.REFS: ("Branches read-only", "Tags read-only")},
            "blind": dict.fromkeys((Purpose.LIST, Purpose.CLONE), ("Code repositories read-only",)),
        },
        refused={"nameless": ("Organization members read-only",)},
        dead={"revoked": "unknown", "ended": "unknown"},
        ends={"full": Quality.UNKNOWN},
        hookless=("reduced", f"{ACME}/platform/api"),
        untold=("full", ""),
        pair=("", ""),
        user="/oapi/v1/platform/user",
        listing=f"/oapi/v1/codeup/organizations/{ACME}/repositories",
        hooks=f"/oapi/v1/codeup/organizations/{ACME}/repositories/*/webhooks",
        optional=("name",),
        account_keys=("id", "username"),
        repository_keys=("id", "webUrl"),
        credential={"clone_username": "build-bot-git"},
        rights="accessLevel",
        forwards=False,
        identified=False,
    ),
    "bitbucket": Cast(
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
        below="write",
        enough="admin",
        missing={
            "full": {},
            "reduced": NO_WEBHOOK,
            "narrow": {**NO_REPOSITORY, **NO_WEBHOOK},
        },
        refused={"nameless": ("account",)},
        dead={"revoked": "unknown", "ended": "expired"},
        ends={"full": Quality.EXACT, "silent": Quality.UNKNOWN},
        hookless=("reduced", "octavia/busy"),
        untold=("silent", "old_server"),
        pair=("oauth", "mooring-sandbox"),
        user="/2.0/user",
        listing="/2.0/repositories/*",
        hooks="/2.0/repositories/octavia/harbor/hooks",
        optional=("display_name", "links"),
        account_keys=("uuid", "nickname"),
        repository_keys=("uuid", "full_name", "links"),
        issued=True,
        rights="",
        pages=(100, 100, 94, 3, 2, 1),
        id_key="uuid",
        nothing='{"values": null}',
        grace=601.0,
        mark=b'"changes"',
        space_at=("push", "changes", 0, "new", "type"),
        ref_at=("push", "changes", 0, "new", "name"),
    ),
    "codearts": Cast(
        login="acme-robot",
        name=None,
        kind=Method.PLATFORM,
        rich="foundry00228/api",
        read="museum00232/archive",
        write="reports00231/monthly",
        empty="foundry00228/blank",
        twins="foundry00228/twins",
        many="foundry00228/busy",
        secret="vault00233/payroll",
        crowd="foundry00228",
        below="write",
        enough="maintain",
        missing={
            "full": {},
            "reduced": {},
            "blind": {
                **dict.fromkeys((Purpose.LIST, Purpose.REFS), ("repository read",)),
                Purpose.CLONE: ("download",),
            },
        },
        refused={},
        dead={"revoked": "unknown", "ended": "expired"},
        ends={"full": Quality.EXACT, "undated": Quality.UNKNOWN},
        hookless=("reduced", "foundry00228/api"),
        untold=("undated", ""),
        pair=("", ""),
        user="/v3/auth/tokens",
        listing="/v4/user/repositories",
        hooks="/v4/repositories/*/hooks",
        optional=(),
        account_keys=("token",),
        repository_keys=("id", "http_url_to_repo"),
        numbered=False,
        roles=False,
        forwards=False,
    ),
}
