"""What the scripts share on the command line: one-line errors, exit codes, option types, a quiet import of Keras.

The library raises `ValueError`; a script turns it into a `UserError` that names the option, `with naming("--out"):`.
Standard library only. Scripts import this module before any package, so that it can report a missing one.
"""

import argparse
import contextlib
import importlib.util
import io
import logging
import math
import os
import re
import signal
import sys
import traceback
from pathlib import Path

from facegan.common import files

BACKENDS = ("tensorflow", "jax", "torch")
EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
NO_MEMORY_TO_LOAD = "the memory is not enough to load the libraries; free some, or raise its limit"

_ends_at_once = False

# The threads of numpy's linear algebra wait for one another: on a busy machine a 256x256 eigenproblem takes 1 s instead
# of 5 ms. This must be set before numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


class UserError(ValueError):
    """A user's mistake. Its text is one line that names the option and the remedy."""


class OutOfMemoryError(UserError):
    """There is not enough memory."""


class NotFiniteError(UserError):
    """A network drew images with values that are NaN or infinite: its training had failed before it was saved."""


class Terminated(BaseException):
    """SIGTERM arrived. Like KeyboardInterrupt, it is not an `Exception`, so that no `except Exception` swallows it."""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line, without the usage block in front; it refuses empty arguments."""

    def parse_args(self, args=None, namespace=None):
        for word in sys.argv[1:] if args is None else args:
            if re.fullmatch(r"(--[a-z-]+=)?", word):  # an empty name would mean the default to some options
                self.error(f"{word!r} is an empty argument; is a variable not set? Name something, or leave it out")
        return super().parse_args(args, namespace)

    def error(self, message):
        self.exit(EXIT_USER_ERROR, f"{self.prog}: error: {_one_line(message)} (see --help)\n")


class _Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the docstring's layout and shows each default that is a value."""

    def __init__(self, prog):
        super().__init__(prog, max_help_position=28)

    def _get_help_string(self, action):
        no_value = action.default is None or action.default is False or action.default == [] or action.const is False
        return action.help if no_value else super()._get_help_string(action)


def parser(docstring):
    """Make a parser whose --help begins with the script's docstring, line breaks included.

    Args:
        docstring: the script's `__doc__`.

    Returns:
        A `Parser`; long options cannot be abbreviated, so that a later option never changes what a command means.
    """
    return Parser(description=docstring.strip(), formatter_class=_Help, allow_abbrev=False)


def run(main):
    """Run a script's `main()` and exit: with code 2 after a user's mistake, 130 after Ctrl-C, 143 after SIGTERM.

    Args:
        main: a function without arguments; it returns the exit code, None meaning 0.

    A file that cannot be written counts as a mistake. Any other exception is a bug and stays a traceback.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    signal.signal(signal.SIGTERM, _raise_terminated)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name may be no text
    name = Path(sys.argv[0]).name
    try:
        _check_backend()
        code = main()
        sys.stdout.flush()
    except (OutOfMemoryError, MemoryError) as error:
        memory = "the memory is not enough; ask for less at a time"
        code = _report(error if isinstance(error, UserError) else memory)
        _end_at_once(code)
    except (UserError, files.WriteError) as error:
        code = _report(error)
    except KeyboardInterrupt as stop:
        print(f"\n{name}: interrupted{_remedy(stop)}", file=sys.stderr)
        code = EXIT_INTERRUPTED
    except Terminated as stop:
        print(f"\n{name}: terminated{_remedy(stop)}", file=sys.stderr)
        code = EXIT_TERMINATED
    except BrokenPipeError:
        _discard_output()
        code = 1
    except Exception as error:
        if isinstance(error, OSError) and error.errno in files.DISK_FULL:
            code = _report(f"{error.filename or 'output'}: the disk is full; make room and run the same command again")
            _discard_output()
        elif _ends_at_once:
            traceback.print_exc()
            code = 1
        else:
            raise
    if _ends_at_once:
        _end_at_once(code)
    sys.exit(code)


def end_at_once(yes):
    """Choose whether `run` ends the process without the libraries' cleaning up, as JAX's waits for other processes."""
    global _ends_at_once
    _ends_at_once = yes


def _check_backend():
    """Refuse a backend that Keras does not know before any library asks for it."""
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if backend not in BACKENDS:
        raise UserError(f"KERAS_BACKEND {backend}: must be {', '.join(BACKENDS[:-1])} or {BACKENDS[-1]}")


def _report(error):
    print(f"{Path(sys.argv[0]).name}: error: {_one_line(error)}", file=sys.stderr)
    return EXIT_USER_ERROR


def _end_at_once(code):
    """End a script's process without the libraries' cleaning up, which crashes where memory is short."""
    if Path(getattr(sys.modules["__main__"], "__file__", "")).name == Path(sys.argv[0]).name:  # not in a test
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _one_line(error):
    """An error's text with line breaks and other control characters, as file names may contain them, as escapes."""
    return re.sub(r"[\x00-\x1f\x7f]", lambda match: repr(match[0])[1:-1], str(error))


def _discard_output():
    """Discard what standard output still holds: Python would try to write it again at exit, and complain."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def naming(option):
    """Turn a `ValueError` of the library, or an `OSError`, into a `UserError` that begins with the option.

    Put it around code that reads or checks input, not around long work: a bug's ValueError must stay a traceback.

    Args:
        option: "--out" if the error's text begins with the option's value, otherwise "--out:".
    """
    try:
        yield
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{option} {error}") from error
    except OSError as error:
        raise UserError(f"{option} {_of_file(error)}") from error


def _of_file(error):
    """An OSError as "PATH: reason"."""
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)


def require_distinct(paths):
    """Raise UserError if two options name the same file: one would silently replace the other.

    Args:
        paths: a dictionary from options to paths, None for those left out.
    """
    seen = {}
    for option, path in paths.items():
        other = seen.setdefault(os.path.realpath(path), option) if path else option
        if other != option:
            raise UserError(f"{option} {path}: is the file of {other} too; name another")


def require_writable(outputs, inputs=None):
    """Raise UserError, before any work, if an output cannot be written or is the file of another option.

    Args:
        outputs: a dictionary from options to (path, suffix), the path None for those left out.
        inputs: a dictionary from options to paths, None for those left out.
    """
    require_distinct({**(inputs or {}), **{option: path for option, (path, _) in outputs.items()}})
    for option, (path, suffix) in outputs.items():
        if path:
            with naming(option):
                files.writable_path(path, (suffix,))


def require_rooms(rooms, purpose):
    """Raise UserError if the script was copied without rooms that an option needs.

    Args:
        rooms: names of folders in facegan/. purpose: what needs them, such as "--best".
    """
    missing = [f"facegan/{room}" for room in rooms if importlib.util.find_spec(f"facegan.{room}") is None]
    if missing:
        raise UserError(f"{purpose}: needs {', '.join(missing)}; copy what is missing next to facegan/common")


def require_packages(packages, purpose):
    """Raise UserError if an optional package is not installed.

    Args:
        packages: names under which they are imported. purpose: what needs them, such as "--out walk.mp4".
    """
    missing = " ".join(name.replace("_", "-") for name in packages if importlib.util.find_spec(name) is None)
    if missing:
        raise UserError(f"{purpose}: needs a package that is not installed: pip install {missing}")


def import_keras():
    """Import Keras with its backend, without their messages, and return the module."""
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns where several networks draw in one process
    # Without AVX512_VNNI, TensorFlow leaves oneDNN's convolutions off, and a step takes twice the time or more.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    with without_messages():
        try:
            import keras
        except ModuleNotFoundError as error:
            if error.name not in ("tensorflow", "jax", "torch"):
                raise
            raise UserError(
                f"Keras needs {error.name}, which is not installed: pip install {error.name}, or set KERAS_BACKEND to "
                "whichever of tensorflow, jax and torch is installed"
            ) from None
        except ImportError as error:
            if not _is_of_memory(error):
                raise
            raise OutOfMemoryError(NO_MEMORY_TO_LOAD) from None
        except ValueError as error:
            raise UserError(f"KERAS_BACKEND {os.environ.get('KERAS_BACKEND')}: {error}") from error
        except Exception as error:
            # Libraries that are left half loaded raise anything.
            if not _is_limited():
                raise
            raise OutOfMemoryError(f"{NO_MEMORY_TO_LOAD} ({type(error).__name__})") from None
    return keras


def _is_limited():
    """Whether this process may use only so much memory, by `ulimit -v`."""
    with contextlib.suppress(ImportError):  # Windows has no such module
        import resource

        return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY
    return False


@contextlib.contextmanager
def without_messages():
    """Discard what libraries write to standard error: TensorFlow's write ten lines before any setting silences them.

    `hardware.explain_cpu` asks again for what they say about GPUs.
    """
    sys.stderr.flush()
    standard_error = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)


def _raise_terminated(signum, frame):
    raise Terminated


def _remedy(stop):
    """The advice in the exception's text, if any, as in KeyboardInterrupt("run the same command to resume")."""
    return f"; {stop}" if str(stop) else ""


def argument(parse):
    """Wrap a parsing function so that argparse shows the text of its ValueError, instead of "invalid parse value"."""

    def convert(text):
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
        except OSError as error:
            raise argparse.ArgumentTypeError(_of_file(error)) from error

    return convert


def integer(low, high=None):
    """An argparse type: a whole number of at least `low` and, if given, at most `high`."""

    def parse(text):
        try:
            value = int(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a whole number") from None
        return _in_range(value, text, low, high)

    return argument(parse)


def number(low, high=None, above=False):
    """An argparse type: a number from `low` (with `above`, more than `low`) to `high`, never NaN or infinity."""

    def parse(text):
        try:
            value = float(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a number") from None
        if not math.isfinite(value):
            raise ValueError(f"{text} is not a finite number")
        if above and value <= low:
            raise ValueError(f"{text} is not more than {low}")
        return _in_range(value, text, low, high)

    return argument(parse)


def _in_range(value, text, low, high):
    if value < low or (high is not None and value > high):
        raise ValueError(f"{text} is not {low} or more" if high is None else f"{text} is not from {low} to {high}")
    return value


def _report_failed_import(kind, error, trace):
    """Exception hook: report a missing package, a missing folder of facegan/ or too little memory in one line, code 2.

    A script's imports run before `run` can catch anything.
    """
    in_a_script = sys.argv[0].endswith(".py")  # at Python's prompt, exiting would end the session
    if in_a_script and _is_of_memory(error):
        remedy = NO_MEMORY_TO_LOAD
    elif in_a_script and isinstance(error, ModuleNotFoundError) and error.name:
        package, *folder = error.name.split(".")[:2]
        if package == "facegan":
            remedy = f"needs the folder {'/'.join([package, *folder])}; copy it from where the script came from"
        else:
            remedy = f"this Python has no {package}: pip install -r requirements.txt, or use .venv/bin/python"
    else:
        sys.__excepthook__(kind, error, trace)
        return
    print(f"{Path(sys.argv[0]).name}: error: {remedy}", file=sys.stderr)
    sys.exit(EXIT_USER_ERROR)


def _is_of_memory(error):
    """Whether an error of an import says that the memory is not enough."""
    return isinstance(error, MemoryError) or (isinstance(error, ImportError) and "failed to map segment" in str(error))


def _open_closed_streams():
    """Open the standard streams that the shell has closed, as `>&-` does: Python has None for them.

    Otherwise the next file that is opened would get a stream's number, and with it what libraries print.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


_open_closed_streams()
sys.excepthook = _report_failed_import
