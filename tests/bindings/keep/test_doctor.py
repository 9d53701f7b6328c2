"""The doctor: every prepared fault is named by exactly one step, and nothing is stored or told."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bindings.models import Binding, Check, CodeHost, Credential
from bindings.services.bind import token
from bindings.services.keep import doctor
from bindings.services.keep.doctor import Examination, Question
from bindings.services.keep.steps import KEYS
from portal.ground import rls
from portal.ground.refusals import words
from portal.tenants.models import Instance
from providers.http import Door
from providers.types import Credential as Secret
from tests.bindings import far
from tests.bindings.sources import GitHub, GitLab, events
from tests.people import Somebody
from tests.providers.certificates import DAY, Authority, self_signed
from tests.providers.farend import FarEnd, by_path, mute
from tests.providers.network import ADDRESS, NAME, FakeNetwork
from tests.providers.scenes import good, no_tls

VERSION, SELF, USER = "/api/v4/version", "/api/v4/personal_access_tokens/self", "/api/v4/user"
PROJECTS, REFS = "/api/v4/projects", "**/info/refs"
TOKEN = "glpat-test-0123456789abcdef"


@dataclass(frozen=True)
class Trouble:
    """One prepared fault, and the step and code that name it."""

    step: str
    code: str
    prepare: Callable[[GitLab], Any] | None = None
    token: str = "full"
    username: str = ""
    mode: str = "full"


def strikes(fault: str, path: str, **more: Any) -> Callable[[GitLab], Any]:
    return lambda gitlab: gitlab.fault(fault, path, **more)


def away(gitlab: GitLab) -> None:
    gitlab.sandbox.stop()


def user_scope(gitlab: GitLab) -> None:
    gitlab.sandbox.new_token("gitlab", "build-bot", "names", ["read_user"], "2027-10-01")


def behind(gitlab: GitLab) -> None:
    """Our clock says that the token has ended, the host's that it has not."""
    ends = (timezone.now() - timedelta(hours=1)).date().isoformat()
    gitlab.sandbox.skew(-86_400 * 2)
    gitlab.sandbox.new_token("gitlab", "build-bot", "past", ["api"], ends)


def elsewhere(gitlab: GitLab) -> None:
    clone = {"http_url_to_repo": "https://evil.example.net/platform/api.git"}
    gitlab.fault("set_keys", f"{PROJECTS}/*", value=clone)


def blocked(gitlab: GitLab) -> None:
    gitlab.sandbox.change_account("gitlab", "build-bot", state="blocked")


TROUBLES = {
    "server stopped": Trouble("server", "GL-NET-02", away),
    "connection reset": Trouble("server", "GL-NET-03", strikes("reset", VERSION)),
    "no answer": Trouble("server", "GL-NET-01", strikes("timeout", VERSION)),
    "headers for ever": Trouble("server", "GL-NET-01", strikes("drip_headers", VERSION)),
    "continue for ever": Trouble("server", "GL-NET-01", strikes("continue_forever", VERSION)),
    "a web page": Trouble("server", "GL-API-01", strikes("html", VERSION)),
    "no such page": Trouble("server", "GL-API-01", strikes("status:404", VERSION)),
    "another JSON": Trouble("server", "GL-API-01", strikes("bad_json", VERSION)),
    "a packed bomb": Trouble("server", "GL-API-01", strikes("gzip_bomb", VERSION)),
    "a deep body": Trouble("server", "GL-API-01", strikes("deep_json", VERSION)),
    "out of order": Trouble("server", "GL-API-03", strikes("status:502", VERSION)),
    "maintenance": Trouble("server", "GL-RATE-01", strikes("status:503", VERSION, value=30)),
    "too many requests": Trouble("server", "GL-RATE-01", strikes("rate_limit", VERSION)),
    "sent on": Trouble(
        "server", "GL-ADDR-09", strikes("redirect", VERSION, value="https://git.example.org/")
    ),
    "a token with a space": Trouble("token", "GL-TOK-07", token="= glpat test"),
    "another platform's token": Trouble("token", "GL-TOK-02", token="=ghp_test0123456789"),
    "a deploy token": Trouble("token", "GL-TOK-03", token="deploy"),
    "an invented token": Trouble("token", "GL-TOK-01", token="=glpat-test-nobody-has-this"),
    "a revoked token": Trouble("token", "GL-TOK-01", token="revoked"),
    "an ended token": Trouble("token", "GL-TOK-01", token="ended"),
    "an end that only we see": Trouble("token", "GL-TOK-04", behind, token="past"),
    "a package token": Trouble("permissions", "GL-SCOPE-01", token="registry"),
    "a blocked account": Trouble("token", "GL-USER-02", blocked),
    "another user name": Trouble("token", "GL-USER-01", username="ann"),
    "a gateway's 401": Trouble("token", "GL-API-04", strikes("unauthorized_html", USER)),
    "half an answer": Trouble("token", "GL-API-04", strikes("truncated", USER)),
    "an answer without a name": Trouble(
        "token", "GL-API-04", strikes("drop_keys", USER, value=["username"])
    ),
    "a flood": Trouble("token", "GL-API-04", strikes("huge_body", USER)),
    "an error behind the token": Trouble("token", "GL-API-03", strikes("status:500", SELF)),
    "a limit behind the token": Trouble("token", "GL-RATE-01", strikes("rate_limit", SELF)),
    "only names": Trouble("permissions", "GL-SCOPE-01", user_scope, token="names"),
    "no webhooks": Trouble("permissions", "GL-SCOPE-02", token="reduced"),
    "no clone": Trouble("permissions", "GL-SCOPE-03", token="list-only", mode="manual"),
    "no list": Trouble("repositories", "GL-API-03", strikes("status:500", PROJECTS)),
    "no branches": Trouble("repositories", "GL-REPO-02", strikes("status:404", "**/branches")),
    "a list that breaks off": Trouble("repositories", "GL-NET-03", strikes("reset", PROJECTS)),
    "the clone is refused": Trouble("repositories", "GL-CLONE-01", strikes("status:401", REFS)),
    "the clone is forbidden": Trouble("repositories", "GL-CLONE-01", strikes("status:403", REFS)),
    "the clone is a page": Trouble("repositories", "GL-CLONE-01", strikes("html", REFS)),
    "the clone is elsewhere": Trouble("repositories", "GL-CLONE-01", elsewhere),
    "the clone is away": Trouble("repositories", "GL-API-03", strikes("status:502", REFS)),
}


def examined(gitlab: GitLab, trouble: Trouble) -> Examination:
    pasted = trouble.token.startswith("=")
    secret = trouble.token[1:] if pasted else gitlab.token(trouble.token)
    question = Question(
        host=CodeHost(
            provider="gitlab",
            slug="typed",
            base_url=gitlab.base_url,
            api_url=f"{gitlab.base_url}/api/v4",
        ),
        secret=Secret(secret),
        mode=trouble.mode,
        username=trouble.username,
    )
    if trouble.prepare is away:
        away(gitlab)
    return doctor.examine(question, now=timezone.now())


def judge_steps(found: Examination, step: str, code: str) -> None:
    """Exactly this step failed; before it all passed, after it none was run."""
    steps = {one.key: one for one in found.steps}
    assert (found.code, steps[step].status, steps[step].code) == (code, "failed", code)
    at = KEYS.index(step)
    # What a pasted token shows of itself is told before anybody is asked.
    early = {"not_run"} if found.code in ("GL-TOK-02", "GL-TOK-03", "GL-TOK-07") else set()
    for key in KEYS[:at]:
        assert steps[key].status in {"ok", "skipped"} | early, key
    assert {steps[key].status for key in KEYS[at + 1 :]} <= {"not_run"}
    assert steps[step].ms is not None
    assert words(found.code, found.facts).detail


def test_there_are_more_than_thirty_faults() -> None:
    assert len(TROUBLES) > 35


@pytest.mark.parametrize("name", TROUBLES)
def test_a_fault_is_named_by_one_step(
    gitlab: GitLab, db: None, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    trouble = TROUBLES[name]
    if trouble.prepare is not None and trouble.prepare is not away:
        trouble.prepare(gitlab)
    patient = far.Hasty() if trouble.code == "GL-NET-01" else Door()
    begun = time.monotonic()
    with far.installed(patient):
        found = examined(gitlab, trouble)
    assert found.ms <= (time.monotonic() - begun) * 1000 + 1
    judge_steps(found, trouble.step, trouble.code)
    told = repr([(one.stored(), one.shown()) for one in found.steps]) + repr(found)
    secret = trouble.token[1:] if trouble.token.startswith("=") else ""
    for hidden in filter(None, (secret, "glpat-sandbox", "gldt-sandbox")):
        assert hidden not in told + caplog.text
    with rls.fleet("a test looks"):
        for table in (CodeHost, Binding, Credential, Check):
            assert not table.objects.exists()


TLS = {
    "GL-TLS-01": lambda ours: self_signed(NAME),
    "GL-TLS-02": lambda ours: ours.server(NAME, ends=-DAY),
    "GL-TLS-03": lambda ours: ours.server("git.example.org"),
}


@pytest.mark.parametrize("code", TLS)
def test_a_certificate_is_named_before_the_token_is_sent(db: None, code: str) -> None:
    ours = Authority()
    with FarEnd(by_path(good), tls=TLS[code](ours)) as end:
        network = FakeNetwork({NAME: [ADDRESS]}, {(ADDRESS, 443): end.place})
        with far.through(network):
            judge_steps(doctor.examine(asked(ours), now=timezone.now()), "tls", code)
    assert TOKEN.encode() not in end.heard


def asked(ours: Authority | None = None, **more: Any) -> Question:
    """A typed address of the world outside, with a CA bundle of ours."""
    host = CodeHost(
        provider="gitlab",
        slug="typed",
        base_url=f"https://{NAME}",
        api_url=f"https://{NAME}/api/v4",
        ca_bundle=ours.pem if ours else "",
    )
    return Question(host=host, secret=Secret(TOKEN), **more)


def test_plain_http_where_tls_should_be(db: None) -> None:
    with FarEnd(no_tls) as end:
        network = FakeNetwork({NAME: [ADDRESS]}, {(ADDRESS, 443): end.place})
        with far.through(network):
            found = doctor.examine(asked(), now=timezone.now())
    judge_steps(found, "tls", "GL-TLS-01")


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([], "GL-ADDR-03"),
        (["10.0.0.7"], "GL-ADDR-04"),
        ([ADDRESS, "127.0.0.1"], "GL-ADDR-04"),
        (["169.254.169.254"], "GL-ADDR-04"),
        ([ADDRESS], "GL-NET-02"),
    ],
)
def test_an_address_is_judged_when_it_is_dialled(db: None, answers: list[str], code: str) -> None:
    network = FakeNetwork({NAME: answers})
    with far.through(network):
        judge_steps(doctor.examine(asked(), now=timezone.now()), "server", code)
    assert set(network.dialled) <= {(ADDRESS, 443)}


def test_the_whole_climb_takes_no_longer_than_thirty_seconds(db: None) -> None:
    """The door of the doctor is one errand, and its time is the doctor's."""
    assert doctor.SECONDS == 30.0
    with FarEnd(mute) as end:
        network = FakeNetwork({NAME: [ADDRESS]}, {(ADDRESS, 443): end.place})
        begun = time.monotonic()
        with far.installed(far.Hasty(network=network)):
            found = doctor.examine(asked(), now=timezone.now())
    assert found.code == "GL-NET-01"
    assert time.monotonic() - begun < 5


def test_a_sound_account_passes_all_steps(gitlab: GitLab, db: None) -> None:
    found = examined(gitlab, Trouble("", ""))
    assert (found.ok, found.outcome) == (True, "ok")
    assert [(s.key, s.status) for s in found.steps] == [
        ("server", "ok"),
        ("tls", "skipped"),
        ("token", "ok"),
        ("permissions", "ok"),
        ("repositories", "ok"),
        ("webhook", "ok"),
    ]
    assert found.steps[1].code == "GL-HTTP-01"
    assert all(step.shown()["detail"] for step in found.steps)
    assert found.repositories_seen


def test_manual_builds_skip_the_webhook(gitlab: GitLab, db: None) -> None:
    found = examined(gitlab, Trouble("", "", token="reduced", mode="manual"))
    assert (found.ok, found.steps[-1].status) == (True, "skipped")
    assert found.abilities["hooks"]["code"] == "GL-SCOPE-02"


def test_a_host_outside_may_not_reach_us_inside(db: None) -> None:
    ours = Authority()
    with FarEnd(by_path(far.cloneable), tls=ours.server(NAME)) as end:
        network = FakeNetwork({NAME: [ADDRESS]}, {(ADDRESS, 443): end.place})
        with far.through(network):
            found = doctor.examine(asked(ours), now=timezone.now())
    assert (found.ok, found.outcome) == (True, "warn")
    assert (found.steps[-1].status, found.steps[-1].code) == ("warn", "GL-HOOK-01")


def test_an_account_without_repositories_is_warned(gitlab: GitLab, db: None) -> None:
    gitlab.fault("null_json", PROJECTS, value="[]")
    found = examined(gitlab, Trouble("", ""))
    assert (found.ok, found.outcome) == (True, "warn")
    assert found.steps[4].code == "GL-REPO-01"


def test_one_repository_that_is_closed_does_not_speak_for_all(gitlab: GitLab, db: None) -> None:
    first = gitlab.sandbox.state()["providers"]["gitlab"]["repositories"][0]["path"]
    gitlab.fault("status:403", f"/{first}.git/info/refs")
    found = examined(gitlab, Trouble("", ""))
    assert found.ok
    assert found.steps[4].facts["path"] != first


def test_a_refused_clone_takes_that_ability_and_no_other(gitlab: GitLab, db: None) -> None:
    gitlab.fault("status:403", REFS)
    found = examined(gitlab, Trouble("", ""))
    lost = {name: proof["code"] for name, proof in found.abilities.items() if not proof["ok"]}
    assert lost == {"clone": "GL-CLONE-01"}


def test_a_stored_token_is_not_judged_by_its_shape(github: GitHub, db: None) -> None:
    """GitHub's are issued to us, and longer than what a person may type."""
    long = github.sandbox.token("github", "octavia") + "x" * 2000
    question = Question(host=github.host, secret=Secret(long), typed=False)
    found = doctor.examine(question, now=timezone.now())
    assert found.code == "GH-TOK-01"
    assert [step.status for step in found.steps][:3] == ["ok", "skipped", "failed"]
    assert found.steps[1].shown()["detail"] is None


def test_a_failed_bind_leaves_nothing(gitlab: GitLab, alice: Somebody, instance: Instance) -> None:
    tested = token.test(tenant=alice.tenant, instance=instance, ask=gitlab.ask("reduced"))
    assert (tested.examination.code, events(alice.tenant)) == ("GL-SCOPE-02", [])
