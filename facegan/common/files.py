"""Writing files that appear under their final name only when complete. Standard library only."""

import contextlib
import errno
import os
import tempfile
from pathlib import Path

DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class WriteError(ValueError):
    """A file could not be written. The text is one line that begins with its path."""


@contextlib.contextmanager
def explained(path, remedy):
    """Turn an `OSError` of the block, which writes and does nothing else, into a `WriteError` that ends in `remedy`."""
    try:
        yield
    except OSError as error:
        reason = "the disk is full" if error.errno in DISK_FULL else error.strerror or error
        raise WriteError(f"{path}: {reason}; {remedy}") from None


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
    """Like `atomic_write`, for a writer that needs a path: yields one in the same folder and with the same suffix."""
    path = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
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
        temporary.unlink(missing_ok=True)
        raise


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
        ValueError: wrong suffix, a folder of that name, a file already there, or a folder that is not writable.
    """
    path = Path(path)
    if suffixes and path.suffix.lower() not in suffixes:
        raise ValueError(f"{path}: must end in {' or '.join(suffixes)}")
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
