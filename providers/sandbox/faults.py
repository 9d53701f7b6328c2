"""Which faults are switched on: names, where they strike, how often.

A fault strikes in one of four ways: *instead* of an answer (`broken.py`), on an answer that was
made as usual (`twisted.py`), as a *switch* that a dialect asks for, or on outgoing hooks.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import Any

INSTEAD = frozenset(
    {
        "timeout",
        "refuse",
        "reset",
        "hang_headers",
        "status",
        "html",
        "bad_json",
        "rate_limit",
        "secondary_limit",
        "redirect",
        "redirect_loop",
        "gzip_bomb",
        "drip_headers",
        "drip_body",
        "truncated",
        "deep_json",
        "null_json",
        "big_number",
        "huge_body",
        "many_headers",
        "huge_header",
        "continue_forever",
        "content_length",
        "te_cl",
        "tls",
        "echo",
        "body",
        "unauthorized",
        "unauthorized_html",
        "unauthorized_text",
        "unauthorized_empty",
        "blocked_user",
        "insufficient_scope",
        "token_error",
        "login_lockout",
    }
)
TWIST = frozenset(
    {
        "slow",
        "lost_answer",
        "lost_refresh_answer",
        "throttle",
        "early_hints",
        "foreign_next",
        "endless_next",
        "next_page",
        "repeat_items",
        "empty_next",
        "content_type",
        "set_cookie",
        "gzip",
        "token_answer",
        "form_answer",
        "set_keys",
        "drop_keys",
    }
)
SWITCH = frozenset(
    {
        "old_server",
        "old_version",
        "signing_off",
        "sso_required",
        "org_restricted",
        "grant_scopes",
        "family_kill",
        "ip_allow_list",
        "region_edition",
        "brown_out",
        "rotation_off",
        "signin_required",
        "token_life",
    }
)
HOOK = frozenset({"hook_delay", "hook_drop", "hook_twice", "hook_forged"})


@dataclass
class Fault:
    """One fault. It strikes the requests that match, after the first `after` of them, `times`
    times (None: until it is cleared). `gone` is set when it is cleared: whoever hangs wakes."""

    provider: str
    name: str
    path: str = "**"
    method: str = ""
    value: Any = None
    times: int | None = None
    after: int = 0
    struck: int = 0
    gone: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def kind(self) -> str:
        return self.name.partition(":")[0]

    def seconds(self, default: float) -> float:
        """`value` as a number of seconds."""
        return float(self.value) if isinstance(self.value, int | float | str) else default

    def fits(self, provider: str, method: str, path: str) -> bool:
        return (
            self.provider in {provider, "*"}
            and self.method in {method, ""}
            and _glob(self.path).fullmatch(path) is not None
        )

    def strikes(self) -> bool:
        """Count one matching request and say whether it is hit."""
        if self.after > 0:
            self.after -= 1
            return False
        if self.times is not None and self.struck >= self.times:
            return False
        self.struck += 1
        return True

    def show(self) -> dict[str, Any]:
        return {
            "provider": self.provider,
            "path": self.path,
            "method": self.method,
            "fault": self.name,
            "value": self.value,
            "times": self.times,
            "struck": self.struck,
        }


class Faults:
    """All faults that are on; the one set last comes first."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.on: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Raises ValueError for a name we do not know."""
        if fault.kind not in INSTEAD | TWIST | SWITCH | HOOK:
            raise ValueError(f"unknown fault {fault.name}")
        with self.lock:
            self.on.insert(0, fault)

    def clear(self) -> None:
        with self.lock:
            for fault in self.on:
                fault.gone.set()
            self.on.clear()

    def strike(self, provider: str, method: str, path: str, refresh: bool) -> list[Fault]:
        """The faults that hit this request: at most one instead of the answer, all twists.

        `refresh`: the request trades in a refresh token; `lost_refresh_answer` hits only those.
        """
        hit: list[Fault] = []
        with self.lock:
            for fault in self.on:
                taken = fault.kind in INSTEAD and any(f.kind in INSTEAD for f in hit)
                idle = fault.kind in SWITCH | HOOK or taken
                if idle or (fault.kind == "lost_refresh_answer" and not refresh):
                    continue
                if fault.fits(provider, method, path) and fault.strikes():
                    hit.append(fault)
        return hit

    def switch(self, provider: str, name: str, path: str) -> str | None:
        """The value of a switch as text, "" without one; None when it is off."""
        with self.lock:
            for fault in self.on:
                if fault.kind == name and fault.fits(provider, "", path) and fault.strikes():
                    return "" if fault.value is None else str(fault.value)
        return None

    def on_hook(self, provider: str, name: str, repository_path: str) -> Fault | None:
        """The fault of that name for an outgoing hook; its glob fits the repository's path."""
        with self.lock:
            for fault in self.on:
                if fault.kind == name and fault.fits(provider, fault.method, repository_path):
                    return fault if fault.strikes() else None
        return None

    def show(self) -> list[dict[str, Any]]:
        with self.lock:
            return [fault.show() for fault in self.on]


def _glob(pattern: str) -> re.Pattern[str]:
    """`**` is anything, `*` anything but a slash."""
    pieces = re.split(r"(\*\*|\*)", pattern)
    table = {"**": ".*", "*": "[^/]*"}
    return re.compile("".join(table.get(piece, re.escape(piece)) for piece in pieces), re.DOTALL)
