"""The ladder: six named steps that prove an account before anything is saved, or say what fails.

server → tls → token → permissions → repositories → webhook. One failing step ends the climb; the
later ones say `not_run`. No transaction is open and nothing is stored here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from bindings import expiry, problems
from bindings.models import CodeHost
from bindings.services.custody.door import door, rules_for
from bindings.services.custody.use import provider_at
from bindings.services.keep.reachability import can_reach_us
from bindings.services.keep.steps import KEYS, Step
from providers.base import Provider
from providers.catalogue import REGISTRY, whose
from providers.errors import BadAnswer, ProviderError, Unreachable
from providers.types import (
    Can,
    Credential,
    Identity,
    Inspection,
    Profile,
    Purpose,
    Quality,
    Repository,
)

SECONDS = 30.0  # for the whole climb (product.md G30)
_TOKEN_SHAPE = (8, 1024)  # typed tokens (G41)

T = TypeVar("T")


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
    """What the climb found. `code` is "" when nothing failed; `error` is kept for a verdict."""

    steps: tuple[Step, ...]
    code: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    about: str = ""
    error: ProviderError | None = None
    inspection: Inspection | None = None
    abilities: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    repositories_seen: int | None = None
    hints: tuple[Hint, ...] = ()
    retry_after: float | None = None

    @property
    def ok(self) -> bool:
        return not self.code

    @property
    def warned(self) -> bool:
        return any(step.status == "warn" for step in self.steps)

    @property
    def identity(self) -> Identity | None:
        return self.inspection.identity if self.inspection else None

    @property
    def ms(self) -> int:
        return sum(step.ms or 0 for step in self.steps)


@dataclass(frozen=True, slots=True)
class Question:
    """Who is to be examined: an account at a host, for which kind of use."""

    host: CodeHost
    secret: Credential
    mode: str = "full"
    username: str = ""  # typed; compared with the owner of the token
    typed: bool = True  # a person pasted this token: judge its shape too
    stated_end: datetime | None = None


def policy_hint(profile: Profile) -> str:
    """What to do about a certificate of an unknown authority, under this profile."""
    if profile is Profile.SEED:
        return _("Self-signed certificates are not supported here.")
    return _("Add its CA certificate under Advanced.")


class _Stop(Exception):
    """A step failed; the climb ends."""

    def __init__(self, code: str, facts: Mapping[str, str], *, about: str = "") -> None:
        super().__init__(code)
        self.code, self.facts, self.about = code, facts, about


def examine(question: Question, *, now: datetime) -> Examination:
    """Climb the six steps. Never raises for what the far end does: the answer says it."""
    return _Climb(question, now).run()


class _Climb:
    def __init__(self, question: Question, now: datetime) -> None:
        self.question, self.now = question, now
        self.provider_class = REGISTRY[question.host.provider]
        self.prefix = self.provider_class.spec.prefix
        self.steps = {key: Step(key) for key in KEYS}
        self.started = time.monotonic()
        self.hints: list[Hint] = []
        self.inspection: Inspection | None = None
        self.abilities: dict[str, Mapping[str, object]] = {}
        self.seen: int | None = None

    def run(self) -> Examination:
        stop: _Stop | None = None
        error: ProviderError | None = None
        try:
            self._pasted()
            self._server()
            provider = provider_at(self.question.host, self.question.secret)
            self._permissions(self._token(provider))
            self._repositories(provider)
            self._webhook()
        except _Stop as failed:
            stop = failed
            error = failed.__cause__ if isinstance(failed.__cause__, ProviderError) else None
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
            self._fail("token", f"{self.prefix}-TOK-07", {})
        if refused := self.provider_class.foreign_token(token):
            self._fail("token", f"{self.prefix}-{refused}", {})
        other = whose(token)
        if other and other != self.question.host.provider:
            label = REGISTRY[other].spec.label
            self._fail("token", f"{self.prefix}-TOK-02", {"other": label})

    def _server(self) -> None:
        host, rules = self.question.host, rules_for(self.question.host)
        target = urlsplit(host.base_url)
        with self._step("server") as took, self._explained("server"):
            try:
                greeting = door().greet(host.api_url, rules=rules)
            except Unreachable as error:
                if error.reason.startswith("tls"):
                    self._passed("server", 0, host=target.netloc)
                    self._explain("tls", error)
                raise
            if not self.provider_class.recognise(door(), host.api_url, rules):
                raise BadAnswer("not_the_platform")
        address = "" if rules.sandbox is None and rules.private else greeting.address
        self._passed("server", greeting.connect_ms or took(), host=target.netloc, address=address)
        if target.scheme == "http":
            self.steps["tls"] = Step("tls", "skipped", None, f"{self.prefix}-HTTP-01")
            return
        until = greeting.valid_until.date().isoformat() if greeting.valid_until else "?"
        self._passed("tls", greeting.tls_ms or 0, version=greeting.tls_version, until=until)

    def _token(self, provider: Provider) -> Inspection:
        with self._step("token") as took, self._explained("token"):
            found = self.inspection = provider.inspect()
        typed = self.question.username.lstrip("@")
        if typed and typed != found.identity.login:
            facts = {"owner": found.identity.login, "typed": typed}
            self._fail("token", f"{self.prefix}-USER-01", facts, about="username")
        end = found.expiry
        if end.quality is Quality.EXACT and end.at is not None and end.at <= self.now:
            self._fail("token", f"{self.prefix}-TOK-04", {"date": end.at.date().isoformat()})
        self._passed("token", took(), login=found.identity.login)
        self._about_the_end(found)
        self.hints += [Hint("token", "", f"{self.prefix}-{c}", f) for c, f in found.notices]
        return found

    def _about_the_end(self, found: Inspection) -> None:
        end = found.expiry
        if end.quality is Quality.EXACT and end.at is not None:
            days = expiry.days_left(end, self.now)
            if days is not None and days <= expiry.LADDER[0]:
                hint = Hint(
                    "token", end.at.date().isoformat(), f"{self.prefix}-TOK-05", {"n": str(days)}
                )
                self.hints.append(hint)
        elif end.quality is Quality.UNKNOWN and self.question.stated_end is None:
            self.hints.append(Hint("expires_on", "", f"{self.prefix}-EXP-01"))

    def _permissions(self, found: Inspection) -> None:
        self.abilities = self._abilities(found)
        needed = set(Purpose) - ({Purpose.HOOKS} if self.question.mode == "manual" else set())
        missing = {what: lacks for what, lacks in found.missing.items() if what in needed}
        if missing:
            code, facts = problems.explain_missing(missing, prefix=self.prefix, has=found.scopes)
            self._fail("permissions", code, facts)
        self._passed("permissions", 0, scopes=", ".join(sorted(found.scopes or ())))

    def _abilities(self, found: Inspection) -> dict[str, Mapping[str, object]]:
        return {ability.value: self._ability(found, ability) for ability in Purpose}

    def _ability(self, found: Inspection, ability: Purpose) -> Mapping[str, object]:
        lacks = found.missing.get(ability)
        if not lacks:
            return {"ok": True, "code": None, "proven_at": self.now.isoformat()}
        # A token that cannot even list is told that first, whatever else it lacks.
        worst = Purpose.LIST if found.missing.get(Purpose.LIST) else ability
        code, _ = problems.explain_missing(
            {worst: found.missing[worst]}, prefix=self.prefix, has=found.scopes
        )
        return {"ok": False, "code": code, "proven_at": None}

    def _repositories(self, provider: Provider) -> None:
        with self._step("repositories") as took, self._explained("repositories"):
            page = provider.repositories()
            self.seen = len(page.items)
            self.hints += [
                Hint("", h.organization, f"{self.prefix}-{h.code}", {"org": h.organization})
                for h in page.hidden
            ]
            one = next((r for r in page.items if not r.empty), None)
            if one is not None:
                self._read(provider, one)
        if one is None:
            login = self.inspection.identity.login if self.inspection else ""
            code = f"{self.prefix}-REPO-01"
            self.steps["repositories"] = Step(
                "repositories", "warn", took(), code, {"login": login}
            )
            return
        more = "+" if page.next else ""
        self._passed("repositories", took(), n=f"{self.seen}{more}", path=one.path)

    def _read(self, provider: Provider, one: Repository) -> None:
        """A branch list and a real read of the clone address: "the test passes but the clone
        fails" must not be possible (product.md B2)."""
        provider.branches(one.id)
        try:
            provider.read_refs(one.id)
        except ProviderError as error:
            self.abilities["clone"] = {
                "ok": False,
                "code": f"{self.prefix}-CLONE-01",
                "proven_at": None,
            }
            facts = {"path": one.path}
            self._fail("repositories", f"{self.prefix}-CLONE-01", facts, cause=error)

    def _webhook(self) -> None:
        if self.question.mode == "manual" or Can.HOOKS not in self.provider_class.spec.capabilities:
            self.steps["webhook"] = Step("webhook", "skipped")
            return
        if not can_reach_us(self.question.host.base_url):
            label = self.provider_class.spec.label
            code = f"{self.prefix}-HOOK-01"
            self.steps["webhook"] = Step("webhook", "warn", 0, code, {"platform": label})
            return
        self._passed("webhook", 0, url=settings.MOORING_URL)

    # -- keeping the books -----------------------------------------------------------------------

    @contextmanager
    def _step(self, key: str) -> Iterator[Callable[[], int]]:
        if time.monotonic() - self.started > SECONDS:
            self._explain(key, Unreachable("timeout", n=str(int(SECONDS))))
        begun = time.monotonic()
        yield lambda: int((time.monotonic() - begun) * 1000)

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        try:
            yield
        except ProviderError as error:
            self._explain(key, error)

    def _explain(self, key: str, error: ProviderError) -> None:
        code, facts = problems.explain(
            error,
            prefix=self.prefix,
            moment=problems.Moment.BIND,
            has=self.inspection.scopes if self.inspection else None,
            **self._context(),
        )
        self._fail(key, code, facts, cause=error)

    def _context(self) -> dict[str, Any]:
        where = urlsplit(self.question.host.base_url)
        found = self.inspection
        return {
            "host": where.hostname or "",
            "port": str(where.port or (443 if where.scheme == "https" else 80)),
            "egress": ", ".join(settings.MOORING_EGRESS_RANGES),
            "policy_hint": str(policy_hint(rules_for(self.question.host).profile)),
            "login": found.identity.login if found else "",
        }

    def _passed(self, key: str, ms: int, **facts: str) -> None:
        self.steps[key] = Step(key, "ok", ms, "", facts)

    def _fail(
        self,
        key: str,
        code: str,
        facts: Mapping[str, str],
        *,
        about: str = "",
        cause: ProviderError | None = None,
    ) -> None:
        facts = {"platform": self.provider_class.spec.label, **facts}
        ms = self.steps[key].ms or int((time.monotonic() - self.started) * 1000)
        self.steps[key] = replace(self.steps[key], status="failed", ms=ms, code=code, facts=facts)
        raise _Stop(code, facts, about=about or problems.get(code).field) from cause
