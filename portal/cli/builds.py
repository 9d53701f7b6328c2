"""The commands around builds: start one by hand, look at what platforms have sent."""

from __future__ import annotations

from argparse import Namespace

from portal.cli import commands, tables
from portal.cli.client import JSON, Client, Query, Refused, Usage, piece
from portal.cli.tables import show


def run(portal: Client, options: Namespace) -> int:
    """Start a build by hand, of the default branch when no ref is named."""
    path = f"/triggers/{piece(options.trigger)}"
    ref = options.ref or _default_branch(portal, portal.get(path).body)
    started = portal.post(f"{path}/runs", {"ref": ref}).body
    show(options.json, started, [f"{started['ref']} {started['sha']} {started['event']}"])
    return 0


def deliveries(portal: Client, options: Namespace) -> int:
    """What platforms have sent; with `--failed --replay` that which failed, once more."""
    if options.replay and not options.failed:
        raise Usage("--replay goes with --failed: what went well is not sent again in bulk.")
    query: Query = [("outcome", "failed")] if options.failed else []
    found = portal.whole("/deliveries", query)
    rows = [
        (one["received_at"], one["repository"]["path"], one["ref"], one["outcome"], one["id"])
        for one in found["data"]
    ]
    lines = tables.table(["RECEIVED", "REPOSITORY", "REF", "OUTCOME", "DELIVERY"], rows)
    show(options.json, found, lines)
    if not options.replay:
        return 0
    refused = [one["id"] for one in found["data"] if not _replayed(portal, one["id"])]
    return 1 if refused else 0


def _default_branch(portal: Client, trigger: JSON) -> str:
    if not trigger["binding"]:
        raise Refused("Nothing is bound for this trigger, so it waits.", "X-STATE-01", 409)
    repository = piece(trigger["repository"]["id"])
    known = portal.get(f"/bindings/{trigger['binding']}/repositories/{repository}").body
    return str(known["default_branch"] or "")


def _replayed(portal: Client, delivery: str) -> bool:
    try:
        portal.post(f"/deliveries/{delivery}/replays")
    except Refused as refused:
        commands.say(f"{delivery}: {refused.detail}", refused.code)
        return False
    tables.note(f"{delivery} is taken up again.")
    return True
