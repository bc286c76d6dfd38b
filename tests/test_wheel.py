"""What `pip install .` installs: the package, its pages and the bundled generator, under a licence that is named."""

import email
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy of the checkout, since building leaves files there; without a network, it is opened."""
    checkout, out = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("wheel")
    for name in ("LICENSE", "README.md", "pyproject.toml", "requirements.txt"):
        shutil.copy(ROOT / name, checkout)
    for name in ("facegan", "pretrained"):
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("benchmarks", "docs", "lessons", "tests"):  # what must not be taken for packages
        (checkout / name).mkdir()
        (checkout / name / "module.py").touch()
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--wheel-dir", str(out)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *offline, str(checkout)], check=True)
    (path,) = out.iterdir()
    with zipfile.ZipFile(path) as file:
        yield file


def test_the_wheel_holds_the_modules_the_pages_and_the_generator_and_nothing_else(wheel):
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "facegan").rglob("*.py")}
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "facegan" / "exploring" / "pages").iterdir()}
    pretrained = {f"facegan/pretrained/{path.name}" for path in (ROOT / "pretrained").iterdir() if path.is_file()}
    assert pages and "facegan/pretrained/portraits.h5" in pretrained
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == modules | pages | pretrained


def test_its_metadata_name_the_licence_and_the_requirements(wheel):
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    metadata = email.message_from_bytes(wheel.read(name))
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert metadata["License-Expression"] == "MIT"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert metadata.get_all("Requires-Dist") == [line for line in lines if line and not line.startswith("#")]
    assert wheel.read(name.replace("METADATA", "licenses/LICENSE")) == (ROOT / "LICENSE").read_bytes()


def test_the_installed_package_finds_its_generator_and_its_pages(wheel, tmp_path):
    wheel.extractall(tmp_path / "site")
    (tmp_path / "elsewhere").mkdir()
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from facegan.common import generators\n"
        "from facegan.exploring import web_pages\n"
        "print(generators.find_generator(None), *sorted(web_pages.PAGES.iterdir()), sep='\\n')"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "site")],
        cwd=tmp_path / "elsewhere",
        capture_output=True,
        text=True,
        check=True,
    )
    generator, *pages = map(Path, result.stdout.splitlines())
    assert generator == tmp_path / "site" / "facegan" / "pretrained" / "portraits.h5"
    assert {page.parent for page in pages} == {tmp_path / "site" / "facegan" / "exploring" / "pages"}
    assert {page.suffix for page in pages} == {".css", ".html", ".js"}
