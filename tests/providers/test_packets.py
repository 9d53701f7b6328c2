"""Git's first answer: branches, peeled tags, the default branch, and answers that are none."""

from __future__ import annotations

import pytest

from providers.errors import BadAnswer
from providers.packets import lines, refs
from providers.types import Ref

A, B, C = "a" * 40, "b" * 40, "c" * 64


def packet(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return f"{len(data) + 4:04x}".encode() + data


def answer(*told: str | bytes) -> bytes:
    return packet("# service=git-upload-pack\n") + b"0000" + b"".join(map(packet, told)) + b"0000"


def test_branches_and_tags_are_told_with_their_commits() -> None:
    body = answer(
        f"{A} HEAD\0multi_ack symref=HEAD:refs/heads/main agent=git/2.40\n",
        f"{A} refs/heads/main\n",
        f"{B} refs/heads/feature/x#1\n",
        f"{A} refs/tags/light\n",
        f"{B} refs/tags/v1\n",
        f"{A} refs/tags/v1^{{}}\n",
        f"{B} refs/pull/1/head\n",
    )
    assert refs(body) == (
        Ref("main", A, "branch", default=True),
        Ref("feature/x#1", B, "branch"),
        Ref("light", A, "tag"),
        Ref("v1", A, "tag"),
    )


def test_a_tag_named_like_the_default_branch_is_not_the_default() -> None:
    body = answer(f"{A} refs/tags/main\0symref=HEAD:refs/heads/main\n")
    assert refs(body) == (Ref("main", A, "tag"),)


def test_commits_may_have_64_digits_and_a_version_line_is_skipped() -> None:
    body = answer("version 1\n", f"{C} refs/heads/main\0object-format=sha256\n")
    assert refs(body) == (Ref("main", C, "branch"),)


def test_an_empty_repository_has_no_refs() -> None:
    assert refs(answer(f"{'0' * 40} capabilities^{{}}\0report-status\n")) == ()
    assert refs(answer()) == ()


def test_a_refusal_is_one() -> None:
    with pytest.raises(BadAnswer, match="refused"):
        refs(answer("ERR repository is locked\n"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"000",
        b"zzzz",
        b"0003",
        b"ffff",
        b"00",
        packet("# service=git-receive-pack\n"),
        answer("nonsense"),
        answer(f"{A[:39]} refs/heads/main"),
        answer(f"{A} refs/heads/main")[:-12],
        answer(f"{A}refs/heads/main"),
        b"-004" * 3,
        b"+010" + b"x" * 12,
    ],
)
def test_what_is_no_git_answer_is_a_bad_one(body: bytes) -> None:
    with pytest.raises(BadAnswer, match="protocol"):
        refs(body)


def test_lines_lose_one_newline_and_keep_empty_ones() -> None:
    assert list(lines(packet("a\n\n") + b"0000" + b"0001" * 0 + packet("b") + b"0004")) == [
        b"a\n",
        b"b",
    ]
