"""From a code and its facts to words: in the active language, or the bare sentence in both."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from string import Formatter
from typing import Any

from django.utils import translation

from bindings.problems.catalogue import PLATFORMS, get
from bindings.problems.states import STATES
from bindings.problems.terms import NEUTRAL, OUR_ROLES, TERMS
from bindings.problems.words import Problem
from portal.ground.refusals import Words

LANGUAGES = ("en", "zh-hans")
_STATES = {str(state): text for state, text in STATES.items()}


def render(code: str, /, **facts: Any) -> Words:
    """Title, sentence and status (0 for notices) of a code in the active language.

    A variable without a fact gets a neutral wording; facts that no variable names are ignored.
    Only an unknown code raises, a KeyError.
    """
    return speak(code, facts)


def speak(code: str, facts: Mapping[str, Any]) -> Words:
    """As `render`, in the shape that `portal.ground.refusals.speak_with` takes."""
    problem = get(code)
    title = str(problem.title) if problem.prefix != "X" else _filled(problem, facts)
    return Words(code, problem.status or 0, title, _filled(problem, facts))


def texts(code: str) -> dict[str, str]:
    """Language → the sentence with its variables still in it. Raises KeyError."""
    found = {}
    for language in LANGUAGES:
        with translation.override(language):
            found[language] = str(get(code).text)
    return found


def _filled(problem: Problem, facts: Mapping[str, Any]) -> str:
    pieces: list[str] = []
    for literal, name, _spec, _conversion in Formatter().parse(str(problem.text)):
        pieces.append(literal)
        if name is not None:
            pieces.append(_word(problem, name, facts, opens=not any(pieces)))
    return "".join(pieces).strip()


def _word(problem: Problem, name: str, facts: Mapping[str, Any], *, opens: bool) -> str:
    value = facts.get(name)
    if value is not None and value != "":
        return _spoken(problem, name, value)
    platform = PLATFORMS.get(problem.prefix)
    if platform is not None and name in ("platform", "needed"):
        known = platform.label if name == "platform" else platform.needed
        return _spoken(problem, name, known)
    neutral = str(NEUTRAL.get(f"{problem.suffix}.{name}") or NEUTRAL.get(name, "…"))
    return neutral[:1].upper() + neutral[1:] if opens else neutral


def _spoken(problem: Problem, name: str, value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(str(one) for one in value)
    return str(_terms(problem, name).get(str(value), value))


def _terms(problem: Problem, name: str) -> Mapping[str, Any]:
    if problem.prefix == "X" and name == "role":
        return OUR_ROLES
    return _STATES if name == "state" else TERMS.get(name, {})
