"""A binding as everybody outside sees it (api.md 3.3): the API, and events that show it whole.

One query gives all that a list of bindings shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from bindings import problems
from bindings.models import Binding, CodeHost, facts
from bindings.models.bindings import ABILITIES, Kind
from bindings.state import Reach, Status, one_word
from portal.ground import ids
from portal.ground.refusals import words
from portal.tenants.models import Instance, User

_OWN = (
    "id",
    "provider",
    "kind",
    "mode",
    "labels",
    "auto_rotate",
    "account_id",
    "account_login",
    "account_name",
    "account_url",
    "robot",
    "username",
    "clone_username",
    "organization",
    "status",
    "status_since",
    "why",
    "why_facts",
    "reach",
    "reach_since",
    "reach_why",
    "reach_facts",
    "suspicion",
    "drill",
    "expires_at",
    "quality",
    "renews",
    "proofs",
    "used_at",
    "bound_by_id",
    "bound_by_name",
    "bound_at",
    "instance_id",
    "host_id",
)
_JOINED = (
    "instance__name",
    "host__slug",
    "host__base_url",
    "credential__generation",
    "credential__scopes",
    "credential__issued_at",
    "credential__replaced_at",
    "credential__fingerprint",
    "credential__token_id",
    "credential__token_name",
    "credential__rollback_until",
    "schedule__checked_at",
    "schedule__next_check_at",
)
# Columns that make a reason: only rows that have one become a Binding again.
REASON = (
    "kind",
    "mode",
    "account_id",
    "status",
    "status_since",
    "why",
    "reach",
    "reach_since",
    "reach_why",
    "suspicion",
    "expires_at",
    "quality",
    "renews",
)
Row = Mapping[str, Any]
Shown = dict[str, Any]


def rows(found: QuerySet[Binding]) -> QuerySet[Binding, dict[str, Any]]:
    """The columns `binding` needs, in one query. Who may read people annotates `bound_by_stays`."""
    shown: QuerySet[Binding, dict[str, Any]] = found.values(*_OWN, *_JOINED)
    return shown


def binding(row: Row, now: datetime) -> Shown:
    """A row as it is shown, in the active language."""
    shown: Shown = {
        "id": ids.public(Binding.PREFIX, row["id"]),
        "instance": instance_brief(row),
        "provider": row["provider"],
        "host": {
            "id": ids.public(CodeHost.PREFIX, row["host_id"]),
            "slug": row["host__slug"],
            "base_url": row["host__base_url"],
        },
        "kind": row["kind"],
        "mode": row["mode"],
        "state": state_of(row),
        "account": {
            "external_id": row["account_id"],
            "login": row["account_login"],
            "name": row["account_name"] or None,
            "web_url": row["account_url"] or None,
            "bot": row["robot"],
        },
        "username": row["username"] or None,
        "organization": row["organization"] or None,
        "clone_username": row["clone_username"] or None,
        "credential": _credential(row, now),
        "reachability": row["reach"],
        "reachability_since": row["reach_since"],
        "reachability_reason": _reach_reason(row),
        "capabilities": _capabilities(row["proofs"]),
        "bound_by": _bound_by(row),
        "bound_at": row["bound_at"],
        "checked_at": row["schedule__checked_at"],
        "next_check_at": row["schedule__next_check_at"],
        "last_used_at": row["used_at"],
        "auto_rotate": row["auto_rotate"],
        "labels": row["labels"],
    }
    if row["drill"]:
        shown["drill"] = True
    return shown


def instance_brief(row: Row) -> Shown:
    """The instance of a row, by id and name."""
    return {"id": ids.public(Instance.PREFIX, row["instance_id"]), "name": row["instance__name"]}


def state_of(row: Row) -> str:
    """The one word of a row that has status, reach and suspicion."""
    return one_word(Status(row["status"]), Reach(row["reach"]), suspicion=row["suspicion"]).value


def _credential(row: Row, now: datetime) -> Shown:
    return {
        "status": row["status"],
        "status_since": row["status_since"],
        "reason": _status_reason(row, now),
        "fingerprint": row["credential__fingerprint"],
        "provider_token_id": row["credential__token_id"] or None,
        "provider_token_name": row["credential__token_name"] or None,
        "scopes": row["credential__scopes"],
        "created_at": row["credential__issued_at"],
        "replaced_at": row["credential__replaced_at"],
        "expires_at": row["expires_at"],
        "expires_quality": row["quality"],
        "renews": row["renews"],
        "generation": row["credential__generation"],
        "rollback_until": row["credential__rollback_until"],
    }


def _capabilities(proofs: Mapping[str, Mapping[str, Any]]) -> Shown:
    return {name: _ability(proofs.get(name, {})) for name in ABILITIES}


def _ability(proof: Mapping[str, Any]) -> Shown:
    proven = proof.get("proven_at")
    return {
        "ok": bool(proof.get("ok")),
        "code": proof.get("code"),
        # Stored as Python writes it, in UTC: 2026-11-21T06:40:00.123456+00:00.
        "proven_at": f"{proven[:19]}Z" if proven else None,
    }


def _status_reason(row: Row, now: datetime) -> Shown | None:
    if not row["why"]:
        return None
    known = facts.of(Binding(**{name: row[name] for name in REASON}))
    context = {"login": row["account_login"], **row["why_facts"]}
    return _reason(
        problems.of_status(known, now, prefix=problems.prefix_of(row["provider"]), **context)
    )


def _reach_reason(row: Row) -> Shown | None:
    if not row["reach_why"]:
        return None
    context = {"host": row["host__base_url"], **row["reach_facts"]}
    prefix = problems.prefix_of(row["provider"])
    return _reason(problems.of_reach(row["reach_why"], prefix=prefix, **context))


def _reason(told: tuple[str, Mapping[str, Any]] | None) -> Shown | None:
    if told is None:
        return None
    code, known = told
    return {"code": code, "detail": words(code, known).detail}


def _bound_by(row: Row) -> Shown | None:
    if row["kind"] == Kind.PLATFORM:
        return None
    stays = row["bound_by_id"] is not None and row.get("bound_by_stays", True)
    key = ids.public(User.PREFIX, row["bound_by_id"]) if stays else None
    return {"id": key, "name": row["bound_by_name"]}
