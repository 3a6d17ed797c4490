# SPDX-License-Identifier: Apache-2.0
"""The folder benchmarks/ belongs to the repository, not to the installed package."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

collect_ignore_glob = []
if (ROOT / "benchmarks" / "conftest.py").is_file():
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))  # last: what is installed wins over the folders here
else:
    collect_ignore_glob.append("test_*.py")
