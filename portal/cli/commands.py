"""The commands around bindings. Each asks the portal, shows the answer, and returns the
exit status: 0 done, 1 refused or failed, 2 amber, 3 red."""

from __future__ import annotations

import re
import time
from argparse import Namespace
from collections.abc import Callable
from typing import Any

from portal.cli import browser, keeping, tables
from portal.cli.client import JSON, Client, Refused, Usage, piece
from portal.cli.tables import EXIT, show

_EVERY = 1.0  # seconds between two looks at something that goes on
_CHECK_SECONDS = 60.0


def whoami(portal: Client, options: Namespace) -> int:
    me = portal.get("/me").body
    pairs = [
        ("portal", portal.site),
        ("tenant", f"{me['tenant']['name']} ({me['tenant']['slug']})"),
        ("name", me["name"]),
        ("role", me["role"]),
        ("scopes", " ".join(me["scopes"])),
        ("instances", "all" if me["instances"] is None else " ".join(me["instances"])),
        ("ends", tables.day(me["expires_at"]) or "never"),
    ]
    show(options.json, me, tables.facts(pairs))
    return 0


def sources(portal: Client, options: Namespace) -> int:
    """The table of the page Code sources, of one instance or of all."""
    chosen = instances(portal, options.instance)
    found = [(one, portal.whole(f"/instances/{one['id']}/sources")) for one in chosen]
    rows = [(one, row) for one, answer in found for row in answer["data"]]
    document: Any = {
        "data": [{"instance": one, "sources": answer["data"]} for one, answer in found],
        "next_cursor": None,
    }
    if options.instance:
        document = found[0][1]
    lines = tables.table(
        ["INSTANCE", "PLATFORM", "STATE", "ACCOUNT", "ENDS", "BINDING", "WHAT"],
        [_source(one, row) for one, row in rows],
    )
    show(options.json, document, lines)
    return EXIT[tables.worst(_tone(row["binding"], row["state"]) for _one, row in rows)]


def test(portal: Client, options: Namespace) -> int:
    """A dry run: the six steps, nothing saved."""
    token = keeping.secret("The platform's token")
    body = {"provider": options.provider, "token": token} | _typed(options)
    found = portal.post("/connection-tests", body).body
    show(options.json, found, [*tables.ladder(found["steps"]), *_outcome(found)])
    if not found["ok"]:
        say(found["detail"], found["code"])
    return 0 if found["ok"] else 1


def bind(portal: Client, options: Namespace) -> int:
    """With a token from standard input, or by consent in a browser where the platform wants it."""
    place = one_instance(portal, options.instance)
    methods = portal.get(f"/providers/{piece(options.provider)}").body["methods"]
    if "oauth" in methods and "token" not in methods:
        asked = {"provider": options.provider, "mode": _mode(options)}
        binding = _by_consent(portal, place["id"], asked)
    else:
        token = keeping.secret("The platform's token")
        body = {"provider": options.provider, "token": token} | _typed(options)
        binding = _explained(lambda: portal.post(f"/instances/{place['id']}/bindings", body).body)
    show(options.json, binding, [clean_message(binding), *_binding(binding)])
    return 0


def replace(portal: Client, options: Namespace) -> int:
    token = keeping.secret("The platform's new token")
    seen = portal.get(f"/bindings/{piece(options.binding)}")
    path = f"/bindings/{piece(options.binding)}/credential"
    ask = lambda: portal.ask("PUT", path, body={"token": token}, match=seen.etag).body  # noqa: E731
    binding = _explained(ask)
    show(options.json, binding, _binding(binding))
    return 0


def rotate(portal: Client, options: Namespace) -> int:
    binding = portal.post(f"/bindings/{piece(options.binding)}/rotations").body
    show(options.json, binding, _binding(binding))
    return 0


def unbind(portal: Client, options: Namespace) -> int:
    path = f"/bindings/{piece(options.binding)}"
    seen = portal.get(path)
    query = [("confirm", options.confirm)] if options.confirm else []
    query += [("revoke", "true")] if options.revoke else []
    receipt = portal.ask("DELETE", path, query=query, match=seen.etag).body
    rows = [
        (item["action"], item.get("repository"), item["status"], item["detail"] or item["url"])
        for item in receipt["items"]
    ]
    lines = [
        f"{tables.clean(receipt['account'])} at {receipt['provider']} is unbound.",
        *tables.table(["WHAT", "REPOSITORY", "STATUS", ""], rows),
    ]
    show(options.json, receipt, lines)
    return 0


def check(portal: Client, options: Namespace) -> int:
    """Check now, and wait for the verdict."""
    path = f"/bindings/{piece(options.binding)}/checks"
    found = portal.post(path).body
    until = time.monotonic() + _CHECK_SECONDS
    while found["status"] == "running":
        if time.monotonic() > until:
            raise Refused("The check has not ended within a minute. Look again later.")
        time.sleep(_EVERY)
        found = portal.get(f"{path}/{found['id']}").body
    state = found["state"] or ""
    show(options.json, found, [*tables.ladder(found["steps"]), f"state: {state}"])
    return EXIT[tables.tone(state)]


def expiring(portal: Client, options: Namespace) -> int:
    found = portal.whole("/expiries", [("within", _days(options.within))])
    rows = [
        (
            tables.day(one["expires_at"]),
            one["state"],
            one["instance"]["name"],
            one["provider"],
            one["account"],
            one["triggers"],
            one["binding"],
        )
        for one in found["data"]
    ]
    headings = ["ENDS", "STATE", "INSTANCE", "PLATFORM", "ACCOUNT", "TRIGGERS", "BINDING"]
    show(options.json, found, tables.table(headings, rows))
    return 0


def instances(portal: Client, wanted: str = "") -> list[JSON]:
    """All instances, or the one with this id or name. Raises Refused when there is none."""
    known = portal.whole("/instances")["data"]
    if not wanted:
        return list(known)
    found = [one for one in known if wanted in (one["id"], one["name"])]
    if not found:
        raise Refused(f"There is no instance {tables.clean(wanted)}.", "X-FOUND-01", 404)
    return found


def one_instance(portal: Client, wanted: str) -> JSON:
    return instances(portal, wanted)[0]


def clean_message(binding: JSON) -> str:
    return tables.clean(binding.get("message") or "The account is bound.")


def _source(instance: JSON, row: JSON) -> tuple[object, ...]:
    binding = row["binding"] or {}
    account, credential = binding.get("account") or {}, binding.get("credential") or {}
    reason = credential.get("reason") or binding.get("reachability_reason") or {}
    return (
        instance["name"],
        row["name"],
        row["state"],
        account.get("login"),
        tables.day(credential.get("expires_at")),
        binding.get("id"),
        reason.get("detail"),
    )


def _tone(binding: JSON | None, state: str) -> str:
    return tables.tone(state, (binding or {}).get("capabilities"))


def _typed(options: Namespace) -> JSON:
    """What was typed beside the token, by the names of the API."""
    given = {
        "base_url": options.address,
        "username": options.username,
        "organization": getattr(options, "org", ""),
        "clone_username": getattr(options, "clone_username", ""),
        "expires_on": getattr(options, "expires_on", ""),
    }
    return {name: value for name, value in given.items() if value} | {"mode": _mode(options)}


def _mode(options: Namespace) -> str:
    return "manual" if getattr(options, "manual", False) else "full"


def _by_consent(portal: Client, instance: str, asked: JSON) -> JSON:
    """Print and open the link, then wait until somebody went through with it, or time is up."""
    attempt = portal.post(f"/instances/{instance}/authorizations", asked).body
    tables.note(f"Open this page within 10 minutes: {attempt['url']}")
    browser.show(attempt["url"])
    while attempt["status"] in ("waiting", "confirming"):
        time.sleep(_EVERY)
        attempt = portal.get(f"/authorizations/{attempt['id']}").body
    if attempt["status"] != "done":
        problem = attempt["problem"] or {"detail": f"The link is {attempt['status']}."}
        raise Refused(problem["detail"], problem.get("code") or "", problem=problem)
    bound: JSON = portal.get(f"/bindings/{attempt['binding']}").body
    return bound


def _explained(ask: Callable[[], JSON]) -> JSON:
    """The answer; when a connection test refused, its six steps go to standard error first."""
    try:
        return ask()
    except Refused as refused:
        for line in tables.ladder(refused.problem.get("steps") or []):
            tables.note(line)
        if refused.problem.get("fix_url"):
            tables.note(f"Put it right at {refused.problem['fix_url']}")
        raise


def _outcome(found: JSON) -> list[str]:
    account, credential = found["account"] or {}, found["credential"] or {}
    return tables.facts(
        [
            ("account", account.get("login")),
            ("scopes", " ".join(credential.get("scopes") or [])),
            ("ends", tables.day(credential.get("expires_at"))),
        ]
    )


def _binding(binding: JSON) -> list[str]:
    credential = binding["credential"]
    return tables.facts(
        [
            ("binding", binding["id"]),
            ("state", binding["state"]),
            ("account", binding["account"]["login"]),
            ("server", binding["host"]["base_url"]),
            ("ends", tables.day(credential["expires_at"]) or credential["expires_quality"]),
            ("generation", credential["generation"]),
        ]
    )


def say(detail: str, code: str | None) -> None:
    """A refusal beside the answer."""
    tables.note(f"{detail} ({code})" if code else detail)


def _days(text: str) -> str:
    """`30d` as the API writes it. Raises Usage."""
    days = re.fullmatch(r"P?(\d{1,3})D?", text.upper())
    if days is None:
        raise Usage("--within takes days, like 30d.")
    return f"P{int(days[1])}D"
