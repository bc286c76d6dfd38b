"""A file has its name only when it is whole; the shell sees one line and the right exit code."""

import os
import signal
import stat
import sys

import pytest

from facegan import commands, files


def test_a_file_takes_its_name_only_when_the_block_ends_well(tmp_path):
    path = tmp_path / "a.txt"
    with files.whole_file(path, "w") as file:
        file.write("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_a_failure_keeps_the_old_file_and_leaves_no_trace(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), files.whole_file(path, "w") as file:
        file.write("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_a_written_file_can_be_read_by_whom_the_umask_lets(tmp_path):
    with files.whole_file(tmp_path / "a.txt", "w") as file:
        file.write("x")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o666 & ~mask


def test_outputs_are_checked_before_the_work(tmp_path):
    (tmp_path / "there.png").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    assert files.writable_path(tmp_path / "new" / "a.png", "--out", (".png",)).parent.is_dir()
    for path, words in (("a.jpg", "must end in .png"), ("folder.png", "is a folder"), ("there.png/a.png", "cannot be")):
        with pytest.raises(commands.UserError, match=words):
            files.writable_path(tmp_path / path, "--out", (".png",))
    with pytest.raises(commands.UserError, match="--overwrite"):
        files.writable_path(tmp_path / "there.png", "--out", (".png",), overwrite=False)


def outcome(monkeypatch, capsys, main):
    monkeypatch.setattr(sys, "argv", ["script.py"])
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stop:
        commands.run(main)
    signal.signal(signal.SIGTERM, before)
    return stop.value.code, capsys.readouterr().err


def raises(error):
    def main():
        raise error

    return main


def test_exit_codes_and_lines(monkeypatch, capsys):
    mistake = raises(commands.UserError("--out x: is wrong; mend it"))
    assert outcome(monkeypatch, capsys, mistake) == (2, "script.py: error: --out x: is wrong; mend it\n")
    assert outcome(monkeypatch, capsys, lambda: 0) == (0, "")
    assert outcome(monkeypatch, capsys, raises(KeyboardInterrupt("go on"))) == (
        130,
        "\nscript.py: interrupted; go on\n",
    )
    assert outcome(monkeypatch, capsys, raises(commands.Terminated())) == (143, "\nscript.py: terminated\n")
    assert outcome(monkeypatch, capsys, lambda: os.kill(os.getpid(), signal.SIGTERM))[0] == 143


def test_a_bug_stays_a_traceback(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["script.py"])
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ZeroDivisionError):
        commands.run(lambda: 1 / 0)
    signal.signal(signal.SIGTERM, before)
