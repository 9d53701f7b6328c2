"""While a clone runs: cut when its lease ends, counted, bounded, and never hung up cleanly."""

from __future__ import annotations

import threading
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from bindings.models import Binding
from bindings.services.clone import client, leases, places, words
from bindings.services.clone.leases import Issued
from portal.ground import redis, rls
from tests.bindings.clone.conftest import basic, lend, reload
from tests.bindings.sources import GitLab
from tests.people import Somebody


def refs(made: Issued, **headers: str) -> Any:
    path = f"/git/{made.lease.binding.public_id}/{made.lease.path}.git/info/refs"
    given = {"Authorization": basic(made), **headers}
    return Client().get(f"{path}?service=git-upload-pack", headers=given)


def test_a_running_clone_is_cut_when_its_lease_is_revoked(
    lent: Issued, bob: Somebody, settings: Any
):
    settings.MOORING_CLONE_LOOK = -1.0
    running = refs(lent)
    leases.revoke(actor=bob.actor, lease=lent.lease)
    with pytest.raises(ConnectionResetError):
        running.getvalue()
    assert reload(lent).uses == 1


@pytest.mark.parametrize("limit", ["MOORING_CLONE_SECONDS", "MOORING_CLONE_BYTES"])
def test_a_clone_without_end_is_ended(lent: Issued, settings: Any, limit: str):
    setattr(settings, limit, -1)
    with pytest.raises(ConnectionResetError):
        refs(lent).getvalue()


def test_a_clone_may_outlive_its_time(lent: Issued, settings: Any):
    settings.MOORING_CLONE_LOOK = -1.0
    running = refs(lent)
    with time_machine.travel(timezone.now() + timedelta(hours=2), tick=True):
        assert running.getvalue().endswith(b"0000")
        assert refs(lent).status_code == 401


def test_who_hangs_up_is_counted_and_leaves_a_place(lent: Issued):
    for _ in range(words.AT_ONCE + 2):
        refs(lent).close()
    assert reload(lent).uses == words.AT_ONCE + 2


@pytest.mark.parametrize("alone", [False, True])
def test_eight_run_at_once(lent: Issued, bound: Binding, bob: Somebody, settings: Any, alone: bool):
    other = lend(bob, bound)
    if alone:
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
    running = [refs(lent) for _ in range(words.AT_ONCE)]
    late = refs(lent)
    assert (late.status_code, late.headers["Retry-After"]) == (429, "5")
    assert late.content.decode() == "8 requests of this lease are running already. (X-RATE-01)\n"
    assert refs(other).status_code == 200
    running[0].close()
    assert refs(lent).status_code == 200
    for answer in running:
        answer.close()


def test_the_sentence_is_in_the_language_of_git(lent: Issued):
    wrong = Issued(lent.lease, lent.url, lent.username, "mrl_wrong")
    answer = refs(wrong, **{"Accept-Language": "zh-CN, *;q=0.9"})
    assert answer.content.decode() == "该租约不存在。 (X-AUTH-02)\n"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="mooring-git"'


def test_a_binding_that_broke_says_so(lent: Issued, bound: Binding):
    with rls.tenant(bound.tenant_id):
        Binding.objects.filter(pk=bound.pk).update(status="revoked")
    answer = refs(lent)
    assert answer.status_code == 409
    assert answer.content.decode().endswith("(X-STATE-01)\n")


def test_hosts_that_fail_are_told_apart(lent: Issued, gitlab: GitLab):
    gitlab.fault("status:429", "/platform/api.git/**")
    assert refs(lent).status_code == 503
    gitlab.sandbox.clear_faults()
    gitlab.fault("status:500", "/platform/api.git/**")
    assert refs(lent).status_code == 502


class Socket:
    """A client's socket that is shut down by whoever has lost patience."""

    def __init__(self) -> None:
        self.shut = threading.Event()

    def shutdown(self, how: int) -> None:
        self.shut.set()

    def read(self, size: int) -> bytes:
        """A drip: nothing, until somebody hangs up."""
        self.shut.wait(10)
        return b""


def test_a_body_that_drips_is_given_up():
    slow = Socket()
    with client.watched({"gunicorn.socket": slow}, 0.1) as alarm:
        assert slow.read(1) == b""
    assert alarm.rang


@pytest.mark.parametrize(
    ("environ", "status"),
    [
        ({"CONTENT_LENGTH": "4", "HTTP_TRANSFER_ENCODING": "chunked"}, 400),
        ({"HTTP_TRANSFER_ENCODING": "gzip, chunked"}, 400),
        ({"HTTP_TRANSFER_ENCODING": "chunked"}, 411),
        ({}, 411),
        ({"CONTENT_LENGTH": "4, 4"}, 411),
        ({"CONTENT_LENGTH": str(words.LARGEST + 1)}, 413),
        ({"CONTENT_LENGTH": "10"}, 400),
    ],
)
def test_bodies_are_read_only_when_their_length_is_known(environ: dict[str, Any], status: int):
    with pytest.raises(words.TurnedAway) as away:
        client.body_of(environ | {"wsgi.input": BytesIO(b"0000")})
    assert away.value.status == status


def test_a_chunked_body_is_cut_off_at_its_limit():
    chunked = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    assert client.body_of(chunked | {"wsgi.input": BytesIO(b"0000")}) == b"0000"
    endless = BytesIO(bytes(words.LARGEST + 2))
    with pytest.raises(words.TurnedAway, match="X-SIZE-01"):
        client.body_of(chunked | {"wsgi.input": endless})


def test_places_of_the_dead_are_free_again(lent: Issued):
    with places.place(lent.lease) as held:
        held.keep()
        name = f"mooring:clones:{lent.lease.pk}"
        assert redis.client().zcard(name) == 1
        redis.client().zadd(name, {"dead": 1})
        with places.place(lent.lease):
            assert redis.client().zcard(name) == 2
    assert redis.client().zcard(name) == 0
