"""The sandbox code host for tests: a pytest plug-in that starts one and hands out its controls."""

from __future__ import annotations

import http.cookiejar
import http.server
import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 30.0


@dataclass(frozen=True)
class Reply:
    """An HTTP answer as it came. Header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class _Stay(urllib.request.HTTPRedirectHandler):
    """Redirects are answers here, not instructions."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def ask(
    method: str,
    url: str,
    *,
    json_body: Any = None,
    raw: bytes | None = None,
    form: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
    cookies: http.cookiejar.CookieJar | None = None,
) -> Reply:
    """One request; any status is a reply, redirects are not followed."""
    data, sent = raw, {"User-Agent": "mooring-tests", **(headers or {})}
    if json_body is not None:
        data, sent["Content-Type"] = json.dumps(json_body).encode(), "application/json"
    elif form is not None:
        data, sent["Content-Type"] = urlencode(form).encode(), "application/x-www-form-urlencoded"
    # An empty jar is false: `or` would replace it.
    jar = urllib.request.HTTPCookieProcessor(
        http.cookiejar.CookieJar() if cookies is None else cookies
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), jar, _Stay())
    request = urllib.request.Request(url, data=data, headers=sent, method=method)
    try:
        with opener.open(request, timeout=PATIENCE) as answer:
            return _reply(answer)
    except urllib.error.HTTPError as answer:
        with answer:
            return _reply(answer)


def _reply(answer: Any) -> Reply:
    headers: dict[str, str] = {}
    for name, value in answer.headers.items():
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return Reply(answer.status, headers, answer.read())


class Sandbox:
    """One sandbox process and everything a test may do to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    # -- the process -----------------------------------------------------------------------------

    def start(self) -> None:
        """Start it; after a `stop` on the same port and with everything it knew."""
        command = [sys.executable, "-m", "providers.sandbox", "--bind", f"127.0.0.1:{self.port}"]
        self._process = subprocess.Popen(
            [*command, "--data", str(self.folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        self.port = int(line.strip().rpartition(":")[2])

    def stop(self) -> None:
        """End it: from now on connections are refused."""
        if self._process is None:
            return
        self._process.terminate()
        assert self._process.wait(PATIENCE) == 0
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None

    @property
    def running(self) -> bool:
        return self._process is not None

    # -- addresses -------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def base(self, provider: str) -> str:
        """What a tenant would type as the address of this code host."""
        return f"{self.url}/{provider}"

    # -- tokens ----------------------------------------------------------------------------------

    def token(self, provider: str, account: str, name: str = "full") -> str:
        """The text of a token by its name; the newest where there are several."""
        return str(self.token_facts(provider, account, name)["token"])

    def token_facts(self, provider: str, account: str, name: str = "full") -> dict[str, Any]:
        """Name, kind, scopes, expires_on, expires_at, state, generation, token, refresh_token."""
        known = self.account(provider, account)["tokens"]
        found: list[dict[str, Any]] = [t for t in known if t["name"] == name]
        assert found, f"{account} at {provider} has no token {name!r}"
        return found[-1]

    def new_token(
        self,
        provider: str,
        account: str,
        name: str,
        scopes: list[str],
        expires_on: str | None = None,
        kind: str = "",
    ) -> str:
        asked = {"provider": provider, "account": account, "name": name, "scopes": scopes}
        made = self.control("POST", "tokens", {**asked, "expires_on": expires_on, "kind": kind})
        return str(made["token"])

    def revoke(self, name: str, provider: str = "", account: str = "") -> None:
        """As its owner would in the settings of the host."""
        self.control("POST", f"tokens/{quote(name, safe='')}/revoke{_narrow(provider, account)}")

    def change_token(
        self, name: str, provider: str = "", account: str = "", **facts: Any
    ) -> dict[str, Any]:
        """`expires_on`, `expires_in` (seconds), `scopes`, `revoked`."""
        path = f"tokens/{quote(name, safe='')}{_narrow(provider, account)}"
        changed: dict[str, Any] = self.control("PATCH", path, facts)
        return changed

    # -- people and code -------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        known: dict[str, Any] = self.control("GET", "state")
        return known

    def account(self, provider: str, login: str) -> dict[str, Any]:
        """login, external_id, name, kind, state, tokens."""
        accounts = self.state()["providers"][provider]["accounts"]
        found: list[dict[str, Any]] = [a for a in accounts if a["login"] == login]
        assert found, f"{provider} has no account {login!r}"
        return found[0]

    def change_account(self, provider: str, login: str, /, **facts: Any) -> None:
        """`state` (active, blocked, deactivated), `login` (a rename), `name`."""
        self.control("PATCH", f"accounts/{login}", {"provider": provider, **facts})

    def set_role(self, provider: str, account: str, role: str, **where: str) -> None:
        """`repository` or `group` says where; role: none, guest, read, write, maintain, admin."""
        body = {"provider": provider, "account": account, "role": role, **where}
        self.control("POST", "roles", body)

    def add_repositories(self, provider: str, owner: str, /, **facts: Any) -> list[dict[str, Any]]:
        """`below`, `count`, `prefix`, `history`, `visibility`, `roles`; what was made, with id and
        path."""
        body = {"provider": provider, "owner": owner, **facts}
        made: list[dict[str, Any]] = self.control("POST", "repositories", body)["repositories"]
        return made

    def change_repository(self, provider: str, repository: str, /, **facts: Any) -> None:
        """`path` (rename), `archived`, `visibility`, `deleted`, `rename_branch` ([from, to])."""
        path = f"repositories/{quote(repository, safe='')}"
        self.control("PATCH", path, {"provider": provider, **facts})

    def push(
        self, provider: str, repository: str, ref: str = "main", **more: Any
    ) -> dict[str, Any]:
        """Make a commit (or tag) and deliver hooks: before, after, deliveries. More: `deliver`,
        `delete`, `annotated`, `refs`, `account`."""
        body = {"provider": provider, "repository": repository, "ref": ref, **more}
        pushed: dict[str, Any] = self.control("POST", "pushes", body)
        return pushed

    def hooks(self, provider: str) -> list[dict[str, Any]]:
        """All hooks with their deliveries, whose headers and bodies are included."""
        known = self.state()["providers"][provider]["hooks"]
        return [self.control("GET", f"hooks/{h['id']}?provider={provider}") for h in known]

    def change_hook(self, provider: str, hook: int | str, /, **facts: Any) -> None:
        """`active`, `disabled`, `off_seconds`, `deleted`."""
        self.control("PATCH", f"hooks/{hook}", {"provider": provider, **facts})

    # -- trouble ---------------------------------------------------------------------------------

    def fault(
        self,
        provider: str,
        fault: str,
        path: str = "**",
        times: int | None = None,
        value: Any = None,
        method: str = "",
        after: int = 0,
    ) -> None:
        """Switch a fault on; the names are in `providers/sandbox/control.py`."""
        asked = {"provider": provider, "fault": fault, "path": path, "times": times}
        self.control("POST", "faults", {**asked, "value": value, "method": method, "after": after})

    def clear_faults(self) -> None:
        self.control("DELETE", "faults")

    def set_budget(self, provider: str, account: str, remaining: int) -> None:
        """How many requests the account has left this hour."""
        body = {"provider": provider, "account": account, "remaining": remaining}
        self.control("POST", "budgets", body)

    def skew(self, seconds: float) -> None:
        """Set the clock of the host ahead of ours."""
        self.control("POST", "clock", {"skew": seconds})

    def requests(self, provider: str, path: str = "") -> list[dict[str, Any]]:
        """The last requests: at, method, path, query, headers, status (0: broken off)."""
        query = {"provider": provider, **({"path": path} if path else {})}
        asked: list[dict[str, Any]] = self.control("GET", f"requests?{urlencode(query)}")[
            "requests"
        ]
        return asked

    def count(self, provider: str, path: str) -> int:
        """How often a path (below `/{provider}`) was asked for since the test began."""
        return int(self.state()["requests"].get(provider, {}).get(path, 0))

    def reset(self) -> None:
        self.control("POST", "reset")

    # -- the browser's part of OAuth -------------------------------------------------------------

    def authorize(self, provider: str, url: str, account: str, approve: bool = True) -> str:
        """Walk through sign-in and consent as `account`; where the host then sends the browser.

        Ends at the first redirect away from the sandbox, or at an empty text when the host shows
        an error page instead.
        """
        jar = http.cookiejar.CookieJar()
        decision = "authorize" if approve else "cancel"
        reply = ask("GET", url, cookies=jar)
        for _ in range(8):
            target = reply.headers.get("location", "")
            if target and not target.startswith(f"{self.url}/"):
                return target
            if target:
                url, reply = target, ask("GET", target, cookies=jar)
            elif b'name="account"' in reply.body:
                back = dict(parse_qsl(urlsplit(url).query)).get("return_to", "")
                form = {"account": account, "return_to": back}
                reply = ask("POST", url.partition("?")[0], form=form, cookies=jar)
            elif b'name="decision"' in reply.body:
                reply = ask("POST", url, form={"decision": decision}, cookies=jar)
            else:
                return ""
        raise AssertionError(f"{provider} leads in circles")

    # -- the control API itself ------------------------------------------------------------------

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the control API; the JSON it answers, None for 204. Anything else fails the test."""
        sent = {} if body is None and method in {"POST", "PATCH"} else body
        reply = ask(method, f"{self.url}/_control/{path}", json_body=sent)
        assert 200 <= reply.status < 300, reply.body.decode()
        return reply.json() if reply.body else None


@dataclass(frozen=True)
class Heard:
    """One delivery as it arrived. Header names are lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """A place on loopback that hooks are delivered to. `status` is what it answers."""

    def __init__(self) -> None:
        self.status = 200
        self.heard: list[Heard] = []
        self._news = threading.Condition()
        receiver = self

        class Post(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver._note(Heard(self.path, headers, body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                return

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Post)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/hook"

    def _note(self, heard: Heard) -> None:
        with self._news:
            self.heard.append(heard)
            self._news.notify_all()

    def wait(self, count: int) -> list[Heard]:
        """The deliveries, once there are at least `count`."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.heard) >= count, PATIENCE), self.heard
            return list(self.heard)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _narrow(provider: str, account: str) -> str:
    given = {"provider": provider, "account": account}
    query = urlencode({k: v for k, v in given.items() if v})
    return f"?{query}" if query else ""


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One sandbox on a free port for the whole run."""
    sandbox = Sandbox(tmp_path_factory.mktemp("sandbox"))
    sandbox.start()
    yield sandbox
    sandbox.stop()


@pytest.fixture
def sandbox(sandbox_process: Sandbox) -> Sandbox:
    """The sandbox in its first state."""
    if not sandbox_process.running:
        sandbox_process.start()
    sandbox_process.reset()
    return sandbox_process


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of hook deliveries that answers 200."""
    made = Receiver()
    yield made
    made.close()
