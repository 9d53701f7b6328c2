"""Operations as data: what one method of one path asks for and answers, and the call itself."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar, cast

from rest_framework.request import Request
from rest_framework.response import Response

from portal.ground.rest import pagination
from portal.ground.rest.fields import Body
from portal.ground.rest.pagination import Page, Paging
from portal.ground.rest.parameters import Parameter
from portal.ground.rest.throttles import Standing

Who = TypeVar("Who")
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class Operation:
    """What is declared about one operation. The order of judgement and the schema read it.

    `scope` "" lets in every authenticated caller, `public` everybody; `late` scopes are judged with
    the thing itself, because whose it is counts too. `role` is the least role where the scope's own
    is not enough. `answers` is a TypedDict,
    None for an empty body; `lists` says that it comes in pages, `whole` that there is only one.
    `reaches_provider` counts on the second request limit and leaves no transaction open around
    the work; `sparing` names a parameter without which an answer of ours is enough, `seldom` says
    that a platform is asked so rarely that the first limit will do.
    `codes` are the operation's own problems. `media` is what it answers where that is not JSON.
    """

    summary: str
    scope: str = ""
    role: str = ""
    public: bool = False
    late: bool = False
    answers: type | None = None
    status: int = 200
    body: type[Body] | None = None
    query: Sequence[Parameter] = ()
    lists: bool = False
    whole: bool = False
    meta: type | None = None
    reaches_provider: bool = False
    sparing: str = ""
    seldom: bool = False
    if_match: bool = False
    located: bool = False
    about: str = ""
    codes: Sequence[str] = ()
    media: str = ""

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """All query parameters, those of pages included."""
        pages = (pagination.LIMIT, pagination.CURSOR) if self.lists and not self.whole else ()
        return (*self.query, *pages)


@dataclass(slots=True)
class Call(Generic[Who]):
    """One request, as far as it has been judged. `parsed` is the JSON object that was sent, `body`
    its checked fields."""

    request: Request
    operation: Operation
    path: Mapping[str, str]
    now: datetime
    actor: Who
    standings: list[Standing] = field(default_factory=list)
    parsed: Mapping[str, Any] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    pages: Paging | None = None

    @property
    def writes(self) -> bool:
        """May this call change something? Then rows are taken locked."""
        return self.request.method in WRITES

    @property
    def paging(self) -> Paging:
        """Which page is asked for; only for operations that list."""
        if self.pages is None:
            raise LookupError("this operation does not page")
        return self.pages


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation answers.

    `resource` is what the ETag is made of, where the answer says more than the resource itself;
    without `tagged` there is none. `raw` is the body of an operation that answers no JSON.
    `passing`: see etags.strong. `shown_once` names the member that is never told again. `next` is
    the cursor of the next page.
    """

    body: Mapping[str, Any] | None = None
    status: int = 0
    resource: Mapping[str, Any] | None = None
    passing: Sequence[str] = ()
    location: str = ""
    shown_once: str = ""
    lists: bool = False
    tagged: bool = True
    next: str = ""
    raw: bytes = b""


def one(body: Mapping[str, Any], *, passing: Sequence[str] = ()) -> Answer:
    """A single resource."""
    return Answer(body, passing=passing)


def listed(
    data: Sequence[Any], page: Page[Any] | None = None, *, meta: Mapping[str, Any] | None = None
) -> Answer:
    """A page of a list; without `page` the whole list."""
    cursor = page.next if page else ""
    body: dict[str, Any] = {"data": data, "next_cursor": cursor or None}
    if meta is not None:
        body["meta"] = meta
    return Answer(body, lists=True, next=cursor)


def raw(body: bytes) -> Answer:
    """What is no JSON, in the operation's own media type."""
    return Answer(raw=body)


def nothing() -> Answer:
    """An empty answer."""
    return Answer(tagged=False)


class Performer(Protocol):
    """A view that can carry out an operation."""

    def perform(self, do: Callable[..., Answer], request: Request) -> Response: ...


Do = TypeVar("Do", bound=Callable[..., Answer])


def operation(summary: str, **declared: Any) -> Callable[[Do], Do]:
    """Declares a method of an endpoint: `@operation("List bindings", scope="bindings:read", …)`.

    The method is called with the call and what the endpoint's `which` found.
    """
    said = Operation(summary, **declared)

    def declare(do: Do) -> Do:
        @functools.wraps(do)
        def handler(view: Performer, request: Request, **_path: str) -> Response:
            return view.perform(do, request)

        handler.__dict__["operation"] = said
        return cast(Do, handler)

    return declare
