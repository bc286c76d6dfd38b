"""Files that appear under their final name only when they are complete. Standard library only."""

import contextlib
import os
import tempfile
from pathlib import Path

from facegan.commands import UserError


@contextlib.contextmanager
def whole_file(path, mode="wb", **kwargs):
    """Open a file for writing that takes its name when the block ends well and leaves no trace when it does not.

    It is written beside its place, flushed to the disk and renamed, so that a crash at any moment leaves either the
    old file or the new one. `kwargs` go to `open`.
    """
    with whole_path(path) as temporary:
        with temporary.open(mode, **kwargs) as file:
            yield file


@contextlib.contextmanager
def whole_path(path):
    """Like `whole_file`, for a writer that wants a path: yields a name beside `path` that ends as `path` does."""
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
def held(folder, doing):
    """Keep a folder for this process against others of this host; the hold goes with the process however it ends.

    Args:
        folder: an existing folder. doing: the option and what is done there, for the message.

    Raises:
        UserError: another process holds it.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no such thing
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        # A network's file system may be without locks; the work is more than the hold.
        with contextlib.suppress(OSError):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UserError(f"{doing} by another process; wait for it or name another") from None
        yield
    finally:
        os.close(descriptor)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder):
    """Make a rename durable; Windows cannot open folders and needs no such thing."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def writable_path(path, option="--out", suffixes=(), overwrite=True):
    """Check, before any work, that a file can be written; makes its folder.

    Args:
        path: the file to be written later.
        option: the option that named it, for the message.
        suffixes: the endings allowed, such as (".png", ".gif"); empty allows any.
        overwrite: whether a file already there may be replaced.

    Returns:
        The path as a `Path`.

    Raises:
        UserError: wrong ending, a folder of that name, a file already there, or a folder that cannot be written.
    """
    path = Path(path)
    if suffixes and path.suffix.lower() not in suffixes:
        raise UserError(f"{option} {path}: must end in {' or '.join(suffixes)}")
    if path.is_dir():
        raise UserError(f"{option} {path}: is a folder; name a file in it")
    if path.exists() and not overwrite:
        raise UserError(f"{option} {path}: exists already; name another file, or add --overwrite to replace it")
    writable_folder(path.parent, option)
    return path


def writable_folder(folder, option="--out"):
    """Make a folder, with its parents, and check that files can be written there, or raise UserError."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"{option} {folder}: cannot be written ({error.strerror or error}); name another") from None
    return folder
