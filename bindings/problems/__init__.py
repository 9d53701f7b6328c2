"""The message catalogue: every code with its words in both languages, its status and its help."""

from bindings.problems.catalogue import ALL, PLATFORMS, get, prefix_of, status_of
from bindings.problems.explaining import (
    Moment,
    existing,
    explain,
    explain_consent,
    explain_missing,
    refusal,
)
from bindings.problems.help import page
from bindings.problems.reasons import of_reach, of_status
from bindings.problems.refusals import AlreadyBound, NotAllowed, NotYours, OtherAccount, Refusal
from bindings.problems.speech import LANGUAGES, render, speak, texts
from bindings.problems.states import BUTTONS, METHODS, STATES, state_words
from bindings.problems.words import Level, Problem

__all__ = [
    "ALL",
    "BUTTONS",
    "LANGUAGES",
    "METHODS",
    "PLATFORMS",
    "STATES",
    "AlreadyBound",
    "Level",
    "Moment",
    "NotAllowed",
    "NotYours",
    "OtherAccount",
    "Problem",
    "Refusal",
    "existing",
    "explain",
    "explain_consent",
    "explain_missing",
    "get",
    "of_reach",
    "of_status",
    "page",
    "prefix_of",
    "refusal",
    "render",
    "speak",
    "state_words",
    "status_of",
    "texts",
]
