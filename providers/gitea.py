"""Gitea and Forgejo: self-managed servers, asked with one account's token."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

from providers import gitea_words as words
from providers import reading
from providers.base import Provider
from providers.errors import (
    BadAnswer,
    MissingScope,
    NotFound,
    ProviderError,
    TokenRejected,
)
from providers.http import Answer, Door, Line
from providers.signatures import require_hmac
from providers.types import (
    Can,
    Clone,
    Credential,
    Expiry,
    Headers,
    Hook,
    HookKey,
    Identity,
    Inspection,
    Method,
    OAuthDialect,
    Page,
    Purpose,
    Push,
    Quality,
    Receipt,
    Ref,
    Repository,
    Rules,
    Spec,
)

T = TypeVar("T")

NO_HOOK = 2**63 - 1
"""A hook that no repository has. Never 0: to old servers that means any hook of the repository."""

LIST = ("read:repository",)


class Gitea(Provider):
    """One account at a Gitea or Forgejo server."""

    spec = Spec(
        slug="gitea",
        label="Gitea",
        prefix="GT",
        methods=(Method.TOKEN, Method.OAUTH),
        default_address="",
        scopes={
            Purpose.LIST: LIST,
            Purpose.REFS: LIST,
            Purpose.CLONE: LIST,
            Purpose.HOOKS: ("write:repository",),
        },
        ask_scopes=("read:user", "write:repository", "read:organization"),
        manual_scopes=("read:user", "read:repository", "read:organization"),
        capabilities=frozenset({Can.REFRESH, Can.HOOKS, Can.TEST_HOOK, Can.TYPED_ADDRESS}),
        qualities=(Quality.EXACT, Quality.UNKNOWN),
        hook_role="admin",
        hook_proof="hmac",
        oauth=OAuthDialect(
            authorize="/login/oauth/authorize",
            token="/login/oauth/access_token",  # noqa: S106 - a path
            pkce=True,
        ),
        asks=("base_url", "username", "token", "expires_on"),
        requires=("base_url", "token"),
        per_minute=120,
        at_once=2,
        # What a server sends at most, unless its owner changed MAX_RESPONSE_ITEMS.
        options={"page_size": "50"},
    )

    # -- how this host is addressed --------------------------------------------------------------

    @classmethod
    def api_url(cls, base_url: str) -> str:
        return f"{base_url}/api/v1"

    @classmethod
    def token_page(cls, base_url: str, name: str) -> str:
        return f"{base_url}/user/settings/applications"

    @classmethod
    def hooks_page(cls, repository_url: str) -> str:
        return f"{repository_url}/settings/hooks"

    @classmethod
    def foreign_token(cls, token: str) -> str:
        return "" if re.fullmatch(r"[A-Za-z0-9]{40}", token) else "TOK-03"

    @classmethod
    def explain(cls, answer: Answer) -> ProviderError | None:
        return words.refusal(answer)

    def authorise(self, credential: Credential) -> Mapping[str, str]:
        return {"Authorization": f"token {credential.token}"}

    @classmethod
    def recognise(cls, door: Door, api_url: str, rules: Rules) -> bool:
        """Gogs answers most of this API too, but does not tell its version."""
        anybody = Line(door, api_url, auth={}, rules=rules, explain=cls.explain)
        try:
            said = reading.optional(anybody.get("/version").object(), "version")
        except TokenRejected as refused:  # a server that shows nothing to strangers
            return refused.detail == words.STRANGER
        except (NotFound, MissingScope):
            return False
        except BadAnswer as strange:
            if strange.reason == "redirect":
                raise
            return False
        return re.match(r"v?\d+\.\d+", said) is not None

    # -- the account -----------------------------------------------------------------------------

    def identify(self) -> Identity:
        return words.identity(self.line.get("/user").object())

    def inspect(self) -> Inspection:
        who, granted = self.identify(), self._granted()
        typed = self.credential.kind is Method.TOKEN
        expiry = Expiry() if typed else self.credential.expiry
        if granted is None:
            return Inspection(identity=who, expiry=expiry, missing=self._tried())
        if granted == words.ALL and not words.knows_scopes(version := self._version()):
            return Inspection(
                identity=who,
                expiry=expiry,
                version=version,
                notices=(("API-02", {"version": version}),) if typed else (),
            )
        return Inspection(
            identity=who,
            scopes=granted,
            expiry=expiry,
            missing=words.lacking(granted, self.spec.scopes),
            notices=words.notices(granted, typed=typed),
        )

    def _granted(self) -> frozenset[str] | None:
        """What the token may do, found by asking for what nobody gives us: scopes are judged
        before the role, and the refusal may list what the token has. None where nothing is told,
        as by a proxy that shuts everybody out of there."""
        try:
            self.line.get("/admin/cron", limit="1").items()
        except MissingScope as lacking:
            if lacking.detail != words.ADMINS_ONLY:
                return frozenset(lacking.facts.get("granted", "").split()) or None
        except (NotFound, BadAnswer):
            return None
        return words.ALL

    def _version(self) -> str:
        return reading.optional(self.line.get("/version").object(), "version")

    def _tried(self) -> Mapping[Purpose, tuple[str, ...]]:
        """Scopes that nobody lists can be tried: a list, and a change of a hook that is not."""
        needed = self.spec.scopes
        try:
            own = self.line.get("/user/repos", limit="1")
        except MissingScope as lacking:
            return dict(needed) if lacking.reason == "scope" else {}
        try:
            for raw in reading.rows(own, "repositories"):
                place = _place(reading.text(raw, "full_name", "a Gitea repository"))
                self.line.patch(f"{place}/hooks/{NO_HOOK}", {})
        except MissingScope as lacking:
            return {Purpose.HOOKS: needed[Purpose.HOOKS]} if lacking.reason == "scope" else {}
        except (NotFound, BadAnswer):  # no such hook: the scope was enough to look for it
            return {}
        return {}

    # -- what the account sees -------------------------------------------------------------------

    def _at(self, path: str, ask: Callable[[str], T]) -> T:
        """Ask below a repository's path; after a rename once more below its new one."""
        return reading.renamed(_place(path), ask, api_url=self.host.api_url, below="/repos/")

    def _raw(self, repository: str) -> reading.Raw:
        if repository.isascii() and repository.isdigit():
            return self.line.get(f"/repositories/{repository}").object()
        return self._at(repository, self.line.get).object()

    def _path(self, repository: str) -> str:
        """Below a number there is nothing but the repository itself."""
        if repository.isascii() and repository.isdigit():
            return self.repository(repository).path
        return repository

    def _pages(self, path: str, what: str, cursor: str) -> tuple[Answer, str]:
        """One page of a list below a repository, and the address of the next."""
        if cursor:
            return self._walk("", cursor)
        return self._at(path, lambda at: self._walk(f"{at}/{what}", ""))

    def _walk(self, place: str, cursor: str) -> tuple[Answer, str]:
        size = self.option("page_size")
        answer = self.line.follow(cursor) if cursor else self.line.get(place, limit=size)
        return answer, words.next_page(answer, cursor or f"{self.host.api_url}{place}")

    def repositories(self, *, matching: str = "", cursor: str = "") -> Page[Repository]:
        # No search: Gitea's knows names and descriptions only. The walk filters page by page.
        answer, after = self._walk("/user/repos", cursor)
        found = map(words.repository, reading.rows(answer, "repositories"))
        wanted = reading.holds(matching)
        return Page(tuple(one for one in found if wanted(f"{one.path}\n{one.name}")), next=after)

    def repository(self, path_or_id: str) -> Repository:
        return words.repository(self._raw(path_or_id))

    def branches(self, repository: str, *, matching: str = "", cursor: str = "") -> Page[Ref]:
        found = self.repository(repository)
        answer, after = self._pages(found.path, "branches", cursor)
        convert = partial(words.branch, default=found.default_branch)
        return _page(answer, convert, "branches", matching, after)

    def tags(self, repository: str, *, matching: str = "", cursor: str = "") -> Page[Ref]:
        answer, after = self._pages(self._path(repository), "tags", cursor)
        return _page(answer, words.tag, "tags", matching, after)

    def resolve_ref(self, repository: str, ref: str) -> Ref:
        path = self._path(repository)

        def one(what: str, name: str) -> reading.Raw:
            return self._at(path, lambda at: self.line.get(f"{at}/{what}/{quote(name)}")).object()

        ways = {
            "branch": lambda name: words.branch(one("branches", name), None),
            "tag": lambda name: words.tag(one("tags", name)),
            "commit": lambda name: self._commit(path, name),
        }
        try:
            return reading.first_meaning(ref, ways)
        except NotFound:
            if self.repository(path).empty:  # raises "unknown" when all of it is missing
                raise NotFound("empty") from None
            raise

    def _commit(self, path: str, sha: str) -> Ref:
        def ask(at: str) -> Answer:
            no = "false"  # a commit with all it changes may be huge
            where = f"{at}/git/commits/{sha}"
            return self.line.get(where, stat=no, verification=no, files=no)

        try:
            answer = self._at(path, ask)
        except BadAnswer as refused:
            if refused.facts.get("status") != "422":
                raise
            raise NotFound("ref", ref=sha) from None
        return words.commit(answer.object())

    def clone(self, repository: str, *, url: str = "") -> Clone:
        url = url or self.repository(repository).clone_url
        return reading.clone_with(self.credential, "oauth2", url)

    # -- hooks -----------------------------------------------------------------------------------

    def hooks(self, repository: str) -> tuple[Hook, ...]:
        path, found, cursor = self._path(repository), list[Hook](), ""
        for _ in range(reading.MAX_PAGES):
            try:
                answer, cursor = self._pages(path, "hooks", cursor)
            except MissingScope as lacking:
                if lacking.reason != "role":
                    raise
                raise reading.role_too_low(self.repository(path), self.spec) from None
            found += map(words.hook, reading.rows(answer, "hooks"))
            if not cursor:
                return tuple(found)
        raise BadAnswer("truncated", f"more than {reading.MAX_PAGES} pages of hooks")

    def add_hook(self, repository: str, *, url: str, secret: str) -> Hook:
        path, wanted = self._path(repository), words.wanted_hook(url, secret)

        def create() -> Hook:
            made = self._at(path, lambda at: self.line.post(f"{at}/hooks", wanted))
            return words.hook(made.object())

        def push(known: str) -> Hook:
            return self._configure(path, known, wanted)

        return reading.one_hook(url, lambda: self.hooks(path), create, push)

    def _configure(self, path: str, hook_id: str, wanted: Mapping[str, Any]) -> Hook:
        at_hook = f"hooks/{quote(hook_id)}"
        answer = self._at(path, lambda at: self.line.patch(f"{at}/{at_hook}", wanted))
        return words.hook(answer.object())

    def repair_hook(self, repository: str, hook_id: str, *, url: str, secret: str) -> Hook:
        path = self._path(repository)
        try:
            return self._configure(path, hook_id, words.wanted_hook(url, secret))
        except NotFound:
            return self.add_hook(path, url=url, secret=secret)

    def remove_hook(self, repository: str, hook_id: str) -> None:
        path = self._path(repository)
        try:
            self._at(path, lambda at: self.line.delete(f"{at}/hooks/{quote(hook_id)}"))
        except NotFound:
            self.hooks(path)  # gone, unless we may not look at the repository any more

    def test_hook(self, repository: str, hook_id: str) -> None:
        at_hook = f"hooks/{quote(hook_id)}/tests"
        self._at(self._path(repository), lambda at: self.line.post(f"{at}/{at_hook}", {}))

    # -- receiving -------------------------------------------------------------------------------

    @classmethod
    def verify(cls, headers: Headers, body: bytes, key: HookKey, *, now: float) -> Receipt:
        require_hmac(headers.get("x-gitea-signature", ""), body, key.secrets, prefix="")
        guid, event = headers.get("x-gitea-delivery", ""), headers.get("x-gitea-event", "")
        return Receipt(guid, event, body_once=True)

    @classmethod
    def read(cls, headers: Headers, body: bytes) -> tuple[Push, ...]:
        if headers.get("x-gitea-event") != "push":
            return ()
        return words.pushes(Answer(200, headers, body).object())


def _place(path: str) -> str:
    parts = reading.path_parts(path)
    if len(parts) != 2:
        raise NotFound("unknown")
    return f"/repos/{quote(path)}"


def _page(
    answer: Answer, convert: Callable[[reading.Raw], Ref], of: str, matching: str, after: str
) -> Page[Ref]:
    page = reading.ref_page(answer, convert, of, reading.holds(matching))
    return Page(page.items, next=after)
