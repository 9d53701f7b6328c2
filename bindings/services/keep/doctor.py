"""The ladder: six named steps that prove an account before anything is saved, or say what fails.

server → tls → token → permissions → repositories → webhook. One failing step ends the climb; the
later ones say `not_run`. No transaction is open and nothing is stored here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NoReturn
from urllib.parse import urlsplit

from django.conf import settings

from bindings import expiry, problems
from bindings.models import CodeHost
from bindings.problems.explaining import Explained
from bindings.services.custody.door import door_to, rules_for
from bindings.services.custody.use import provider_at
from bindings.services.keep import abilities
from bindings.services.keep.abilities import Abilities
from bindings.services.keep.reachability import can_reach_us
from bindings.services.keep.steps import KEYS, Step
from providers.base import Provider
from providers.catalogue import REGISTRY, whose
from providers.errors import BadAnswer, ProviderError, RateLimited, Unreachable
from providers.types import (
    Can,
    Credential,
    Identity,
    Inspection,
    Purpose,
    Quality,
    Repository,
)

SECONDS = 30.0  # for the whole climb (product.md G30)
TRIED = 3
"""Repositories that are read at most: one may be closed to this account, all of them are not."""
_TOKEN_SHAPE = (8, 1024)  # typed tokens (G41)


@dataclass(frozen=True, slots=True)
class Hint:
    """A notice that never makes a test fail: the field it is about, the value used or proposed,
    its code."""

    about: str
    value: str
    code: str
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Examination:
    """What the climb found. `code` is "" when nothing failed; `error` is kept for a verdict; `ms`
    is the time of it all."""

    steps: tuple[Step, ...]
    code: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    about: str = ""
    error: ProviderError | None = None
    inspection: Inspection | None = None
    abilities: Abilities = field(default_factory=dict)
    repositories_seen: int | None = None
    hints: tuple[Hint, ...] = ()
    retry_after: float | None = None
    ms: int = 0

    @property
    def ok(self) -> bool:
        return not self.code

    @property
    def outcome(self) -> str:
        """As a check keeps it: ok, warn or failed."""
        if not self.ok:
            return "failed"
        return "warn" if any(step.status == "warn" for step in self.steps) else "ok"

    @property
    def identity(self) -> Identity | None:
        return self.inspection.identity if self.inspection else None


@dataclass(frozen=True, slots=True)
class Question:
    """Who is to be examined: an account at a host, for which kind of use."""

    host: CodeHost
    secret: Credential
    mode: str = "full"
    username: str = ""  # typed; compared with the owner of the token
    typed: bool = True  # a person pasted this token: judge its shape too
    stated_end: datetime | None = None


class _Stop(Exception):
    """A step failed; the climb ends."""

    def __init__(self, code: str, facts: Mapping[str, str], about: str) -> None:
        super().__init__(code)
        self.code, self.facts, self.about = code, facts, about


def examine(question: Question, *, now: datetime) -> Examination:
    """Climb the six steps within 30 seconds. Never raises for what the far end does: the answer
    says it."""
    return _Climb(question, now).run()


class _Climb:
    def __init__(self, question: Question, now: datetime) -> None:
        self.question, self.now = question, now
        self.provider_class = REGISTRY[question.host.provider]
        self.prefix = self.provider_class.spec.prefix
        self.door = door_to(question.host, within=SECONDS)
        self.rules = rules_for(question.host)
        self.steps = {key: Step(key) for key in KEYS}
        self.begun = self.step_begun = time.monotonic()
        self.hints: list[Hint] = []
        self.inspection: Inspection | None = None
        self.abilities: Abilities = {}
        self.seen: int | None = None

    def run(self) -> Examination:
        stop: _Stop | None = None
        try:
            self._pasted()
            self._server()
            provider = provider_at(self.question.host, self.question.secret, through=self.door)
            self._permissions(self._token(provider))
            self._repositories(provider)
            self._webhook()
        except _Stop as failed:
            stop = failed
        cause = stop.__cause__ if stop else None
        error = cause if isinstance(cause, ProviderError) else None
        return Examination(
            steps=tuple(self.steps.values()),
            code=stop.code if stop else "",
            facts=stop.facts if stop else {},
            about=stop.about if stop else "",
            error=error,
            inspection=self.inspection,
            abilities=self.abilities,
            repositories_seen=self.seen,
            hints=tuple(self.hints),
            retry_after=getattr(error, "retry_after", None),
            ms=_since(self.begun),
        )

    # -- the steps -------------------------------------------------------------------------------

    def _pasted(self) -> None:
        """What can be told from the pasted token alone; nothing is sent for it."""
        if not self.question.typed:
            return
        token = self.question.secret.token
        shortest, longest = _TOKEN_SHAPE
        printable = token.isascii() and token.isprintable() and " " not in token
        if not printable or not shortest <= len(token) <= longest:
            self._fail("token", f"{self.prefix}-TOK-07")
        other = whose(token)
        if other and other != self.question.host.provider:
            self._fail("token", f"{self.prefix}-TOK-02", other=REGISTRY[other].spec.label)
        if refused := self.provider_class.foreign_token(token):
            self._fail("token", f"{self.prefix}-{refused}")

    def _server(self) -> None:
        host = self.question.host
        target = urlsplit(host.base_url)
        with self._step("server"):
            try:
                greeting = self.door.greet(host.api_url, rules=self.rules)
            except Unreachable as error:
                if error.reason.startswith("tls"):
                    self._passed("server", host=target.netloc)
                    self._explain("tls", error)
                raise
            if not self.provider_class.recognise(self.door, host.api_url, self.rules):
                raise BadAnswer("not_the_platform")
        # Where an operator opened private ranges, their addresses are not the tenant's to see.
        address = "" if self.rules.private else greeting.address
        self._passed("server", greeting.connect_ms, host=target.netloc, address=address)
        if target.scheme == "http":
            warned = Can.TYPED_ADDRESS in self.provider_class.spec.capabilities
            code = f"{self.prefix}-HTTP-01" if warned else ""
            self.steps["tls"] = Step("tls", "skipped", code=code)
            return
        until = greeting.valid_until.date().isoformat() if greeting.valid_until else "?"
        self._passed("tls", greeting.tls_ms, version=greeting.tls_version, until=until)

    def _token(self, provider: Provider) -> Inspection:
        with self._step("token"):
            found = self.inspection = provider.inspect()
        typed, owner = self.question.username.lstrip("@"), found.identity.login
        if typed and typed.casefold() != owner.casefold():
            self._fail("token", f"{self.prefix}-USER-01", owner=owner, typed=typed)
        end = found.expiry
        if end.quality is Quality.EXACT and end.at is not None and end.at <= self.now:
            self._fail("token", f"{self.prefix}-TOK-04", date=end.at.date().isoformat())
        self._passed("token", login=owner)
        self._about_the_end(found)
        self.hints += [Hint("token", "", f"{self.prefix}-{c}", f) for c, f in found.notices]
        return found

    def _about_the_end(self, found: Inspection) -> None:
        end, left = found.expiry, expiry.days_left(found.expiry, self.now)
        if end.at is not None and left is not None and left <= expiry.LADDER[0]:
            ends = {"n": str(left)}
            self.hints.append(
                Hint("token", end.at.date().isoformat(), f"{self.prefix}-TOK-05", ends)
            )
        elif end.quality is Quality.UNKNOWN and self.question.stated_end is None:
            self.hints.append(Hint("expires_on", "", f"{self.prefix}-EXP-01"))

    def _permissions(self, found: Inspection) -> None:
        self._begin()
        self.abilities = abilities.of(found, prefix=self.prefix, now=self.now)
        needed = set(Purpose) - ({Purpose.HOOKS} if self.question.mode == "manual" else set())
        missing = {what: lacks for what, lacks in found.missing.items() if what in needed}
        if missing:
            code, facts = problems.explain_missing(missing, prefix=self.prefix, has=found.scopes)
            self._fail("permissions", code, **facts, has=", ".join(sorted(found.scopes or ())))
        self._passed("permissions", scopes=", ".join(sorted(found.scopes or ())))

    def _repositories(self, provider: Provider) -> None:
        with self._step("repositories"):
            page = provider.repositories()
            self.seen = len(page.items)
            self.hints += [
                Hint("", h.organization, f"{self.prefix}-{h.code}", {"org": h.organization})
                for h in page.hidden
            ]
            one = self._readable(provider, [r for r in page.items if not r.empty][:TRIED])
        if one is None:
            code, facts = f"{self.prefix}-REPO-01", {"login": self._login}
            self.steps["repositories"] = Step("repositories", "warn", self._took, code, facts)
            return
        more = "+" if page.next else ""
        self._passed("repositories", n=f"{self.seen}{more}", path=one.path)

    def _readable(self, provider: Provider, some: list[Repository]) -> Repository | None:
        """The first whose branches are listed and whose clone address is really read: "the test
        passes but the clone fails" must not be possible (product.md B2)."""
        refused: list[tuple[Purpose, Repository, ProviderError]] = []
        for one in some:
            tried = Purpose.REFS
            try:
                provider.branches(one.id)
                tried = Purpose.CLONE
                provider.read_refs(one.id)
            except (Unreachable, RateLimited):
                raise
            except ProviderError as error:
                refused.append((tried, one, error))
            else:
                return one
        if refused:
            self._unreadable(*refused[0])
        return None

    def _unreadable(self, tried: Purpose, one: Repository, error: ProviderError) -> NoReturn:
        code, facts = f"{self.prefix}-CLONE-01", {"path": one.path}
        if tried is Purpose.REFS:
            code, facts = self._explained(error, purpose=tried, path=one.path)
        self.abilities[tried.value] = abilities.lost(code)
        self._fail("repositories", code, cause=error, **facts)

    def _webhook(self) -> None:
        self._begin()
        if self.question.mode == "manual" or Can.HOOKS not in self.provider_class.spec.capabilities:
            self.steps["webhook"] = Step("webhook", "skipped")
        elif can_reach_us(self.question.host.base_url):
            self._passed("webhook", url=settings.MOORING_URL)
        else:
            facts = {"platform": self.provider_class.spec.label}
            code = f"{self.prefix}-HOOK-01"
            self.steps["webhook"] = Step("webhook", "warn", self._took, code, facts)

    # -- keeping the books -----------------------------------------------------------------------

    @contextmanager
    def _step(self, key: str) -> Iterator[None]:
        self._begin()
        try:
            yield
        except ProviderError as error:
            self._explain(key, error)

    def _begin(self) -> None:
        self.step_begun = time.monotonic()

    @property
    def _took(self) -> int:
        return _since(self.step_begun)

    @property
    def _login(self) -> str:
        return self.inspection.identity.login if self.inspection else ""

    def _explain(self, key: str, error: ProviderError) -> NoReturn:
        code, facts = self._explained(error)
        self._fail(key, code, cause=error, **facts)

    def _explained(self, error: ProviderError, **more: Any) -> Explained:
        where = urlsplit(self.question.host.base_url)
        first_met = self.question.typed and self.inspection is None
        return problems.explain(
            error,
            prefix=self.prefix,
            moment=problems.Moment.BIND if first_met else problems.Moment.USE,
            has=self.inspection.scopes if self.inspection else None,
            host=where.hostname or "",
            port=str(where.port or (443 if where.scheme == "https" else 80)),
            egress=", ".join(settings.MOORING_EGRESS_RANGES),
            policy_hint=self.rules.profile.value,
            login=self._login,
            **more,
        )

    def _passed(self, key: str, took: int | None = None, /, **facts: str) -> None:
        self.steps[key] = Step(key, "ok", self._took if took is None else took, "", facts)

    def _fail(
        self, key: str, code: str, /, *, cause: ProviderError | None = None, **said: str
    ) -> NoReturn:
        facts = {"platform": self.provider_class.spec.label, **said}
        failed = replace(self.steps[key], status="failed", ms=self._took, code=code, facts=facts)
        self.steps[key] = failed
        raise _Stop(code, facts, problems.get(code).field) from cause


def _since(begun: float) -> int:
    return int((time.monotonic() - begun) * 1000)
