"""Rules for the servers that operators offer: what may be entered, and whom a change concerns."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils import timezone

from bindings.models import Binding, CodeHost
from bindings.services.custody import sealed
from bindings.services.custody.door import door_to, host_value, rules_for
from bindings.services.custody.sealed import Undecryptable
from portal.ground import rls
from providers import address as addresses
from providers import judge, oauth
from providers.catalogue import REGISTRY
from providers.dial import Trust
from providers.errors import AddressRefused, BadAnswer, ProviderError, TokenRejected, Unreachable
from providers.types import Method

_VALUES = {("codeup", "edition"): ("central", "region")}
_OF_AN_APP = ("app_name", "app_owner", "sign_in")
"""As the platform's consent page shows them, so that people know it again (product.md R5.11); and
the site where people sign in first, if that is not the server's own."""
_SITE = re.compile(r"https?://[a-z0-9.-]{1,200}(:[0-9]{1,5})?")
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


class NotAccepted(ValueError):
    """An entry an operator has to change; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Concerned:
    """Whom a change of a server touches: live bindings, of how many tenants."""

    bindings: int
    tenants: int


def addresses_of(host: CodeHost, typed: str) -> tuple[str, str]:
    """The canonical address of a server and that of its API. Raises NotAccepted."""
    try:
        base_url = addresses.parse(typed, rules=rules_for(host)).base_url
    except AddressRefused as refused:
        raise NotAccepted(f"This address cannot be used ({refused.reason}).") from None
    return base_url, REGISTRY[host.provider].api_url(base_url)


def api_address(host: CodeHost, typed: str) -> str:
    """The address of an API that is not where the platform usually has it. Raises NotAccepted."""
    try:
        origin, path = addresses.split(typed.rstrip("/"))
        addresses.require_port(origin, rules_for(host))
    except AddressRefused as refused:
        raise NotAccepted(f"This address cannot be used ({refused.reason}).") from None
    return f"{origin}{path}".rstrip("/")


def options_of(provider: str, typed: str) -> dict[str, str]:
    """What an operator knows of a server, from lines like `edition = region`. Raises NotAccepted
    for a name the platform does not have, and for a value it cannot have."""
    spec, found = REGISTRY[provider].spec, dict[str, str]()
    known = (*spec.options, *(_OF_AN_APP if spec.oauth else ()))
    for line in filter(None, map(str.strip, typed.splitlines())):
        name, _, value = (part.strip() for part in line.partition("="))
        if name not in known or not value:
            names = ", ".join(known) or "none"
            raise NotAccepted(f"“{line}” is no option of this platform; known: {names}.")
        if name == "sign_in" and not _SITE.fullmatch(value):
            raise NotAccepted("sign_in is a site like https://sso.example.")
        if value not in _VALUES.get((provider, name), (value,)):
            raise NotAccepted(f"{name} is one of: {', '.join(_VALUES[provider, name])}.")
        found[name] = value
    return found


def private_range(typed: str) -> str:
    """A range that may be opened. Raises NotAccepted for public, loopback and metadata ranges."""
    try:
        network = ipaddress.ip_network(typed.strip())
    except ValueError:
        raise NotAccepted(f"{typed} is not a network like 10.20.0.0/16.") from None
    if _inside(network, judge.METADATA):
        raise NotAccepted(f"{network} belongs to a cloud's own services and stays closed.")
    if not _inside(network, judge.OPENABLE):
        known = ", ".join(map(str, judge.OPENABLE))
        raise NotAccepted(f"{network} is not inside a range that can be opened: {known}.")
    return str(network)


def certificates(bundle: str, *, now: datetime) -> str:
    """A bundle of CA certificates, PEM. Raises NotAccepted with the line of the first one that
    cannot be read or has ended."""
    if not bundle.strip():
        return ""
    found = list(_CERTIFICATE.finditer(bundle))
    if not found:
        raise NotAccepted("Line 1: no certificate begins here (PEM is needed).")
    for block in found:
        line = bundle.count("\n", 0, block.start()) + 1
        for ends in _ends(block.group(), line):
            if ends <= now:
                raise NotAccepted(f"Line {line}: this certificate ended on {ends:%Y-%m-%d}.")
    return "\n".join(block.group() for block in found) + "\n"


def concerned(host: CodeHost) -> Concerned:
    """Whose accounts live on this server. Opens the fleet's scope."""
    with rls.fleet("whom a server concerns"):
        live = Binding.objects.filter(host=host, unbound_at=None)
        return Concerned(live.count(), live.values("tenant").distinct().count())


def client_fingerprint(host: CodeHost) -> str:
    """Twelve digits to tell app secrets apart by; "" without one."""
    try:
        return sealed.client_fingerprint(host)
    except Undecryptable as shut:
        return f"does not open (key {shut.key_id})"


def known_app(host: CodeHost, *, redirect_uri: str) -> str:
    """Does the platform know our app? One sentence; "" when it does. Asks the platform.

    A code that nobody issued is offered: whoever refuses the code has accepted the app
    (RFC 6749 5.2, invalid_client and invalid_grant).
    """
    spec = REGISTRY[host.provider].spec
    if spec.oauth is None or Method.OAUTH not in spec.methods or not host.client_id:
        return "There is no app to test: enter a client id and a secret."
    try:
        oauth.exchange(
            host_value(host),
            spec.oauth,
            code="mooring-test",
            redirect_uri=redirect_uri,
            door=door_to(host),
            rules=rules_for(host),
            now=timezone.now(),
        )
    except TokenRejected:
        return ""
    except BadAnswer as answer:
        if answer.reason == "client_config":
            return f"{spec.label} does not know this client id, its secret, or the callback."
        return f"{spec.label} gave an answer that cannot be used ({answer.reason})."
    except Undecryptable as shut:
        return f"The app's secret does not open: it needs the key {shut.key_id}."
    except ProviderError as trouble:
        return f"{spec.label} could not be asked ({trouble.reason})."
    return f"{spec.label} accepted a code that nobody issued."


def _inside(network: judge.Net, ranges: tuple[judge.Net, ...]) -> bool:
    same = (outer for outer in ranges if outer.version == network.version)
    return any(network.subnet_of(outer) for outer in same)  # type: ignore[arg-type]  # same version


def _ends(pem: str, line: int) -> Iterator[datetime]:
    try:
        context = Trust().context(pem)
    except Unreachable:
        raise NotAccepted(f"Line {line}: this certificate cannot be read.") from None
    for certificate in context.get_ca_certs():
        said = str(certificate["notAfter"]).removesuffix(" GMT")
        yield datetime.strptime(said, "%b %d %H:%M:%S %Y").replace(tzinfo=UTC)
