"""Shapes of the product's answers (api.md 3.1 to 3.5, 3.10)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, NotRequired, TypedDict

from portal.ground.rest.shapes import ProblemStep, Uri, identity, open_words, says
from portal.tenants.api.shapes import InstanceBrief, InstanceId, Person

BindingId = Annotated[str, identity("bnd")]
HostId = Annotated[str, identity("hst")]
Moment = Annotated[str, says(format="date-time")]

ProviderWord = Literal["github", "gitlab", "gitee", "bitbucket", "codearts", "codeup", "gitea"]
KindWord = Literal["token", "oauth", "platform"]
ModeWord = Literal["full", "manual"]
QualityWord = Literal["exact", "stated", "idle", "unknown", "never"]
StatusWord = Literal[
    "pending",
    "active",
    "expiring",
    "expired",
    "revoked",
    "insufficient",
    "suspended",
    "undecryptable",
]
ReachWord = Literal["ok", "degraded", "unreachable", "rate_limited"]
StateWord = Literal[
    "suspended",
    "undecryptable",
    "pending",
    "revoked",
    "expired",
    "unreachable",
    "insufficient",
    "expiring",
    "degraded",
    "rate_limited",
    "healthy",
]
Rehearsed = Annotated[
    Literal[True], says(description="Only in a fire drill: it is rehearsed, nobody was asked.")
]
Steps = list[ProblemStep]


class Reason(TypedDict):
    """Why something is as it is."""

    code: str
    detail: str


# -- instances -------------------------------------------------------------------------------------


class Instance(TypedDict):
    """A registry instance. `state` is the worst of its bindings."""

    id: InstanceId
    name: str
    display_name: str
    region: str
    labels: dict[str, str]
    state: StateWord | Literal["unbound"]
    bound: int
    next_expiry: datetime | None
    created_at: datetime
    updated_at: datetime


# -- bindings --------------------------------------------------------------------------------------


class HostBrief(TypedDict):
    id: HostId
    slug: str
    base_url: Uri


class Account(TypedDict):
    external_id: str
    login: str
    name: str | None
    web_url: Uri | None
    bot: bool


class Credential(TypedDict):
    """Everything about the credential but itself."""

    status: StatusWord
    status_since: datetime
    reason: Reason | None
    fingerprint: str | None
    provider_token_id: str | None
    provider_token_name: str | None
    scopes: list[str] | None
    created_at: datetime | None
    replaced_at: datetime | None
    expires_at: datetime | None
    expires_quality: QualityWord
    renews: bool
    generation: int | None
    rollback_until: datetime | None


class Ability(TypedDict):
    ok: bool
    code: str | None
    proven_at: Moment | None


class Capabilities(TypedDict):
    """What the account was seen to be able to do, and when last."""

    list: Ability
    refs: Ability
    clone: Ability
    hooks: Ability


class Binding(TypedDict):
    """The tie between an instance and an account on a code host."""

    id: BindingId
    instance: InstanceBrief
    provider: ProviderWord
    host: HostBrief
    kind: KindWord
    mode: ModeWord
    state: StateWord
    account: Account
    username: str | None
    organization: str | None
    clone_username: str | None
    credential: Credential
    reachability: ReachWord
    reachability_since: datetime
    reachability_reason: Reason | None
    capabilities: Capabilities
    bound_by: Person | None
    bound_at: datetime | None
    checked_at: datetime | None
    next_check_at: datetime | None
    last_used_at: datetime | None
    auto_rotate: bool
    labels: dict[str, str]
    drill: NotRequired[Rehearsed]


class Suggestion(TypedDict):
    """A notice: the value that was used or is proposed for a field, and its code."""

    field: str
    value: str
    code: str


class NewBinding(Binding):
    message: str
    suggestions: list[Suggestion]


class Source(TypedDict):
    """One platform on an instance. `action` is the button an admin sees."""

    provider: ProviderWord
    name: str
    state: StateWord | Literal["unbound", "not_offered"]
    action: Literal[
        "bind",
        "open",
        "replace",
        "reconnect",
        "fix",
        "check",
        "continue",
        "why",
        "ask",
        "none",
    ]
    binding: Binding | None


class ImpactClient(TypedDict):
    id: str
    name: str
    last_used_at: datetime | None


class ImpactRepository(TypedDict):
    path: str
    triggers: int
    last_event_at: datetime | None


class ImpactStep(TypedDict, total=False):
    action: Annotated[str, open_words("remove_webhooks", "revoke_credential", "erase_credential")]
    count: int
    default: bool
    possible: bool


class Impact(TypedDict):
    """What stops when this binding ends. `confirm` is what unbinding has to be confirmed with."""

    in_use: bool
    confirm: str | None
    automatic_triggers: int
    manual_triggers: int
    webhooks: int
    active_leases: int
    clients: list[ImpactClient]
    repositories: list[ImpactRepository]
    plan: list[ImpactStep]
    triggers_kept_days: int


class By(TypedDict):
    kind: Literal["user", "token", "system", "operator"]
    id: str | None
    name: str


class ReceiptItem(TypedDict, total=False):
    action: Annotated[str, open_words("remove_webhook", "revoke_credential", "erase_credential")]
    repository: str
    status: Literal["pending", "done", "skipped", "failed", "manual"]
    detail: str | None
    url: Uri | None


class Receipt(TypedDict):
    """What unbinding did, and what is left to do at the platform."""

    binding: BindingId
    instance: InstanceId
    provider: ProviderWord
    account: str
    unbound_at: datetime
    by: By
    items: list[ReceiptItem]
    triggers_kept_until: datetime
    cleanup_until: datetime


class Check(TypedDict):
    """One climb of the six steps."""

    id: Annotated[str, identity("chk")]
    binding: BindingId
    cause: Literal["bind", "manual", "schedule", "use", "confirm"]
    status: Literal["running", "ok", "warn", "failed"]
    started_at: datetime
    finished_at: datetime | None
    ms: int | None
    steps: Steps
    state: StateWord | None
    drill: NotRequired[Rehearsed]


class AuthorizationProblem(TypedDict):
    """Why an authorization failed."""

    type: Uri
    title: str
    status: int
    code: str
    detail: str


class Authorization(TypedDict):
    """An attempt to bind by consent. `url` is told once, when it is made; `suggestions` only when
    there is something to say of the account that came back."""

    id: Annotated[str, identity("ath")]
    provider: ProviderWord
    status: Literal["waiting", "confirming", "done", "failed", "expired", "cancelled"]
    handoff: bool
    url: Uri | None
    expires_at: datetime
    binding: BindingId | None
    problem: AuthorizationProblem | None
    suggestions: NotRequired[list[Suggestion]]
