"""Connection tests over the API: the six steps with what was typed, saving nothing."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import TypedDict, cast

from django.utils.translation import gettext as _

from bindings.api import pictures, shapes
from bindings.api.asking import TokenBody, token_ask
from bindings.api.endpoint import Call, Endpoint, live_binding, live_instance
from bindings.models import Binding
from bindings.models.bindings import ABILITIES
from bindings.services.bind import switch, token
from bindings.services.bind.refuse import fix_url
from bindings.services.bind.token import Tested, TokenAsk
from bindings.services.keep.doctor import Examination
from portal.ground import rls
from portal.ground.refusals import Refusal, words
from portal.ground.rest.calls import Answer, operation
from portal.ground.rest.fields import Text
from portal.ground.rest.shapes import Uri
from portal.tenants.access import tenant_of


class ProvenAbility(TypedDict):
    ok: bool
    code: str | None


class ProvenAbilities(TypedDict):
    list: ProvenAbility
    refs: ProvenAbility
    clone: ProvenAbility
    hooks: ProvenAbility


class ProvenCredential(TypedDict):
    scopes: list[str] | None
    expires_at: datetime | None
    expires_quality: shapes.QualityWord
    provider_token_id: str | None
    provider_token_name: str | None


class MissingRepository(TypedDict):
    path: str
    triggers: int


class Comparison(TypedDict):
    """What another account would not see of what is in use."""

    in_use: int
    visible: int
    missing: list[MissingRepository]


class ConnectionTest(TypedDict):
    """What the six steps found; nothing was saved."""

    ok: bool
    code: str | None
    detail: str | None
    fix_url: Uri | None
    steps: shapes.Steps
    account: shapes.Account | None
    credential: ProvenCredential | None
    capabilities: ProvenAbilities | None
    suggestions: list[shapes.Suggestion]
    comparison: Comparison | None


class ConnectionTestBody(TokenBody):
    instance = Text(max_length=40, allow_null=True, default=None)
    compare_with = Text(max_length=40, allow_null=True, default=None)


class ConnectionTests(Endpoint):
    @operation(
        "Test a connection",
        scope="bindings:write",
        body=ConnectionTestBody,
        answers=ConnectionTest,
        reaches_provider=True,
        about="Answers 200 also when a step fails.",
        codes=("422 *-ADDR-* *-OFF-* *-EXP-02 X-HOST-01",),
    )
    def post(self, call: Call, found: None) -> Answer:
        ask = token_ask(call.body)
        tenant, instance = tenant_of(call.actor), None
        if call.body["instance"]:
            with rls.tenant(tenant.pk):
                instance = live_instance(call, call.body["instance"])
        replaces = live_binding(call, call.body["compare_with"])
        if replaces is not None and replaces.provider != ask.provider:
            raise Refusal("X-FORM-03", field="compare_with", why=_("another platform"))
        try:
            tested = token.test(tenant=tenant, instance=instance, ask=ask)
        except Refusal as refused:
            if refused.steps is None:  # of the form: nothing was tested
                raise
            return Answer(_unreached(refused), tagged=False)
        shown = _shape(tested, ask)
        if replaces is not None:
            shown["comparison"] = _comparison(tested, replaces, ask)
        return Answer(shown, tagged=False)


def _shape(tested: Tested, ask: TokenAsk) -> ConnectionTest:
    seen = tested.examination
    return {
        "ok": seen.ok,
        "code": seen.code or None,
        "detail": words(seen.code, seen.facts).detail if seen.code else None,
        "fix_url": fix_url(seen, tested.found.host) or None,
        "steps": [step.shown() for step in seen.steps],  # type: ignore[misc]  # plain dictionaries
        "account": _account(seen),
        "credential": _credential(seen, ask),
        "capabilities": _capabilities(seen),
        "suggestions": pictures.suggestions(tested.hints),
        "comparison": None,
    }


def _comparison(tested: Tested, replaces: Binding, ask: TokenAsk) -> Comparison | None:
    found = switch.compared(tested=tested, binding=replaces, ask=ask)
    return None if found is None else cast(Comparison, found.shown())


def _unreached(refused: Refusal) -> ConnectionTest:
    return {
        "ok": False,
        "code": refused.code,
        "detail": words(refused.code, refused.facts).detail,
        "fix_url": refused.fix_url or None,
        "steps": list(refused.steps or ()),  # type: ignore[arg-type]  # plain dictionaries
        "account": None,
        "credential": None,
        "capabilities": None,
        "suggestions": [],
        "comparison": None,
    }


def _account(seen: Examination) -> shapes.Account | None:
    identity = seen.identity
    if identity is None:
        return None
    return {
        "external_id": identity.id,
        "login": identity.login,
        "name": identity.name,
        "web_url": identity.web_url,
        "bot": identity.bot,
    }


def _credential(seen: Examination, ask: TokenAsk) -> ProvenCredential | None:
    found = seen.inspection
    if found is None:
        return None
    end: datetime | None = found.expiry.at
    quality: shapes.QualityWord = found.expiry.quality.value
    if quality == "unknown" and ask.expires_on is not None:
        end, quality = datetime.combine(ask.expires_on, time(), UTC), "stated"
    return {
        "scopes": None if found.scopes is None else sorted(found.scopes),
        "expires_at": end,
        "expires_quality": quality,
        "provider_token_id": found.token_id or None,
        "provider_token_name": found.token_name or None,
    }


def _capabilities(seen: Examination) -> ProvenAbilities | None:
    if not seen.abilities:
        return None
    known = {name: _ability(seen, name) for name in ABILITIES}
    return {
        "list": known["list"],
        "refs": known["refs"],
        "clone": known["clone"],
        "hooks": known["hooks"],
    }


def _ability(seen: Examination, name: str) -> ProvenAbility:
    proof = seen.abilities.get(name, {})
    code = proof.get("code")
    return {"ok": bool(proof.get("ok")), "code": None if code is None else str(code)}
