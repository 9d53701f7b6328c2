"""Before a credential takes over: can it see everything that is in use?"""

from __future__ import annotations

from bindings.models import Binding, CodeHost
from bindings.services.browse import usage
from bindings.services.browse.repositories import refusal
from bindings.services.browse.usage import Comparison
from bindings.services.custody.door import door
from bindings.services.custody.use import ERRAND, provider_at
from portal.ground import rls
from portal.ground.refusals import Refusal
from providers.catalogue import REGISTRY
from providers.errors import ProviderError
from providers.types import Credential


def seen_by(*, binding: Binding, host: CodeHost, secret: Credential) -> Comparison:
    """What of `binding`'s repositories in use an account at `host` sees. Asks the platform, unless
    nothing is in use. Raises Refusal with the code of what the platform did."""
    with rls.tenant(binding.tenant_id):
        used = usage.in_use(binding)
    if not used:
        return Comparison(0)
    provider = provider_at(host, secret, through=door().within(ERRAND))
    try:
        return usage.compare(used, provider, by_path=host.pk != binding.host_id)
    except ProviderError as error:
        raise refusal(error, binding) from None


def demand(found: Comparison, *, provider: str, new: str, accept: bool) -> None:
    """Refuse with *-ACC-04 when something in use would be lost, unless a person accepts that."""
    if not found.missing or accept:
        return
    raise Refusal(
        f"{REGISTRY[provider].spec.prefix}-ACC-04",
        new=new,
        n=str(len(found.missing)),
        extra={"comparison": found.shown()},
    )
