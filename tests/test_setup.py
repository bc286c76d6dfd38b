"""What sets the project up: pinned requirements for GPUs, the container, the cluster's scripts in docs/."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def requirements(name):
    """The requirements in a file: name without extras → version."""
    lines = [line for line in text(name).splitlines() if line and not line.startswith("#")]
    matches = [re.fullmatch(r"([\w-]+)(?:\[[\w-]+\])?([=>]=)([\d.]+)", line) for line in lines]
    return {match[1]: (match[2], tuple(map(int, match[3].split(".")))) for match in matches}


def test_a_gpu_box_gets_all_that_a_laptop_gets_and_jax_pinned_and_not_too_old():
    floors, pins = requirements("requirements.txt"), requirements("requirements-gpu.txt")
    assert pins.keys() == {*floors, "jax"}
    assert all(relation == "==" for relation, _ in pins.values())
    assert all(pins[name][1] >= floor for name, (_, floor) in floors.items())


def test_the_container_is_set_up_by_the_command_for_gpu_boxes_that_the_readme_names():
    steps = re.findall(r"^(?:FROM|RUN|COPY|ENTRYPOINT) .*(?:\n    .*)*", text("Dockerfile"), re.MULTILINE)
    assert steps[2:4] == ["COPY . .", "RUN make gpu"]
    assert re.search(r"^gpu: \.venv/gpu-ready$", text("Makefile"), re.MULTILINE)
    assert "-r requirements-gpu.txt" in text("Makefile")
    assert "make gpu\n" in text("README.md") and "docker build --tag facegan ." in text("docs/where_it_runs.md")
    # What no pip can install is what the checks install, too.
    installed = re.search(r"--no-install-recommends (.*) \\", steps[1])[1].split()
    assert all(f"need {package} " in text(".ci/run") for package in installed)


SCRIPTS = {
    f"{page.name} {number}": script
    for page in sorted(ROOT.glob("docs/*.md"))
    for number, script in enumerate(re.findall(r"```bash\n(#!.*?)```", page.read_text("utf-8"), re.DOTALL), start=1)
}
each_script = pytest.mark.parametrize("script", SCRIPTS.values(), ids=list(SCRIPTS))


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
@each_script
def test_shellcheck_finds_nothing_in_the_scripts_that_docs_tell_to_copy(script):
    result = subprocess.run(["shellcheck", "-"], input=script, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


@each_script
def test_a_script_that_docs_tell_to_copy_is_bash(script):
    assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0
