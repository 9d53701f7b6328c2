"""The command line stands alone: nothing but the standard library, and a package of its own."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

from portal import embedded
from portal.cli.client import VERSION

ROOT = Path(embedded.__file__).parent.parent
SOURCE = ROOT / "portal" / "cli"
OFFLINE = ["--quiet", "--no-index", "--no-deps", "--disable-pip-version-check"]


def test_it_imports_nothing_else() -> None:
    known = sys.stdlib_module_names
    for path in SOURCE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                ours = name == "portal.cli" or name.startswith("portal.cli.")
                assert ours or name.partition(".")[0] in known, f"{path.name}: {name}"


def test_its_package_and_the_project_are_one_version_with_the_same_programs() -> None:
    whole = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    own = tomllib.loads((SOURCE / "pyproject.toml").read_text())
    assert {whole["version"], own["project"]["version"]} == {VERSION}
    assert own["project"]["scripts"] == whole["scripts"]
    assert own["project"]["dependencies"] == []
    assert set(own["tool"]) == {"setuptools"}  # tools are configured in one file


def test_it_installs_without_the_portal(tmp_path: Path) -> None:
    # Copied, because a build leaves its traces beside what it builds.
    shutil.copytree(SOURCE, tmp_path / "cli", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip"]
    built = tmp_path / "built"
    build = ["wheel", *OFFLINE, "--no-build-isolation", "-w", str(built), str(tmp_path / "cli")]
    subprocess.run([*pip, *build], check=True)
    venv.create(tmp_path / "bare", with_pip=False)
    programs = tmp_path / "bare" / "bin"
    (wheel,) = built.iterdir()
    install = ["--python", str(programs / "python"), "install", *OFFLINE, str(wheel)]
    subprocess.run([*pip, *install], check=True)
    bare = {"PATH": str(programs), "HOME": str(tmp_path)}
    said = subprocess.run(
        ["mooring", "--version"], env=bare, capture_output=True, text=True, check=True
    )
    assert said.stdout == f"mooring {VERSION}\n"
    asked = subprocess.run(
        ["git-credential-mooring", "get"],
        env=bare | {"MOORING_URL": "https://portal.example"},
        input="protocol=https\nhost=github.com\npath=acme/api.git\n\n",
        capture_output=True,
        text=True,
        check=True,
    )
    assert (asked.stdout, asked.stderr) == ("", "")
