"""The OpenAPI description: what `@operation` declares, in the words of OpenAPI 3.1."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema as Inspector
from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent

from portal.ground.rest import shapes
from portal.ground.rest.calls import WRITES, Operation
from portal.ground.rest.fields import Body
from portal.ground.rest.parameters import Parameter

Schema = dict[str, Any]
_VERBS = {"GET": "get", "POST": "create", "PUT": "put", "PATCH": "change", "DELETE": "delete"}
_TEXT: Schema = {"type": "string"}


class AutoSchema(Inspector):
    """Describes one operation of an Endpoint."""

    def get_operation(
        self,
        path: str,
        path_regex: str,
        path_prefix: str,
        method: str,
        registry: ComponentRegistry,
    ) -> Schema:
        self.registry, self.path, self.path_regex = registry, path, path_regex
        self.path_prefix, self.method = path_prefix, method.upper()
        declared: Operation = getattr(self.view, method.lower()).operation
        described: Schema = {
            "operationId": self._operation_id(declared),
            "summary": declared.summary,
            "tags": [_nouns(path)[0].partition(".")[0]],
            "parameters": self._all_parameters(declared),
            "responses": self._responses(declared),
            "security": _security(declared),
        }
        if about := _about(declared):
            described["description"] = about
        if declared.body is not None:
            described["requestBody"] = self._body(declared.body)
        return described

    def _map_basic_serializer(self, serializer: Any, direction: str) -> Schema:
        """Unknown fields are refused, so the schema says so."""
        found: Schema = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]  # ships few types
        return found | {"additionalProperties": False}

    def _operation_id(self, declared: Operation) -> str:
        verb = "list" if declared.lists else _VERBS[self.method]
        return "_".join([verb, *_nouns(self.path)]).replace(".", "_")

    def _all_parameters(self, declared: Operation) -> list[Schema]:
        found = [_path_parameter(name) for name in re.findall(r"{(\w+)}", self.path)]
        found += [_query_parameter(parameter) for parameter in declared.parameters]
        if declared.if_match:
            found.append(_header("If-Match", "The ETag you saw, or `*`.", required=True))
        if self.method == "POST" and not declared.public:
            about = "1 to 255 visible ASCII characters; repeats the first answer for 24 hours."
            found.append(_header("Idempotency-Key", about))
        if self.method == "GET":
            found.append(_header("If-None-Match", "The ETag you have."))
        if not declared.public:
            found.append(_header("Mooring-Tenant", "Which tenant, for people in several."))
        return found

    def _body(self, body: type[Body]) -> Schema:
        component = self.resolve_serializer(body, "request")
        schema = component.ref if component else {"type": "object", "additionalProperties": False}
        required = bool(component and component.schema.get("required"))
        return {"content": {"application/json": {"schema": schema}}, "required": required}

    def _responses(self, declared: Operation) -> Schema:
        found: Schema = {str(declared.status): self._success(declared)}
        if self.method == "GET":
            found["304"] = {"description": "Nothing has changed."}
        for status, codes in sorted(_problems(declared, self.method, self.path).items()):
            found[str(status)] = {
                "description": ", ".join(sorted(codes)),
                "content": {"application/problem+json": {"schema": self._name(shapes.Problem)}},
            }
        return found

    def _success(self, declared: Operation) -> Schema:
        headers: Schema = {"Trace-Id": {"schema": _TEXT}}
        if declared.located:
            headers["Location"] = {"schema": _TEXT}
        if declared.lists and not declared.whole:
            headers["Link"] = {"schema": _TEXT, "description": 'Where `rel="next"` is.'}
        said: Schema = {"description": declared.summary, "headers": headers}
        if declared.answers is not None:
            headers["ETag"] = {"schema": _TEXT}
            said["content"] = {"application/json": {"schema": self._answer(declared)}}
        if declared.media:
            headers["ETag"] = {"schema": _TEXT}
            said["content"] = {declared.media: {"schema": _TEXT}}
        return said

    def _answer(self, declared: Operation) -> Schema:
        item = shapes.schema_of(declared.answers, self._name)
        if not declared.lists:
            return item
        properties: Schema = {
            "data": {"type": "array", "items": item},
            "next_cursor": {"type": "null" if declared.whole else ["string", "null"]},
        }
        if declared.meta is not None:
            properties["meta"] = shapes.schema_of(declared.meta, self._name)
        return {"type": "object", "properties": properties, "required": list(properties)}

    def _name(self, shape: type) -> Schema:
        component = ResolvedComponent(shape.__name__, "schemas", object=shape)  # type: ignore[no-untyped-call]  # ships few types
        if component not in self.registry:
            self.registry.register(component)
            component.schema = shapes.members_of(shape, self._name)
        reference: Schema = component.ref
        return reference


def describe(patterns: Iterable[Any]) -> Schema:
    """The OpenAPI document of the operations at these URL patterns."""
    generator = SchemaGenerator(patterns=list(patterns))  # type: ignore[no-untyped-call]  # ships few types
    found: Schema = generator.get_schema(public=True)  # type: ignore[no-untyped-call]  # likewise
    found["components"]["securitySchemes"] = _schemes()
    return found


def _schemes() -> Schema:
    about = "The portal's cookie; with `X-CSRFToken`, and `Mooring-Tenant` if needed."
    cookie = {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}
    bearer = {"type": "http", "scheme": "bearer", "description": "An API token, `mrg_…`."}
    return {"token": bearer, "session": {**cookie, "description": about}}


def _nouns(path: str) -> list[str]:
    words = [word for word in path.split("/") if word and "{" not in word]
    nouns = [word.replace("-", "_") for word in words if word not in {"api", "v1"}]
    # /bindings/{binding} and /bindings differ by verb, except where both can be read whole.
    return [*nouns, "one"] if path.endswith("}") and len(nouns) == 1 else nouns


def _path_parameter(name: str) -> Schema:
    about = f"The id of the {name.replace('_', ' ')}."
    return {"name": name, "in": "path", "required": True, "description": about, "schema": _TEXT}


def _query_parameter(parameter: Parameter) -> Schema:
    schema = dict(parameter.schema)
    if parameter.many:
        schema = {"type": "array", "items": schema}
    found = {
        "name": parameter.name,
        "in": "query",
        "description": parameter.about,
        "schema": schema,
    }
    return found | ({"required": True} if parameter.required else {})


def _header(name: str, about: str, *, required: bool = False) -> Schema:
    found = {"name": name, "in": "header", "description": about, "schema": _TEXT}
    return found | ({"required": True} if required else {})


def _security(declared: Operation) -> list[Schema]:
    if declared.public:
        return []
    needed = [declared.scope] if declared.scope else []
    return [{"token": needed}, {"session": []}]


def _about(declared: Operation) -> str:
    scope = f"Scope: `{declared.scope}`." if declared.scope else ""
    return " ".join(filter(None, (declared.about, scope)))


def _problems(declared: Operation, method: str, path: str) -> Mapping[int, set[str]]:
    """Every status the operation may refuse with, and the codes behind it."""
    found: dict[int, set[str]] = defaultdict(set)
    for line in (*_common(declared, method, path), *declared.codes):
        status, *codes = line.split()
        found[int(status)].update(codes)
    return found


def _common(declared: Operation, method: str, path: str) -> Iterable[str]:
    yield from ("400 X-PARAM-01 X-PARAM-02", "406 X-ACCEPT-01", "500 X-SYS-01", "503 X-SYS-02")
    if declared.lists and not declared.whole:
        yield "400 X-CURSOR-01"
    if "{" in path:
        yield "404 X-FOUND-01"
    if not declared.public:
        yield from ("400 X-TENANT-01", "401 X-AUTH-01 X-AUTH-02", "429 X-RATE-01")
        yield "403 X-SCOPE-01 X-ROLE-01" + (" X-AUTH-03" if method in WRITES else "")
        yield "404 X-FOUND-01"
    if declared.body is not None:
        yield from ("400 X-JSON-01", "413 X-SIZE-01", "415 X-MEDIA-01")
        yield "422 X-FORM-01 X-FORM-03 X-FORM-04"
    if declared.if_match:
        yield from ("412 X-MATCH-02", "428 X-MATCH-01")
    if method == "POST" and not declared.public:
        yield from ("400 X-IDEM-03", "409 X-IDEM-02 X-IDEM-04", "422 X-IDEM-01")
