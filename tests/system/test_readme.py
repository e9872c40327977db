"""The README's tour works as written: its shell and Python blocks are run, and what they print is what it says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stat7.testing.servers.base import free_port

README = Path(__file__).parents[2] / "README.md"
_BLOCK = re.compile(r"^```(sh|text|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NEEDED = ("bash", "curl", "sed", "seq", "sha256sum")
_PORT = "127.0.0.1:7007"


@pytest.mark.skipif(
    any(shutil.which(name) is None for name in _NEEDED), reason=f"the tour needs {', '.join(_NEEDED)} (a Unix shell)"
)
def test_the_tour_prints_what_the_readme_says(tmp_path: Path) -> None:
    # Another port, since somebody may serve a store on this machine, or run this test, at the same time.
    tour = README.read_text("utf-8").replace(_PORT, f"127.0.0.1:{free_port()}")
    blocks = _BLOCK.findall(tour)
    script, expected = ["set -e"], []
    for number, (language, body) in enumerate(blocks):
        if language == "sh":
            script += [f"echo '== {number}'", body]
        elif language == "python":
            (tmp_path / "tour.py").write_text(body, "utf-8")
            script += [f"echo '== {number}'", "python tour.py"]
        if language != "text":
            expected.append(f"== {number}\n{blocks[number + 1][1]}")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STAT7_")}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "".join(expected)
