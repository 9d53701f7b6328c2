"""Make it so: the steps of a plan one by one, each with its own outcome. Safe to run again, because
every run plans anew."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Callable

from portal.cli import plan as planning
from portal.cli import tables
from portal.cli.client import JSON, Client, Refused, piece
from portal.cli.plan import Step
from portal.cli.tables import show

_TYPED = ("base_url", "host", "username", "organization", "clone_username", "mode", "labels")


def plan(portal: Client, options: Namespace) -> int:
    """Exit status 2 when something would change."""
    found = planning.steps(portal, planning.read(options.file), may_switch=False)
    lines = [line for step in found for line in _told(step)]
    show(
        options.json, {"changes": [step.shown() for step in found]}, lines or ["Nothing to change."]
    )
    return 2 if found else 0


def apply(portal: Client, options: Namespace) -> int:
    wanted = planning.read(options.file)
    found = planning.steps(portal, wanted, may_switch=options.allow_switch)
    failed: set[tuple[str, str]] = set()
    items = []
    for step in found:
        item = (
            _skipped(step) if _place(step) in failed and step.trigger else carry_out(portal, step)
        )
        if item["status"] != "done" and step.action in ("bind", "switch"):
            failed.add(_place(step))
        items.append(item)
    lines = [_line(step, item) for step, item in zip(found, items, strict=True)]
    show(options.json, {"items": items}, lines or ["Nothing to change."])
    left = [item for item in items if item["status"] != "done"]
    if left:
        tables.note(f"{len(left)} of {len(items)} not done. It is safe to apply the file again.")
    return 1 if left else 0


def carry_out(portal: Client, step: Step) -> JSON:
    """Do one thing; its outcome, also when the portal refuses it."""
    if step.refusal:
        return _item(step, "refused", detail=step.refusal)
    do = _TRIGGER[step.action] if step.trigger else _BINDING[step.action]
    try:
        return do(portal, step)
    except Refused as refused:
        again = " Plan again." if refused.status == 412 else ""
        return _item(step, "failed", detail=f"{refused.detail}{again}", code=refused.code)


def _bind(portal: Client, step: Step) -> JSON:
    """Bind, or switch when something is bound; where only consent counts, the link to open."""
    path = f"/instances/{step.instance['id']}"
    replaces = {"replaces": step.live["id"]} if step.live else {}
    methods = portal.get(f"/providers/{piece(step.provider)}").body["methods"]
    if not step.needs and "oauth" in methods:
        return _link(portal, step, replaces)
    typed = {name: step.wanted[name] for name in _TYPED if step.wanted.get(name)}
    body = {"provider": step.provider, "token": _token(step), **typed}
    end = step.wanted.get("expires_on")
    body |= {"expires_on": end} if end else {}
    _same_account(portal, step, body)
    bound = portal.post(f"{path}/bindings", body | replaces).body
    if step.wanted.get("auto_rotate"):
        match = portal.get(f"/bindings/{bound['id']}").etag
        rotates = {"auto_rotate": True}
        portal.ask("PATCH", f"/bindings/{bound['id']}", body=rotates, match=match)
    return _item(step, "done", binding=bound["id"])


def _same_account(portal: Client, step: Step, body: JSON) -> None:
    """Before anything is bound or ended: is the token of the account the file names? Raises
    Refused."""
    login = step.wanted.get("account")
    if not login:
        return
    asked = {name: value for name, value in body.items() if name != "labels"}
    found = portal.post("/connection-tests", asked).body
    if not found["ok"]:
        raise Refused(found["detail"], found["code"] or "")
    theirs = found["account"]["login"]
    if theirs != login:
        raise Refused(f"The token belongs to {theirs}, and the file says {login}.")


def _link(portal: Client, step: Step, more: JSON) -> JSON:
    mode = step.wanted.get("mode", "full")
    asked = {"provider": step.provider, "mode": mode, "host": step.wanted.get("host"), **more}
    attempt = portal.post(f"/instances/{step.instance['id']}/authorizations", asked).body
    return _item(step, "waiting", detail=f"open {attempt['url']}")


def _change(portal: Client, step: Step) -> JSON:
    body = {name: wanted for name, (_now, wanted) in step.fields.items()}
    portal.ask("PATCH", f"/bindings/{step.live['id']}", body=body, match=step.etag)
    return _item(step, "done", binding=step.live["id"])


def _replace(portal: Client, step: Step) -> JSON:
    path = f"/bindings/{step.live['id']}/credential"
    # A change of the same binding may have gone before: what was read then is no longer current.
    match = portal.get(f"/bindings/{step.live['id']}").etag
    portal.ask("PUT", path, body={"token": _token(step)}, match=match)
    return _item(step, "done", binding=step.live["id"])


def _unbind(portal: Client, step: Step) -> JSON:
    login = step.wanted.get("account")
    query = [("confirm", login)] if login else []
    portal.ask("DELETE", f"/bindings/{step.live['id']}", query=query, match=step.etag)
    return _item(step, "done", binding=step.live["id"])


def _create_trigger(portal: Client, step: Step) -> JSON:
    instance = step.instance["id"]
    query = [("instance", instance), ("provider", step.provider)]
    bound = portal.whole("/bindings", query)["data"]
    if not bound:
        raise Refused(f"Nothing is bound for {step.provider} on {step.instance['name']}.")
    given = {name: step.wanted[name] for name in planning.TRIGGER_FIELDS if name in step.wanted}
    body = {"name": step.trigger, "repository": step.wanted["repository"], **given}
    body |= {"binding": bound[0]["id"], **_listeners(portal, step.wanted)}
    portal.post(f"/instances/{instance}/triggers", body)
    return _item(step, "done", binding=bound[0]["id"])


def _change_trigger(portal: Client, step: Step) -> JSON:
    body = {name: wanted for name, (_now, wanted) in step.fields.items()}
    if "endpoints" in body:
        body |= _listeners(portal, step.wanted)
    portal.ask("PATCH", f"/triggers/{step.live['id']}", body=body, match=step.etag)
    return _item(step, "done")


def _delete_trigger(portal: Client, step: Step) -> JSON:
    portal.ask("DELETE", f"/triggers/{step.live['id']}", match=step.etag)
    return _item(step, "done")


def _listeners(portal: Client, wanted: JSON) -> JSON:
    """Endpoints by id, from the names in the file. Raises Refused for a name nobody has."""
    names = wanted.get("endpoints")
    if not names:
        return {"endpoints": names} if "endpoints" in wanted else {}
    known = {one["name"]: one["id"] for one in portal.whole("/endpoints")["data"]}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise Refused(f"There is no endpoint {', '.join(unknown)}.")
    return {"endpoints": [known[name] for name in names]}


def _token(step: Step) -> str:
    if not step.needs:
        raise Refused("the file names no token: give it token_env")
    token = os.environ.get(step.needs, "").strip()
    if not token:
        raise Refused(f"the variable {step.needs} is not set")
    return token


def _skipped(step: Step) -> JSON:
    return _item(step, "skipped", detail="its binding comes first")


def _item(step: Step, status: str, *, detail: str = "", code: str = "", binding: str = "") -> JSON:
    return {
        "action": step.action,
        "instance": step.instance["name"],
        "provider": step.provider,
        "trigger": step.trigger or None,
        "status": status,
        "code": code or None,
        "detail": detail or None,
        "binding": binding or None,
    }


def _place(step: Step) -> tuple[str, str]:
    return step.instance["id"], step.provider


def _line(step: Step, item: JSON) -> str:
    said = " ".join(filter(None, [item["detail"], item["code"] and f"({item['code']})"]))
    return f"{item['status']:<8} {tables.clean(step.what)}  {tables.clean(said)}".rstrip()


def _told(step: Step) -> list[str]:
    lines = [tables.clean(step.what)]
    for name, (now, wanted) in step.fields.items():
        lines.append(tables.clean(f"    {name}: {now} -> {wanted}"))
    if step.needs and step.action in ("bind", "switch", "replace"):
        unset = "" if os.environ.get(step.needs) else ", which is not set"
        lines.append(f"    token from {tables.clean(step.needs)}{unset}")
    if step.refusal:
        lines.append(tables.clean(f"    refused: {step.refusal}"))
    return lines


_BINDING: dict[str, Callable[[Client, Step], JSON]] = {
    "bind": _bind,
    "switch": _bind,
    "change": _change,
    "replace": _replace,
    "unbind": _unbind,
}
_TRIGGER: dict[str, Callable[[Client, Step], JSON]] = {
    "create": _create_trigger,
    "change": _change_trigger,
    "delete": _delete_trigger,
}
