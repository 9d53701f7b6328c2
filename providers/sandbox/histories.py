"""What the repositories of the first state hold, as streams for `git fast-import`.

Dates and authors are fixed, so commit ids are the same on every machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable

PERSON = "Sandbox Author <author@sandbox.example>"
FIRST = 1_761_000_000


class Story:
    """Writes one fast-import stream, a commit per call, each on the tip of its branch."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.mark = 0

    def commit(self, branch: str, message: str, start: int = 0, content: bytes = b"") -> int:
        """Add a commit to `branch`; `start` is the mark it begins at when the branch is new."""
        self.mark += 1
        stamp = f"{PERSON} {FIRST + self.mark * 3600} +0000"
        lines = [
            f"commit refs/heads/{branch}",
            f"mark :{self.mark}",
            f"author {stamp}",
            f"committer {stamp}",
            f"data {len(message.encode())}\n{message}",
        ]
        if start:
            lines.append(f"from :{start}")
        self._add(*lines)
        self._file("README.md", f"# {message}\n".encode())
        self._file("Dockerfile", b"FROM scratch\nCOPY README.md /\n")
        if content:
            self._file("data.bin", content)
        return self.mark

    def annotated(self, name: str, mark: int) -> None:
        stamp = f"{PERSON} {FIRST + self.mark * 3600 + 60} +0000"
        message = f"Release {name}"
        self._add(f"tag {name}", f"from :{mark}", f"tagger {stamp}", f"data {len(message)}")
        self._add(message)

    def light(self, name: str, mark: int) -> None:
        self._add(f"reset refs/tags/{name}", f"from :{mark}", "")

    def branch(self, name: str, mark: int) -> None:
        self._add(f"reset refs/heads/{name}", f"from :{mark}", "")

    def _file(self, path: str, content: bytes) -> None:
        self._add(f"M 100644 inline {path}", f"data {len(content)}")
        self.parts.append(content + b"\n")

    def _add(self, *lines: str) -> None:
        self.parts.append(("\n".join(lines) + "\n").encode())

    def stream(self) -> bytes:
        return b"".join(self.parts)


def plain() -> bytes:
    """One branch, one commit, one light tag."""
    story = Story()
    story.light("v0.1.0", story.commit("main", "Start"))
    return story.stream()


def rich() -> bytes:
    """Branch names with slashes, signs and Chinese; annotated and light tags."""
    story = Story()
    first = story.commit("main", "Start")
    second = story.commit("main", "Serve the page")
    story.annotated("v1.0.0", second)
    story.light("v1.0.1", second)
    third = story.commit("main", "Answer in two languages")
    story.annotated("v1.1.0", third)
    story.light("nightly/2026-11-20", third)
    story.light("版本-2", third)
    story.commit("release/1.0", "Mend the page", start=second)
    story.commit("feature/登录-页", "Draw the sign-in page", start=third)
    story.commit("fix/50%-off#1", "Round the price", start=first)
    story.branch("dependabot/pip/x+y", third)
    return story.stream()


def twins() -> bytes:
    """A branch and a tag that share the name `stable` and differ."""
    story = Story()
    first = story.commit("main", "Start")
    story.light("stable", first)
    story.commit("stable", "Go on", start=first)
    return story.stream()


def many() -> bytes:
    """130 branches and 120 tags: more than one page of each."""
    story = Story()
    first = story.commit("main", "Start")
    for number in range(129):
        story.branch(f"topic/{number:03d}", first)
    for number in range(120):
        story.light(f"build-{number:03d}", first)
    return story.stream()


def bulky(megabytes: int) -> bytes:
    """One commit whose file does not compress: a clone moves about `megabytes` MB."""
    story = Story()
    content = random.Random(megabytes).randbytes(megabytes * 1024 * 1024)  # noqa: S311 - filler
    story.commit("main", "Add the big file", content=content)
    return story.stream()


def master() -> bytes:
    """A default branch that is not `main`."""
    story = Story()
    story.annotated("1.0", story.commit("master", "Start"))
    story.commit("develop", "Go on", start=1)
    return story.stream()


HISTORIES: dict[str, Callable[[], bytes]] = {
    "plain": plain,
    "rich": rich,
    "twins": twins,
    "many": many,
    "master": master,
    "empty": lambda: b"",
}


def stream(name: str) -> bytes:
    """The stream of a named history; `bulky-20` is 20 MB. Raises KeyError for an unknown name."""
    kind, _, size = name.partition("-")
    return bulky(int(size)) if kind == "bulky" else HISTORIES[name]()
