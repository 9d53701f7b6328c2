"""The operators' page of fire drills: begin one on any binding, end it, read the reports."""

from __future__ import annotations

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods

from bindings.admin.fleet import acting_in
from bindings.models import Binding
from bindings.services.keep import drills
from bindings.services.keep.rehearsal import SCENARIOS, Scenario
from portal.ground import ids, refusals, rls
from portal.ground.refusals import Refusal

_END = "end"


class DrillForm(forms.Form):
    """Which binding, and what happens to it."""

    binding = forms.CharField(max_length=40, help_text="bnd_…, as in the address of its page.")
    scenario = forms.ChoiceField(choices=[(one.value, SCENARIOS[one]) for one in Scenario])


@require_http_methods(["GET", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """`/admin/drill/`."""
    if not request.user.has_perm("bindings.view_binding"):
        raise PermissionDenied
    form = DrillForm(request.POST or None)
    if request.method == "POST":
        if not request.user.has_perm("bindings.change_binding"):
            raise PermissionDenied
        if _acted(request, form):
            return redirect("operator_drill")
    context = {
        **admin.site.each_context(request),
        "title": "Fire drill",
        "form": form,
        "drills": drills.latest(),
    }
    return TemplateResponse(request, "admin/drill.html", context)


def _acted(request: HttpRequest, form: DrillForm) -> bool:
    """Did it do, or say, something? A form that was misfilled is shown again."""
    ends = request.POST.get(_END, "")
    if not ends and not form.is_valid():
        return False
    binding = _binding(ends or form.cleaned_data["binding"])
    if binding is None:
        messages.error(request, "There is no such live binding.")
        return True
    actor = acting_in(request, binding.tenant)
    try:
        if ends:
            drills.end(actor=actor, binding=binding)
            messages.success(request, "The drill has ended. Everything is as before.")
        else:
            wanted = Scenario(form.cleaned_data["scenario"])
            drills.start(actor=actor, binding=binding, scenario=wanted)
            messages.success(request, "The drill has begun. The next sweep shows it.")
    except Refusal as refused:
        messages.warning(request, refusals.words(refused.code, refused.facts).detail)
    return True


def _binding(public_id: str) -> Binding | None:
    key = ids.key(Binding.PREFIX, public_id.strip())
    with rls.fleet("a binding for a fire drill"):
        rows = Binding.objects.select_related("host", "tenant")
        return rows.filter(pk=key, unbound_at=None).first() if key else None
