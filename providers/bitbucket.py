"""Bitbucket Cloud, asked with one account's token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from providers import bitbucket_words as words
from providers import reading
from providers.answer import failure_of
from providers.base import Provider
from providers.errors import BadAnswer, MissingScope, NotFound, ProviderError
from providers.http import Answer, Door, Line
from providers.signatures import require_hmac
from providers.types import (
    Access,
    Can,
    Clone,
    Headers,
    Hidden,
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

PAGE = "100"
READ = ("repository",)


class Bitbucket(Provider):
    """One Bitbucket account."""

    spec = Spec(
        slug="bitbucket",
        label="Bitbucket",
        prefix="BB",
        methods=(Method.OAUTH,),
        default_address="https://bitbucket.org",
        scopes={
            Purpose.LIST: READ,
            Purpose.REFS: READ,
            Purpose.CLONE: READ,
            Purpose.HOOKS: ("webhook",),
        },
        ask_scopes=("account", "repository", "webhook"),
        manual_scopes=("account", "repository"),
        capabilities=frozenset({Can.REFRESH, Can.HOOKS}),
        qualities=(Quality.EXACT,),
        hook_role="admin",
        hook_proof="hmac",
        # Neither proof keys (PKCE) nor a way to revoke are documented.
        oauth=OAuthDialect(
            authorize="/site/oauth2/authorize",
            token="/site/oauth2/access_token",  # noqa: S106 - a path
            basic_auth=True,
            grace=600.0,  # about ten minutes, since refresh tokens rotate (2026)
        ),
        quota_per_account=True,
    )

    # -- how this host is addressed --------------------------------------------------------------

    @classmethod
    def api_url(cls, base_url: str) -> str:
        # Tokens count on this one host only since May 2026: Atlassian's CHANGE-3052.
        if urlsplit(base_url).hostname == "bitbucket.org":
            return "https://api.bitbucket.org/2.0"
        return f"{base_url}/2.0"

    @classmethod
    def hooks_page(cls, repository_url: str) -> str:
        return f"{repository_url}/admin/webhooks"

    @classmethod
    def explain(cls, answer: Answer) -> ProviderError | None:
        return words.refusal(answer)

    @classmethod
    def recognise(cls, door: Door, api_url: str, rules: Rules) -> bool:
        answer = Line(door, api_url, auth={}, rules=rules).bare("GET", "/user")
        if answer.status >= 500 or answer.status == 429 or answer.status // 100 == 3:
            raise failure_of(answer)
        return answer.status in (401, 403) and words.own(answer)

    # -- the account -----------------------------------------------------------------------------

    def identify(self) -> Identity:
        return words.identity(self.line.get("/user").object())

    def inspect(self) -> Inspection:
        """What was granted stands in the headers of an answer, else in that to the exchange."""
        answer = self.line.get("/user")
        told = words.scopes(answer.headers)
        granted = self.credential.scopes if told is None else told
        return Inspection(
            identity=words.identity(answer.object()),
            scopes=granted,
            expiry=self.credential.expiry,
            missing=words.lacking(granted, self.spec.scopes),
        )

    # -- lists -----------------------------------------------------------------------------------

    def _pages(self, first: Answer) -> Iterator[Answer]:
        """A list from its first page to its end. An error on any page is one of the whole."""
        answer = first
        for _ in range(reading.MAX_PAGES):
            yield answer
            if not (link := words.next_page(answer)):
                return
            answer = self.line.follow(link)
        raise BadAnswer("truncated", f"more than {reading.MAX_PAGES} pages")

    def _all(self, first: Answer, of: str) -> list[reading.Raw]:
        return [row for page in self._pages(first) for row in words.values(page, of)]

    def _workspaces(self) -> list[str]:
        first = self.line.get("/user/workspaces", pagelen=PAGE)
        return list(map(words.workspace, self._all(first, "workspaces")))

    # -- what the account sees -------------------------------------------------------------------

    def repositories(self, *, matching: str = "", cursor: str = "") -> Page[Repository]:
        """Workspace after workspace: Bitbucket ended all lists that cross them in April 2026.

        A cursor is the address of a page, if one has begun, and the workspaces that are left.
        """
        at, _, later = cursor.partition("|")
        left = later.split() if cursor else self._workspaces()
        if not cursor and not left:
            return Page((), hidden=(Hidden("ORG-01"),))
        hidden: list[Hidden] = []
        rows: list[reading.Raw] = []
        for _ in range(reading.MAX_PAGES):  # on to the first page that holds something
            if rows or not (at or left):
                break
            workspace = "" if at else left.pop(0)
            try:
                answer = self.line.follow(at) if at else self._list(workspace, role="member")
            except MissingScope as lacking:
                if at or lacking.reason == "scope":
                    raise
                hidden.append(Hidden("ORG-02", organization=workspace))
                continue
            rows, at = words.values(answer, "repositories"), words.next_page(answer)
        wanted = reading.holds(matching)
        found = tuple(one for one in self._with_roles(rows) if wanted(f"{one.path}\n{one.name}"))
        after = f"{at}|{' '.join(left)}" if at or left else ""
        return Page(found, next=after, hidden=tuple(hidden))

    def _list(self, workspace: str, *, role: str = "", q: str = "") -> Answer:
        """In the order in which they were made: nothing moves while somebody turns pages."""
        place = f"/repositories/{quote(workspace, safe='')}"
        return self.line.get(place, role=role, q=q, sort="created_on", pagelen=PAGE)

    def _with_roles(self, rows: list[reading.Raw]) -> list[Repository]:
        """One page with the account's role in each: no repository tells it, but lists of the same
        span of time can be had that hold only those where it is admin, or at least contributor."""
        found, span = list(map(words.repository, rows)), words.span(rows)
        if not span:
            return found
        workspace, roles = found[0].owner, dict[str, tuple[Access, str]]()
        for role, access, name in words.ROLES:
            held = self._holding(workspace, role, span)
            if held is None:
                return found
            roles = {**dict.fromkeys(held, (access, name)), **roles}
            if all(one.id in roles for one in found):
                break
        least = (Access.READ, "read")
        return [words.with_role(one, *roles.get(one.id, least)) for one in found]

    def _holding(self, workspace: str, role: str, query: str) -> set[str] | None:
        """The ids of those that `query` finds where the account has `role`; None where Bitbucket
        does not answer such a question."""
        try:
            rows = self._all(self._list(workspace, role=role, q=query), "repositories")
        except BadAnswer as refused:
            if refused.reason != "refused":
                raise
            return None
        return {reading.stable_id(row, "uuid", "a Bitbucket repository") for row in rows}

    def _raw(self, repository: str) -> reading.Raw:
        """By path or by uuid. Where a uuid alone does not do, its workspace is searched for."""
        if not words.is_uuid(repository):
            return self._at(repository, self.line.get).object()
        try:
            return self.line.get(f"/repositories/%7B%7D/{quote(repository, safe='')}").object()
        except (NotFound, BadAnswer) as absent:
            if absent.reason not in {"unknown", "refused"}:
                raise
        query = f"uuid = {words.quoted(repository)}"
        for workspace in self._workspaces():
            for raw in words.values(self._list(workspace, q=query), "repositories"):
                return raw
        raise NotFound("unknown")

    def _at(self, path: str, ask: Callable[[str], T]) -> T:
        """Ask below a repository's path; after a rename once more below its new one."""
        place, api_url = _place(path), self.host.api_url
        return reading.renamed(place, ask, api_url=api_url, below="/repositories/")

    def _path(self, repository: str) -> str:
        if not words.is_uuid(repository):
            return repository
        return reading.text(self._raw(repository), "full_name", "a Bitbucket repository")

    def repository(self, path_or_id: str) -> Repository:
        raw = self._raw(path_or_id)
        found = words.repository(raw)
        query = f"full_name = {words.quoted(found.path)}"
        for role, access, name in words.ROLES:
            held = self._holding(found.owner, role, query)
            if held is None:
                return found
            if found.id in held:
                return words.with_role(found, access, name)
        return words.with_role(found, Access.READ, "read")

    def branches(self, repository: str, *, matching: str = "", cursor: str = "") -> Page[Ref]:
        raw = self._raw(repository)
        path = reading.text(raw, "full_name", "a Bitbucket repository")
        convert = partial(words.ref, kind="branch", default=words.default_branch(raw))
        return self._refs(path, "branches", convert, matching, cursor)

    def tags(self, repository: str, *, matching: str = "", cursor: str = "") -> Page[Ref]:
        convert = partial(words.ref, kind="tag")
        return self._refs(self._path(repository), "tags", convert, matching, cursor)

    def _refs(
        self,
        path: str,
        what: str,
        convert: Callable[[reading.Raw], Ref],
        matching: str,
        cursor: str,
    ) -> Page[Ref]:
        query = f"name ~ {words.quoted(matching)}" if matching else ""
        answer = self.line.follow(cursor) if cursor else self._below(path, f"refs/{what}", query)
        wanted = reading.holds(matching)
        found = tuple(one for one in map(convert, words.values(answer, what)) if wanted(one.name))
        return Page(found, next=words.next_page(answer))

    def _below(self, path: str, what: str, query: str = "") -> Answer:
        return self._at(path, lambda at: self.line.get(f"{at}/{what}", q=query, pagelen=PAGE))

    def resolve_ref(self, repository: str, ref: str) -> Ref:
        path = self._path(repository)
        ways = {
            "branch": lambda name: self._named(path, "branches", "branch", name),
            "tag": lambda name: self._named(path, "tags", "tag", name),
            "commit": lambda name: self._commit(path, name),
        }
        try:
            return reading.first_meaning(ref, ways)
        except NotFound:
            if words.default_branch(self._raw(path)) is None:  # raises when all of it is missing
                raise NotFound("empty") from None
            raise

    def _named(self, path: str, what: str, kind: str, name: str) -> Ref:
        """By a query: no proxy on the way mistakes the slashes of a name in one."""
        answer = self._below(path, f"refs/{what}", f"name = {words.quoted(name)}")
        for raw in words.values(answer, what):
            found = words.ref(raw, kind)
            if found.name == name:
                return found
        raise NotFound("ref", ref=name)

    def _commit(self, path: str, sha: str) -> Ref:
        return words.commit(self._at(path, lambda at: self.line.get(f"{at}/commit/{sha}")).object())

    def clone(self, repository: str, *, url: str = "") -> Clone:
        url = url or words.repository(self._raw(repository)).clone_url
        return reading.clone_with(self.credential, "x-token-auth", url)

    # -- hooks -----------------------------------------------------------------------------------

    def hooks(self, repository: str) -> tuple[Hook, ...]:
        path = self._path(repository)
        try:
            first = self._below(path, "hooks")
        except MissingScope as lacking:
            if lacking.reason != "role":
                raise
            raise reading.role_too_low(self.repository(path), self.spec) from None
        return tuple(map(words.hook, self._all(first, "hooks")))

    def add_hook(self, repository: str, *, url: str, secret: str) -> Hook:
        path, wanted = self._path(repository), words.wanted_hook(url, secret)

        def create() -> Hook:
            made = self._at(path, lambda at: self.line.post(f"{at}/hooks", wanted))
            return words.hook(made.object())

        def push(known: str) -> Hook:
            return self._configure(path, known, wanted)

        return reading.one_hook(url, lambda: self.hooks(path), create, push)

    def _configure(self, path: str, hook_id: str, wanted: Any) -> Hook:
        at_hook = f"hooks/{quote(hook_id, safe='')}"
        answer = self._at(path, lambda at: self.line.put(f"{at}/{at_hook}", wanted))
        return words.hook(answer.object())

    def repair_hook(self, repository: str, hook_id: str, *, url: str, secret: str) -> Hook:
        path = self._path(repository)
        try:
            return self._configure(path, hook_id, words.wanted_hook(url, secret))
        except NotFound:
            return self.add_hook(path, url=url, secret=secret)

    def remove_hook(self, repository: str, hook_id: str) -> None:
        path, at_hook = self._path(repository), f"hooks/{quote(hook_id, safe='')}"
        try:
            self._at(path, lambda at: self.line.delete(f"{at}/{at_hook}"))
        except NotFound:
            self.hooks(path)  # gone, unless we may not look at the repository any more

    # -- receiving -------------------------------------------------------------------------------

    @classmethod
    def verify(cls, headers: Headers, body: bytes, key: HookKey, *, now: float) -> Receipt:
        # GitHub's name for SHA-1; here it carries SHA-256, and nothing else is taken for it.
        require_hmac(headers.get("x-hub-signature", ""), body, key.secrets)
        event = headers.get("x-event-key", "")
        return Receipt(headers.get("x-request-uuid", ""), event, body_once=True)

    @classmethod
    def read(cls, headers: Headers, body: bytes) -> tuple[Push, ...]:
        if headers.get("x-event-key") != "repo:push":
            return ()
        return tuple(words.pushes(Answer(200, headers, body).object()))


def _place(path: str) -> str:
    parts = reading.path_parts(path)
    if len(parts) != 2:
        raise NotFound("unknown")
    return f"/repositories/{quote(path)}"
