"""The control API, below `/_control/`, for this machine only: look inside, break things, go back.

Contract (`api.md` 9.3)

    POST   /_control/reset                                     204
    GET    /_control/state                                     accounts with their tokens, hooks,
           counters by provider and path, `requests_before_retry_after`, faults
    POST   /_control/tokens {provider, account, name, scopes, expires_on, kind}      201 {token}
           expires_on: date, moment or null. kind: gitlab pat (default), oauth, deploy (scopes =
           [project]); github oauth (default), app (8 h, with refresh_token), pat, fine
           (scopes = [resource owner]); gitea pat (default), oauth;
           bitbucket oauth; gitee oauth (default), pat
    POST   /_control/tokens/{name}/revoke                      204; ?provider=&account= where the
           name alone is not enough (409 otherwise)
    POST   /_control/faults {provider, path, fault, times, value}                    201
    DELETE /_control/faults                                    204
    POST   /_control/pushes {provider, repository, ref, deliver}
           201 {before, after, deliveries: [{hook, url, delivery, event, status, error}]}
           more: "delete": true, "annotated": true (tag), "account", "refs": [several at once]

More, for tests

    PATCH  /_control/tokens/{name} {expires_on, expires_in, scopes, revoked}         its new state;
           ?provider=&account= as above. expires_in: seconds from now
    GET    /_control/requests?provider=&path=&since=           the last requests with their headers
    GET    /_control/faults                                    what is on, and how often it struck
    POST   /_control/repositories {provider, owner, below, count, prefix, history, visibility,
           roles}                                              201 {repositories: [{id, external_id,
           path}]}; below: a path of groups below the owner, made where it is not there; history:
           plain, rich, twins, many, master, empty, bulky-20 (MB that do not compress)
    PATCH  /_control/repositories/{encoded path} {provider, path, archived, visibility, deleted,
           rename_branch: [from, to]}                          a new path is a rename or transfer
    POST   /_control/roles {provider, account, repository or group, role}            204
           role: none, guest, read, write, maintain, admin or a number
    PATCH  /_control/accounts/{login} {provider, state, login, name}
           state: active, blocked, deactivated; a new login is a rename
    PATCH  /_control/hooks/{id} {provider, active, disabled, off_seconds, deleted, url,
           settings}                                           what somebody does to a hook
    GET    /_control/hooks/{id}?provider=                      with its deliveries, bodies included
    POST   /_control/clock {skew}                              seconds this host is ahead
    POST   /_control/budgets {provider, account, remaining}    GitHub's requests left this hour

Faults take three more keys: `method` (one HTTP method only), `after` (let so many matching requests
pass first). `path` is matched below `/{provider}`; `*` stops at a slash, `**` does not. `provider`
may be "*". `value` in brackets:

- of the wire: timeout, refuse, reset, hang_headers, drip_headers, drip_body [seconds], truncated,
  continue_forever, content_length [text], te_cl, tls, huge_body [bytes], many_headers [count],
  huge_header [bytes], throttle [bytes per second], slow [seconds], early_hints, lost_answer (acted
  upon, then reset), lost_refresh_answer (the same, only for refreshes). `refuse` resets before the
  first byte: a port that really refuses is a sandbox that is stopped
- of the answer: status:<n> [Retry-After, or Location for 3xx], html [status], bad_json,
  deep_json [depth], null_json [JSON text], big_number [digits], gzip_bomb [bytes or encoding],
  gzip, echo, body [{status, headers, body}], redirect [location or {status, location}],
  redirect_loop, content_type [type], set_cookie [cookie], set_keys [{key: value}], drop_keys [keys]
- of the platform: rate_limit [Retry-After; gitlab also {retry_after, reset}], secondary_limit
  [Retry-After], login_lockout, unauthorized, unauthorized_html [WWW-Authenticate],
  unauthorized_text [text], unauthorized_empty, blocked_user, insufficient_scope [scopes],
  token_error [OAuth error], token_answer [{key: value}], form_answer
- of lists: foreign_next [URL], endless_next, next_page [text], repeat_items, empty_next
- switches: old_server (15.2, no token inspection), old_version [version], signing_off,
  ip_allow_list [group], sso_required [organization], org_restricted [organization],
  grant_scopes [scopes granted whatever is asked], family_kill (a refresh token used twice ends
  all), rotation_off (refresh tokens serve again), token_life [seconds], signin_required,
  brown_out [change], region_edition (Codeup without organizations)
- of hooks (`path` is matched with the repository's path): hook_delay [seconds], hook_drop,
  hook_twice, hook_forged (the body no longer fits its proof)
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from providers.sandbox import orders, show
from providers.sandbox.dialect import Routes
from providers.sandbox.faults import Fault
from providers.sandbox.orders import Wrong
from providers.sandbox.wire import Answer, Request, empty, json_answer
from providers.sandbox.world import Site, World


@dataclass
class Order:
    """One request to the control API."""

    world: World
    request: Request
    parts: dict[str, str] = field(default_factory=dict)

    @property
    def asked(self) -> dict[str, Any]:
        return self.request.fields

    @property
    def site(self) -> Site:
        """The platform that is named in the body or in the query."""
        slug = str(self.asked.get("provider") or self.request.args.get("provider", ""))
        if slug not in self.world.sites:
            raise Wrong(404, f"no provider {slug!r} here")
        return self.world.sites[slug]


routes: Routes[Order] = Routes()


def answer(world: World, request: Request) -> Answer:
    """Answer a request that is for no platform."""
    if not ipaddress.ip_address(request.peer).is_loopback:
        return json_answer({"error": "the control API is for this machine only"}, 403)
    found = routes.match(request.method, request.path)
    if found is None:
        names = sorted(world.sites)
        return json_answer({"error": "no such page in the sandbox", "platforms": names}, 404)
    order = Order(world, request, found[1])
    try:
        return found[0].answer(order)
    except Wrong as wrong:
        return json_answer({"error": str(wrong)}, wrong.status)


def locked(serve: Callable[[Order], Answer]) -> Callable[[Order], Answer]:
    """Hold the world still meanwhile."""

    def held(order: Order) -> Answer:
        with order.world.lock:
            return serve(order)

    return held


@routes.on("POST", "/_control/reset")
@locked
def reset(order: Order) -> Answer:
    order.world.reset()
    return empty()


@routes.on("GET", "/_control/state")
@locked
def state(order: Order) -> Answer:
    return json_answer(show.state(order.world))


@routes.on("GET", "/_control/requests")
def requests(order: Order) -> Answer:
    wanted = order.request.args
    since = float(wanted.get("since", "0"))
    found = [
        asked.show()
        for asked in list(order.world.ledger.last)
        if asked.at >= since
        and wanted.get("provider", asked.provider) == asked.provider
        and wanted.get("path", asked.path) == asked.path
    ]
    return json_answer({"requests": found})


# -- faults ----------------------------------------------------------------------------------------


@routes.on("POST", "/_control/faults")
def add_fault(order: Order) -> Answer:
    asked = order.asked
    fault = Fault(
        provider=str(asked.get("provider", "*")),
        name=str(asked.get("fault", "")),
        path=str(asked.get("path") or "**"),
        method=str(asked.get("method") or ""),
        value=asked.get("value"),
        times=asked.get("times"),
        after=int(asked.get("after") or 0),
    )
    try:
        order.world.faults.add(fault)
    except ValueError as unknown:
        raise Wrong(400, str(unknown)) from None
    return json_answer(fault.show(), 201)


@routes.on("GET", "/_control/faults")
def list_faults(order: Order) -> Answer:
    return json_answer({"faults": order.world.faults.show()})


@routes.on("DELETE", "/_control/faults")
def clear_faults(order: Order) -> Answer:
    order.world.faults.clear()
    order.world.ledger.forgive()
    return empty()


# -- tokens ----------------------------------------------------------------------------------------


@routes.on("POST", "/_control/tokens")
@locked
def add_token(order: Order) -> Answer:
    token = orders.add_token(order.site, order.asked)
    return json_answer(show.token(token, order.world.now()), 201)


@routes.on("POST", "/_control/tokens/{name}/revoke")
@locked
def revoke_token(order: Order) -> Answer:
    orders.token_named(order.world, order.parts["name"], order.request.args).revoked = True
    return empty()


@routes.on("PATCH", "/_control/tokens/{name}")
@locked
def change_token(order: Order) -> Answer:
    token = orders.token_named(order.world, order.parts["name"], order.request.args)
    orders.change_token(token, order.asked, order.world.now())
    return json_answer(show.token(token, order.world.now()))


# -- code ------------------------------------------------------------------------------------------


@routes.on("POST", "/_control/pushes")
def push(order: Order) -> Answer:
    """Not locked as a whole: delivering waits for receivers that may ask us back."""
    return json_answer(orders.push(order.site, order.asked), 201)


@routes.on("POST", "/_control/repositories")
@locked
def add_repositories(order: Order) -> Answer:
    made = orders.add_repositories(order.site, order.asked)
    name = order.world.dialects[order.site.slug].repository_id
    said = [{"id": r.id, "external_id": name(r), "path": r.path} for r in made]
    return json_answer({"repositories": said}, 201)


@routes.on("PATCH", "/_control/repositories/{path}")
@locked
def change_repository(order: Order) -> Answer:
    repository = orders.change_repository(order.site, order.parts["path"], order.asked)
    return json_answer({"id": repository.id, "path": repository.path})


# -- people, hooks, time ---------------------------------------------------------------------------


@routes.on("POST", "/_control/roles")
@locked
def change_role(order: Order) -> Answer:
    orders.change_role(order.site, order.asked)
    return empty()


@routes.on("PATCH", "/_control/accounts/{login}")
@locked
def change_account(order: Order) -> Answer:
    account = orders.change_account(order.site, order.parts["login"], order.asked)
    return json_answer(show.account(order.site, account))


@routes.on("GET", "/_control/hooks/{id}")
@locked
def one_hook(order: Order) -> Answer:
    return json_answer(show.hook(order.site, orders.hook(order.site, order.parts["id"]), full=True))


@routes.on("PATCH", "/_control/hooks/{id}")
@locked
def change_hook(order: Order) -> Answer:
    changed = orders.change_hook(order.site, order.parts["id"], order.asked)
    return json_answer(show.hook(order.site, changed))


@routes.on("POST", "/_control/clock")
@locked
def clock(order: Order) -> Answer:
    order.world.skew = float(order.asked.get("skew", 0))
    return json_answer({"now": order.world.now(), "skew": order.world.skew})


@routes.on("POST", "/_control/budgets")
@locked
def budget(order: Order) -> Answer:
    orders.set_budget(order.site, order.asked)
    return empty()
