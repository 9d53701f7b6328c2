"""CodeArts' manners: refusals, who signed a request, pages, and who may see which repository."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import parse_qsl, quote, unquote

from providers.sandbox.dialect import Call, Routes
from providers.sandbox.records import Account, Repository, Role, Token
from providers.sandbox.wire import Answer, Request, json_answer
from providers.sandbox.world import Site

API = "/v4"
READ, DOWNLOAD, WEBHOOKS = "repository read", "download", "webhooks"
"""What a policy allows; notes of routes."""
OTHER = "-"
"""The note of a route that judges for itself."""
TOLERANCE = 900.0
"""Seconds a signed date may be off."""
_SIGNED = re.compile(
    r"SDK-HMAC-SHA256 Access=([^,\s]+), SignedHeaders=([^,\s]+), Signature=([0-9a-f]{64})"
)
T = TypeVar("T")
OnRepository = Callable[[Call, Repository], Answer]


def refuse(status: int, code: str, message: str, **named: str) -> Answer:
    return json_answer({"error_code": code, "error_msg": message}, status, None, **named)


def not_found() -> Answer:
    return refuse(404, "CH.00404001", "资源不存在")


def forbidden() -> Answer:
    return refuse(403, "PAP5.0056", "没有权限执行此操作")


def unauthorized() -> Answer:
    return refuse(401, "APIGW.0301", "Incorrect IAM authentication information: decrypt token fail")


def ended() -> Answer:
    return refuse(401, "DEV.00000003", "认证信息过期")


# -- who asks --------------------------------------------------------------------------------------


def domain(account: Account) -> tuple[str, str]:
    """Id and name of the cloud account that an IAM user belongs to."""
    return hashlib.sha256(account.name.encode()).hexdigest()[:32], account.name


def user_id(account: Account) -> str:
    return f"{account.id:032x}"


def asker(call: Call) -> Token | Answer:
    """Whose request it is: an IAM token in a header, or a signature over the request."""
    if text := call.request.headers.get("x-auth-token", ""):
        token = call.site.tokens.get(text)
        return token if token is not None and token.kind == "iam" else unauthorized()
    found = _SIGNED.fullmatch(call.request.headers.get("authorization", ""))
    if found is None:
        return unauthorized()
    access, names, proof = found.groups()
    pair = next((t for t in call.site.tokens.values() if access == t.client_id), None)
    if pair is None or not _fresh(call) or not _carries(call, pair):
        return unauthorized()
    expected = signature(call.request, names.split(";"), pair.text)
    return pair if hmac.compare_digest(expected, proof) else unauthorized()


def security_token(pair: Token) -> str:
    """What a temporary pair has to bring along."""
    return f"sandbox-security-{pair.text[::-1]}" if pair.kind == "temporary" else ""


def _carries(call: Call, pair: Token) -> bool:
    return call.request.headers.get("x-security-token", "") == security_token(pair)


def _fresh(call: Call) -> bool:
    written = call.request.headers.get("x-sdk-date", "")
    try:
        at = datetime.strptime(written, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs(at.timestamp() - call.world.now()) <= TOLERANCE


def signature(request: Request, names: Sequence[str], secret: str) -> str:
    """SDK-HMAC-SHA256 of a request as it came over the wire, once more and on its own."""
    path = "".join(f"{quote(unquote(part), safe='~')}/" for part in request.path.split("/"))
    if request.path.endswith("/"):
        path = path[:-1]
    pairs = sorted(parse_qsl(request.query, keep_blank_values=True))
    query = "&".join(f"{quote(k, safe='~')}={quote(v, safe='~')}" for k, v in pairs)
    block = "".join(f"{name}:{request.headers.get(name, '').strip()}\n" for name in names)
    body = hashlib.sha256(request.body).hexdigest()
    canonical = f"{request.method}\n{path}\n{query}\n{block}\n{';'.join(names)}\n{body}"
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    told = f"SDK-HMAC-SHA256\n{request.headers.get('x-sdk-date', '')}\n{hashed}"
    return hmac.new(secret.encode(), told.encode(), hashlib.sha256).hexdigest()


# -- what may be seen ------------------------------------------------------------------------------


def role(site: Site, login: str, repository: Repository) -> int:
    return site.role(login, repository)


def on_repository(
    routes: Routes[Call],
    method: str,
    rest: str = "",
    scope: str = READ,
    least: int = Role.READ,
) -> Callable[[OnRepository], OnRepository]:
    """Register below `/repositories/{number}`: there is no other way to address one."""

    def remember(answer: OnRepository) -> OnRepository:
        def serve(call: Call) -> Answer:
            found = call.site.repositories.get(call.number("repository"))
            if found is None or role(call.site, call.login, found) < Role.READ:
                return not_found()
            if role(call.site, call.login, found) < least:
                return forbidden()
            return answer(call, found)

        routes.on(method, f"{API}/repositories/{{repository}}{rest}", scope)(serve)
        return answer

    return remember


def paged(call: Call, items: Sequence[T]) -> tuple[Sequence[T], dict[str, str]]:
    """A part of a plain array, by offset and limit; the total is a header."""
    size = min(max(_number(call, "limit", 20), 1), 100)
    start = _number(call, "offset", 0)
    return items[start : start + size], {"x-total": str(len(items))}


def _number(call: Call, name: str, default: int) -> int:
    text = call.request.args.get(name, "")
    return int(text) if text.isdigit() else default


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
