"""GitHub as `emulate` plays it: a process on loopback, and the browser's part of its consent."""

from __future__ import annotations

import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from html import unescape
from pathlib import Path

from tests.hosts import ask

PATIENCE = 30.0
CLIENT, SECRET, SLUG = "mooring-judged", "judged-client-secret", "github-judged"
_FORM = re.compile(r'<form[^>]*action="([^"]+)"[^>]*>(.*?)</form>', re.DOTALL)
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')
LIBRARIAN = "ghp_the-librarians-token-0123456789abcdef"
_SEED = """
tokens:
  {librarian}: {{login: librarian, scopes: [repo]}}
github:
  users:
    - {{login: somebody-else, name: Somebody Else}}
    - {{login: octavia, name: Octavia}}
    - {{login: librarian, name: Librarian}}
  repos:
    - {{owner: librarian, name: harbor, private: true, auto_init: true}}
  oauth_apps:
    - client_id: {client}
      client_secret: {secret}
      name: Mooring
      redirect_uris: ["{callback}"]
"""


@dataclass
class Emulated:
    """A running GitHub of somebody else's making."""

    url: str
    process: subprocess.Popen[bytes]

    def consent(self, url: str, login: str) -> str:
        """Choose an account on the page it shows; where it then sends the browser."""
        page = ask("GET", url)
        assert page.status == 200, page.body.decode()
        for action, inside in _FORM.findall(page.body.decode()):
            fields = {name: unescape(value) for name, value in _HIDDEN.findall(inside)}
            if fields.get("login") == login:
                reply = ask("POST", f"{self.url}{action}", form=fields)
                assert reply.status == 302, reply.body.decode()
                return reply.headers["location"]
        raise AssertionError(f"{login} is not among those who may sign in")

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)


def start(modules: Path, folder: Path, callback: str) -> Emulated:
    """Start it on a free port; it knows our app, octavia and somebody else."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url, seed = f"http://127.0.0.1:{port}", folder / "emulate.yaml"
    seed.write_text(
        _SEED.format(client=CLIENT, secret=SECRET, callback=callback, librarian=LIBRARIAN)
    )
    command = ["node", str(modules / "emulate" / "dist" / "index.js"), "--service", "github"]
    with (folder / "emulate.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--base-url", url, "--seed", str(seed)],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    _wait(url)
    return Emulated(url, process)


def _wait(url: str) -> None:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            urllib.request.urlopen(f"{url}/meta", timeout=5).close()
        except (urllib.error.URLError, OSError):
            assert time.monotonic() < until
            time.sleep(0.1)
        else:
            return
