"""What every window over one platform of an instance shows: path, platform, way back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bindings import problems
from bindings.models import Binding
from bindings.models.bindings import Mode
from bindings.services.browse.guides import LINKED
from bindings.services.browse.specs import LABELS
from bindings.services.keep.doctor import Hint
from bindings.web.sources import crumbs
from portal.ground import refusals
from portal.tenants.models import Instance


def frame(instance: Instance, provider: str) -> dict[str, Any]:
    """The context of a window."""
    tenant, label = instance.tenant.slug, LABELS[provider]
    sources = reverse("sources", args=[tenant, instance.name])
    return {
        "section": "instances",
        "crumbs": crumbs(tenant, instance, (_("Code sources"), sources), (label, "")),
        "back_url": sources,
        "instance": instance,
        "provider": provider,
        "platform": label,
        "mono": problems.prefix_of(provider),
    }


def success(provider: str) -> str:
    """The sentence of success, exactly as product.md R8.2 and R8.3 have it."""
    bound = _("You have successfully bound your %(platform)s account.")
    return str(LINKED.get(provider) or bound % {"platform": LABELS[provider]})


def congratulate(request: HttpRequest, binding: Binding, instance: Instance) -> None:
    """Say that it is bound, in the exact sentences of product.md R8.2 and R8.3."""
    login, name = binding.account_login, instance.name
    first = success(binding.provider)
    if binding.mode == Mode.MANUAL:
        second = _("Bound for manual builds.")
    elif binding.repositories_seen:
        second = ngettext(
            "%(login)s is bound to %(instance)s. %(n)s repository can be built.",
            "%(login)s is bound to %(instance)s. %(n)s repositories can be built.",
            binding.repositories_seen,
        ) % {"login": login, "instance": name, "n": binding.repositories_seen}
    else:
        second = _("%(login)s is bound to %(instance)s.") % {"login": login, "instance": name}
    messages.success(request, f"{first}\n{second}")


def pass_on(request: HttpRequest, hints: Iterable[Hint]) -> None:
    """Notices of a passed test that are still worth reading after it."""
    for hint in hints:
        messages.info(request, refusals.words(hint.code, hint.facts).detail)
