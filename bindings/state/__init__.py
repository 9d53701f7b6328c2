"""The state of a binding: pure functions from what is known and what was seen to what holds now."""

from bindings.state.answers import UNREACHABLE_AFTER, begin, verdict
from bindings.state.facts import CONFIRM_SECONDS, Facts, Verdict
from bindings.state.schedule import next_check
from bindings.state.turns import (
    aged,
    confirmed,
    darkened,
    postponed,
    refreshed,
    reopened,
    resume,
    suspend,
    undecryptable,
    used,
)
from bindings.state.words import (
    FACE,
    USABLE,
    Action,
    Face,
    Note,
    Reach,
    State,
    Status,
    Tone,
    Why,
    face,
    one_word,
)

__all__ = [
    "CONFIRM_SECONDS",
    "FACE",
    "UNREACHABLE_AFTER",
    "USABLE",
    "Action",
    "Face",
    "Facts",
    "Note",
    "Reach",
    "State",
    "Status",
    "Tone",
    "Verdict",
    "Why",
    "aged",
    "begin",
    "confirmed",
    "darkened",
    "face",
    "next_check",
    "one_word",
    "postponed",
    "refreshed",
    "reopened",
    "resume",
    "suspend",
    "undecryptable",
    "used",
    "verdict",
]
