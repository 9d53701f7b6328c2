"""The body of a bind by token, and the wish it makes: for binding and for testing alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from bindings.models.bindings import Mode
from bindings.services.bind.token import TokenAsk
from bindings.services.browse import specs
from portal.ground.refusals import Refusal
from portal.ground.rest.fields import Body, Choice, Day, Text

_LONGEST_TOKEN = 10_000  # how long a token may be is judged where tokens are known


class TokenBody(Body):
    """`host` (an id or a slug) or `base_url`; neither means the provider's default server."""

    provider = Choice(choices=list(specs.ORDER))
    host = Text(max_length=100, allow_blank=True, allow_null=True, default="")
    base_url = Text(max_length=2048, allow_blank=True, allow_null=True, default="")
    username = Text(max_length=200, allow_blank=True, allow_null=True, default="")
    token = Text(
        max_length=_LONGEST_TOKEN, allow_blank=True, allow_null=True, default="", write_only=True
    )
    expires_on = Day(allow_null=True, default=None)
    mode = Choice(choices=list(Mode.values), default=Mode.FULL.value)
    organization = Text(max_length=200, allow_blank=True, allow_null=True, default="")
    clone_username = Text(max_length=200, allow_blank=True, allow_null=True, default="")


def token_ask(body: Mapping[str, Any]) -> TokenAsk:
    """The wish in a checked body. Raises Refusal X-FORM-03 for an address where none is taken, and
    for an address beside a host."""
    if body["base_url"] and not specs.takes_address(body["provider"]):
        raise Refusal("X-FORM-03", field="base_url", why=_("this platform has no other servers"))
    if body["base_url"] and body["host"]:
        raise Refusal("X-FORM-03", field="base_url", why=_("name the host or the address"))
    return TokenAsk(
        provider=body["provider"],
        token=body["token"] or "",
        host=body["host"] or "",
        base_url=body["base_url"] or "",
        username=body["username"] or "",
        expires_on=body["expires_on"],
        mode=body["mode"],
        organization=body["organization"] or "",
        clone_username=body["clone_username"] or "",
    )
