"""Everything the sandbox holds: one `Site` per platform, a clock, and the way back to the start."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import secrets
import string
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from providers.sandbox.depot import Depot
from providers.sandbox.faults import Faults
from providers.sandbox.ledger import Ledger
from providers.sandbox.records import (
    Account,
    App,
    Code,
    Delivery,
    Hook,
    Repository,
    Role,
    Token,
)

if TYPE_CHECKING:
    from providers.sandbox.dialect import Dialect

ALPHABET = string.ascii_letters + string.digits
LETTERS = 62


class Site:
    """One platform: its accounts, repositories, tokens, apps, hooks and consents."""

    def __init__(self, slug: str, world: World) -> None:
        self.slug, self.world = slug, world
        self.accounts: dict[str, Account] = {}
        self.repositories: dict[int, Repository] = {}
        self.tokens: dict[str, Token] = {}
        self.apps: dict[str, App] = {}
        self.hooks: dict[int, Hook] = {}
        self.codes: dict[str, Code] = {}
        self.consents: dict[str, list[str]] = {}
        self.sessions: dict[str, str] = {}
        self.spent: dict[str, int] = {}
        self.last_id = 5000

    # -- making ----------------------------------------------------------------------------------

    def next_id(self) -> int:
        self.last_id += 1
        return self.last_id

    def add_account(self, number: int, login: str, name: str, kind: str = "User") -> Account:
        account = Account(number, login, name, kind)
        self.accounts[login] = account
        return account

    def add_repository(self, number: int, path: str, **facts: Any) -> Repository:
        repository = Repository(number, path, **facts)
        if repository.history == "empty":
            repository.default_branch, repository.pushed = None, None
        self.repositories[number] = repository
        return repository

    def add_token(self, *, prefix: str, length: int, fixed: bool = False, **facts: Any) -> Token:
        """A new token of `length` characters. `fixed`: the same text at every start."""
        label = f"{self.slug}/{facts['login']}/{facts['name']}" if fixed else ""
        text = self.world.text(prefix, length, label)
        number = self.next_id()
        facts.setdefault("created", self.world.now())
        token = Token(id=number, text=text, **{"family": number, **facts})
        self.tokens[text] = token
        return token

    # -- finding ---------------------------------------------------------------------------------

    def account(self, login: str) -> Account | None:
        wanted = login.lower()
        return next((a for a in self.accounts.values() if a.login.lower() == wanted), None)

    def token_named(self, name: str) -> Token | None:
        return next((t for t in reversed(list(self.tokens.values())) if t.name == name), None)

    def find(self, path: str) -> Repository | None:
        """By its present path; hosts compare without case."""
        wanted = path.lower()
        return next((r for r in self.repositories.values() if r.path.lower() == wanted), None)

    def moved(self, path: str) -> Repository | None:
        """By a path it had before a rename."""
        return next((r for r in self.repositories.values() if path in r.former_paths), None)

    def role(self, login: str, repository: Repository) -> int:
        """The highest role of an account: own name space, its groups, the repository itself."""
        if login == repository.owner:
            return Role.ADMIN
        return max(repository.roles.get(login, 0), self.group_role(login, repository))

    def group_role(self, login: str, repository: Repository) -> int:
        parts = repository.owner.split("/")
        groups = ("/".join(parts[: n + 1]) for n in range(len(parts)))
        found = (self.accounts[g].members.get(login, 0) for g in groups if g in self.accounts)
        return max(found, default=0)

    def hooks_of(self, repository: Repository) -> list[Hook]:
        return [hook for hook in self.hooks.values() if hook.repository == repository.id]

    def alive(self, token: Token) -> bool:
        return token.state(self.world.now()) == "active"

    def kill_family(self, token: Token) -> None:
        for other in self.tokens.values():
            if other.family == token.family:
                other.revoked = True

    # -- keeping ---------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        kept = {name: _plain(getattr(self, name).values()) for name in _RECORDS}
        return {**kept, "last_id": self.last_id, **{n: getattr(self, n) for n in _MAPS}}

    def load(self, kept: Mapping[str, Any]) -> None:
        self.accounts = {a["login"]: Account(**a) for a in kept["accounts"]}
        self.repositories = {r["id"]: Repository(**r) for r in kept["repositories"]}
        self.tokens = {t["text"]: Token(**t) for t in kept["tokens"]}
        self.apps = {a["client_id"]: App(**a) for a in kept["apps"]}
        self.hooks = {h["id"]: _hook(h) for h in kept["hooks"]}
        self.last_id = kept["last_id"]
        for name in _MAPS:
            setattr(self, name, kept[name])


_RECORDS = ("accounts", "repositories", "tokens", "apps", "hooks")
_MAPS = ("consents", "sessions", "spent")


def _form() -> list[str]:
    """The names of everything that is kept."""
    kinds = (Account, Repository, Token, App, Hook, Delivery)
    return [f"{kind.__name__}.{f.name}" for kind in kinds for f in dataclasses.fields(kind)]


def _plain(records: Iterable[Any]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(record) for record in records]


def _hook(kept: Mapping[str, Any]) -> Hook:
    return Hook(**{**kept, "deliveries": [Delivery(**d) for d in kept["deliveries"]]})


class World:
    """The whole sandbox. `lock` is held while a dialect answers, so an answer is one step."""

    def __init__(self, folder: Path, dialects: Mapping[str, Dialect]) -> None:
        self.folder, self.dialects = folder, dialects
        self.lock = threading.RLock()
        self.depot = Depot(folder)
        self.faults = Faults()
        self.ledger = Ledger()
        self.skew = 0.0
        self.origin = ""
        self._deliveries = itertools.count(time.time_ns() // 1_000_000)
        self.seed = self._seed()
        self.sites: dict[str, Site] = {}
        if not self._load():
            self.reset()

    def now(self) -> float:
        """Unix seconds of this world; the control API can set it off."""
        return time.time() + self.skew

    def next_delivery(self) -> int:
        """Delivery numbers are unique over all hooks and restarts."""
        return next(self._deliveries)

    def text(self, prefix: str, length: int, label: str = "") -> str:
        """A token text holding `sandbox`. With a label it depends on the data folder alone."""
        start = f"{prefix}sandbox"
        if not label:
            return start + "".join(secrets.choice(ALPHABET) for _ in range(length - len(start)))
        drawn = hashlib.shake_256(f"{self.seed}/{label}".encode()).digest(length - len(start))
        return start + "".join(ALPHABET[byte % LETTERS] for byte in drawn)

    def reset(self) -> None:
        """Back to the first state: nothing that was done is left."""
        with self.lock:
            self.faults.clear()
            self.ledger.clear()
            self.skew = 0.0
            self.depot.reset()
            for slug, dialect in self.dialects.items():
                self.sites[slug] = Site(slug, self)
                dialect.first_state(self.sites[slug])

    def save(self) -> None:
        """Write what is remembered to the data folder, so that the next start goes on with it."""
        with self.lock:
            sites = {slug: site.dump() for slug, site in self.sites.items()}
            kept = {"form": _form(), "sites": sites}
        fresh = self.folder / "world.json.new"
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(kept))
        fresh.replace(self.folder / "world.json")

    def _load(self) -> bool:
        """Go on with what was saved, unless another version wrote it in another form."""
        path = self.folder / "world.json"
        kept = json.loads(path.read_text()) if path.exists() else {}
        if kept.get("form") != _form():
            return False
        for slug, dialect in self.dialects.items():
            self.sites[slug] = Site(slug, self)
            if slug in kept["sites"]:
                self.sites[slug].load(kept["sites"][slug])
            else:
                dialect.first_state(self.sites[slug])
        return True

    def _seed(self) -> str:
        path = self.folder / "seed"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(16))
        return path.read_text()
