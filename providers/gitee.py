"""Gitee: gitee.com and private deployments, asked with one account's token."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from providers import gitee_words as words
from providers import reading
from providers.answer import failure_of
from providers.base import Provider
from providers.errors import DeliveryRefused, MissingScope, NotFound, ProviderError
from providers.http import Answer, Door, Line
from providers.signatures import require_time, require_word
from providers.types import (
    Can,
    Clone,
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

SIZE = 100
"""Rows of a page; Gitee gives no more."""

PAGES = "total_page"
"""The header that counts the pages."""

PUSHES = ("push_hooks", "tag_push_hooks")


class Gitee(Provider):
    """One Gitee account."""

    spec = Spec(
        slug="gitee",
        label="Gitee",
        prefix="GE",
        methods=(Method.OAUTH,),
        default_address="https://gitee.com",
        scopes={
            Purpose.LIST: ("projects",),
            Purpose.REFS: ("projects",),
            Purpose.CLONE: ("projects",),
            Purpose.HOOKS: ("hook",),
        },
        ask_scopes=("user_info", "projects", "hook", "groups"),
        manual_scopes=("user_info", "projects", "groups"),
        capabilities=frozenset({Can.REFRESH, Can.HOOKS, Can.TEST_HOOK}),
        qualities=(Quality.EXACT, Quality.UNKNOWN),
        hook_role="admin",
        hook_proof="time",
        oauth=OAuthDialect(
            authorize="/oauth/authorize",
            token="/oauth/token",  # noqa: S106 - a path
            refresh_needs_client=False,
        ),
        quota_per_account=True,
        secret_keys=("password", "sign"),
    )

    # -- how this host is addressed --------------------------------------------------------------

    @classmethod
    def api_url(cls, base_url: str) -> str:
        return f"{base_url}/api/v5"

    @classmethod
    def hooks_page(cls, repository_url: str) -> str:
        return f"{repository_url}/hooks"

    @classmethod
    def explain(cls, answer: Answer) -> ProviderError | None:
        return words.refusal(answer)

    @classmethod
    def recognise(cls, door: Door, api_url: str, rules: Rules) -> bool:
        """Strangers have 60 requests an hour: the answer after those is Gitee's own too."""
        answer = Line(door, api_url, auth={}, rules=rules).bare("GET", "/user")
        if answer.status in (403, 429) and words.limited(answer):
            return True
        if answer.status >= 500 or answer.status == 429 or answer.status // 100 == 3:
            raise failure_of(answer)
        return answer.status == 401 and "access token" in reading.message(answer).lower()

    # -- the account -----------------------------------------------------------------------------

    def identify(self) -> Identity:
        try:
            return words.identity(self.line.get("/user").object())
        except MissingScope:
            raise MissingScope("scope", missing=("user_info",)) from None

    def inspect(self) -> Inspection:
        """Scopes and end are told with the token and never again: they are what was kept."""
        granted, by_app = self.credential.scopes, self.credential.kind is Method.OAUTH
        return Inspection(
            identity=self.identify(),
            scopes=granted,
            expiry=self.credential.expiry if by_app else Expiry(),
            missing=words.lacking(granted, self.spec.scopes),
            notices=words.notices(granted),
        )

    # -- what the account sees -------------------------------------------------------------------

    def repositories(self, *, matching: str = "", cursor: str = "") -> Page[Repository]:
        # Not `q`: what it searches is not said. The walk filters page by page.
        page = reading.page_number(cursor)
        found, more = self._listed(page)
        wanted = reading.holds(matching)
        items = tuple(one for one in found if wanted(one.path))
        return Page(items, next=str(page + 1) if more else "")

    def _listed(self, page: int) -> tuple[list[Repository], bool]:
        answer = self._page("/user/repos?sort=full_name&direction=asc", page)
        raws = reading.rows(answer, "repositories")
        found = [words.repository(raw, self.host.base_url) for raw in raws]
        return found, reading.more_pages(answer, page, len(raws), SIZE, PAGES)

    def _page(self, path: str, page: int) -> Answer:
        return self.line.get(path, page=str(page), per_page=str(SIZE))

    def repository(self, path_or_id: str) -> Repository:
        raw = self.line.get(self._place(path_or_id)).object()
        return words.repository(raw, self.host.base_url)

    def _place(self, repository: str) -> str:
        """The address of a repository. Gitee knows none by its number, so that a number is looked
        for in the account's own list."""
        if repository.isascii() and repository.isdigit():
            listed = reading.walk(self._listed)
            repository = next((one.path for one in listed if one.id == repository), "")
        parts = reading.path_parts(repository)
        if len(parts) != 2:
            raise NotFound("unknown")
        return f"/repos/{quote(repository)}"

    def branches(self, repository: str, *, matching: str = "", cursor: str = "") -> Page[Ref]:
        place = self._place(repository)
        default = self.line.get(place).object().get("default_branch")
        convert = partial(words.branch, default=default)
        return self._refs(f"{place}/branches", convert, matching, cursor)

    def tags(self, repository: str, *, matching: str = "", cursor: str = "") -> Page[Ref]:
        return self._refs(f"{self._place(repository)}/tags", words.tag, matching, cursor)

    def _refs(
        self, path: str, convert: Callable[[reading.Raw], Ref], matching: str, cursor: str
    ) -> Page[Ref]:
        page = reading.page_number(cursor)
        answer = self._page(path, page)
        found = list(map(convert, reading.rows(answer, "refs")))
        wanted = reading.holds(matching)
        more = reading.more_pages(answer, page, len(found), SIZE, PAGES)
        items = tuple(ref for ref in found if wanted(ref.name))
        return Page(items, next=str(page + 1) if more else "")

    def resolve_ref(self, repository: str, ref: str) -> Ref:
        """Branches and tags by git itself, in one request: Gitee has no single tag, and does not
        say how a name with a slash is to be written."""
        found = self.repository(repository)
        if found.empty:
            raise NotFound("empty")
        known = {one.full: one for one in self.read_refs(found.path)}

        def named(prefix: str, name: str) -> Ref:
            if prefix + name not in known:
                raise NotFound("ref", ref=name)
            return known[prefix + name]

        return reading.first_meaning(
            ref,
            {
                "branch": partial(named, "refs/heads/"),
                "tag": partial(named, "refs/tags/"),
                "commit": partial(self._commit, found.path),
            },
        )

    def _commit(self, path: str, sha: str) -> Ref:
        return words.commit(self.line.get(f"/repos/{quote(path)}/commits/{sha}").object())

    def clone(self, repository: str, *, url: str = "") -> Clone:
        url = url or self.repository(repository).clone_url
        return reading.clone_with(self.credential, "oauth2", url)

    # -- hooks -----------------------------------------------------------------------------------

    def hooks(self, repository: str) -> tuple[Hook, ...]:
        path = f"{self._place(repository)}/hooks"

        def page(number: int) -> tuple[list[Hook], bool]:
            answer = self._page(path, number)
            found = list(map(words.hook, reading.rows(answer, "hooks")))
            return found, reading.more_pages(answer, number, len(found), SIZE, PAGES)

        try:
            return tuple(reading.walk(page))
        except MissingScope:
            raise self._too_little(repository) from None

    def _too_little(self, repository: str) -> MissingScope:
        """Which of the two is too small for hooks: the scope or the role. Gitee does not say."""
        granted, needed = self.credential.scopes, self.spec.scopes[Purpose.HOOKS]
        found = self.repository(repository)
        if found.hookable is False and (granted is None or granted.issuperset(needed)):
            return reading.role_too_low(found, self.spec)
        return MissingScope("scope", missing=needed)

    def add_hook(self, repository: str, *, url: str, secret: str) -> Hook:
        place, wanted = self._place(repository), words.wanted_hook(url, secret)

        def create() -> Hook:
            return words.hook(self.line.post(f"{place}/hooks", wanted).object())

        def push(known: str) -> Hook:
            return self._configure(place, known, wanted)

        return reading.one_hook(url, lambda: self.hooks(repository), create, push)

    def _configure(self, place: str, hook_id: str, wanted: Mapping[str, Any]) -> Hook:
        return words.hook(self.line.patch(f"{place}/hooks/{quote(hook_id)}", wanted).object())

    def repair_hook(self, repository: str, hook_id: str, *, url: str, secret: str) -> Hook:
        place = self._place(repository)
        try:
            return self._configure(place, hook_id, words.wanted_hook(url, secret))
        except NotFound:
            return self.add_hook(repository, url=url, secret=secret)

    def remove_hook(self, repository: str, hook_id: str) -> None:
        place = self._place(repository)
        try:
            self.line.delete(f"{place}/hooks/{quote(hook_id)}")
        except NotFound:
            self.hooks(repository)  # gone, unless the list says that we may not look any more

    def test_hook(self, repository: str, hook_id: str) -> None:
        self.line.post(f"{self._place(repository)}/hooks/{quote(hook_id)}/tests", {})

    # -- receiving -------------------------------------------------------------------------------

    @classmethod
    def verify(cls, headers: Headers, body: bytes, key: HookKey, *, now: float) -> Receipt:
        """The signature, or the secret itself from a host that does not sign. Neither covers the
        body, and there is no delivery id."""
        given, when = headers.get("x-gitee-token", ""), headers.get("x-gitee-timestamp", "")
        try:
            require_time(given, when, key.secrets, now)
        except DeliveryRefused as refused:
            if refused.reason != "mismatch":
                raise
            require_word(given, key.secrets)
        return Receipt("", headers.get("x-gitee-event", ""))

    @classmethod
    def read(cls, headers: Headers, body: bytes) -> tuple[Push, ...]:
        raw = Answer(200, headers, body).object()
        if reading.text(raw, "hook_name", "a Gitee delivery") not in PUSHES:
            return ()
        return (words.push(raw),)
