"""The present state as a file that `plan` reads: planning it changes nothing."""

from __future__ import annotations

from argparse import Namespace

from portal.cli import commands, plan
from portal.cli.client import JSON, Client
from portal.cli.tables import show


def export(portal: Client, options: Namespace) -> int:
    """Always one JSON document: it is the file."""
    places = [plan.here(portal, one) for one in commands.instances(portal, options.instance)]
    document = {"mooring": plan.FORMAT, "instances": [_instance(one) for one in places]}
    show(True, document, [])
    return 0


def _instance(now: plan.Here) -> JSON:
    return {
        "name": now.instance["name"],
        "bindings": [_binding(now, one) for one in now.bindings.values()],
        "triggers": [
            {
                "name": one["name"],
                "provider": one["provider"],
                "repository": one["repository"]["path"],
                **{name: plan.named(one, now.endpoints)[name] for name in plan.TRIGGER_FIELDS},
            }
            for one in now.triggers.values()
        ],
    }


def _binding(now: plan.Here, live: JSON) -> JSON:
    variable = f"{now.instance['name']}_{live['provider']}_token".upper().replace("-", "_")
    where = "base_url" if live["provider"] in ("gitlab", "gitea") else "host"
    pairs = {
        "provider": live["provider"],
        where: live["host"]["base_url" if where == "base_url" else "slug"],
        "account": (live["account"] or {}).get("login"),
        "username": live["username"],
        "organization": live["organization"],
        "clone_username": live["clone_username"],
        "mode": live["mode"],
        "labels": live["labels"],
        "auto_rotate": live["auto_rotate"] or None,
        "expires_on": plan.stated_end(live),
        "token_env": variable if live["kind"] == "token" else None,
    }
    return {name: value for name, value in pairs.items() if value not in (None, "")}
