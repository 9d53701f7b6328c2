"""The permission table of the pages: every page × every caller → one status (style.md 21).

302 is the way to the sign-in page for who has none (tokens have none), and where a form leads on.
"""

from __future__ import annotations

import pytest

from tests.gate.permissions import Row, World, routes

T = "t/<slug:tenant>/"
INSTANCE, B = f"{T}instances/<slug:name>/", f"{T}bindings/<str:public_id>/"
S = f"{INSTANCE}sources/<slug:provider>/"
HOOK, TRIGGER = f"{B}webhooks/<str:hook>/", f"{INSTANCE}triggers/<str:trigger>/"
ENDPOINT = f"{T}endpoints/<str:endpoint>/"

EVERYBODY = "200 200 200 200 200 200 200"
NOT_THIS_METHOD = "405 405 405 405 405 405 405"
NOTHING_THERE = "404 404 404 404 404 404 404"
LEADS_ON = "302 302 302 302 302 302 302"
MEMBERS = "200 200 200 404 302 302 302"
BUILDERS = "200 200 403 404 302 302 302"
ADMINS = "200 403 403 404 302 302 302"
MISFILLED = "422 403 403 404 302 302 302"
PRESSED = "302 302 403 404 302 302 302"
PRESSED_BY_ADMINS = "302 403 403 404 302 302 302"
NOT_HERE = "405 405 405 404 302 302 302"

#     route → GET, POST:                 alice bob carol mallory nobody reader writer
PAGES = {
    "healthz": (EVERYBODY, NOT_THIS_METHOD),
    "readyz": (EVERYBODY, NOT_THIS_METHOD),
    "metrics": (NOTHING_THERE, NOT_THIS_METHOD),
    "": (LEADS_ON, NOT_THIS_METHOD),
    "t/": (LEADS_ON, NOT_THIS_METHOD),
    "me/language/": (NOT_THIS_METHOD, LEADS_ON),
    "me/theme/": (NOT_THIS_METHOD, LEADS_ON),
    "me/notifications/": ("200 200 200 200 302 302 302", "200 200 200 200 302 302 302"),
    # The key is the proof, and nobody has one here.
    "me/unsubscribe/<str:key>/": (NOTHING_THERE, NOTHING_THERE),
    "feeds/<str:key>.ics": (NOTHING_THERE, NOT_THIS_METHOD),
    "mailbox/": (NOTHING_THERE, NOT_THIS_METHOD),
    "help/": (EVERYBODY, NOT_THIS_METHOD),
    "help/errors/": (EVERYBODY, NOT_THIS_METHOD),
    "help/errors/<str:code>/": (EVERYBODY, NOT_THIS_METHOD),
    "help/<slug:provider>/": (EVERYBODY, NOT_THIS_METHOD),
    "oauth/callback/<slug:host_slug>/": (NOTHING_THERE, NOT_THIS_METHOD),
    "i/<str:code>/": ("404 404 404 404 302 302 302", "404 404 404 404 302 302 302"),
    "i/<str:code>/form/": (NOTHING_THERE, NOTHING_THERE),
    "i/<str:code>/form/test/": (NOT_THIS_METHOD, NOTHING_THERE),
    "i/<str:code>/form/address/": (NOT_THIS_METHOD, NOTHING_THERE),
    # Whoever was sent here says what for; nobody does here, and nobody has a code.
    "terminal/": ("404 404 404 404 302 302 302", NOT_THIS_METHOD),
    "terminal/token": (NOT_THIS_METHOD, NOTHING_THERE),
    f"{T}terminal/": ("404 404 404 404 302 302 302", "404 404 404 404 302 302 302"),
    T: ("302 302 302 404 302 302 302", "302 302 302 404 302 302 302"),
    f"{T}tokens/": (MEMBERS, NOT_HERE),
    f"{T}tokens/new/": (MEMBERS, MEMBERS),
    f"{T}tokens/<slug:token>/revoke/": (ADMINS, "302 403 403 404 302 302 302"),
    f"{T}expiry/": (MEMBERS, NOT_HERE),
    f"{T}expiry.csv": (MEMBERS, NOT_HERE),
    f"{T}expiry/feed/": (MEMBERS, MEMBERS),
    f"{T}notices/": (MEMBERS, NOT_HERE),
    f"{T}notices/read/": (NOT_HERE, "302 302 302 404 302 302 302"),
    f"{T}activity/": (MEMBERS, NOT_HERE),
    f"{T}instances/": (MEMBERS, NOT_HERE),
    f"{T}instances/new/": (ADMINS, MISFILLED),
    f"{T}activity.csv": (MEMBERS, NOT_HERE),
    f"{T}endpoints/": (BUILDERS, NOT_HERE),
    f"{T}endpoints/new/": (ADMINS, MISFILLED),
    ENDPOINT: (BUILDERS, NOT_HERE),
    f"{ENDPOINT}change/": (ADMINS, MISFILLED),
    f"{ENDPOINT}secret/": (ADMINS, ADMINS),
    f"{ENDPOINT}test/": (NOT_HERE, PRESSED_BY_ADMINS),
    f"{ENDPOINT}switch/": (NOT_HERE, PRESSED_BY_ADMINS),
    f"{ENDPOINT}replay/": (NOT_HERE, PRESSED),
    f"{ENDPOINT}delete/": (ADMINS, PRESSED_BY_ADMINS),
    INSTANCE: ("302 302 302 404 302 302 302", "302 302 302 404 302 302 302"),
    f"{INSTANCE}sources/": (MEMBERS, NOT_HERE),
    f"{INSTANCE}sources/check/": (NOT_HERE, "302 302 403 404 302 302 302"),
    f"{INSTANCE}triggers/": (BUILDERS, NOT_HERE),
    f"{INSTANCE}triggers/new/": (BUILDERS, "422 422 403 404 302 302 302"),
    f"{INSTANCE}triggers/preview/": (NOT_HERE, BUILDERS),
    TRIGGER: (BUILDERS, NOT_HERE),
    f"{TRIGGER}change/": (NOT_HERE, "422 422 403 404 302 302 302"),
    f"{TRIGGER}run/": (BUILDERS, "422 422 403 404 302 302 302"),
    # It is alice's to delete, and gone for bob.
    f"{TRIGGER}delete/": (BUILDERS, "302 404 403 404 302 302 302"),
    f"{S}start/": (NOT_HERE, "422 403 403 404 302 302 302"),
    # Something is bound there.
    f"{S}bind/": ("409 403 403 404 302 302 302", "409 403 403 404 302 302 302"),
    f"{S}bind/test/": (NOT_HERE, MISFILLED),
    f"{S}bind/address/": (NOT_HERE, ADMINS),
    f"{S}confirm/": ("302 403 403 404 302 302 302", "302 403 403 404 302 302 302"),
    f"{S}handoff/": (ADMINS, "409 403 403 404 302 302 302"),  # something is bound there
    B: (MEMBERS, NOT_HERE),
    f"{B}activity/": (MEMBERS, NOT_HERE),
    f"{B}repositories/": (BUILDERS, NOT_HERE),
    # Paused, so that no code host is asked.
    f"{B}repositories/refresh/": ("302 302 403 404 302 302 302", "302 302 403 404 302 302 302"),
    f"{B}repositories/automatic/": (NOT_HERE, "302 302 403 404 302 302 302"),
    f"{B}repositories/<path:repository>/": ("409 409 403 404 302 302 302", NOT_HERE),
    f"{B}missing/": (BUILDERS, "422 422 403 404 302 302 302"),
    f"{B}webhooks/": (BUILDERS, NOT_HERE),
    f"{B}webhooks/new/": (BUILDERS, "422 422 403 404 302 302 302"),
    HOOK: (BUILDERS, NOT_HERE),
    # Paused: what is pressed is refused on the page it leads back to.
    f"{HOOK}test/": (NOT_HERE, PRESSED),
    f"{HOOK}repair/": (NOT_HERE, PRESSED),
    f"{HOOK}recover/": (NOT_HERE, PRESSED),
    f"{HOOK}remove/": (BUILDERS, PRESSED),
    f"{B}deliveries/": (BUILDERS, NOT_HERE),
    f"{B}deliveries/replay/": (NOT_HERE, PRESSED),
    f"{B}deliveries/<str:delivery>/": (BUILDERS, NOT_HERE),
    f"{B}deliveries/<str:delivery>/replay/": (NOT_HERE, PRESSED),
    f"{B}leases/": (BUILDERS, NOT_HERE),
    f"{B}leases/new/": (BUILDERS, "422 422 403 404 302 302 302"),
    f"{B}leases/<str:lease>/revoke/": (BUILDERS, PRESSED),
    f"{B}check/": (NOT_HERE, "302 302 403 404 302 302 302"),
    f"{B}later/": (NOT_HERE, "302 302 302 404 302 302 302"),
    f"{B}replace/": (ADMINS, MISFILLED),
    f"{B}rotate/": (ADMINS, MISFILLED),
    f"{B}end/": (ADMINS, MISFILLED),
    f"{B}back/": (NOT_HERE, "302 403 403 404 302 302 302"),
    f"{B}switch/": (ADMINS, MISFILLED),
    f"{B}switch/test/": (NOT_HERE, MISFILLED),
    f"{B}switch/address/": (NOT_HERE, ADMINS),
    # It is used, so its name has to be typed.
    f"{B}unbind/": (ADMINS, MISFILLED),
    # Not on the sandbox: only operators hold drills there.
    f"{B}drill/": ("404 404 404 404 302 302 302", "404 403 403 404 302 302 302"),
    # It is bound, so there is no receipt yet.
    f"{B}receipt/": ("404 404 404 404 302 302 302", NOT_HERE),
}
ELSEWHERE = (
    "api/",
    "hooks/",
    "admin/",
    "accounts/",
    "^git/",  # asks for a lease, not for a member: tests/bindings/clone
    "hooks/",
    "^git/",
)  # a table of their own; allauth's and Django's own tests


@pytest.fixture
def world(alice, bob, carol, mallory) -> World:
    return World(alice, bob, carol, mallory)


@pytest.mark.parametrize("route", PAGES)
def test_everybody_gets_the_status_of_the_table(world: World, route: str):
    for method, statuses in zip(("GET", "POST"), PAGES[route], strict=True):
        row = Row(method, route, statuses)
        found = {caller: world.ask(row, caller) for caller in row.expected}
        assert (method, found) == (method, row.expected)


def test_every_page_has_a_row():
    there = {route for route, _ in routes() if not route.startswith(ELSEWHERE)}
    assert there == set(PAGES)
