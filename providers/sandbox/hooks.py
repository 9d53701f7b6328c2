"""Webhooks that are really sent: to loopback addresses only, recorded with what came back."""

from __future__ import annotations

import http.client
import ipaddress
import socket
import threading
import time
from typing import Any
from urllib.parse import urlsplit

from providers.sandbox.dialect import Push
from providers.sandbox.records import Delivery, Hook, Message, Repository
from providers.sandbox.world import Site, World

PATIENCE = 10.0
"""Seconds: GitHub and GitLab both wait this long for an answer."""
KEPT = 100


def pushed(world: World, site: Site, repository: Repository, push: Push) -> None:
    """Note a push in the repository before anybody is told."""
    with world.lock:
        repository.pushed = world.now()
        repository.last_push = [
            {"ref": c.ref, "before": c.before, "after": c.after, "login": push.login}
            for c in push.changes
        ]
        heads = [c for c in push.changes if c.ref.startswith("refs/heads/") and not c.deleted]
        if repository.default_branch is None and heads:
            repository.default_branch = heads[0].ref.removeprefix("refs/heads/")
            own = world.depot.own(site.slug, repository)
            (own / "HEAD").write_text(f"ref: {heads[0].ref}\n")


def deliver(world: World, site: Site, repository: Repository, push: Push) -> list[dict[str, Any]]:
    """Send a push to every hook that wants it; one line per attempt."""
    dialect = world.dialects[site.slug]
    sent = []
    for hook in list(site.hooks_of(repository)):
        twice = world.faults.on_hook(site.slug, "hook_twice", repository.path)
        with world.lock:
            messages = dialect.push_messages(site, repository, hook, push)
            if twice:
                messages += dialect.push_messages(site, repository, hook, push)
        for message in messages:
            delay = world.faults.on_hook(site.slug, "hook_delay", repository.path)
            if delay is None:
                sent.append(send(world, site, repository, hook, message))
                continue
            wait = threading.Timer(delay.seconds(5), send, (world, site, repository, hook, message))
            wait.daemon = True
            wait.start()
            sent.append(_line(hook, message, status=None, error="delayed"))
    return sent


def send(
    world: World,
    site: Site,
    repository: Repository,
    hook: Hook,
    message: Message,
    *,
    again: bool = False,
) -> dict[str, Any]:
    """Send one message now, unless a fault drops it; waits for the answer."""
    if world.faults.on_hook(site.slug, "hook_drop", repository.path):
        return _line(hook, message, status=None, error="dropped")
    if world.faults.on_hook(site.slug, "hook_forged", repository.path):
        message = Message(message.event, message.headers, message.body + b" ", message.guid)
    delivery = _attempt(world, hook, message, again=again)
    with world.lock:
        hook.deliveries = [*hook.deliveries, delivery][-KEPT:]
        works = 200 <= delivery.status < 400
        world.dialects[site.slug].after_delivery(site, hook, worked=works)
    if (retry := world.dialects[site.slug].again(message, delivery.status)) is not None:
        return send(world, site, repository, hook, retry, again=True)
    return _line(hook, message, status=delivery.status, error=delivery.error)


def _line(hook: Hook, message: Message, *, status: int | None, error: str) -> dict[str, Any]:
    return {
        "hook": hook.id,
        "url": hook.url,
        "delivery": message.guid,
        "event": message.event,
        "status": status,
        "error": error,
    }


def _attempt(world: World, hook: Hook, message: Message, *, again: bool) -> Delivery:
    began = time.monotonic()
    status, error = _post(hook.url, message)
    return Delivery(
        id=world.next_delivery(),
        guid=message.guid,
        event=message.event,
        at=world.now(),
        headers=message.headers,
        body=message.body.decode(),
        status=status,
        error=error,
        seconds=time.monotonic() - began,
        again=again,
    )


def _post(url: str, message: Message) -> tuple[int, str]:
    """Status and error; status 0 when there was no answer. Never leaves this machine."""
    parts = urlsplit(url)
    if parts.scheme != "http" or not _is_loopback(parts.hostname or ""):
        return 0, "the sandbox delivers to http:// on loopback only"
    connection = http.client.HTTPConnection(
        parts.hostname or "", parts.port or 80, timeout=PATIENCE
    )
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request("POST", target or "/", body=message.body, headers=message.headers)
        return connection.getresponse().status, ""
    except (OSError, http.client.HTTPException) as failure:
        return 0, type(failure).__name__
    finally:
        connection.close()


def _is_loopback(host: str) -> bool:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(ipaddress.ip_address(entry[4][0]).is_loopback for entry in found)
