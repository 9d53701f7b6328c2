"""`mooring login` in a browser: a page of the portal asks its reader, who sends an answer here.

The browser brings a code to a port of this machine. It fits only the word that was made here and
went nowhere, so nobody who sees the code can use it (RFC 7636, RFC 8252 7.3).
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import socketserver
import sys
import time
import webbrowser
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from portal.cli import tables
from portal.cli.client import Client, Refused

SECONDS = 300.0
_DONE = (
    "<!doctype html><meta charset=utf-8><title>Mooring</title><p>Approved. Go back to the terminal."
)


class _Door(HTTPServer):
    """Waits on a port of this machine for the one answer that knows `state`."""

    def __init__(self, state: str) -> None:
        self.state, self.code = state, ""
        super().__init__(("127.0.0.1", 0), _Visitor)

    def server_bind(self) -> None:
        # Without HTTPServer's look-up of our own name, which may ask the network.
        socketserver.TCPServer.server_bind(self)
        self.server_port = int(self.server_address[1])


class _Visitor(BaseHTTPRequestHandler):
    server: _Door
    timeout = 5

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        state, code = (asked.get(name, [""])[0] for name in ("state", "code"))
        if not code or not secrets.compare_digest(state.encode(), self.server.state.encode()):
            self.send_error(404)
            return
        self.server.code = code
        body = _DONE.encode()
        self.send_response(200)
        for name, value in (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("Content-Security-Policy", "default-src 'none'"),
            ("Referrer-Policy", "no-referrer"),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Says nothing: the address holds the code."""


def approved(site: str, machine: str) -> str:
    """The token somebody approved for this terminal. Raises Refused when nobody does in time."""
    verifier, state = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode()
    with _Door(state) as door:
        asked = {
            "challenge": challenge.rstrip("="),
            "state": state,
            "port": str(door.server_port),
            "name": machine,
        }
        page = f"{site}/terminal/?{urlencode(asked)}"
        tables.note(f"Approve this terminal at {page}")
        show(page)
        _wait(door)
    answer = Client(site).form("/terminal/token", {"code": door.code, "verifier": verifier})
    return str(answer.body["token"])


def show(page: str) -> None:
    """Open a page where there is something to see it with. On a build machine Python would start a
    browser that runs inside the terminal, and wait for its end."""
    seen = any(os.environ.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY"))
    if seen or sys.platform in ("darwin", "win32"):
        webbrowser.open(page)


def _wait(door: _Door) -> None:
    until = time.monotonic() + SECONDS
    door.timeout = 1.0
    while not door.code:
        if time.monotonic() > until:
            raise Refused("Nobody approved this terminal within five minutes.")
        door.handle_request()
