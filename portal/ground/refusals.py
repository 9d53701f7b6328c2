"""Refusals: what a service raises when it will not do a thing, with the code people read.

The sentence belongs to the catalogue, which lives above (`bindings.problems`) and is handed in at
start-up by `speak_with`, so that tenancy and the ground can refuse in the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class Refusal(Exception):
    """`code` is of the catalogue, `facts` fill its sentence and never hold a secret. `field`: the
    form field or JSON key it is about. `steps`: the six steps of a connection test, where one ran.
    `extra`: more members of the problem (needed_scope, binding, comparison …)."""

    def __init__(
        self,
        code: str,
        *,
        field: str = "",
        fix_url: str = "",
        retry_after: float | None = None,
        steps: Sequence[Mapping[str, Any]] | None = None,
        extra: Mapping[str, Any] | None = None,
        errors: Sequence[Refusal] = (),
        **facts: Any,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.field = field
        self.fix_url = fix_url
        self.retry_after = retry_after
        self.steps = steps
        self.extra = dict(extra or {})
        self.errors = tuple(errors)  # one per field, when a whole form is refused
        self.facts = facts


class NotYours(Refusal):
    """Not there, or another tenant's: the same 404 either way."""

    def __init__(self) -> None:
        super().__init__("X-FOUND-01")


class NotAllowed(Refusal):
    """Yours to see, but role or scope is missing: 403, and who can help is named."""


@dataclass(frozen=True, slots=True)
class Words:
    """A refusal in the active language, with its HTTP status (0 for notices)."""

    code: str
    status: int
    title: str
    detail: str


_speak: Callable[[str, Mapping[str, Any]], Words] | None = None


def speak_with(catalogue: Callable[[str, Mapping[str, Any]], Words]) -> None:
    """Called once, while the applications load."""
    global _speak
    _speak = catalogue


def words(code: str, facts: Mapping[str, Any]) -> Words:
    """The title, sentence and status of a code. Raises LookupError for a code nobody wrote."""
    if _speak is None:
        raise LookupError("no catalogue has been handed in")
    return _speak(code, facts)
