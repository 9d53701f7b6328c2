"""Faults that come instead of an answer: hang-ups, floods, nonsense, and refusals of every kind.

Each function gets the scene and returns the answer to send, or None when it has dealt with the
connection itself, which is closed then. The numbers are those of the scenario list the tests run.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import cache

from providers.sandbox.dialect import Dialect
from providers.sandbox.faults import Fault
from providers.sandbox.ledger import Ledger
from providers.sandbox.link import Link
from providers.sandbox.wire import (
    Answer,
    Request,
    head,
    html_answer,
    json_answer,
    redirect,
    text_answer,
)

METADATA = "http://169.254.169.254/latest/meta-data/"
LOGIN_PAGE = "<!DOCTYPE html><html><title>Sign in</title><h1>Sign in</h1></html>"
MEGABYTE = 1024 * 1024


@dataclass
class Scene:
    """Where a fault strikes."""

    fault: Fault
    request: Request
    link: Link
    dialect: Dialect
    ledger: Ledger
    now: float


Breaking = Callable[[Scene], Answer | None]


def answer(scene: Scene) -> Answer | None:
    """What the fault of this scene puts in place of an answer."""
    return _BREAKING[scene.fault.kind](scene)


def _timeout(scene: Scene) -> None:
    scene.link.hang(scene.fault.seconds(120), scene.fault.gone)


def _refuse(scene: Scene) -> None:
    scene.link.reset()


def _reset(scene: Scene) -> None:
    scene.link.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\n" + b'{"id"')
    scene.link.reset()


def _hang_headers(scene: Scene) -> None:
    scene.link.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
    scene.link.send(b"Content-Length: 4096\r\n\r\n")
    scene.link.hang(scene.fault.seconds(120), scene.fault.gone)


def _status(scene: Scene) -> Answer:
    number = int(scene.fault.name.partition(":")[2])
    if 300 <= number < 400 and scene.fault.value:
        return redirect(str(scene.fault.value), number)
    made = json_answer({"message": f"{number} from the sandbox"}, number)
    if scene.fault.value is not None:
        made.headers["retry-after"] = str(scene.fault.value)
    return made


def _html(scene: Scene) -> Answer:
    return html_answer(LOGIN_PAGE, int(scene.fault.value or 200))


def _limit(scene: Scene) -> Answer:
    made = scene.dialect.complaint(scene.fault.kind, scene.fault.value, scene.now)
    asked = made.headers.get("retry-after", "")
    if asked.isdigit():
        scene.ledger.must_wait(scene.dialect.slug, scene.now + int(asked))
    return made


def _complaint(scene: Scene) -> Answer:
    return scene.dialect.complaint(scene.fault.kind, scene.fault.value, scene.now)


def _redirect(scene: Scene) -> Answer:
    value = scene.fault.value
    if isinstance(value, dict):
        return redirect(str(value.get("location", METADATA)), int(value.get("status", 302)))
    return redirect(METADATA if value is None else str(value))


def _redirect_loop(scene: Scene) -> Answer:
    hop = int(scene.request.args.get("hop", "0") or 0) + 1
    return redirect(f"{scene.request.origin}{scene.request.path}?hop={hop}")


@cache
def _bomb(encoding: str, size: int) -> bytes:
    """`size` bytes packed, made a megabyte at a time."""
    if encoding != "deflate" and not encoding.startswith("gzip"):
        # The standard library cannot write br or zstd; the label alone must be refused.
        return bytes(range(256)) * 64
    window = zlib.MAX_WBITS if encoding == "deflate" else zlib.MAX_WBITS | 16
    packer = zlib.compressobj(9, zlib.DEFLATED, window)
    pieces = [packer.compress(b" " * MEGABYTE) for _ in range(size // MEGABYTE)]
    packed = b"".join([*pieces, packer.flush()])
    return gzip.compress(packed) if encoding.count("gzip") > 1 else packed


def _gzip_bomb(scene: Scene) -> Answer:
    value = scene.fault.value
    size = value if isinstance(value, int) else 256 * MEGABYTE
    encoding = value if isinstance(value, str) else "gzip"
    headers = {"content-type": "application/json", "content-encoding": encoding}
    return Answer(200, _bomb(encoding, size), headers)


def _whole(scene: Scene) -> tuple[bytes, bytes]:
    made = json_answer({"id": 1, "username": "slow", "login": "slow"})
    return head(made, now=scene.now, last=True), made.body


def _drip_headers(scene: Scene) -> None:
    top, body = _whole(scene)
    scene.link.drip(top + body, scene.fault.seconds(1.0), scene.fault.gone)


def _drip_body(scene: Scene) -> None:
    top, body = _whole(scene)
    scene.link.send(top)
    scene.link.drip(body, scene.fault.seconds(1.0), scene.fault.gone)


def _bad_json(scene: Scene) -> Answer:
    return Answer(200, b'{"id": 1, "username": "al', {"content-type": "application/json"})


def _truncated(scene: Scene) -> None:
    top = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4096\r\n\r\n"
    scene.link.send(top + b'{"id": 1, "username": "al')


def _deep_json(scene: Scene) -> Answer:
    depth = int(scene.fault.value or 200_000)
    body = b"[" * depth + b"]" * depth
    return Answer(200, body, {"content-type": "application/json"})


def _null_json(scene: Scene) -> Answer:
    text = "null" if scene.fault.value is None else str(scene.fault.value)
    return Answer(200, text.encode(), {"content-type": "application/json"})


def _big_number(scene: Scene) -> Answer:
    body = b'{"id":' + b"9" * int(scene.fault.value or 5000) + b"}"
    return Answer(200, body, {"content-type": "application/json"})


def _huge_body(scene: Scene) -> Answer:
    left = int(scene.fault.value or 50 * MEGABYTE)

    def pieces() -> Generator[bytes, None, None]:
        yield b"["
        for _ in range(left // 65536):
            yield b" " * 65536
        yield b"]"

    return Answer(200, b"", {"content-type": "application/json"}, stream=pieces())


def _many_headers(scene: Scene) -> Answer:
    count = int(scene.fault.value or 10_000)
    made = json_answer({"id": 1})
    made.headers.update({f"x-sandbox-{number}": "1" for number in range(count)})
    return made


def _huge_header(scene: Scene) -> Answer:
    return json_answer({"id": 1}, x_sandbox="a" * int(scene.fault.value or MEGABYTE))


def _continue_forever(scene: Scene) -> None:
    while not scene.fault.gone.wait(0.02) and not scene.link.left():
        scene.link.send(b"HTTP/1.1 100 Continue\r\n\r\n")


def _content_length(scene: Scene) -> None:
    value = "-1" if scene.fault.value is None else str(scene.fault.value)
    top = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {value}\r\n\r\n"
    scene.link.send(top.encode() + b'{"id": 1}')


def _te_cl(scene: Scene) -> None:
    top = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n"
    scene.link.send(top + b'Transfer-Encoding: chunked\r\n\r\n9\r\n{"id": 1}\r\n0\r\n\r\n')


def _tls(scene: Scene) -> None:
    # A TLS 1.2 alert record: fatal, protocol_version (RFC 5246, 7.2).
    scene.link.send(b"\x15\x03\x03\x00\x02\x02\x46")


def _echo(scene: Scene) -> Answer:
    heard = {"headers": scene.request.headers, "body": scene.request.body.decode("latin-1")}
    return json_answer({"message": f"cannot read {json.dumps(heard)}"}, 400)


def _body(scene: Scene) -> Answer:
    value = scene.fault.value if isinstance(scene.fault.value, dict) else {}
    headers = {"content-type": "application/json", **value.get("headers", {})}
    return Answer(int(value.get("status", 200)), str(value.get("body", "")).encode(), headers)


def _unauthorized_html(scene: Scene) -> Answer:
    wanted = str(scene.fault.value or 'Basic realm="corp"')
    return html_answer("<html><h1>Unauthorized</h1></html>", 401, www_authenticate=wanted)


def _unauthorized_text(scene: Scene) -> Answer:
    return text_answer(str(scene.fault.value or "Missing CSRF token."), 401)


def _unauthorized_empty(scene: Scene) -> Answer:
    return Answer(401)


_BREAKING: dict[str, Breaking] = {
    "timeout": _timeout,
    "refuse": _refuse,
    "reset": _reset,
    "hang_headers": _hang_headers,
    "status": _status,
    "html": _html,
    "bad_json": _bad_json,
    "rate_limit": _limit,
    "secondary_limit": _limit,
    "login_lockout": _complaint,
    "redirect": _redirect,
    "redirect_loop": _redirect_loop,
    "gzip_bomb": _gzip_bomb,
    "drip_headers": _drip_headers,
    "drip_body": _drip_body,
    "truncated": _truncated,
    "deep_json": _deep_json,
    "null_json": _null_json,
    "big_number": _big_number,
    "huge_body": _huge_body,
    "many_headers": _many_headers,
    "huge_header": _huge_header,
    "continue_forever": _continue_forever,
    "content_length": _content_length,
    "te_cl": _te_cl,
    "tls": _tls,
    "echo": _echo,
    "body": _body,
    "unauthorized": _complaint,
    "unauthorized_html": _unauthorized_html,
    "unauthorized_text": _unauthorized_text,
    "unauthorized_empty": _unauthorized_empty,
    "blocked_user": _complaint,
    "insufficient_scope": _complaint,
    "token_error": _complaint,
}
