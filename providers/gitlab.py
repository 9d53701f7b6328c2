"""GitLab: gitlab.com and self-managed servers, asked with one account's token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date
from typing import Any
from urllib.parse import quote, urlencode

from providers import gitlab_words as words
from providers import oauth, reading
from providers.base import Provider
from providers.errors import (
    BadAnswer,
    MissingScope,
    NotFound,
    NotSupported,
    ProviderError,
    TokenRejected,
)
from providers.http import Answer, Door, Line
from providers.signatures import require_standard, require_word
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

SHORT = 3
"""Characters below which GitLab's search wants a whole word; then the walk filters instead."""

OAUTH = OAuthDialect(
    authorize="/oauth/authorize",
    token="/oauth/token",  # noqa: S106 - a path
    revoke="/oauth/revoke",
    pkce=True,
    refresh_needs_redirect=True,
)


class GitLab(Provider):
    """One GitLab account: a person, or the bot of a project or group token."""

    spec = Spec(
        slug="gitlab",
        label="GitLab",
        prefix="GL",
        methods=(Method.TOKEN, Method.OAUTH),
        default_address="https://gitlab.com",
        scopes={
            Purpose.LIST: ("read_api",),
            Purpose.REFS: ("read_api",),
            Purpose.CLONE: ("read_repository",),
            Purpose.HOOKS: ("api",),
        },
        ask_scopes=("api",),
        manual_scopes=("read_api", "read_repository"),
        capabilities=frozenset(
            {Can.REFRESH, Can.ROTATE, Can.REVOKE, Can.HOOKS, Can.TEST_HOOK, Can.HOOK_HEALTH}
            | {Can.TYPED_ADDRESS}
        ),
        qualities=(Quality.EXACT, Quality.UNKNOWN),
        hook_role="Maintainer",
        oauth=OAUTH,
        asks=("base_url", "username", "token", "expires_on"),
        requires=("token",),
        token_prefixes=("glpat-", "gldt-"),
        ends_at_midnight=True,
        groups_nest=True,
        per_minute=120,
        at_once=2,
    )

    # -- how this host is addressed --------------------------------------------------------------

    @classmethod
    def api_url(cls, base_url: str) -> str:
        return f"{base_url}/api/v4"

    @classmethod
    def token_page(cls, base_url: str, name: str) -> str:
        filled = urlencode({"name": name, "scopes": "api"})
        return f"{base_url}/-/user_settings/personal_access_tokens?{filled}"

    @classmethod
    def hooks_page(cls, repository_url: str) -> str:
        return f"{repository_url}/-/hooks"

    @classmethod
    def foreign_token(cls, token: str) -> str:
        return "TOK-03" if token.startswith("gldt-") else ""

    @classmethod
    def explain(cls, answer: Answer) -> ProviderError | None:
        return words.refusal(answer)

    @classmethod
    def recognise(cls, door: Door, api_url: str, rules: Rules) -> bool:
        anybody = Line(door, api_url, auth={}, rules=rules, explain=cls.explain)
        try:
            return "version" in anybody.get("/version").object()
        except TokenRejected as refused:  # the version is told to signed-in users only
            return refused.detail == "401 Unauthorized"
        except MissingScope as lacking:  # a scope is GitLab's own word, a role could be anybody's
            return lacking.reason == "scope"
        except NotFound:
            return False
        except BadAnswer as strange:
            if strange.reason == "redirect":
                raise
            return False

    # -- the account -----------------------------------------------------------------------------

    def identify(self) -> Identity:
        return words.identity(self.line.get("/user").object())

    def inspect(self) -> Inspection:
        try:
            raw, granted, expiry = self._token()
        except NotFound:  # below 15.5, and some hosts that speak GitLab's API
            return self._probed()
        who = self._owner(raw)
        return Inspection(
            identity=who,
            scopes=granted,
            expiry=expiry,
            missing=words.lacking(granted, self.spec.scopes),
            token_id=str(raw.get("id") or ""),
            token_name=reading.optional(raw, "name"),
            notices=words.notices(who, granted),
        )

    def _token(self) -> tuple[reading.Raw, frozenset[str], Expiry]:
        """What the token says of itself; every scope may ask that."""
        if self.credential.kind is not Method.OAUTH:
            raw = self.line.get("/personal_access_tokens/self").object()
            return raw, words.scopes(raw, "scopes"), words.ends_on(raw)
        answer = self._site().get("/oauth/token/info")
        raw, known = answer.object(), self.credential.expiry
        return raw, words.scopes(raw, "scope"), words.ends_in(raw, answer.headers, known)

    def _owner(self, raw: reading.Raw) -> Identity:
        try:
            return self.identify()
        except MissingScope:  # read_registry, or read_repository alone: a number without a name
            anybody = Line(self.door, self.host.api_url, auth={}, rules=self.rules)
            return words.numbered(
                raw, self.credential.username, lambda name: anybody.get("/users", username=name)
            )

    def _probed(self) -> Inspection:
        who, version = self.identify(), self._version()
        known = self.credential.expiry if self.credential.kind is Method.OAUTH else Expiry()
        return Inspection(
            identity=who,
            expiry=known,
            missing=self._tried(),
            version=version,
            notices=(*words.notices(who), ("API-02", {"version": version or "< 15.5"})),
        )

    def _version(self) -> str:
        try:
            return reading.optional(self.line.get("/version").object(), "version")
        except (NotFound, MissingScope):
            return ""

    def _tried(self) -> Mapping[Purpose, tuple[str, ...]]:
        """Scopes that cannot be listed can be tried: a list, and the hooks of one project."""
        needed = self.spec.scopes
        try:
            own = self.line.get("/projects", membership="true", min_access_level="40", per_page="1")
        except MissingScope:
            tried = (Purpose.LIST, Purpose.REFS, Purpose.HOOKS)
            return {purpose: needed[purpose] for purpose in tried}
        try:
            for raw in reading.rows(own, "projects"):
                number = reading.stable_id(raw, "id", "a GitLab project")
                self.line.get(f"/projects/{quote(number)}/hooks", per_page="1")
        except MissingScope as lacking:
            if lacking.reason == "scope":
                return {Purpose.HOOKS: needed[Purpose.HOOKS]}
        return {}

    def rotate(self, until: date) -> Credential:
        if self.credential.kind is Method.OAUTH:
            raise NotSupported(Can.ROTATE)
        # Without a date the new token lives one week: docs.gitlab.com, personal access tokens API.
        body, path = {"expires_at": until.isoformat()}, "/personal_access_tokens/self/rotate"
        try:
            raw = self.line.post(path, body, seconds=oauth.SECONDS).object()
        except (MissingScope, NotFound):
            raise NotSupported(Can.ROTATE) from None
        except BadAnswer as refused:
            if refused.facts.get("status") == "405":
                raise NotSupported(Can.ROTATE) from None
            raise
        token = reading.text(raw, "token", "a rotated token")
        end = words.ends_on(raw) if raw.get("expires_at") else words.midnight(until.isoformat())
        return replace(self.credential, token=token, expiry=end)

    def revoke(self) -> None:
        token = self.credential.token
        if self.credential.kind is Method.OAUTH:
            oauth.revoke(self.host, OAUTH, token, door=self.door, rules=self.rules)
            return
        with suppress(TokenRejected):  # it is dead already
            self.line.delete("/personal_access_tokens/self")

    def _site(self) -> Line:
        """The same account below the base address, where OAuth lives."""
        auth = self.authorise(self.credential)
        return Line(
            self.door, self.host.base_url, auth=auth, rules=self.rules, explain=self.explain
        )

    # -- what the account sees -------------------------------------------------------------------

    def _at(self, repository: str, ask: Callable[[str], Answer]) -> Answer:
        """Ask below a project's address; after a move once more below its stable id."""
        api_url = self.host.api_url
        return reading.wherever(_place(repository), ask, api_url=api_url, by_id="/projects/")

    def _change(self, repository: str, ask: Callable[[str], Answer]) -> Answer:
        """The same for writes, which a moved project answers with 405 in place of a redirect."""
        try:
            return self._at(repository, ask)
        except BadAnswer as refused:
            if refused.facts.get("status") != "405":
                raise
            return ask(_place(self.repository(repository).id))

    def _list(self, repository: str, what: str, matching: str = "") -> Answer:
        return self._at(
            repository, lambda at: self.line.get(f"{at}/{what}", search=matching, per_page="100")
        )

    def repositories(self, *, matching: str = "", cursor: str = "") -> Page[Repository]:
        answer = self.line.follow(cursor) if cursor else self._first_projects(matching)
        found = map(words.project, reading.rows(answer, "projects"))
        wanted = reading.holds(matching)  # again here: the search reads descriptions too
        return Page(
            tuple(one for one in found if wanted(f"{one.path}\n{one.name}")),
            next=reading.next_link(answer),
            etag=answer.headers.get("etag", ""),
        )

    def _first_projects(self, matching: str) -> Answer:
        """Reporter is the lowest role that may read code; keyset has no last page to fall off."""
        searched = len(matching) >= SHORT
        return self.line.get(
            "/projects",
            membership="true",
            min_access_level="20",
            order_by="id",
            sort="asc",
            pagination="keyset",
            per_page="100",
            search=matching if searched else "",
            search_namespaces="true" if searched else "",
        )

    def repository(self, path_or_id: str) -> Repository:
        return words.project(self._at(path_or_id, self.line.get).object())

    def branches(self, repository: str, *, matching: str = "", cursor: str = "") -> Page[Ref]:
        answer = self._refs(repository, "branches", matching, cursor)
        return reading.ref_page(answer, words.branch, "branches", reading.holds(matching))

    def tags(self, repository: str, *, matching: str = "", cursor: str = "") -> Page[Ref]:
        answer = self._refs(repository, "tags", matching, cursor)
        return reading.ref_page(answer, words.tag, "tags", reading.holds(matching))

    def _refs(self, repository: str, what: str, matching: str, cursor: str) -> Answer:
        if cursor:
            return self.line.follow(cursor)
        try:
            return self._list(repository, f"repository/{what}", matching)
        except NotFound:
            if self.repository(repository).empty:  # 404 before the first push
                return Answer(200, {}, b"[]")
            raise

    def resolve_ref(self, repository: str, ref: str) -> Ref:
        def one(what: str, name: str) -> reading.Raw:
            return self._list(repository, f"repository/{what}/{quote(name, safe='')}").object()

        try:
            return reading.first_meaning(
                ref,
                {
                    "branch": lambda name: words.branch(one("branches", name)),
                    "tag": lambda name: words.tag(one("tags", name)),
                    "commit": lambda name: words.commit(one("commits", name)),
                },
            )
        except NotFound:
            if self.repository(repository).empty:  # raises "unknown" when all of it is missing
                raise NotFound("empty") from None
            raise

    def clone(self, repository: str, *, url: str = "") -> Clone:
        url = url or self.repository(repository).clone_url
        return reading.clone_with(self.credential, "oauth2", url)

    # -- hooks -----------------------------------------------------------------------------------

    def hooks(self, repository: str) -> tuple[Hook, ...]:
        try:
            first = self._list(repository, "hooks")
        except MissingScope as lacking:
            if lacking.reason != "role":
                raise
            raise reading.role_too_low(self.repository(repository), self.spec) from None
        return tuple(map(words.hook, reading.all_rows(self.line, first, "hooks")))

    def add_hook(self, repository: str, *, url: str, secret: str) -> Hook:
        wanted = words.wanted_hook(url, secret)

        def create() -> Hook:
            made = self._change(repository, lambda at: self.line.post(f"{at}/hooks", wanted))
            return words.hook(made.object())

        def push(known: str) -> Hook:
            return self._configure(repository, known, wanted)

        return reading.one_hook(url, lambda: self.hooks(repository), create, push)

    def _configure(self, repository: str, hook_id: str, wanted: Mapping[str, Any]) -> Hook:
        path = f"hooks/{quote(hook_id)}"
        answer = self._change(repository, lambda at: self.line.put(f"{at}/{path}", wanted))
        return words.hook(answer.object())

    def repair_hook(self, repository: str, hook_id: str, *, url: str, secret: str) -> Hook:
        try:
            return self._configure(repository, hook_id, words.wanted_hook(url, secret))
        except NotFound:
            return self.add_hook(repository, url=url, secret=secret)

    def remove_hook(self, repository: str, hook_id: str) -> None:
        path = f"hooks/{quote(hook_id)}"
        try:
            self._change(repository, lambda at: self.line.delete(f"{at}/{path}"))
        except NotFound:
            self.hooks(repository)  # gone, unless we may not look at the project any more

    def test_hook(self, repository: str, hook_id: str) -> None:
        path = f"hooks/{quote(hook_id)}/test/push_events"
        try:
            self._change(repository, lambda at: self.line.post(f"{at}/{path}", {}))
        except NotFound:
            if any(hook.id == hook_id for hook in self.hooks(repository)):  # below 16.11
                raise NotSupported(Can.TEST_HOOK) from None
            raise

    # -- receiving -------------------------------------------------------------------------------

    @classmethod
    def verify(cls, headers: Headers, body: bytes, key: HookKey, *, now: float) -> Receipt:
        if key.mode == "signed":
            keys = tuple(words.signing_key(secret) for secret in key.secrets if secret)
            require_standard(headers, body, (*key.secrets, *keys), now)
        else:
            plain = tuple(words.plain_word(secret) for secret in key.secrets if secret)
            require_word(headers.get("x-gitlab-token", ""), (*key.secrets, *plain))
        return Receipt(words.delivery_key(headers), headers.get("x-gitlab-event", ""))

    @classmethod
    def read(cls, headers: Headers, body: bytes) -> tuple[Push, ...]:
        raw = Answer(200, headers, body).object()
        if reading.text(raw, "object_kind", "a GitLab delivery") not in ("push", "tag_push"):
            return ()
        return (words.push(raw),)


def _place(repository: str) -> str:
    """The path of a project by number, or by its full path as one segment."""
    if repository.isascii() and repository.isdigit():
        return f"/projects/{repository}"
    return f"/projects/{quote('/'.join(reading.path_parts(repository)), safe='')}"
