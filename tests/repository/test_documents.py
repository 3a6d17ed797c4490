"""What the documents promise about the repository itself."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")),
]


def tracked_files():
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout: the list of tracked files is unknown")
    return [ROOT / name for name in listing.stdout.decode().split("\0") if name and (ROOT / name).exists()]


def test_readme_test_command_is_what_ci_runs():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = [line for line in readme.splitlines() if line.endswith("-m pytest")]
    assert len(commands) == 1
    assert commands[0] in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_relative_links_lead_somewhere(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in target:
            assert ((ROOT / document).parent / target).exists(), f"{document} links to {target}"


def test_no_machine_path_in_tracked_files():
    pattern = re.compile(rb"(?:^|[^A-Za-z0-9_.])/(?:work|farm|root|home|tmp)/[A-Za-z0-9]")
    for path in tracked_files():
        data = path.read_bytes()
        if b"\0" not in data:
            assert not pattern.search(data), f"{path.relative_to(ROOT)} names a path of some machine"


def test_tracked_files_are_small():
    # The network is the one large file a user needs.
    for path in tracked_files():
        limit = 5_000_000 if path.suffix == ".safetensors" else 1 << 20
        assert path.stat().st_size <= limit, path
