"""The mailbox of a development server: what it would have mailed, as a page. Nowhere else.

`make run` lets Django write each mail into a file under `.local/mailbox`; this reads them back.
"""

from __future__ import annotations

import email
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

BACKEND = "django.core.mail.backends.filebased.EmailBackend"
_MOST = 100
_BETWEEN = b"\n" + b"-" * 79 + b"\n"  # as Django's backend divides them


def address(local: Path) -> str:
    """MOORING_EMAIL_URL for mails that are kept below `local`."""
    return f"file:///{local / 'mailbox'}"  # three: what follows the host's slash is the path


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The mails of this server, newest first; 404 where it is not a development server, or sends
    them for real."""
    if settings.MOORING_ENV != "development" or settings.EMAIL_BACKEND != BACKEND:
        raise Http404
    shown = sorted(
        _mails(Path(getattr(settings, "EMAIL_FILE_PATH", ""))),
        key=lambda one: one["at"],
        reverse=True,
    )
    return render(request, "mailbox.html", {"mails": shown[:_MOST], "now": timezone.now()})


def _mails(folder: Path) -> Iterator[dict[str, Any]]:
    newest = sorted(folder.glob("*.log"), key=lambda file: file.stat().st_mtime)[-_MOST:]
    for file in newest:
        at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        for written in file.read_bytes().split(_BETWEEN):
            if written.strip():
                message = email.message_from_bytes(written, EmailMessage, policy=default)
                yield _shown(message, at)


def _shown(message: EmailMessage, at: datetime) -> dict[str, Any]:
    body = message.get_body(("plain", "html"))
    return {
        "subject": message["Subject"] or "",
        "to": message["To"] or "",
        "at": at,
        "text": body.get_content() if body is not None else "",
        "unsubscribe": (message["List-Unsubscribe"] or "").strip("<>"),
    }
