"""What a platform must be able to do to live in the sandbox, and the routes it answers by.

A new platform is one file in `dialects/` with a `Dialect`, and one line in `dialects/registry.py`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar
from urllib.parse import unquote

from providers.sandbox.records import Account, Change, Hook, Message, Repository, Token
from providers.sandbox.wire import Answer, Request

if TYPE_CHECKING:
    from providers.sandbox.world import Site, World


@dataclass
class Call:
    """One request on its way through a dialect. `path` is below `/{slug}`, still encoded."""

    world: World
    site: Site
    request: Request
    path: str
    parts: dict[str, str] = field(default_factory=dict)
    token: Token | None = None
    account: Account | None = None
    afterwards: Callable[[Answer], Answer] | None = None
    """What to do once the world is unlocked again, with the answer made so far."""

    @property
    def base(self) -> str:
        """The address of this platform as the caller wrote it."""
        return f"{self.request.origin}/{self.site.slug}"

    @property
    def login(self) -> str:
        return self.account.login if self.account else ""

    def number(self, name: str) -> int:
        """A part of the path as a number; -1, which nothing has, when it is none."""
        text = self.parts[name]
        return int(text) if text.isdigit() else -1

    def switched(self, name: str) -> str | None:
        """The value of a switch of the control API, "" without a value; None when it is off."""
        return self.world.faults.switch(self.site.slug, name, self.path)


C = TypeVar("C")


@dataclass(frozen=True)
class Route(Generic[C]):
    method: str
    pattern: re.Pattern[str]
    answer: Callable[[C], Answer]
    note: str = ""


class Routes(Generic[C]):
    """Patterns like `/projects/{id}/hooks`; `{name}` is one segment, `{name+}` any number."""

    def __init__(self) -> None:
        self.routes: list[Route[C]] = []

    def on(
        self, method: str, pattern: str, note: str = ""
    ) -> Callable[[Callable[[C], Answer]], Callable[[C], Answer]]:
        """Answer `method` at `pattern` with the function below; `note` is the dialect's own."""

        def remember(answer: Callable[[C], Answer]) -> Callable[[C], Answer]:
            self.routes.append(Route(method, _compile(pattern), answer, note))
            return answer

        return remember

    def include(self, other: Routes[C]) -> None:
        self.routes.extend(other.routes)

    def match(self, method: str, path: str) -> tuple[Route[C], dict[str, str]] | None:
        """The first route that fits, and the decoded parts of the path. HEAD is GET."""
        wanted = "GET" if method == "HEAD" else method
        for route in self.routes:
            if route.method == wanted and (found := route.pattern.fullmatch(path)):
                return route, {k: unquote(v) for k, v in found.groupdict().items()}
        return None


def _compile(pattern: str) -> re.Pattern[str]:
    text = re.escape(pattern)
    text = re.sub(r"\\{(\w+)\\\+\\}", r"(?P<\1>.+)", text)
    text = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", text)
    return re.compile(text)


@dataclass(frozen=True)
class GitAccess:
    """Whether a git client may go on: 200, or the status and sentence to refuse it with."""

    status: int
    sentence: str = ""
    login: str = ""


class Dialect(ABC):
    """One platform."""

    slug: str
    realm: str
    """What git prints when it asks for a password."""

    @abstractmethod
    def first_state(self, site: Site) -> None:
        """Fill an empty site."""

    @abstractmethod
    def make_token(
        self, site: Site, login: str, name: str, scopes: list[str], expires: float | None, kind: str
    ) -> Token:
        """A token for the control API. `kind` "" is the one people usually bind with. Raises
        ValueError for a kind this platform does not have."""

    @abstractmethod
    def answer(self, call: Call) -> Answer:
        """Answer one request of the API or of a browser; called while the world is locked."""

    @abstractmethod
    def git_access(
        self, site: Site, repository: Repository, basic: tuple[str, str] | None, *, write: bool
    ) -> GitAccess:
        """Judge the Basic credentials of a git client."""

    @abstractmethod
    def push_messages(
        self, site: Site, repository: Repository, hook: Hook, push: Push
    ) -> list[Message]:
        """What this hook is sent for a push; [] when the platform stays silent."""

    @abstractmethod
    def complaint(self, name: str, value: object, now: float) -> Answer:
        """How this platform says `rate_limit`, `unauthorized`, `insufficient_scope`,
        `blocked_user` or `token_error`; `value` is what the control API was given."""

    def external_id(self, account: Account) -> str:
        """The id this platform's API gives an account."""
        return str(account.id)

    def clone_username(self, account: Account) -> str:
        """The name git wants of an account, where a person has to say it; else ""."""
        return ""

    def repository_id(self, repository: Repository) -> str:
        """The id this platform's API gives a repository."""
        return str(repository.id)

    def again(self, message: Message, status: int) -> Message | None:
        """What is sent after a delivery that was answered with `status`; None: nothing."""
        return None

    def after_delivery(self, site: Site, hook: Hook, *, worked: bool) -> None:
        """Note the outcome of a delivery: some platforms switch hooks off."""
        return


@dataclass(frozen=True)
class Push:
    """A push as it happened: who moved which refs."""

    login: str
    changes: Sequence[Change]
