"""The six steps of a connection test: what they are called, how they are stored, what they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.ground import refusals

KEYS = ("server", "tls", "token", "permissions", "repositories", "webhook")

TITLES = {
    "server": gettext_lazy("Server found"),
    "tls": gettext_lazy("Secure connection"),
    "token": gettext_lazy("Token accepted"),
    "permissions": gettext_lazy("Permissions"),
    "repositories": gettext_lazy("Repositories visible"),
    "webhook": gettext_lazy("Webhooks can reach us"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """One rung. `status`: ok, warn, failed, not_run or skipped. `facts` fill the sentence of
    `code`, or of the step itself where it passed; they never hold a secret."""

    key: str
    status: str = "not_run"
    ms: int | None = None
    code: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)

    def stored(self) -> dict[str, Any]:
        """As a row keeps it: without words, because readers differ in language."""
        return {
            "key": self.key,
            "status": self.status,
            "ms": self.ms,
            "code": self.code,
            "facts": dict(self.facts),
        }

    def shown(self) -> dict[str, Any]:
        """As the API shows it, in the active language."""
        return {
            "key": self.key,
            "status": self.status,
            "ms": self.ms,
            "code": self.code or None,
            "detail": say(self) or None,
        }


def read(stored: Mapping[str, Any]) -> Step:
    """A step as it was stored."""
    return Step(
        stored["key"], stored["status"], stored["ms"], stored["code"], stored.get("facts", {})
    )


def of_one_call(code: str, facts: Mapping[str, Any], ms: int, *, secure: bool) -> list[Step]:
    """The ladder of a check that made one call only, which reads a token and its rights. `code`:
    what was wrong, "" for nothing. `secure`: the call went over TLS."""
    failed = _step_of(code) if code else ""
    steps = {key: Step(key) for key in KEYS}
    for key in KEYS[: KEYS.index(failed) if failed else KEYS.index("repositories")]:
        steps[key] = Step(key, "ok" if secure or key != "tls" else "skipped")
    if failed:
        steps[failed] = Step(failed, "failed", ms, code, dict(facts))
    return list(steps.values())


def _step_of(code: str) -> str:
    area = code.split("-")[1]
    if area in ("TOK", "USER", "ACC"):
        return "token"
    if area in ("SCOPE", "ORG", "HOOK"):
        return "permissions"
    return "tls" if area == "TLS" else "server"


def say(step: Step) -> str:
    """The sentence of a step in the active language; "" for one that did not run."""
    if step.key == "permissions" and step.facts.get("has"):
        return _("Has {scopes}.").format(scopes=step.facts["has"])
    if step.code:
        return refusals.words(step.code, step.facts).detail
    if step.status != "ok":
        return ""
    return _passed(step)


def _passed(step: Step) -> str:
    facts = step.facts
    if not facts:
        return ""
    if step.key == "server":
        return ", ".join(filter(None, (facts.get("host", ""), facts.get("address", ""))))
    if step.key == "tls":
        return _("{version}, certificate valid until {date}").format(
            version=facts.get("version", "TLS"), date=facts.get("until", "?")
        )
    if step.key == "token":
        return _("Signed in as {login}.").format(login=facts.get("login", "?"))
    if step.key == "permissions":
        return _("Has {scopes}.").format(scopes=facts["scopes"]) if facts.get("scopes") else ""
    if step.key == "repositories":
        return _("{n} found; {path} can be cloned.").format(
            n=facts.get("n", "0"), path=facts.get("path", "?")
        )
    return _("Webhooks are delivered to {url}.").format(url=facts.get("url", "?"))
