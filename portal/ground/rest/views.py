"""The base of all endpoints: who, which, do, answer, judged in the order of api.md 1.3.

path, method, authentication, tenant, rate limit, scope and role, content type and size, JSON, query
parameters, existence, Idempotency-Key, If-Match, body fields, state, platform.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django.utils.translation import get_supported_language_variant, trans_real
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from portal.ground.refusals import Refusal
from portal.ground.rest import (
    bodies,
    etags,
    idempotency,
    pagination,
    parameters,
    problems,
    rendering,
    throttles,
    tracing,
)
from portal.ground.rest.calls import Answer, Call, Operation
from portal.ground.rest.idempotency import Ask, Memory, Remembered
from portal.ground.rest.problems import Objection

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
Do = Callable[..., Answer]


class Endpoint(APIView):
    """One path. Methods are declared with `@operation`; `which` finds what the path names."""

    renderer_classes = (rendering.Json,)
    call: Call[Any]

    # -- what a kind of endpoint fills in --------------------------------------------------------

    def identify(self, call: Call[Any]) -> None:
        """Set `call.actor` from what the authenticators found. Raises Refusal X-AUTH-01."""
        raise NotImplementedError

    def permit(self, call: Call[Any]) -> None:
        """Judge scope and role. Raises Refusal."""

    def open(self, call: Call[Any]) -> AbstractContextManager[None]:
        """The transaction the work runs in."""
        raise NotImplementedError

    def memory(self, call: Call[Any]) -> Memory:
        """Where answers to an Idempotency-Key are remembered."""
        raise NotImplementedError

    def caller(self, call: Call[Any]) -> str:
        """Who is limited, and whose Idempotency-Key it is; "" for nobody."""
        return ""

    def tenant_key(self, call: Call[Any]) -> str:
        """What cursors are tied to."""
        return ""

    def refused(self, call: Call[Any], refusal: Refusal) -> None:
        """Told about every refusal, after its transaction has ended."""

    # -- what an endpoint fills in ---------------------------------------------------------------

    def which(self, call: Call[Any]) -> Any:
        """The thing the path names. Raises NotYours. Runs in the transaction."""
        return None

    def picture(self, call: Call[Any], found: Any) -> Answer:
        """The thing as GET shows it: what If-Match is compared with."""
        raise NotImplementedError

    # -- the order of judgement ------------------------------------------------------------------

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with translation.override(_language(request.META.get("HTTP_ACCEPT_LANGUAGE", ""))):
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        request.accepted_renderer = rendering.Json()
        request.accepted_media_type = rendering.Json.media_type
        if request.method == "OPTIONS":
            return
        declared = self._declared(request.method or "")
        call = self.call = Call(request, declared, kwargs, timezone.now(), None)
        if not declared.public:
            self.identify(call)
            self._limit(call)
            self.permit(call)
        if not request._request.accepts(declared.media or rendering.Json.media_type):
            raise Refusal("X-ACCEPT-01")
        if call.writes and request.method != "DELETE":
            call.parsed = bodies.parse(bodies.read(request._request))
        call.query = parameters.read(declared.parameters, request.query_params)
        if declared.lists and not declared.whole:
            call.pages = self._paging(call)

    def perform(self, do: Do, request: Request) -> Response:
        call = self.call
        key = request.headers.get(idempotency.HEADER) if request.method == "POST" else None
        if key is None or call.operation.public:
            return self._respond(call, self._run(do, call, _forget))
        return self._once(do, call, key)

    def options(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        return Response(status=204, headers={"Allow": ", ".join(self._allowed())})

    def _declared(self, method: str) -> Operation:
        name = "get" if method == "HEAD" else method.lower()
        handler = getattr(self, name, None) if method in _METHODS else None
        if handler is None:
            allow = {"Allow": ", ".join(self._allowed())}
            raise Objection("X-METHOD-01", headers=allow, method=problems.brief(method))
        found: Operation = handler.operation
        return found

    def _allowed(self) -> list[str]:
        own = [m for m in _METHODS if hasattr(self, "get" if m == "HEAD" else m.lower())]
        return [*own, "OPTIONS"]

    def _limit(self, call: Call[Any]) -> None:
        policies = ["default"]
        sparing, reaches = call.operation.sparing, call.operation.reaches_provider
        if (reaches and not call.operation.seldom) and (
            not sparing or call.request.query_params.get(sparing) == "true"
        ):
            policies.append("provider")
        who, now = f"{self.tenant_key(call)}:{self.caller(call)}", call.now.timestamp()
        call.standings = [throttles.take(policy, who, now) for policy in policies]
        throttles.judge(call.standings)

    def _paging(self, call: Call[Any]) -> pagination.Paging:
        return pagination.paging_of(
            call.request.path,
            self.tenant_key(call),
            call.request.query_params,
            call.query["limit"],
            call.query["cursor"],
        )

    # -- the work --------------------------------------------------------------------------------

    def _run(self, do: Do, call: Call[Any], keep: Callable[[Answer], None]) -> Answer:
        """The work, in one transaction; where a code host is asked, that one ends before."""
        if call.operation.public:
            return do(self, call, self.which(call))
        if call.operation.reaches_provider:
            with self.open(call):
                found = self._ready(call)
            answer = do(self, call, found)
            keep(answer)
            return answer
        with self.open(call):
            answer = do(self, call, self._ready(call))
            keep(answer)
            return answer

    def _ready(self, call: Call[Any]) -> Any:
        """The thing the path names, once precondition and body have been judged."""
        found = self.which(call)
        if call.operation.if_match:
            etags.demand(call.request.headers.get("If-Match"), _tag(self.picture(call, found)))
        if call.operation.body is not None:
            call.body = call.operation.body.checked(call.parsed)
        return found

    def _once(self, do: Do, call: Call[Any], key: str) -> Response:
        """The work under an Idempotency-Key: existence is judged before the key."""
        with self.open(call):
            self.which(call)
        ask = Ask(
            who=self.caller(call),
            route=idempotency.route_of(call.request.path),
            key=idempotency.key_of(key),
            digest=idempotency.digest_of(call.parsed),
        )
        memory = self.memory(call)
        known = memory.begin(ask)
        if known is not None:
            return self._replay(call, known)
        settled = False
        try:
            answer = self._run(do, call, lambda a: memory.keep(ask, _remembered(call, a)))
            settled = True
        except Refusal as refusal:
            settled = self._keep_refusal(memory, ask, refusal)
            raise
        finally:
            if not settled:
                memory.drop(ask)
        return self._respond(call, answer)

    def _keep_refusal(self, memory: Memory, ask: Ask, refusal: Refusal) -> bool:
        members = problems.problem(refusal, instance=self.request.path, trace_id="")
        if not idempotency.is_repeated(members["status"], refusal.code):
            return False
        headers = problems.headers_of(refusal)
        memory.keep(ask, Remembered(members["status"], members, headers))
        return True

    def _replay(self, call: Call[Any], known: Remembered) -> Response:
        body, media = known.body, None
        if known.status >= 400:
            body, media = dict(body or {}), problems.MEDIA_TYPE
            body["trace_id"] = tracing.trace_id(call.request)
        headers = dict(known.headers) | {idempotency.REPLAYED: "true"}
        return Response(body, status=known.status, headers=headers, content_type=media)

    # -- the answer ------------------------------------------------------------------------------

    def _respond(self, call: Call[Any], answer: Answer) -> Response:
        status = answer.status or call.operation.status
        if answer.raw:
            return _plain(call, answer.raw)
        if answer.body is None:
            return Response(status=status)
        headers = _headers(answer)
        body = rendering.dumps(answer.body)
        if answer.tagged:
            headers["ETag"] = _tag(answer, body)
        if answer.next:
            request = call.request
            headers["Link"] = pagination.link(request.path, request.query_params, answer.next)
        asked = call.request.headers.get("If-None-Match", "")
        if not call.writes and asked and etags.is_known(asked, headers.get("ETag", "")):
            return Response(status=304, headers=headers)
        return Response(rendering.Ready(body), status=status, headers=headers)

    def handle_exception(self, exc: Exception) -> Response:
        response = super().handle_exception(exc)
        call = getattr(self, "call", None)
        if isinstance(exc, Refusal) and call is not None:
            self.refused(call, exc)
        return response

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {}

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)
        standings = self.call.standings if hasattr(self, "call") else ()
        for name, value in throttles.headers(standings).items():
            response.headers[name] = value
        reread = "no-cache" if response.has_header("ETag") else "no-store"
        response.headers["Cache-Control"] = f"private, {reread}"
        response.headers["Trace-Id"] = tracing.trace_id(request)
        response.headers["Content-Language"] = translation.get_language() or settings.LANGUAGE_CODE
        patch_vary_headers(response, ("Authorization", "Cookie", "Accept-Language"))
        if request.method == "HEAD":
            _behead(response)
        return response


def _plain(call: Call[Any], body: bytes) -> Response:
    """What is no JSON: a whole document with a tag of its own."""
    headers = {"ETag": etags.weak(body)}
    if etags.is_known(call.request.headers.get("If-None-Match", ""), headers["ETag"]):
        return Response(status=304, headers=headers)
    media = f"{call.operation.media}; charset=utf-8"
    return Response(rendering.Ready(body), headers=headers, content_type=media)


def _forget(_answer: Answer) -> None:
    """Without an Idempotency-Key nothing is remembered."""


def _behead(response: Response) -> None:
    """All headers of the answer to GET, and no body."""
    response.render()
    length = len(response.content)
    response.content = b""
    response.headers["Content-Length"] = str(length)


def _headers(answer: Answer) -> dict[str, str]:
    return {"Location": answer.location} if answer.location else {}


def _tag(answer: Answer, body: bytes | None = None) -> str:
    resource = answer.body if answer.resource is None else answer.resource
    if resource is None:
        raise LookupError("an empty answer has no tag")
    if body is None or answer.resource is not None:
        body = rendering.dumps(resource)
    return etags.weak(body) if answer.lists else etags.strong(resource, body, answer.passing)


def _remembered(call: Call[Any], answer: Answer) -> Remembered:
    headers = _headers(answer)
    if answer.body is not None and answer.tagged:
        headers["ETag"] = _tag(answer)
    status = answer.status or call.operation.status
    body = None if answer.body is None else orjson.loads(rendering.dumps(answer.body))
    return Remembered(status, body, headers, answer.shown_once)


def _language(header: str) -> str:
    """The language of sentences: what Accept-Language asks for, as far as we speak it."""
    for wanted, _weight in trans_real.parse_accept_lang_header(header):
        try:
            return get_supported_language_variant(wanted)
        except LookupError:
            continue
    return settings.LANGUAGE_CODE
