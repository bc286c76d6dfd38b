"""What a script says and returns: one line for a user's mistake, exit codes, help with defaults."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from facegan.common import cli

import pytest

ROOT = Path(__file__).parents[2]


def outcome(monkeypatch, capsys, main):
    """(exit code, standard error) of a script with this main function."""
    monkeypatch.setattr(sys, "argv", ["script.py"])
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stop:
        cli.run(main)
    signal.signal(signal.SIGTERM, before)
    return stop.value.code, capsys.readouterr().err


def test_an_unknown_backend_is_refused_by_every_script(monkeypatch, capsys):
    monkeypatch.setenv("KERAS_BACKEND", "nonsense")
    line = "script.py: error: KERAS_BACKEND nonsense: must be tensorflow, jax or torch\n"
    assert outcome(monkeypatch, capsys, lambda: 0) == (2, line)


def raises(error):
    def main():
        raise error

    return main


def test_exit_codes_and_lines(monkeypatch, capsys):
    mistake = raises(cli.UserError("--out x: is wrong; change it"))
    assert outcome(monkeypatch, capsys, mistake) == (2, "script.py: error: --out x: is wrong; change it\n")
    assert outcome(monkeypatch, capsys, lambda: 0) == (0, "")
    interrupted = outcome(monkeypatch, capsys, raises(KeyboardInterrupt("resume")))
    assert interrupted == (130, "\nscript.py: interrupted; resume\n")
    assert outcome(monkeypatch, capsys, raises(cli.Terminated())) == (143, "\nscript.py: terminated\n")
    assert outcome(monkeypatch, capsys, lambda: os.kill(os.getpid(), signal.SIGTERM))[0] == 143


@pytest.mark.parametrize("error", [ZeroDivisionError, ValueError("of the library, not named by a script")])
def test_a_bug_stays_a_traceback(monkeypatch, error):
    monkeypatch.setattr(sys, "argv", ["script.py"])
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises((ZeroDivisionError, ValueError)):
        cli.run(raises(error))
    signal.signal(signal.SIGTERM, before)


def test_naming_puts_the_option_before_an_error_of_the_library():
    with pytest.raises(cli.UserError, match=r"^--out a\.jpg: must end in \.png$"), cli.naming("--out"):
        raise ValueError("a.jpg: must end in .png")


def test_naming_leaves_errors_that_name_an_option_and_bugs_as_they_are():
    with pytest.raises(cli.UserError, match=r"^--faces: are missing$"), cli.naming("--out"):
        raise cli.UserError("--faces: are missing")
    with pytest.raises(KeyError), cli.naming("--out"):
        raise KeyError("a bug")


def test_folders_that_an_option_needs_are_named_where_they_were_not_copied():
    cli.require_rooms(("common",), "--best")
    with pytest.raises(cli.UserError, match=r"^--best: needs facegan/attic, facegan/cellar; copy"):
        cli.require_rooms(("attic", "common", "cellar"), "--best")


def test_help_shows_the_docstring_as_it_is_and_defaults_that_are_values(capsys):
    parser = cli.parser("Draw.\n\n    python draw.py\n")
    parser.add_argument("--steps", type=cli.integer(1), default=9, help="faces drawn")
    parser.add_argument("--out", help="the picture")
    parser.add_argument("--loop", action="store_true", help="return to the start")
    parser.add_argument("--no-grid", dest="grid", action="store_false", help="leave the grid out")
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])
    text = capsys.readouterr().out
    assert "Draw.\n\n    python draw.py\n" in text
    assert "faces drawn (default: 9)\n" in text
    assert text.count("default") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--steps", "x"], "--steps: 'x' is not a whole number"),
        (["--steps", "0"], "--steps: 0 is not 1 or more"),
        (["--scale", "nan"], "--scale: nan is not a finite number"),
        (["--scale", "inf"], "--scale: inf is not a finite number"),
        (["--scale", "0"], "--scale: 0 is not more than 0"),
        (["--scale", "x"], "--scale: 'x' is not a number"),
        (["--scale", "5"], "--scale: 5 is not from 0 to 4"),
        (["--step", "3"], "unrecognized arguments: --step"),
    ],
)
def test_a_wrong_argument_is_one_line_and_exit_code_2(capsys, words, said):
    parser = cli.parser("Draw.")
    parser.add_argument("--steps", type=cli.integer(1))
    parser.add_argument("--scale", type=cli.number(0, 4, above=True))
    with pytest.raises(SystemExit) as stop:
        parser.parse_args(words)
    error = capsys.readouterr().err
    assert stop.value.code == 2
    assert said in error and error.count("\n") == 1


def run_script(folder, statement, stdout=subprocess.PIPE):
    """Run a script that imports `cli` and then executes a statement, in its own process."""
    path = folder / "script.py"
    path.write_text(f"from facegan.common import cli\n{statement}\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    options = {"cwd": folder, "env": environment, "stdout": stdout, "stderr": subprocess.PIPE, "text": True}
    return subprocess.run([sys.executable, path.name], **options)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("import no_such_package.part", "this Python has no no_such_package: pip install -r requirements.txt"),
        ("from facegan.attic import box", "needs the folder facegan/attic; copy it"),
    ],
)
def test_a_script_without_a_package_or_folder_that_it_imports_says_so_in_one_line(tmp_path, statement, said):
    result = run_script(tmp_path, statement)
    assert result.returncode == 2
    assert result.stderr.startswith(f"script.py: error: {said}") and result.stderr.count("\n") == 1


def test_another_error_of_a_script_keeps_its_traceback(tmp_path):
    result = run_script(tmp_path, "from facegan.common.cli import nothing")
    assert result.returncode == 1
    assert "Traceback" in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_printing_to_a_full_disk_is_one_line(tmp_path):
    with Path("/dev/full").open("w") as full:
        result = run_script(tmp_path, "cli.run(lambda: print('a table'))", stdout=full)
    assert result.returncode == 2
    assert result.stderr == "script.py: error: output: the disk is full; make room and run the same command again\n"


def test_printing_a_name_that_is_no_text_is_possible(tmp_path):
    result = run_script(tmp_path, "cli.run(lambda: print('a\\udcff.png'))")
    assert (result.returncode, result.stdout) == (0, "a\\udcff.png\n")


@pytest.mark.parametrize("error", ["MemoryError", "cli.OutOfMemoryError('--batch-size 64: is too much')"])
def test_without_memory_a_script_ends_in_one_line_before_libraries_can_crash(tmp_path, error):
    crash = f"import atexit, os\natexit.register(os.abort)\ndef main():\n    raise {error}\ncli.run(main)"
    result = run_script(tmp_path, crash)
    assert result.returncode == 2
    assert result.stderr.startswith("script.py: error: ") and result.stderr.count("\n") == 1


def test_too_little_memory_to_load_keras_is_one_line(tmp_path):
    (tmp_path / "keras.py").write_text("raise ImportError('libx.so.2: failed to map segment from shared object')\n")
    result = run_script(tmp_path, "cli.run(cli.import_keras)")
    assert result.returncode == 2
    assert result.stderr.startswith("script.py: error: the memory is not enough") and result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [("return 0", 0), ("raise cli.UserError('--out: is full')", 2), ("raise KeyboardInterrupt", 130), ("1 / 0", 1)],
)
def test_a_process_that_must_end_at_once_does_not_wait_for_libraries(tmp_path, body, code):
    crash = f"import atexit, os\natexit.register(os.abort)\ndef main():\n    {body}\n"
    result = run_script(tmp_path, f"{crash}cli.end_at_once(True)\ncli.run(main)")
    assert result.returncode == code
    assert ("ZeroDivisionError" in result.stderr) == (code == 1)


@pytest.mark.parametrize("error", ["MemoryError", "ImportError('libx.so: failed to map segment')"])
def test_too_little_memory_for_a_scripts_imports_is_one_line(tmp_path, error):
    result = run_script(tmp_path, f"raise {error}")
    assert (result.returncode, result.stderr) == (2, f"script.py: error: {cli.NO_MEMORY_TO_LOAD}\n")


def test_closed_streams_stop_no_script_and_no_file_takes_their_number(tmp_path):
    path = tmp_path / "script.py"
    body = "import sys\nprint('a')\nprint('b', file=sys.stderr)\nsys.exit(10 + open('file', 'w').fileno())"
    path.write_text(f"from facegan.common import cli\n{body}\n")
    command = f"exec {shlex.quote(sys.executable)} script.py 0<&- 1>&- 2>&-"
    result = subprocess.run(command, shell=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert result.returncode == 13
    assert (tmp_path / "file").read_text() == ""


@pytest.mark.parametrize("words", [[""], ["--out", ""], ["--out="]])
def test_an_empty_argument_is_refused_as_a_variable_that_is_not_set(capsys, words):
    parser = cli.parser("Draw faces.")
    parser.add_argument("model", nargs="?")
    parser.add_argument("--out")
    with pytest.raises(SystemExit):
        parser.parse_args(words)
    assert f"{words[-1]!r} is an empty argument; is a variable not set?" in capsys.readouterr().err
