"""Roles and scopes as data: which role may do what, in the API's scope names (`api.md` 1.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

RANK: Final = ("viewer", "developer", "admin", "owner")

LEAST: Final[Mapping[str, str]] = {
    "instances:read": "viewer",
    "instances:write": "admin",
    "bindings:read": "viewer",
    "bindings:check": "developer",
    "bindings:write": "admin",
    "repositories:read": "developer",
    "webhooks:read": "developer",
    "webhooks:write": "developer",
    "deliveries:read": "developer",
    "deliveries:replay": "developer",
    "triggers:read": "developer",
    "triggers:write": "developer",
    "triggers:run": "developer",
    "endpoints:read": "developer",
    "endpoints:write": "admin",
    "leases:read": "developer",
    "leases:write": "developer",
    "events:read": "viewer",
    "members:read": "admin",
    "members:write": "admin",
    "tokens:read": "admin",
    "tokens:write": "admin",
}
"""Scope → the least role that has it."""

OPERATOR: Final = frozenset(
    {
        "instances:read",
        "bindings:read",
        "bindings:check",
        "deliveries:replay",
        "endpoints:read",
        "events:read",
        "members:read",
        "tokens:read",
    }
)
"""What the staff of the server may do in a tenant (`ux/spec.md` 2); unbinding is theirs with a
written reason and has its own way."""

_MORE: Final[Mapping[str, str]] = {"bindings:write": "bindings:check"}


def at_least(role: str, least: str) -> bool:
    """Is `role` the role `least` or a stronger one? A word that is no role is below all."""
    return role in RANK and RANK.index(role) >= RANK.index(least)


def allows(role: str, scope: str) -> bool:
    """May this role do what the scope names? Raises KeyError for a scope that does not exist."""
    if role == "operator":
        return scope in OPERATOR
    return at_least(role, LEAST[scope])


def granted(scopes: Iterable[str]) -> frozenset[str]:
    """The scopes with what they include: `x:write` has `x:read`, `bindings:write` the check."""
    found = set(scopes)
    for scope in list(found):
        if scope.endswith(":write"):
            found.add(scope.removesuffix("write") + "read")
        if scope in _MORE:
            found.add(_MORE[scope])
    return frozenset(found)


def of(role: str) -> frozenset[str]:
    """Every scope this role has."""
    return frozenset(scope for scope in LEAST if allows(role, scope))
