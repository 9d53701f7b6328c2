"""The bare git repositories on disk: made from histories, read and written with the git binary."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from providers.sandbox import histories
from providers.sandbox.records import Change, Repository

ZEROS = "0" * 40
CONFIG = """[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
[http]
\treceivepack = true
[uploadpack]
\tallowFilter = true
\tallowAnySHA1InWant = true
[receive]
\tdenyDeleteCurrent = ignore
\tautogc = false
[gc]
\tauto = 0
"""
_INFO = "%H%x00%P%x00%T%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%B"


@dataclass(frozen=True)
class GitRef:
    """A ref as git holds it. `target` is what it points to: for annotated tags a tag object."""

    full: str
    target: str
    commit: str
    message: str = ""

    @property
    def name(self) -> str:
        return self.full.split("/", 2)[2]

    @property
    def annotated(self) -> bool:
        return self.target != self.commit


@dataclass(frozen=True)
class CommitInfo:
    id: str
    parents: tuple[str, ...]
    tree: str
    author: str
    author_email: str
    authored: float
    committer: str
    committer_email: str
    committed: float
    message: str

    @property
    def title(self) -> str:
        return self.message.split("\n", 1)[0]


class Depot:
    """Where the repositories of every provider lie, below one folder.

    A repository reads from the template of its history until it is first written to; then it gets
    a copy of its own. So a reset only throws the copies away.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        self._refs: dict[Path, dict[str, GitRef]] = {}
        self._commits: dict[tuple[Path, str], CommitInfo] = {}
        self._templates: dict[str, Path] = {}
        (folder / "histories").mkdir(parents=True, exist_ok=True)

    def environment(self) -> dict[str, str]:
        """git sees no configuration but its own and asks nobody for anything."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
        }

    def git(self, folder: Path, *arguments: str, feed: bytes = b"") -> bytes:
        """Run git in a repository. Raises CalledProcessError when it fails."""
        done = subprocess.run(  # noqa: S603 - our own arguments
            ["git", *arguments],  # noqa: S607 - the git of the machine
            cwd=folder,
            input=feed,
            capture_output=True,
            check=True,
            env=self.environment(),
        )
        return done.stdout

    def where(self, slug: str, repository: Repository) -> Path:
        """Its folder, for reading."""
        own = self._own_path(slug, repository)
        return own if own.exists() else self._template(repository.history)

    def own(self, slug: str, repository: Repository) -> Path:
        """Its folder, for writing: copied from the template at the first call."""
        with self.lock:
            own = self._own_path(slug, repository)
            if not own.exists():
                fresh = own.with_name(f"{own.name}.{uuid.uuid4().hex}")
                shutil.copytree(self._template(repository.history), fresh)
                fresh.rename(own)
                branch = repository.default_branch or "main"
                (own / "HEAD").write_text(f"ref: refs/heads/{branch}\n")
            return own

    def reset(self) -> None:
        """Forget everything that was pushed."""
        with self.lock:
            written = self.folder / "written"
            if written.exists():
                doomed = self.folder / f"doomed-{uuid.uuid4().hex}"
                written.rename(doomed)
                shutil.rmtree(doomed, ignore_errors=True)
            self._refs.clear()
            self._commits.clear()

    def refs(self, slug: str, repository: Repository) -> dict[str, GitRef]:
        """All branches and tags by full name, in git's order."""
        folder = self.where(slug, repository)
        with self.lock:
            if folder not in self._refs:
                self._refs[folder] = self._read_refs(folder)
            return self._refs[folder]

    def changes(
        self, slug: str, repository: Repository, before: Mapping[str, GitRef]
    ) -> list[Change]:
        """What moved since `before`, reading the folder anew."""
        with self.lock:
            self._refs.pop(self.where(slug, repository), None)
        after = self.refs(slug, repository)
        moved = []
        for full in [*before, *(name for name in after if name not in before)]:
            old = before[full].target if full in before else ZEROS
            new = after[full].target if full in after else ZEROS
            if old != new:
                moved.append(Change(full, old, new))
        return moved

    def commit(self, slug: str, repository: Repository, revision: str) -> CommitInfo | None:
        """The commit that `revision` means to git itself, or None."""
        folder = self.where(slug, repository)
        if known := self._commits.get((folder, revision)):
            return known
        try:
            asked = ("--end-of-options", f"{revision}^{{commit}}", "--")
            text = self.git(folder, "log", "-1", f"--format={_INFO}", *asked).decode()
        except (subprocess.CalledProcessError, ValueError):
            return None
        info = _parse_commit(text)
        self._commits[folder, info.id] = info
        return info

    def log(self, slug: str, repository: Repository, before: str, after: str) -> list[CommitInfo]:
        """Commits of a push, oldest first, at most 20."""
        span = [after] if before == ZEROS else [f"{before}..{after}"]
        limit = "-1" if before == ZEROS else "-20"
        folder = self.where(slug, repository)
        text = self.git(folder, "log", limit, "--reverse", f"--format={_INFO}%x01", *span, "--")
        pieces = text.decode().split("\x01")
        return [_parse_commit(piece.lstrip("\n")) for piece in pieces if piece.strip()]

    def write(self, slug: str, repository: Repository, script: bytes) -> list[Change]:
        """Feed a fast-import script to the repository; what it moved."""
        with self.lock:
            before = dict(self.refs(slug, repository))
            folder = self.own(slug, repository)
            self.git(folder, "fast-import", "--quiet", "--force", feed=script)
            return self.changes(slug, repository, before)

    def delete_ref(self, slug: str, repository: Repository, full: str) -> list[Change]:
        with self.lock:
            before = dict(self.refs(slug, repository))
            self.git(self.own(slug, repository), "update-ref", "-d", full)
            return self.changes(slug, repository, before)

    def _own_path(self, slug: str, repository: Repository) -> Path:
        folder = self.folder / "written" / slug
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{repository.id}.git"

    def _template(self, history: str) -> Path:
        with self.lock:
            if history not in self._templates:
                self._templates[history] = self._build(history)
            return self._templates[history]

    def _build(self, history: str) -> Path:
        script = histories.stream(history)
        print_of = hashlib.sha256(CONFIG.encode() + script).hexdigest()[:12]
        ready = self.folder / "histories" / f"{history}-{print_of}.git"
        if ready.exists():
            return ready
        fresh = ready.with_name(uuid.uuid4().hex)
        for name in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "info"):
            (fresh / name).mkdir(parents=True)
        branch = "master" if history == "master" else "main"
        (fresh / "HEAD").write_text(f"ref: refs/heads/{branch}\n")
        (fresh / "config").write_text(CONFIG)
        if script:
            self.git(fresh, "fast-import", "--quiet", feed=script)
            self.git(fresh, "pack-refs", "--all")
        fresh.rename(ready)
        return ready

    def _read_refs(self, folder: Path) -> dict[str, GitRef]:
        form = "%(refname)%00%(objectname)%00%(*objectname)%00%(contents:subject)"
        text = self.git(folder, "for-each-ref", f"--format={form}", "refs/heads", "refs/tags")
        refs = {}
        for line in text.decode().splitlines():
            full, target, peeled, subject = line.split("\0")
            refs[full] = GitRef(full, target, peeled or target, subject if peeled else "")
        return refs


def _parse_commit(text: str) -> CommitInfo:
    sha, parents, tree, an, ae, at, cn, ce, ct, message = text.split("\0", 9)
    return CommitInfo(
        sha, tuple(parents.split()), tree, an, ae, float(at), cn, ce, float(ct), message.strip("\n")
    )
