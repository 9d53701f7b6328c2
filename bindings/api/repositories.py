"""Repositories, branches, tags and refs over the API, as the bound account sees them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, TypedDict
from urllib.parse import unquote

from django.core.handlers.wsgi import WSGIRequest
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from bindings.api.endpoint import BindingEndpoint, Call
from bindings.models import Binding
from bindings.services.browse import builds, refs
from bindings.services.browse import repositories as browse
from bindings.services.browse.cache import Kept
from bindings.services.browse.repositories import Listed, Listing
from bindings.services.custody.use import usable
from portal.ground.refusals import NotYours
from portal.ground.rest import pagination, parameters
from portal.ground.rest.calls import Answer, listed, one, operation
from portal.ground.rest.shapes import Uri, identity, open_words

_OWN = ("409 X-STATE-01", "410 X-GONE-01", "502 *-API-* *-NET-02", "503 *-RATE-01", "504 *-NET-01")
_LONGEST = 1000  # letters of a path
_NAME = parameters.text("q", "Anywhere in the name, without case.", many=False)


class RepositoryAbilities(TypedDict):
    clone: bool
    hooks: bool | None


class Repository(TypedDict):
    """A repository the account can read."""

    id: Annotated[str, identity("rep")]
    external_id: str
    path: str
    name: str
    web_url: Uri
    clone_url: Uri
    visibility: Annotated[str, open_words("private", "internal", "public")]
    default_branch: str | None
    archived: bool
    empty: bool
    access: Annotated[str, open_words("admin", "write", "read", "none")]
    access_name: str
    can: RepositoryAbilities
    trigger_mode: Literal["automatic", "manual"]
    trigger_mode_reason: str | None
    webhook: Annotated[str, identity("hok")] | None
    triggers: int
    pushed_at: datetime | None


class HiddenPart(TypedDict):
    """What the platform leaves out of the list."""

    code: str
    organization: str | None
    fix_url: Uri | None


class Age(TypedDict):
    """How old a list is; `stale` when the platform did not give a newer one."""

    fetched_at: datetime
    source: Literal["cache", "platform"]
    stale: bool


class ListAge(Age):
    hidden: list[HiddenPart]


class Branch(TypedDict):
    name: str
    sha: str
    protected: bool
    default: bool


class Tag(TypedDict):
    name: str
    sha: str


class Ref(TypedDict):
    """What a name stands for: always a commit."""

    ref: str
    kind: Literal["branch", "tag", "commit"]
    name: str
    sha: str


class Repositories(BindingEndpoint):
    @operation(
        "List repositories",
        scope="repositories:read",
        answers=Repository,
        lists=True,
        meta=ListAge,
        reaches_provider=True,
        sparing="fresh",
        about="By path, at most ten minutes old. `fresh=true` asks the platform; so does a search"
        " that the list cannot answer.",
        query=(
            parameters.text("q", "Anywhere in path or name, without case.", many=False),
            parameters.choice("visibility", "How visible.", ["private", "internal", "public"]),
            parameters.choice(
                "archived", "Archived ones.", ["false", "true", "all"], default="false"
            ),
            parameters.flag("hooks", "Only where this account can add webhooks."),
            parameters.flag("fresh", "Ask the platform, not the cache."),
        ),
        codes=_OWN,
    )
    def get(self, call: Call, found: Binding) -> Answer:
        usable(found)
        q, fresh = call.query["q"] or "", call.query["fresh"]
        if q:
            listing = browse.lookup(binding=found, q=q, fresh=fresh)
        else:
            listing = browse.repositories(binding=found, fresh=fresh)
        chosen = browse.select(
            listing.rows,
            q="" if listing.searched else q,
            archived=call.query["archived"],
            hooks=call.query["hooks"] or None,
        )
        wanted = call.query["visibility"]
        rows = [row for row in chosen if not wanted or row.visibility in wanted]
        page = pagination.page_of(rows, lambda row: [row.path.lower(), row.id], call.paging)
        return listed(_shapes(found, page.rows), page, meta=_age(listing))


class OfRepository(BindingEndpoint):
    """An endpoint below one repository, which is named by its id or its path."""

    def which(self, call: Call) -> Binding:
        name = call.path["repository"]
        if not 1 <= len(name) <= _LONGEST or not name.isprintable():
            raise NotYours
        found = super().which(call)
        usable(found)
        return found


class OneRepository(OfRepository):
    @operation(
        "Get a repository",
        scope="repositories:read",
        answers=Repository,
        reaches_provider=True,
        about="`{repository}` is an id or the path, URL-encoded.",
        codes=("404 *-REPO-02", *_OWN),
    )
    def get(self, call: Call, found: Binding) -> Answer:
        row = browse.repository(binding=found, key=call.path["repository"])
        return one(_shapes(found, [row])[0])


class Branches(OfRepository):
    @operation(
        "List branches",
        scope="repositories:read",
        answers=Branch,
        lists=True,
        meta=Age,
        reaches_provider=True,
        about="The default branch first, then by name.",
        query=(_NAME,),
        codes=("404 *-REPO-02", *_OWN),
    )
    def get(self, call: Call, found: Binding) -> Answer:
        rows, kept = refs.branches(
            binding=found, repository=call.path["repository"], q=call.query["q"] or ""
        )
        page = pagination.page_of(rows, lambda ref: [not ref.default, ref.name], call.paging)
        shown: list[Branch] = [
            {"name": r.name, "sha": r.commit, "protected": r.protected, "default": r.default}
            for r in page.rows
        ]
        return listed(shown, page, meta=_age(kept))


class Tags(OfRepository):
    @operation(
        "List tags",
        scope="repositories:read",
        answers=Tag,
        lists=True,
        meta=Age,
        reaches_provider=True,
        about="By name, descending.",
        query=(_NAME,),
        codes=("404 *-REPO-02", *_OWN),
    )
    def get(self, call: Call, found: Binding) -> Answer:
        rows, kept = refs.tags(
            binding=found, repository=call.path["repository"], q=call.query["q"] or ""
        )
        page = pagination.page_of(rows, lambda ref: [ref.name], call.paging, descending=True)
        shown: list[Tag] = [{"name": ref.name, "sha": ref.commit} for ref in page.rows]
        return listed(shown, page, meta=_age(kept))


class Resolve(OfRepository):
    @operation(
        "Resolve a ref",
        scope="repositories:read",
        answers=Ref,
        reaches_provider=True,
        about="A branch, a tag, `refs/…`, or 7 to 64 hex digits. A branch wins over a tag.",
        query=(parameters.text("ref", "What to resolve.", most=300, many=False, required=True),),
        codes=("404 *-REPO-02 *-REF-01", "409 *-REPO-04", *_OWN),
    )
    def get(self, call: Call, found: Binding) -> Answer:
        ref = refs.resolve(binding=found, repository=call.path["repository"], ref=call.query["ref"])
        shown: Ref = {
            "ref": ref.full,
            "kind": ref.kind,  # type: ignore[typeddict-item]  # branch, tag or commit
            "name": ref.name,
            "sha": ref.commit,
        }
        return one(shown)


_BELOW = {"branches": Branches, "tags": Tags, "resolve": Resolve}


@csrf_exempt
def at_repository(request: WSGIRequest, binding: str, rest: str) -> HttpResponseBase:
    """Everything below `/repositories/`. WSGI decodes %2F in the path, so where the server tells
    the raw address, that one says where the repository's path ends: `a%2Fbranches` is a
    repository, `a/branches` are the branches of one."""
    parts = _raw_rest(request) or rest.split("/")
    below = _BELOW.get(parts[-1]) if len(parts) > 1 else None
    name = unquote("/".join(parts[:-1] if below else parts))
    view = (below or OneRepository).as_view()
    return view(request, binding=binding, repository=name)


def _raw_rest(request: WSGIRequest) -> list[str]:
    raw = request.environ.get("RAW_URI", "").partition("?")[0]
    _head, found, rest = raw.partition("/repositories/")
    return rest.split("/") if found else []


def _shapes(binding: Binding, rows: Sequence[Listed]) -> list[Repository]:
    known = builds.of(binding, [row.id for row in rows])
    return [_shape(row, known.get(row.id, builds.NONE)) for row in rows]


def _shape(row: Listed, starts: builds.Builds) -> Repository:
    return {
        "id": row.id,
        "external_id": row.external_id,
        "path": row.path,
        "name": row.name,
        "web_url": row.web_url,
        "clone_url": row.clone_url,
        "visibility": row.visibility,
        "default_branch": row.default_branch,
        "archived": row.archived,
        "empty": row.empty,
        "access": row.access,
        "access_name": row.access_name,
        "can": {"clone": row.clone, "hooks": row.hooks},
        "trigger_mode": row.trigger_mode,  # type: ignore[typeddict-item]  # automatic or manual
        "trigger_mode_reason": row.trigger_mode_reason,
        "webhook": starts.hook.public_id if starts.hook else None,
        "triggers": starts.triggers,
        "pushed_at": row.pushed_at,
    }


def _age(kept: Kept | Listing) -> dict[str, object]:
    age: dict[str, object] = {
        "fetched_at": kept.fetched_at,
        "source": kept.source,
        "stale": kept.stale,
    }
    if isinstance(kept, Listing):
        age["hidden"] = [
            {
                "code": part["code"],
                "organization": part["organization"] or None,
                "fix_url": part["fix_url"] or None,
            }
            for part in kept.hidden
        ]
    return age
