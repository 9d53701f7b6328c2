"""How the reader wants to be told: the matrix, language and time zone; and the way out of mails."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, override
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from bindings.notices import LINES, Channel, Topic
from bindings.services.tell import preferences
from bindings.services.tell.wording import TOPICS
from portal.ground import choices
from portal.tenants.models import User

CHANNELS = {
    Channel.MAIL: gettext_lazy("Mail at once"),
    Channel.DIGEST: gettext_lazy("Daily mail"),
    Channel.PORTAL: gettext_lazy("Portal only"),
    Channel.NONE: gettext_lazy("Not at all"),
}
WHOM = {
    Topic.BROKEN: gettext_lazy("whoever bound it, admins, owners"),
    Topic.ENDS_LATER: gettext_lazy("whoever bound it"),
    Topic.ENDS_SOON: gettext_lazy("whoever bound it, admins"),
    Topic.PERMISSION: gettext_lazy("whoever bound it"),
    Topic.UNREACHABLE: gettext_lazy("whoever bound it"),
    Topic.RECOVERED: gettext_lazy("whoever was told of the trouble"),
    Topic.PLUMBING: gettext_lazy("whoever made it, admins"),
    Topic.CHANGES: gettext_lazy("admins"),
}
LANGUAGES = (("en", "English"), ("zh-hans", "简体中文"))


class PlaceForm(forms.Form):
    """In which language, and at whose nine o'clock."""

    language = forms.ChoiceField(label=gettext_lazy("Language of mails"), choices=LANGUAGES)
    zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"),
        choices=[(name, name.replace("_", " ")) for name in preferences.zones()],
        help_text=gettext_lazy("The daily mail comes at 09:00 there."),
    )


@require_http_methods(["GET", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The matrix of topics and channels, with what the reader has chosen or the default."""
    person = request.user
    if not isinstance(person, User):
        return redirect(f"{settings.LOGIN_URL}?{urlencode({'next': request.path})}")
    first = {"language": person.language or "en", "zone": person.zone}
    form = PlaceForm(request.POST or None, initial=first)
    if request.method == "POST" and form.is_valid():
        return _keep(request, person, form.cleaned_data)
    chosen = preferences.of_people([person.pk])
    context = {
        "form": form,
        "channels": [(channel.value, label) for channel, label in CHANNELS.items()],
        "rows": [
            {
                "topic": topic.value,
                "label": TOPICS[topic],
                "whom": WHOM[topic],
                "chosen": chosen.channel(person.pk, topic).value,
            }
            for topic in LINES
        ],
    }
    return render(
        request, "account/notifications.html", context, status=422 if form.errors else 200
    )


@csrf_exempt
@require_http_methods(["GET", "POST"])
def unsubscribe(request: HttpRequest, key: str) -> HttpResponse:
    """The link of a mail. A POST ends mails like it at once, without sign-in (RFC 8058): the key is
    the proof, and all it can do. A GET only asks, because scanners follow links."""
    done = request.method == "POST"
    mail = preferences.unsubscribe(key=key) if done else preferences.by_key(key)
    context = {
        "topic": TOPICS[Topic(mail.topic)] if mail.topic else "",
        "done": done,
    }
    return render(request, "bindings/unsubscribe.html", context)


def _keep(request: HttpRequest, person: User, place: dict[str, Any]) -> HttpResponse:
    preferences.keep_place(person=person, language=place["language"], zone=place["zone"])
    wanted = {topic: request.POST.get(topic.value, "") for topic in LINES}
    known = {channel.value for channel in Channel}
    preferences.keep(
        person=person,
        channels={topic: Channel(value) for topic, value in wanted.items() if value in known},
    )
    response = redirect("preferences")
    choices.remember_language(response, place["language"])
    with override(place["language"]):
        messages.success(request, _("Saved."))
    return response
