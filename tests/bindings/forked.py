"""What a process of `renewals.Worker` runs: loaded once by the fork server, then forked.

Nothing of ours is replaced here; the settings are those of the test that made the process.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any
from uuid import UUID

import django

django.setup()

from django.conf import settings  # noqa: E402 - after the setup
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from bindings.models import Binding  # noqa: E402
from bindings.services.browse import repositories  # noqa: E402
from bindings.services.custody import ahead, refresh  # noqa: E402
from bindings.services.custody.intents import Left, claim  # noqa: E402
from bindings.services.keep import upkeep  # noqa: E402
from bindings.services.tell import relay  # noqa: E402
from portal.ground import rls  # noqa: E402


def serve(pipe: Connection, given: dict[str, Any]) -> None:
    """Do what is asked for, one after the other, until the pipe closes."""
    for name, value in given.items():
        setattr(settings, name, value)
    while True:
        try:
            what, args = pipe.recv()
        except EOFError:
            return
        pipe.send(_WORK[what](*args))


def _once(tenant: UUID, binding: UUID, generation: int) -> str:
    """Renew this generation, or wait for whoever does."""
    found = ahead.once(tenant, binding, generation=generation)
    return found.value if isinstance(found, Left) else found.result.value


def _upkeep() -> dict[str, int]:
    """One slice of renewals."""
    return dict(upkeep.run(budget_s=30).outcomes)


def _relay(seconds: float) -> dict[str, int]:
    """One slice of the relay."""
    return dict(relay.run(budget_s=seconds).outcomes)


def _claim_and_wait(tenant: UUID, binding: UUID) -> None:
    """Stand between the intent and the request, for ever."""
    claim(tenant_id=tenant, binding_id=binding, now=timezone.now())
    time.sleep(600)


def _claim_and_freeze(tenant: UUID, binding: UUID, seconds: float) -> str:
    """The same, but go on after a while, as a process does that was stopped."""
    mine = claim(tenant_id=tenant, binding_id=binding, now=timezone.now())
    assert not isinstance(mine, Left)
    time.sleep(seconds)
    return refresh.renew(mine).result.value


def _list(tenant: UUID, binding: UUID, times: int) -> list[tuple[str, int]]:
    """So many threads that all want the repositories at once: source and number of rows of each."""
    with rls.tenant(tenant):
        row = Binding.objects.of(tenant).select_related("host", "instance").get(pk=binding)

    def one(_number: int) -> tuple[str, int]:
        try:
            found = repositories.repositories(binding=row)
            return found.source, len(found.rows)
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as crew:
        return list(crew.map(one, range(times)))


_WORK = {
    "list": _list,
    "rest": time.sleep,
    "once": _once,
    "upkeep": _upkeep,
    "relay": _relay,
    "claim and wait": _claim_and_wait,
    "claim and freeze": _claim_and_freeze,
}
