"""Where the shared data lies; tests that need it skip with a reason where it is absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder that holds camvid360/ (env RDCT_DATA, else ../shared/data)."""
    folder = Path(os.environ.get("RDCT_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "camvid360" / "val").is_dir():
        pytest.skip(f"no CamVid pictures in {folder} (set RDCT_DATA)")
    return folder
