"""Files appear under their names only when complete, and outputs are checked before the work."""

import errno
import os
import re
import shutil
import stat
import subprocess
import sys

from facegan.common import files

import pytest


def test_a_file_appears_only_when_the_block_has_ended(tmp_path):
    path = tmp_path / "a.txt"
    with files.atomic_write(path, "w") as file:
        file.write("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_a_failure_keeps_the_old_file_and_leaves_no_trace(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), files.atomic_write(path, "w") as file:
        file.write("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_a_written_file_has_the_permissions_of_the_umask(tmp_path):
    with files.atomic_write(tmp_path / "a.txt", "w") as file:
        file.write("x")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o666 & ~mask


def test_outputs_are_checked_before_the_work(tmp_path):
    (tmp_path / "there.png").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    assert files.writable_path(tmp_path / "new" / "a.png", (".png",)).parent.is_dir()
    for path, words in (("a.jpg", "must end in .png"), ("folder.png", "is a folder"), ("there.png/a.png", "cannot be")):
        with pytest.raises(ValueError, match=words):
            files.writable_path(tmp_path / path, (".png",))
    with pytest.raises(ValueError, match=r"there\.png: exists already"):
        files.writable_path(tmp_path / "there.png", (".png",), overwrite=False)


@pytest.mark.skipif(os.name != "posix", reason="needs fcntl")
def test_a_locked_folder_is_refused_to_another_process_and_free_again_afterwards(tmp_path):
    program = "import sys; from facegan.common import files\nwith files.lock(sys.argv[1]): pass"

    def error_of_another_process():
        return subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True).stderr

    with files.lock(tmp_path):
        assert f"ValueError: {tmp_path}: is in use by another process" in error_of_another_process()
    assert error_of_another_process() == ""


def test_an_error_of_the_system_is_one_line_about_the_file_and_a_bug_is_not(tmp_path):
    with pytest.raises(files.WriteError, match=rf"^{tmp_path}/no/a\.txt: No such file or directory; "):
        with files.atomic_write(tmp_path / "no" / "a.txt"):
            pass
    with pytest.raises(files.WriteError, match=r"a\.txt: the disk is full; all is safe; make room and run the same"):
        with files.explained("a.txt", before="all is safe; "):
            raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(OSError, match="a bug"), files.explained("a.txt"):
        raise OSError("a bug")


def test_a_folder_that_vanishes_during_the_work_is_one_line(tmp_path):
    (tmp_path / "run").mkdir()
    with pytest.raises(files.WriteError, match=r"run/a\.txt: No such file"):
        with files.atomic_write(tmp_path / "run" / "a.txt") as file:
            file.write(b"x")
            shutil.rmtree(tmp_path / "run")


WRITE_AND_DIE = """
import os, signal, sys
from facegan.common import files
with files.atomic_write(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_what_a_killed_process_left_is_removed_by_the_next_one_and_nothing_else(tmp_path):
    subprocess.run([sys.executable, "-c", WRITE_AND_DIE, tmp_path / "state.npz"])
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".state-")
    living, other_host = (
        tmp_path / re.sub(r"-\w{8}-\d+-", between, left.name)
        for between in (f"-{files._HOST}-{os.getppid()}-", "-00000000-1-")
    )
    others = [living, other_host, tmp_path / ".state-1.npz", tmp_path / "state.npz", tmp_path / ".hidden"]
    for path in others:
        path.write_bytes(b"")
    with files.atomic_write(tmp_path / "log.csv"):
        pass
    assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path / "log.csv"])
