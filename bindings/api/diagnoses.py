"""Diagnoses over the API: why the account of a binding does not see a repository."""

from __future__ import annotations

from typing import Annotated, TypedDict

from bindings.api.endpoint import BindingEndpoint, Call
from bindings.models import Binding
from bindings.services.browse import missing, places
from bindings.services.browse.missing import Diagnosis as Found
from portal.ground.rest.calls import Answer, operation
from portal.ground.rest.fields import Body, Text
from portal.ground.rest.shapes import Uri, identity, open_words


class DiagnosedRepository(TypedDict):
    id: Annotated[str, identity("rep")]
    path: str


class Diagnosis(TypedDict):
    """One verdict on one repository. `ask`: who can mend it, in words."""

    verdict: Annotated[
        str,
        open_words(
            "visible",
            "wrong_host",
            "not_visible",
            "scope_missing",
            "role_too_low",
            "archived",
            "organization_restricted",
            "sso_required",
            "token_not_granted",
            "binding_not_usable",
            "unknown",
        ),
    ]
    code: str | None
    detail: str
    path: str
    repository: DiagnosedRepository | None
    fix_url: Uri | None
    ask: str | None


class DiagnosisBody(Body):
    link = Text(max_length=places.LONGEST)


class Diagnoses(BindingEndpoint):
    @operation(
        "Diagnose a missing repository",
        scope="repositories:read",
        body=DiagnosisBody,
        answers=Diagnosis,
        reaches_provider=True,
        about="`link` is a URL, an SSH address or a path. Asks the platform, never the cache.",
        codes=("410 X-GONE-01", "422 X-FORM-03"),
    )
    def post(self, call: Call, found: Binding) -> Answer:
        diagnosed = missing.diagnose(binding=found, link=call.body["link"])
        return Answer(_shape(diagnosed), tagged=False)


def _shape(found: Found) -> Diagnosis:
    row = found.repository
    return {
        "verdict": found.verdict,
        "code": found.code or None,
        "detail": found.detail,
        "path": found.path,
        "repository": None if row is None else {"id": row.id, "path": row.path},
        "fix_url": found.fix_url or None,
        "ask": found.ask or None,
    }
