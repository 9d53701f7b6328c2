"""What the sandbox remembers: plain records whose fields all survive a trip through JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any


class Role(IntEnum):
    """What an account may do in a repository: GitLab's scale, which the others map to theirs."""

    NONE = 0
    GUEST = 10
    READ = 20
    WRITE = 30
    MAINTAIN = 40
    ADMIN = 50


@dataclass
class Account:
    """A person, a bot, or a group (its `members` are roles that reach all below its path)."""

    id: int
    login: str
    name: str
    kind: str = "User"  # User, Bot, Organization or Group
    state: str = "active"  # active, blocked or deactivated
    members: dict[str, int] = field(default_factory=dict)

    @property
    def signs_in(self) -> bool:
        return self.kind == "User" and self.state == "active"


@dataclass
class Token:
    """An access token, with the refresh token issued beside it where there is one.

    `name` is how the control API speaks of it. `family` is shared by a token and its successors.
    `owner` limits it: a resource owner (fine-grained) or one repository path (project, deploy).
    Times are Unix seconds.
    """

    id: int
    name: str
    text: str = field(repr=False)
    login: str
    kind: str  # pat, fine, oauth, app, project or deploy
    scopes: list[str]
    created: float
    expires: float | None = None
    revoked: bool = False
    family: int = 0
    generation: int = 1
    client_id: str = ""
    redirect_uri: str = ""
    refresh: str = field(default="", repr=False)
    refresh_expires: float | None = None
    refresh_used: bool = False
    owner: str = ""
    used: float | None = None

    def state(self, now: float) -> str:
        if self.revoked:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "active"


@dataclass
class App:
    """An OAuth client. Any loopback redirect address is registered. `expiring`: GitHub App."""

    client_id: str
    secret: str = field(repr=False)
    name: str
    scopes: list[str]
    expiring: bool = False


@dataclass
class Code:
    """An authorization code: single use, ten minutes."""

    login: str
    client_id: str
    redirect_uri: str
    scopes: list[str]
    challenge: str
    created: float
    used: bool = False


@dataclass
class Repository:
    """A repository. `history` names what its git folder starts with (`histories.py`)."""

    id: int
    path: str
    visibility: str = "private"  # private, internal or public
    history: str = "rich"
    default_branch: str | None = "main"
    description: str = ""
    archived: bool = False
    roles: dict[str, int] = field(default_factory=dict)
    protected: list[str] = field(default_factory=lambda: ["main"])
    former_paths: list[str] = field(default_factory=list)
    renamed_branches: dict[str, str] = field(default_factory=dict)
    created: float = 1_700_000_000.0
    pushed: float | None = 1_762_000_000.0
    last_push: list[dict[str, str]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def owner(self) -> str:
        return self.path.rpartition("/")[0]


@dataclass
class Delivery:
    """One attempt to deliver: what was sent and what came back. `status` 0: no answer."""

    id: int
    guid: str
    event: str
    at: float
    headers: dict[str, str]
    body: str
    status: int = 0
    error: str = ""
    seconds: float = 0.0
    again: bool = False


@dataclass
class Hook:
    """A webhook. `settings` holds what only its own platform knows of it."""

    id: int
    repository: int
    url: str
    secret: str = field(default="", repr=False)
    signing_key: str = field(default="", repr=False)
    events: list[str] = field(default_factory=lambda: ["push"])
    active: bool = True
    created: float = 0.0
    settings: dict[str, Any] = field(default_factory=dict)
    failures: int = 0
    off_until: float | None = None
    off_for_good: bool = False
    deliveries: list[Delivery] = field(default_factory=list)


@dataclass(frozen=True)
class Change:
    """One ref moved by a push. 40 zeros stand for "not there"."""

    ref: str
    before: str
    after: str

    @property
    def created(self) -> bool:
        return not self.before.strip("0")

    @property
    def deleted(self) -> bool:
        return not self.after.strip("0")


@dataclass(frozen=True)
class Message:
    """A delivery ready to be sent."""

    event: str
    headers: dict[str, str]
    body: bytes
    guid: str
