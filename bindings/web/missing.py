"""Where is my repository? One field for a link, one answer, and what mends it."""

from __future__ import annotations

from django.http import HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from bindings.models import Binding
from bindings.services.browse import missing
from bindings.services.browse.missing import Diagnosis
from bindings.services.browse.specs import LABELS
from bindings.web.browse import framed, home, live
from bindings.web.forms import LinkForm, posted
from portal.ground.refusals import Refusal, words
from portal.tenants.middleware import Request, reaches_provider

_TONES = {"visible": "ok", "unknown": "warn", "binding_not_usable": "bad"}


@require_http_methods(["GET", "POST"])
@reaches_provider
def page(request: Request, tenant: str, public_id: str) -> HttpResponse:
    """Ask for a link; a POST asks the platform about it and shows the verdict."""
    binding = live(request, public_id)
    form, found = LinkForm(posted(request)), None
    if form.is_valid():
        try:
            found = missing.diagnose(binding=binding, link=form.cleaned_data["link"])
        except Refusal as refused:
            if refused.field != "link":
                raise
            form.add_error("link", words(refused.code, refused.facts).detail)
    context = {
        **framed(
            request,
            binding,
            (_("Repositories"), home(request, binding)),
            (_("A repository is missing?"), ""),
        ),
        "form": form,
        "found": found,
        "tone": _TONES.get(found.verdict, "info") if found else "",
        "forward": _forward(binding, found) if found else "",
    }
    status = 422 if form.errors else 200
    return TemplateResponse(request, "bindings/missing.html", context, status=status)


def _forward(binding: Binding, found: Diagnosis) -> str:
    """What can be sent to whoever has to act; "" when that is the reader."""
    if not found.ask:
        return ""
    facts = {
        "login": binding.account_login,
        "path": found.path,
        "platform": LABELS[binding.provider],
    }
    if found.verdict in ("not_visible", "role_too_low"):
        text = _(
            "Please add %(login)s to %(path)s on %(platform)s. Reading is enough to build by hand;"
            " automatic builds need the role %(needed)s."
        ) % {**facts, "needed": missing.needed(binding)}
    elif found.verdict == "organization_restricted":
        text = (
            _(
                "Please let Mooring see %(path)s on %(platform)s, which the account %(login)s has"
                " bound."
            )
            % facts
        )
    else:
        text = _("%(path)s on %(platform)s, account %(login)s:") % facts + f" {found.detail}"
    return f"{text} {found.fix_url}".strip()
