"""The words every code host is spoken about in: frozen values, no behaviour, no framework.

Values cross threads, so all of them are frozen. Whatever holds a secret keeps it out of its repr.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

Headers = Mapping[str, str]
"""Header names are lower case; a repeated header is joined by ", "."""

T = TypeVar("T")


class Can(StrEnum):
    """What a provider can do beyond reading; declared in its Spec, never discovered by failing."""

    REFRESH = "refresh"
    ROTATE = "rotate"
    REVOKE = "revoke"
    MINT = "mint"
    HOOKS = "hooks"
    TEST_HOOK = "test_hook"
    HOOK_HEALTH = "hook_health"
    TYPED_ADDRESS = "typed_address"


class Method(StrEnum):
    """How an account is bound."""

    OAUTH = "oauth"
    TOKEN = "token"  # noqa: S105 - the name of a method, not a secret
    PLATFORM = "platform"


class Purpose(StrEnum):
    """What a scope is needed for; the four abilities of a binding."""

    LIST = "list"
    REFS = "refs"
    CLONE = "clone"
    HOOKS = "hooks"


class Quality(StrEnum):
    """How much an end date is worth. Only exact and stated dates drive the ladder."""

    EXACT = "exact"
    STATED = "stated"
    IDLE = "idle"
    UNKNOWN = "unknown"
    NEVER = "never"


class Profile(StrEnum):
    """The two address policies of `ux/spec.md` 6.2."""

    SEED = "seed"
    EXTENDED = "extended"


class Access(StrEnum):
    """What the account may do in a repository, in the words of the API."""

    ADMIN = "admin"
    WRITE = "write"
    READ = "read"
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class OAuthDialect:
    """Where and how one provider's OAuth differs, as data, so that one oauth.py serves all.

    Paths are below the host's base address. `basic_auth`: client id and secret travel as HTTP
    Basic, else in the body. `scope_separator` joins the scopes of the authorize address.
    `revoke` is "" where the exchange module cannot revoke (the adapter may still). `grace`: for how
    many seconds a refresh token serves after its first use, where the platform says so.
    """

    authorize: str
    token: str
    revoke: str = ""
    basic_auth: bool = False
    pkce: bool = False
    scope_separator: str = " "
    refresh_needs_client: bool = True
    refresh_needs_redirect: bool = False
    grace: float = 0.0
    account_chooser: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Spec:
    """Everything a face, form, guide or document may know about a provider."""

    slug: str
    label: str
    prefix: str  # of the error codes: GH, GL, GE, BB, CU, CA, GT
    methods: tuple[Method, ...]
    default_address: str  # "" where there is none
    scopes: Mapping[Purpose, tuple[str, ...]]  # what each ability needs
    ask_scopes: tuple[str, ...]  # what a full binding asks for
    manual_scopes: tuple[str, ...]  # what a binding for manual builds needs
    capabilities: frozenset[Can]
    qualities: tuple[Quality, ...]  # of end dates this provider can report
    hook_role: str  # the role a person needs to add webhooks, in the host's word
    oauth: OAuthDialect | None = None
    asks: tuple[str, ...] = ()  # form fields in order; templates loop over them
    requires: tuple[str, ...] = ()  # those of `asks` that must be filled in
    token_prefixes: tuple[str, ...] = ()  # by which a pasted token is recognised
    ends_at_midnight: bool = False  # its end dates mean 00:00 UTC of that day
    groups_nest: bool = False  # repositories may lie in groups of groups (product.md T7)
    seed_wants_persons: bool = False  # `seed` offers no organization's repositories (product.md T8)
    lease_kinds: tuple[str, ...] = ("proxied",)
    tokens_per_account: int = 0  # it ends the oldest of more for one account and app; 0: no limit
    quota_per_account: bool = False  # its "limit" is one account's own, not everybody's
    hook_proof: str = "token"  # of deliveries that are not signed in full: hmac, time, token
    per_minute: int = 300  # our own pace at one host
    at_once: int = 10  # and its ceiling of simultaneous requests
    secret_keys: tuple[str, ...] = ()  # of a delivery's body: dropped before it is kept or shown
    options: Mapping[str, str] = field(default_factory=dict)
    """What nobody but an operator can know of a host, and what we take until told otherwise."""


@dataclass(frozen=True, slots=True)
class Host:
    """One server that speaks one provider's API."""

    base_url: str  # no trailing slash; may hold a relative root
    api_url: str
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    options: Mapping[str, str] = field(default_factory=dict)  # an operator's over `Spec.options`


@dataclass(frozen=True, slots=True)
class Rules:
    """How the door may reach one host. `sandbox` is the one loopback (host, port) that may be
    dialled, and `loopback` ranges of builders on the same machine: both are only ever set outside
    production. `private` holds ranges an operator opened."""

    profile: Profile = Profile.EXTENDED
    private: tuple[str, ...] = ()
    ca_bundle: str = ""  # PEM; "" is the system's trust
    proxy: str = ""
    sandbox: tuple[str, int] | None = None
    loopback: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Expiry:
    """When a credential ends (UTC) and how we know. `at` is None unless quality is exact, stated
    or idle."""

    at: datetime | None = None
    quality: Quality = Quality.UNKNOWN


@dataclass(frozen=True, slots=True)
class Credential:
    """The secret of one account at one host. `clone_username` is Codeup's second half."""

    token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    username: str = ""
    clone_username: str = ""
    organization: str = ""
    scopes: frozenset[str] | None = None
    expiry: Expiry = Expiry()
    refresh_expires_at: datetime | None = None
    kind: Method = Method.TOKEN


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose token it is. `id` never changes, `login` may; where the host tells no name, `login` is
    the number after a `#`."""

    id: str
    login: str
    name: str | None = None
    web_url: str | None = None
    avatar_url: str | None = None
    bot: bool = False

    @property
    def named(self) -> bool:
        """Whether the host told a name."""
        return not self.login.startswith("#")


@dataclass(frozen=True, slots=True)
class Inspection:
    """Whose, what, until when.

    `scopes` is None where the host does not say. `abilities` holds what is known to be missing:
    ability -> the scope it lacks; an ability absent from it is not known to be missing.
    `notices` are catalogue codes without prefix ("TOK-06") with their variables.
    """

    identity: Identity
    scopes: frozenset[str] | None = None
    expiry: Expiry = Expiry()
    missing: Mapping[Purpose, tuple[str, ...]] = field(default_factory=dict)
    token_id: str = ""
    token_name: str = ""
    version: str = ""
    organization: str = ""  # the one it works in, where the host has several and none was named
    notices: tuple[tuple[str, Mapping[str, str]], ...] = ()


@dataclass(frozen=True, slots=True)
class Repository:
    id: str
    path: str
    name: str
    clone_url: str
    web_url: str
    default_branch: str | None = None
    visibility: str = "private"  # private, internal or public
    archived: bool = False
    empty: bool = False
    access: Access = Access.UNKNOWN
    access_name: str = ""  # the host's own word: Maintainer
    hookable: bool | None = None
    owner: str = ""
    owner_is_person: bool | None = None
    pushed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ref:
    """A branch, tag or commit; `commit` is always a commit id (annotated tags are peeled)."""

    name: str
    commit: str
    kind: str = "branch"  # branch, tag or commit
    protected: bool = False
    default: bool = False

    @property
    def full(self) -> str:
        return {"branch": "refs/heads/", "tag": "refs/tags/"}.get(self.kind, "") + self.name


@dataclass(frozen=True, slots=True)
class Hidden:
    """Something a listing leaves out, and the catalogue code (without prefix) that says so."""

    code: str
    organization: str = ""
    fix_url: str = ""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a listing; `next` is an opaque cursor, "" at the end."""

    items: tuple[T, ...]
    next: str = ""
    hidden: tuple[Hidden, ...] = ()
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Clone:
    """How git reads one repository. The URL never holds user or password. `number`: what the host
    calls a credential that was minted for it, so that it can be ended early."""

    url: str
    username: str
    password: str = field(repr=False)
    expires_at: datetime | None = None
    number: str = ""


@dataclass(frozen=True, slots=True)
class Hook:
    id: str
    url: str
    active: bool = True
    health: str = "unknown"  # ok, failing, disabled, unknown
    signed: bool = False  # the host proves id, time and body (GitLab signing token)
    disabled_until: datetime | None = None
    complete: bool = True  # it is sent every push and tag, in the form we read


@dataclass(frozen=True, slots=True)
class HookKey:
    """What proves a delivery. Plural, so that a secret can be rotated without losing one."""

    secrets: tuple[str, ...] = field(repr=False)
    mode: str = "plain"  # plain or signed
    repository_id: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A proven delivery. `key` "" means it carries no id; `body_once`: the proof covers the body
    but not the id, so a body seen before on that hook is a duplicate too."""

    key: str
    event: str
    body_once: bool = False
    ping: bool = False


@dataclass(frozen=True, slots=True)
class Push:
    repository_id: str
    ref: str  # refs/heads/… or refs/tags/…
    before: str
    after: str
    created: bool = False
    deleted: bool = False
    forced: bool = False
    pusher: str = ""
    repository_path: str = ""
    title: str = ""
    author: str = ""
    committed_at: str = ""
    web_url: str = ""
