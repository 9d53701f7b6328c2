"""Compose one mail: plain text and HTML, in its reader's language, with links to our pages only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from bindings.models import Mail, Told
from bindings.services.tell import preferences, stories, wording
from bindings.services.tell.wording import Story
from portal.tenants.models import Membership, Tenant

Message = EmailMultiAlternatives
_NAMED = 5


def compose(mail: Mail, *, key: str, now: datetime) -> Message | None:
    """The message of a row, or None when its reader is no member any more, or has nothing to read.
    Needs the tenant's scope."""
    reader = _reader(mail)
    if reader is None:
        return None
    tenant = Tenant.objects.get(pk=mail.tenant_id)
    told = stories.of_lines(tenant, list(mail.tellings.order_by("opened_at", "pk")))
    if not told:
        return None
    with translation.override(reader["user__language"] or settings.LANGUAGE_CODE):
        return _message(mail, reader, tenant, told, key, now)


def _reader(mail: Mail) -> Mapping[str, Any] | None:
    rows = Membership.objects.of(mail.tenant_id).filter(
        user=mail.user_id, left_at=None, user__is_active=True
    )
    return rows.values("role", "user__email", "user__name", "user__language", "user__zone").first()


def _message(
    mail: Mail,
    reader: Mapping[str, Any],
    tenant: Tenant,
    told: Sequence[Story],
    key: str,
    now: datetime,
) -> Message:
    zone = preferences.zone_of(reader["user__zone"])
    said = [wording.say(story, now=now, zone=zone, role=reader["role"]) for story in told]
    leave = wording.address("unsubscribe", key)
    subject = said[0].title if len(said) == 1 else _digest_title(tenant, len(said))
    context = {
        "subject": subject,
        "tenant": tenant.name,
        "said": said,
        "digest": not mail.topic,
        "others": _others(mail),
        "leave": leave,
        "choose": wording.address("preferences"),
        "language": translation.get_language(),
    }
    message = EmailMultiAlternatives(
        subject=subject,
        body=render_to_string("email/notice.txt", context),
        to=[reader["user__email"]],
        headers=_headers(mail, leave),
    )
    message.attach_alternative(render_to_string("email/notice.html", context), "text/html")
    return message


def _digest_title(tenant: Tenant, count: int) -> str:
    said = ngettext("%(tenant)s: %(n)d notice", "%(tenant)s: %(n)d notices", count)
    return " ".join((said % {"tenant": tenant.name, "n": count}).split())


def _headers(mail: Mail, leave: str) -> dict[str, str]:
    """The same Message-ID at every try, so that a mail that was sent twice is shown once; and the
    way out of RFC 8058."""
    return {
        "Message-ID": f"<{mail.pk.hex}@{urlsplit(settings.MOORING_URL).hostname}>",
        "List-Unsubscribe": f"<{leave}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Auto-Submitted": "auto-generated",
    }


def _others(mail: Mail) -> str:
    """Who else was told of the same, by name."""
    mine = Told.objects.of(mail.tenant_id).filter(telling__mail=mail).values("notice_id")
    rows = Told.objects.of(mail.tenant_id).filter(notice__in=mine).exclude(user=mail.user_id)
    found = rows.order_by("user__email").values_list("user__name", "user__email").distinct()
    names = [name or email for name, email in found[: _NAMED + 1]]
    more = "…" if len(names) > _NAMED else ""
    return _(", ").join([*names[:_NAMED], *filter(None, [more])])
