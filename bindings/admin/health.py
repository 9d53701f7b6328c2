"""The health page: what is bound and how well, with a list behind every number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from bindings import problems
from bindings.admin import shown
from bindings.services.browse.specs import LABELS, ORDER
from bindings.services.custody import keyring
from bindings.services.custody.keyring import Key
from bindings.services.keep import figures
from bindings.services.keep.figures import Figures
from bindings.state import FACE, State
from portal.templatetags import words

_TONES = {"red": "bad", "amber": "warn", "green": "ok", "blue": "info", "grey": ""}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, what it counts, and the list it came from."""

    label: object
    number: int
    url: str
    tone: str = ""
    sub: str = ""


@require_GET
def page(request: HttpRequest) -> TemplateResponse:
    """`/admin/health/`."""
    now = timezone.now()
    found, keys = figures.now_or_last(now), keyring.table()
    context = {
        **admin.site.each_context(request),
        "title": "Health",
        "now": now,
        "figures": found,
        "counted": "" if found is None else words.relative(found.at, now),
        "keys": keys,
    }
    if found is not None:
        context |= {
            "states": list(_states(found)),
            "work": list(_work(found, now)),
            "platforms": list(_platforms(found)),
            "wanted": list(_wanted(found, keys)),
            "bindings_url": _bindings(),
        }
    return TemplateResponse(request, "admin/health.html", context)


def _states(found: Figures) -> Iterator[Figure]:
    for word, n in found.states.items():
        tone = _TONES[FACE[word].tone.value]
        yield Figure(problems.STATES[word], n, _bindings(state=word.value), tone)


def _work(found: Figures, now: datetime) -> Iterator[Figure]:
    """What is under way, and what is late."""
    oldest = _since(found.oldest, now)
    minutes = int(figures.LATE.total_seconds()) // 60
    endings, hosts = _list("ending"), _list("codehost")
    yield Figure("Ending within 30 days", found.soon, _bindings(ends="30"), _warn(found.soon))
    yield Figure("Checks due", found.due, _bindings(checks="due"), sub=oldest)
    late = f"more than {minutes} min overdue"
    yield Figure("Checks late", found.late, _bindings(checks="late"), _warn(found.late), late)
    yield Figure("Unbindings to clean up", found.endings, f"{endings}?work=open")
    yield Figure("Left to a person", found.left, f"{endings}?work=left", _warn(found.left))
    sick = f"{_list('hook')}?health=unhealthy"
    yield Figure("Unhealthy webhooks", found.hooks, sick, _warn(found.hooks))
    sent, oldest = _list("dispatch"), _since(found.outgoing_oldest, now)
    yield Figure("Events on their way", found.outgoing, f"{sent}?state=waiting", sub=oldest)
    yield Figure("Dead letters", found.dead, f"{sent}?state=abandoned", _warn(found.dead))
    yield Figure("Endpoints off", found.off, f"{_list('endpoint')}?status=off", _warn(found.off))
    yield Figure("Mass guards in force", found.held, f"{hosts}?held=1", _warn(found.held))
    yield Figure("Servers down", found.down, f"{hosts}?weather=down", _warn(found.down))


def _platforms(found: Figures) -> Iterator[dict[str, Any]]:
    for slug in ORDER:
        if slug not in found.platforms:
            continue
        counts = found.platforms[slug]
        yield {
            "label": LABELS[slug],
            "bound": sum(counts.values()),
            "failing": found.failing(slug),
            "url": _bindings(provider=slug),
            "words": [
                (shown.pill(word), n, _bindings(provider=slug, state=word.value))
                for word, n in sorted(counts.items(), key=lambda pair: list(State).index(pair[0]))
            ],
        }


def _wanted(found: Figures, keys: Sequence[Key]) -> Iterator[Figure]:
    """What only an operator can mend, with where to begin."""
    shut = found.states.get(State.UNDECRYPTABLE, 0)
    missing = sum(key.rows for key in keys if not key.known)
    if found.held:
        url = f"{_list('codehost')}?held=1"
        yield Figure("Code hosts refuse many at once; verdicts wait for you", found.held, url)
    if found.refused:
        url = f"{_list('platformaccount')}?state=refused"
        yield Figure("Cloud accounts are refused; enter new keys", found.refused, url)
    if missing:
        yield Figure("Rows need a key that is not in the ring", missing, reverse("operator_keys"))
    if shut:
        url = _bindings(state=State.UNDECRYPTABLE.value)
        yield Figure("Credentials cannot be decrypted", shut, url)
    if found.late:
        yield Figure("Checks are late: is the sweep running?", found.late, _bindings(checks="late"))
    if found.left:
        url = f"{_list('ending')}?work=left"
        yield Figure("Unbindings left something at the platform", found.left, url)


def _since(oldest: datetime | None, now: datetime) -> str:
    return "" if oldest is None else f"the oldest {words.relative(oldest, now)}"


def _warn(number: int) -> str:
    return "warn" if number else ""


def _list(model: str) -> str:
    return reverse(f"admin:bindings_{model}_changelist")


def _bindings(**wanted: str) -> str:
    return f"{_list('binding')}?{urlencode(wanted)}" if wanted else _list("binding")
