"""GitHub: github.com, GHE.com and Enterprise Server, asked with one account's token."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from providers import github_words as words
from providers import reading
from providers.answer import failure_of
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

MEDIA = {"Accept": "application/vnd.github+json"}
ID_ONLY = {"Accept": "application/vnd.github.sha"}
"""A commit's id in place of a commit, which may be huge."""

DATED = {"X-GitHub-Api-Version": "2022-11-28"}
YEAR = 365 * 86_400.0
"""Seconds unused after which a token is revoked: docs.github.com, token expiration."""

MOST = "100"  # rows on a page
TAGS_OF_TAGS = 5
"""How deep a tag of a tag is followed."""


class GitHub(Provider):
    """One GitHub account."""

    spec = Spec(
        slug="github",
        label="GitHub",
        prefix="GH",
        methods=(Method.OAUTH,),
        default_address="https://github.com",
        scopes={
            **dict.fromkeys((Purpose.LIST, Purpose.REFS, Purpose.CLONE), ("repo",)),
            Purpose.HOOKS: ("admin:repo_hook",),
        },
        ask_scopes=("repo", "admin:repo_hook", "read:org"),
        manual_scopes=("repo",),
        capabilities=frozenset(
            {Can.REFRESH, Can.ROTATE, Can.REVOKE, Can.HOOKS, Can.TEST_HOOK, Can.HOOK_HEALTH}
        ),
        qualities=(Quality.EXACT, Quality.IDLE, Quality.UNKNOWN),
        hook_role="admin",
        hook_proof="hmac",
        oauth=OAuthDialect(
            authorize="/login/oauth/authorize",
            token="/login/oauth/access_token",  # noqa: S106 - a path
            pkce=True,
            account_chooser={"prompt": "select_account"},
        ),
        token_prefixes=("ghp_", "github_pat_", "gho_", "ghu_", "ghs_", "ghr_"),
        seed_wants_persons=True,
        tokens_per_account=10,
        quota_per_account=True,
        per_minute=900,
    )

    # -- how this host is addressed --------------------------------------------------------------

    @classmethod
    def api_url(cls, base_url: str) -> str:
        parts = urlsplit(base_url)
        if parts.hostname == "github.com" or (parts.hostname or "").endswith(".ghe.com"):
            return f"{parts.scheme}://api.{parts.netloc}"
        return f"{base_url}/api/v3"

    @classmethod
    def token_page(cls, base_url: str, name: str) -> str:
        filled = urlencode({"description": name, "scopes": "repo,admin:repo_hook"}, safe=",:")
        return f"{base_url}/settings/tokens/new?{filled}"

    @classmethod
    def hooks_page(cls, repository_url: str) -> str:
        return f"{repository_url}/settings/hooks"

    @classmethod
    def explain(cls, answer: Answer) -> ProviderError | None:
        return words.refusal(answer)

    def manners(self) -> Mapping[str, str]:
        # Enterprise Servers that do not know the dated version refuse its header.
        return MEDIA if self.host.api_url.endswith("/api/v3") else MEDIA | DATED

    @classmethod
    def recognise(cls, door: Door, api_url: str, rules: Rules) -> bool:
        # All answers of GitHub's API carry such a header, the 401 of a private server too.
        answer = door.ask("GET", f"{api_url}/meta", rules=rules, headers=MEDIA)
        if answer.status >= 500 or answer.status == 429 or answer.status // 100 == 3:
            raise failure_of(answer)
        named = any(name.startswith("x-github-") for name in answer.headers)
        return (named and answer.status in (200, 401, 403)) or words.is_overview(answer)

    # -- the account -----------------------------------------------------------------------------

    def identify(self) -> Identity:
        return words.identity(self.line.get("/user").object())

    def inspect(self) -> Inspection:
        answer = self.line.get("/user")
        fine = self.credential.token.startswith(("github_pat_", "ghu_", "ghs_"))
        granted = None if fine else words.scopes(answer.headers)
        server = answer.headers.get("x-github-enterprise-version", "")
        return Inspection(
            identity=words.identity(answer.object()),
            scopes=granted,
            expiry=self._expiry(answer.headers),
            missing=self._tried() if fine else words.lacking(granted, self.spec.scopes),
            version=server,
            notices=words.notices(granted, server),
        )

    def _expiry(self, headers: Headers) -> Expiry:
        token, known = self.credential.token, self.credential.expiry
        if ends := reading.moment(headers.get("github-authentication-token-expiration")):
            return Expiry(ends, Quality.EXACT)
        if self.credential.kind is Method.OAUTH and known.quality is Quality.EXACT:
            return known  # an app's eight hours, told when it was issued
        if token.startswith("ghu_") or words.is_old(headers.get("x-github-enterprise-version", "")):
            return Expiry()
        if token.startswith(("ghp_", "github_pat_")):
            return Expiry(quality=Quality.NEVER)
        return Expiry(reading.later(headers, YEAR), Quality.IDLE)

    def _tried(self) -> Mapping[Purpose, tuple[str, ...]]:
        """Fine-grained permissions cannot be listed, only tried on one repository."""
        try:
            for raw in reading.rows(self.line.get("/user/repos", per_page="1"), "repositories"):
                self.line.get(f"{_place(words.repository(raw).path)}/hooks", per_page="1")
        except MissingScope as lacking:
            return {Purpose.HOOKS: lacking.missing} if lacking.reason == "scope" else {}
        except NotFound:
            return {}  # somebody else's repository: says nothing about the token
        return {}

    def confirm(self) -> None:
        """A check by the app is no failed sign-in; those would lock out the person's own tools."""
        if self.credential.kind is not Method.OAUTH or not self.host.client_id:
            self.identify()
            return
        self._app(Can.REVOKE).post(self._token_path(), {"access_token": self.credential.token})

    def rotate(self, until: date) -> Credential:
        """The successor has no end date either: an app's tokens live until nobody uses them."""
        if self.credential.kind is not Method.OAUTH:
            raise NotSupported(Can.ROTATE)
        body = {"access_token": self.credential.token}
        raw = self._app(Can.ROTATE).patch(self._token_path(), body).object()
        return replace(self.credential, token=reading.text(raw, "token", "a rotated token"))

    def revoke(self) -> None:
        if self.credential.kind is not Method.OAUTH:
            self._revoke_typed()
            return
        try:
            body = {"access_token": self.credential.token}
            self._app(Can.REVOKE).delete(self._token_path(), body)
        except TokenRejected:
            return
        except BadAnswer:  # 422 is a dead token, or a client asked to slow down: find out which
            with suppress(TokenRejected):
                self.confirm()
                raise

    def _revoke_typed(self) -> None:
        """A token made by hand. The call takes no sign-in; Enterprise Servers do not have it."""
        anybody = Line(self.door, self.host.api_url, auth={}, rules=self.rules, headers=MEDIA)
        try:
            anybody.post("/credentials/revoke", {"credentials": [self.credential.token]})
        except NotFound:
            raise NotSupported(Can.REVOKE) from None

    def _app(self, can: Can) -> Line:
        """A way in with the app's own rights: HTTP Basic with client id and secret."""
        host = self.host
        if not host.client_id:
            raise NotSupported(can, "no app is registered here")
        pair = b64encode(f"{host.client_id}:{host.client_secret}".encode()).decode()
        auth = {"Authorization": f"Basic {pair}"}
        return Line(self.door, host.api_url, auth=auth, rules=self.rules, explain=words.app_refusal)

    def _token_path(self) -> str:
        return f"/applications/{quote(self.host.client_id, safe='')}/token"

    # -- what the account sees -------------------------------------------------------------------

    def _at(self, repository: str, ask: Callable[[str], Answer]) -> Answer:
        """Ask below a repository's address; after a rename once more below its stable id."""
        api_url = self.host.api_url
        return reading.wherever(_place(repository), ask, api_url=api_url, by_id="/repositories/")

    def _list(self, repository: str, what: str, per_page: str = "") -> Answer:
        return self._at(repository, lambda at: self.line.get(f"{at}/{what}", per_page=per_page))

    def repositories(self, *, matching: str = "", cursor: str = "") -> Page[Repository]:
        # No search: GitHub's index lags and ends at 1,000. The walk filters page by page.
        return words.repositories(self._repositories(cursor), matching)

    def repositories_since(self, etag: str, *, cursor: str = "") -> Page[Repository] | None:
        answer = self._repositories(cursor, {"If-None-Match": etag})
        return None if answer.status == 304 else words.repositories(answer)

    def _repositories(self, cursor: str, headers: Mapping[str, str] | None = None) -> Answer:
        if cursor:
            return self.line.follow(cursor, headers=headers)
        return self.line.get(
            "/user/repos",
            headers=headers,
            visibility="all",
            affiliation="owner,collaborator,organization_member",
            sort="full_name",
            per_page="100",
        )

    def repository(self, path_or_id: str) -> Repository:
        raw = self._at(path_or_id, self.line.get).object()
        found = words.repository(raw)
        # `size` is in kB and rounds down, so zero is only a hint.
        return replace(found, empty=raw.get("size") == 0 and self._has_no_commit(found.path))

    def _has_no_commit(self, path: str) -> bool:
        try:
            self.line.get(f"{_place(path)}/commits/HEAD", headers=ID_ONLY)
        except NotFound as absent:
            return absent.reason == "empty"
        return False

    def branches(self, repository: str, *, matching: str = "", cursor: str = "") -> Page[Ref]:
        """All branches; in a search those that begin so first, then the others that hold it."""
        default = self._at(repository, self.line.get).object().get("default_branch")
        if not cursor and reading.can_begin(matching):
            return self._beginning(repository, matching, default)
        answer = self.line.follow(cursor) if cursor else self._list(repository, "branches", MOST)
        convert = partial(words.branch, default=default)
        return reading.ref_page(answer, convert, "branches", reading.holds_later(matching))

    def _beginning(self, repository: str, prefix: str, default: object) -> Page[Ref]:
        """GitHub's only search for branches; the walk through all of them is its next page."""
        try:
            answer = self._list(repository, f"git/matching-refs/heads/{quote(prefix)}")
        except NotFound as absent:
            if absent.reason != "empty":
                raise
            return Page(())
        found = reading.rows(answer, "refs")
        walk = f"{self.host.api_url}{_place(repository)}/branches?per_page=100"
        return Page(tuple(words.matching_branch(raw, default) for raw in found), next=walk)

    def tags(self, repository: str, *, matching: str = "", cursor: str = "") -> Page[Ref]:
        # Not matching-refs: it shows tag objects, and each would cost a request to peel.
        answer = self.line.follow(cursor) if cursor else self._list(repository, "tags", MOST)
        return reading.ref_page(answer, words.tag, "tags", reading.holds(matching))

    def resolve_ref(self, repository: str, ref: str) -> Ref:
        ways = {
            "branch": lambda name: self._ref(repository, "branch", f"heads/{quote(name)}", name),
            "tag": lambda name: self._ref(repository, "tag", f"tags/{quote(name)}", name),
            "commit": lambda name: self._commit(repository, name),
        }
        try:
            return reading.first_meaning(ref, ways)
        except NotFound:
            if self.repository(repository).empty:  # raises "unknown" when all of it is missing
                raise NotFound("empty") from None
            raise

    def _ref(self, repository: str, kind: str, path: str, name: str) -> Ref:
        of, path = "a GitHub ref", f"git/ref/{path}"
        for _ in range(TAGS_OF_TAGS):
            goal = reading.part(self._list(repository, path).object(), "object", of)
            sha = reading.commit_id(goal, "sha", of)
            if goal.get("type") == "commit":
                return Ref(name, sha, kind)
            path = f"git/tags/{quote(sha)}"
        raise NotFound("ref", "not a commit", ref=name)

    def _commit(self, repository: str, sha: str) -> Ref:
        path = f"commits/{sha}"
        try:
            answer = self._at(repository, lambda at: self.line.get(f"{at}/{path}", headers=ID_ONLY))
        except BadAnswer as refused:
            if refused.facts.get("status") != "422":
                raise
            raise NotFound("ref", ref=sha) from None
        said = {"sha": answer.body.decode("ascii", "replace").strip()}
        found = reading.commit_id(said, "sha", "a GitHub commit")
        return Ref(found, found, "commit")

    def clone(self, repository: str, *, url: str = "") -> Clone:
        url = url or self.repository(repository).clone_url
        return reading.clone_with(self.credential, "x-access-token", url)

    # -- hooks -----------------------------------------------------------------------------------

    def hooks(self, repository: str) -> tuple[Hook, ...]:
        try:
            first = self._list(repository, "hooks", MOST)
            return tuple(map(words.hook, reading.all_rows(self.line, first, "hooks")))
        except NotFound:  # so GitHub hides hooks from a token or a person who may not see them
            found = self.repository(repository)
            if found.hookable is not False:
                raise MissingScope("scope", missing=self.spec.scopes[Purpose.HOOKS]) from None
            raise reading.role_too_low(found, self.spec) from None

    def add_hook(self, repository: str, *, url: str, secret: str) -> Hook:
        wanted = words.wanted_hook(url, secret)

        def create() -> Hook:
            made = self._at(repository, lambda at: self.line.post(f"{at}/hooks", wanted))
            return words.hook(made.object())

        def push(known: str) -> Hook:
            return self._configure(repository, known, wanted)

        return reading.one_hook(url, lambda: self.hooks(repository), create, push)

    def _configure(self, repository: str, hook_id: str, wanted: Mapping[str, Any]) -> Hook:
        path = f"hooks/{quote(hook_id)}"
        answer = self._at(repository, lambda at: self.line.patch(f"{at}/{path}", wanted))
        return words.hook(answer.object())

    def repair_hook(self, repository: str, hook_id: str, *, url: str, secret: str) -> Hook:
        try:
            return self._configure(repository, hook_id, words.wanted_hook(url, secret))
        except NotFound:
            return self.add_hook(repository, url=url, secret=secret)

    def remove_hook(self, repository: str, hook_id: str) -> None:
        path = f"hooks/{quote(hook_id)}"
        try:
            self._at(repository, lambda at: self.line.delete(f"{at}/{path}"))
        except NotFound:
            self.hooks(repository)  # gone, unless the list says that we may not look any more

    def test_hook(self, repository: str, hook_id: str) -> None:
        self._at(repository, lambda at: self.line.post(f"{at}/hooks/{quote(hook_id)}/pings"))

    # -- receiving -------------------------------------------------------------------------------

    @classmethod
    def verify(cls, headers: Headers, body: bytes, key: HookKey, *, now: float) -> Receipt:
        require_hmac(headers.get("x-hub-signature-256", ""), body, key.secrets)
        event, guid = headers.get("x-github-event", ""), headers.get("x-github-delivery", "")
        return Receipt(guid, event, body_once=True, ping=event == "ping")

    @classmethod
    def read(cls, headers: Headers, body: bytes) -> tuple[Push, ...]:
        if headers.get("x-github-event") != "push":
            return ()
        return (words.push(Answer(200, headers, body).object()),)


def _place(repository: str) -> str:
    """The path of a repository by number or by owner/name."""
    if repository.isascii() and repository.isdigit():
        return f"/repositories/{repository}"
    parts = reading.path_parts(repository)
    if len(parts) != 2:
        raise NotFound("unknown")
    return f"/repos/{quote(repository)}"
