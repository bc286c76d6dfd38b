"""Writing files that appear under their final name only when complete. Standard library only."""

import contextlib
import errno
import hashlib
import os
import platform
import re
import tempfile
from pathlib import Path

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# Temporary files are called .STEM-HOST-PROCESS-RANDOM.SUFFIX, so that those of dead processes can be recognised.
_HOST = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
_TEMPORARY = re.compile(rf"\..*-{_HOST}-(\d+)-[a-z0-9_]{{8}}\.?[^.]*", re.DOTALL)
_swept = set()


class WriteError(ValueError):
    """A file could not be written. The text is one line that begins with its path; `cli.run` shows it to the user."""


@contextlib.contextmanager
def explained(path, before=""):
    """Turn an `OSError` of the block, which writes and does nothing else, into a `WriteError`.

    Args:
        path: what is written. before: words about what is safe, to stand before the remedy.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:  # not the system's: a bug
            raise
        full = error.errno in DISK_FULL
        # Some libraries put several lines into `strerror`.
        reason = "the disk is full" if full else str(error.strerror or error).splitlines()[0]
        remedy = "make room and run the same command again" if full else "make it writable, or name another place"
        raise WriteError(f"{path}: {reason}; {before}{remedy}") from None


def printable(text):
    r"""A text with a file's name in it, its undecodable bytes as \x escapes, so that it can be written as UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@contextlib.contextmanager
def atomic_write(path, mode="wb", **kwargs):
    """Open a file for writing that appears at `path` when the block ends, and leaves no trace if the block raises.

    It is written under another name in the same folder, flushed to disk and renamed, so that a crash at any moment
    leaves either the old file or the new one. `kwargs` are passed to `open`.
    """
    with atomic_path(path) as temporary:
        with temporary.open(mode, **kwargs) as file:
            yield file


@contextlib.contextmanager
def atomic_path(path):
    """Like `atomic_write`, for a writer that needs a path: yields one in the same folder and with the same suffix.

    Raises:
        WriteError: the file cannot be written, for instance because the disk is full.
    """
    path = Path(path)
    with explained(path):
        _sweep(path.parent)
        prefix = f".{path.stem[:40]}-{_HOST}-{os.getpid()}-"
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
            _sync_folder(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):  # the folder may have vanished
                temporary.unlink()
            raise


def _sweep(folder):
    """Remove the temporary files that dead processes of this host left in a folder, once in this process."""
    folder = folder.resolve()
    if folder in _swept or os.name != "posix":  # elsewhere, asking whether a process lives may end it
        return
    _swept.add(folder)
    for path in folder.iterdir():
        match = _TEMPORARY.fullmatch(path.name)
        if match and not _lives(int(match[1])):
            path.unlink(missing_ok=True)


def _lives(process):
    if process == os.getpid():  # this one has written nothing here yet: an earlier one had its number
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


@contextlib.contextmanager
def lock(folder):
    """Lock a folder against other processes on this host; the lock ends with the process, however that ends.

    Raises:
        ValueError: another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no such module
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # A network file system may lack locks; then work without one.
        with contextlib.suppress(OSError):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ValueError(f"{folder}: is in use by another process; wait for it or name another") from None
        yield
    finally:
        os.close(descriptor)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder):
    """Make a rename durable; Windows cannot open folders and does not need it."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def writable_path(path, suffixes=(), overwrite=True):
    """Check, before any work, that a file can be written, and create its folder.

    Args:
        path: the file to be written later.
        suffixes: the allowed ones, such as (".png", ".gif"); empty allows any.
        overwrite: whether a file already there may be replaced.

    Returns:
        The path as a `Path`.

    Raises:
        ValueError: wrong suffix, a folder of that name, a file already there, or a path that cannot be written.
    """
    path = Path(path)
    if suffixes and path.suffix.lower() not in suffixes:
        after = " after a name" if path.name.lower() in suffixes else ""
        raise ValueError(f"{path}: must end in {' or '.join(suffixes)}{after}")
    with explained(path):
        if path.is_dir():
            raise ValueError(f"{path}: is a folder; name a file in it")
        if path.exists() and not overwrite:
            raise ValueError(f"{path}: exists already; name another file, or choose to overwrite it")
    writable_folder(path.parent)
    return path


def writable_folder(folder):
    """Create a folder with its parents and return its `Path`; ValueError if files cannot be written there."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(f"{folder}: cannot be written ({error.strerror or error}); name another") from None
    return folder
