"""Golden files: what a host really sends, and what we make of it.

A file holds `call` (method and arguments), `host` (request line → answer) or `headers` and `body`
of a delivery, and `means`: the result, without the fields that have their default value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from providers.base import Provider
from providers.types import Expiry, Method, Quality
from tests.providers.canned import Says, account_of

FOLDER = Path(__file__).parent / "golden"


def names(slug: str) -> list[str]:
    return sorted(path.stem for path in (FOLDER / slug).glob("*.json"))


def check(provider: type[Provider], name: str) -> None:
    """The meaning of one golden file is exactly what it says."""
    case = json.loads((FOLDER / provider.spec.slug / f"{name}.json").read_text())
    assert plain(_ask(provider, case)) == case["means"]


def _ask(provider: type[Provider], case: Mapping[str, Any]) -> object:
    call = case["call"]
    if call["method"] == "read":
        return provider.read(case["headers"], json.dumps(case["body"]).encode())
    facts = _credential(case.get("credential", {}))
    answers = {line: _says(answer) for line, answer in case["host"].items()}
    with account_of(provider, answers, **facts) as (account, host):
        result = getattr(account, call["method"])(*call.get("args", ()), **call.get("named", {}))
    for line in answers:
        assert any(line in (asked, asked.partition("?")[0]) for asked in host.lines), line
    return _without(host.base_url, plain(result))


def _credential(written: Mapping[str, Any]) -> dict[str, Any]:
    """What belongs to a credential, in our own types."""
    facts = {**written}
    if "kind" in facts:
        facts["kind"] = Method(facts["kind"])
    if "scopes" in facts:
        facts["scopes"] = frozenset(facts["scopes"])
    if "ends" in facts:
        facts["expiry"] = Expiry(datetime.fromisoformat(facts.pop("ends")), Quality.EXACT)
    return facts


def _says(answer: Mapping[str, Any]) -> Says:
    """An answer of a file; `text` is a body that is no JSON."""
    rest = {name: held for name, held in answer.items() if name != "text"}
    return Says(**rest, body=answer["text"].encode()) if "text" in answer else Says(**rest)


def _without(base: str, found: Any) -> Any:
    """The port of a far end is not part of a meaning."""
    return json.loads(json.dumps(found).replace(base, "{base}"))


def plain(value: Any) -> Any:
    """A value as JSON writes it; fields that have their default are left out."""
    if is_dataclass(value) and not isinstance(value, type):
        shown = ((one, getattr(value, one.name)) for one in fields(value))
        return {one.name: plain(held) for one, held in shown if not _is_default(one, held)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(held) for key, held in value.items()}
    if isinstance(value, frozenset):
        return sorted(value)
    return [plain(one) for one in value] if isinstance(value, list | tuple) else value


def _is_default(one: Any, held: object) -> bool:
    if one.default_factory is not MISSING:
        return bool(held == one.default_factory())
    return one.default is not MISSING and bool(held == one.default)
