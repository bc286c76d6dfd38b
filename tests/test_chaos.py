"""Whatever operation on whatever file fails, the same command again ends in the same bytes; see helpers/chaos.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")]


@pytest.mark.parametrize("work", ["preparing", "training"])
def test_faults_at_random_operations_lose_nothing_and_leave_nothing(tmp_path, work):
    harness = Path(__file__).parent / "helpers" / "chaos.py"
    command = [sys.executable, harness, work, tmp_path / work, os.environ.get("CHAOS_FAULTS", "60")]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
