"""What a clone holds: dependencies with a lowest version each, and nothing of anybody's machine."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from portal import embedded

ROOT = Path(embedded.__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ASKED = {
    "runtime": PROJECT["project"]["dependencies"],
    **PROJECT["dependency-groups"],
}
LOCKS = {"runtime": "requirements.lock", "dev": "requirements-dev.lock"}
# Written backwards, so that this file does not hold what it looks for.
_HOSTS = [word[::-1] for word in ("gro.ipyp", "gro.detsohnohtyp", "gro.sjmpn", "moc.nrapray")]
_PLACES = [word[::-1] for word in ("/krow/", "/toor/", "/emoh/", "/sresU/", "/pmt/")]
FOREIGN = re.compile("|".join(map(re.escape, _HOSTS + _PLACES)))
SECRET = re.compile(
    r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|glpat-[A-Za-z0-9_-]{20,}|mrg_[A-Za-z0-9]{30,}"
    r"|AKIA[0-9A-Z]{16}|-----BEGIN (?:RSA |EC )?PRIVATE KEY-----)"
)
HARMLESS = re.compile(r"(?i)test|sandbox|example|canary")


def tracked() -> list[Path]:
    """The text files a clone would hold: those git knows, and those it would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.split(b"\0")
    paths = (ROOT / name.decode() for name in listed if name)
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:4096]]


def locked(name: str) -> dict[str, str]:
    pins = re.findall(
        r"^([a-zA-Z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", (ROOT / name).read_text(), re.M
    )
    return {canonicalize_name(package): version for package, version in pins}


@pytest.mark.parametrize("group", ASKED)
def test_every_dependency_names_the_lowest_version_it_was_tried_with(group: str) -> None:
    lowest = {">=", "==", "~="}
    without = [
        wanted
        for wanted in ASKED[group]
        if not lowest & {one.operator for one in Requirement(wanted).specifier}
    ]
    assert ASKED[group]
    assert without == []


@pytest.mark.parametrize("group", LOCKS)
def test_the_lock_holds_what_is_asked_for(group: str) -> None:
    pins = locked(LOCKS[group])
    for wanted in map(Requirement, ASKED[group]):
        version = pins.get(canonicalize_name(wanted.name))
        assert version is not None, wanted
        assert wanted.specifier.contains(version, prereleases=True), (wanted, version)


def test_what_runs_and_what_is_tested_are_the_same_versions() -> None:
    runtime, dev = locked("requirements.lock"), locked("requirements-dev.lock")
    assert runtime.items() <= dev.items()


def test_no_file_names_a_package_index_or_a_place_on_a_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in tracked()
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1)
        if FOREIGN.search(line)
    ]
    assert found == []


def test_no_file_holds_a_secret_that_could_be_real() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked()
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1)
        if SECRET.search(line) and not HARMLESS.search(line)
    ]
    assert found == []
