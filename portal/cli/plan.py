"""Bindings as code: read the file, read the portal, and say what would have to happen.

    { "mooring": 1, "instances": [ { "name": "prod-registry",
        "bindings": [ { "provider": "gitlab", "base_url": "…", "account": "build-bot",
                        "token_env": "PROD_GITLAB_TOKEN", "mode": "full", "labels": {} } ],
        "triggers": [ { "name": "api main", "provider": "gitlab", "repository": "platform/api",
                        "branches": ["main"] } ] } ] }

What the file does not mention is left alone, be it an instance, a binding or one field; what shall
go says `"absent": true`. Tokens are named by the environment variable that holds them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from portal.cli import commands
from portal.cli.client import JSON, Client, Usage

FORMAT = 1
TRIGGER_FIELDS = ("mode", "enabled", "branches", "tags", "variables", "endpoints")
BINDING_FIELDS = ("mode", "labels", "auto_rotate", "clone_username", "expires_on")
_INSTANCE = {"name", "bindings", "triggers"}
_BINDING = {
    *BINDING_FIELDS,
    *("provider", "base_url", "host", "account", "username", "organization", "token_env", "absent"),
}
_TRIGGER = {*TRIGGER_FIELDS, "name", "provider", "repository", "absent"}
_DEAD = frozenset({"revoked", "expired", "insufficient", "undecryptable"})


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. `fields`: what changes, name → [now, wanted]. `needs`: the variable with the
    token. `refusal`: why it will not be done. `etag`: the state this was judged by."""

    action: str
    instance: JSON
    provider: str
    trigger: str = ""
    fields: JSON = field(default_factory=dict)
    needs: str = ""
    refusal: str = ""
    wanted: JSON = field(default_factory=dict)
    live: JSON = field(default_factory=dict)
    etag: str = ""

    @property
    def what(self) -> str:
        named = f"trigger {self.trigger} " if self.trigger else ""
        return f"{self.action} {named}{self.provider} on {self.instance['name']}"

    def shown(self) -> JSON:
        """As `plan --json` shows it."""
        return {
            "action": self.action,
            "instance": self.instance["name"],
            "provider": self.provider,
            "trigger": self.trigger or None,
            "fields": self.fields,
            "token_env": self.needs or None,
            "refusal": self.refusal or None,
        }


@dataclass(frozen=True, slots=True)
class Here:
    """One instance as it is now: bindings by platform, triggers by name, endpoints by id."""

    instance: JSON
    bindings: dict[str, JSON]
    triggers: dict[str, JSON]
    endpoints: dict[str, str]


def read(path: str) -> list[JSON]:
    """The instances of a file. Raises Usage for what it does not understand, so that no typing
    mistake goes unnoticed."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as lost:
        raise Usage(f"{path}: {lost.strerror}") from None
    except ValueError as wrong:
        raise Usage(f"{path} is not JSON: {wrong}") from None
    _shaped(document, {"mooring", "instances"}, path)
    if document.get("mooring") != FORMAT:
        raise Usage(f'{path}: "mooring": {FORMAT} is expected, the version of this format.')
    found: list[JSON] = document.get("instances") or []
    for place in found:
        _shaped(place, _INSTANCE, path, "name")
        for binding in place.get("bindings", []):
            _shaped(binding, _BINDING, f"{path}: {place['name']}", "provider")
        for trigger in place.get("triggers", []):
            _shaped(trigger, _TRIGGER, f"{path}: {place['name']}", "name", "provider", "repository")
    return found


def here(portal: Client, instance: JSON) -> Here:
    """An instance as it is now."""
    only = [("instance", instance["id"])]
    bindings = portal.whole("/bindings", only)["data"]
    triggers = portal.whole("/triggers", only)["data"]
    named = any(one["endpoints"] for one in triggers)
    return Here(
        instance,
        {one["provider"]: one for one in bindings},
        {one["name"]: one for one in triggers},
        _endpoints(portal) if named else {},
    )


def steps(portal: Client, wanted: Sequence[JSON], *, may_switch: bool) -> list[Step]:
    """What would have to happen, bindings before the triggers that need them."""
    found: list[Step] = []
    for place in wanted:
        now = here(portal, commands.one_instance(portal, place["name"]))
        ends = [one for one in place.get("triggers", []) if one.get("absent")]
        kept = [one for one in place.get("triggers", []) if not one.get("absent")]
        for one in ends:
            found += _ending_trigger(portal, now, one)
        for one in place.get("bindings", []):
            found += _about_binding(portal, now, one, may_switch)
        for one in kept:
            found += _about_trigger(portal, now, one)
    return found


def stated_end(binding: JSON) -> str | None:
    """The end a person typed; None when the platform says when, or nobody does."""
    credential = binding["credential"]
    stated = credential["expires_quality"] == "stated"
    return str(credential["expires_at"])[:10] if stated else None


def _about_binding(portal: Client, now: Here, wanted: JSON, may_switch: bool) -> Iterator[Step]:
    provider, seen = wanted["provider"], now.bindings.get(wanted["provider"])
    needs = wanted.get("token_env", "")
    if wanted.get("absent"):
        yield from _ending(portal, now, wanted, seen)
        return
    if seen is None:
        yield Step("bind", now.instance, provider, needs=needs, wanted=wanted)
        return
    answer = portal.get(f"/bindings/{seen['id']}")
    live, etag = answer.body, answer.etag
    known = {"needs": needs, "wanted": wanted, "live": live, "etag": etag}
    moved = _moved(live, wanted)
    if moved:
        refusal = "" if may_switch else "another account: say --allow-switch"
        yield Step("switch", now.instance, provider, fields=moved, refusal=refusal, **known)
        return
    changed = _differences(_managed(live), wanted, BINDING_FIELDS)
    if changed:
        yield Step("change", now.instance, provider, fields=changed, **known)
    if live["credential"]["status"] in _DEAD and os.environ.get(needs):
        yield Step("replace", now.instance, provider, **known)


def _about_trigger(portal: Client, now: Here, wanted: JSON) -> Iterator[Step]:
    name, provider = wanted["name"], wanted["provider"]
    seen = now.triggers.get(name)
    if seen is None:
        yield Step("create", now.instance, provider, name, wanted=wanted)
        return
    answer = portal.get(f"/triggers/{seen['id']}")
    live, etag = answer.body, answer.etag
    stays = (live["provider"], live["repository"]["path"]) == (provider, wanted["repository"])
    refusal = "" if stays else "a trigger keeps its repository: give the new one another name"
    changed = _differences(named(live, now.endpoints), wanted, TRIGGER_FIELDS)
    if not stays:
        changed["repository"] = [live["repository"]["path"], wanted["repository"]]
    if changed:
        yield Step(
            "change",
            now.instance,
            provider,
            name,
            fields=changed,
            refusal=refusal,
            wanted=wanted,
            live=live,
            etag=etag,
        )


def _ending(portal: Client, now: Here, wanted: JSON, seen: JSON | None) -> Iterator[Step]:
    if seen is None:
        return
    answer = portal.get(f"/bindings/{seen['id']}")
    login = answer.body["account"]["login"]
    same = wanted.get("account") in (None, login)
    refusal = "" if same else f"{login} is bound there, and the file names another account"
    yield Step(
        "unbind",
        now.instance,
        wanted["provider"],
        refusal=refusal,
        wanted=wanted,
        live=answer.body,
        etag=answer.etag,
    )


def _ending_trigger(portal: Client, now: Here, wanted: JSON) -> Iterator[Step]:
    seen = now.triggers.get(wanted["name"])
    if seen is not None:
        answer = portal.get(f"/triggers/{seen['id']}")
        yield Step(
            "delete",
            now.instance,
            wanted["provider"],
            wanted["name"],
            wanted=wanted,
            live=answer.body,
            etag=answer.etag,
        )


def _moved(live: JSON, wanted: JSON) -> JSON:
    """Another account or another server than the one bound, field by field."""
    account = live["account"] or {}
    is_now = {
        "account": account.get("login"),
        "base_url": live["host"]["base_url"],
        "host": live["host"]["slug"],
        "organization": live["organization"],
    }
    return _differences(is_now, wanted, tuple(is_now))


def _managed(live: JSON) -> JSON:
    return live | {"expires_on": stated_end(live)}


def named(trigger: JSON, endpoints: dict[str, str]) -> JSON:
    """A trigger with its endpoints by name, as files have them."""
    ids = trigger["endpoints"]
    return trigger | {"endpoints": ids and [endpoints.get(one, one) for one in ids]}


def _differences(live: JSON, wanted: JSON, names: Sequence[str]) -> JSON:
    found = {}
    for name in names:
        if name in wanted and _plain(live[name]) != _plain(wanted[name]):
            found[name] = [live[name], wanted[name]]
    return found


def _plain(value: Any) -> Any:
    """Without what makes no difference: the order of a list, a slash at the end, nothing at all."""
    if isinstance(value, list):
        return sorted(value) or None
    return value.rstrip("/") or None if isinstance(value, str) else value


def _endpoints(portal: Client) -> dict[str, str]:
    return {one["id"]: one["name"] for one in portal.whole("/endpoints")["data"]}


def _shaped(part: Any, allowed: set[str], where: str, *needed: str) -> None:
    if not isinstance(part, dict):
        raise Usage(f"{where}: an object is expected.")
    if "token" in part:
        raise Usage(f"{where}: a token is never written; name its variable with token_env.")
    unknown = sorted(set(part) - allowed)
    if unknown:
        raise Usage(f"{where}: unknown field {', '.join(unknown)}.")
    missing = [name for name in needed if not part.get(name)]
    if missing:
        raise Usage(f"{where}: {', '.join(missing)} is missing.")
