"""What the scripts share at the shell: one-line errors, exit codes, argument types, a quiet start of Keras."""

import argparse
import os
import signal
import sys
from pathlib import Path

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class UserError(ValueError):
    """A user's mistake. Its text is one line that names the option and the remedy."""


class Terminated(BaseException):
    """SIGTERM arrived; derived like KeyboardInterrupt so that no `except Exception` swallows it."""


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line, without the usage block in front."""

    def error(self, message):
        self.exit(EXIT_USER_ERROR, f"{self.prog}: error: {message} (see --help)\n")


def parser(docstring):
    """Make a parser whose --help opens with the script's docstring, kept as it is laid out.

    Args:
        docstring: the script's `__doc__`.

    Returns:
        A `Parser`; long options cannot be abbreviated, so that a later option never changes what a command means.
    """
    return Parser(
        description=docstring.strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def run(main):
    """Run a script's `main()` and turn what ends it into an exit code: 0, 2 for a user's mistake, 130, 143.

    Args:
        main: a function without arguments; what it returns is the exit code, None meaning 0.

    Anything else that it raises is a bug and stays a traceback.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Its threads wait for each other: where something else runs too, a 256x256 eigenproblem takes 1 s instead of 5 ms.
    # It counts where numpy is not loaded yet, as in train_gan.py and evaluate.py, which solve such problems.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    signal.signal(signal.SIGTERM, _raise_terminated)
    name = Path(sys.argv[0]).name
    try:
        code = main()
    except UserError as error:
        print(f"{name}: error: {error}", file=sys.stderr)
        code = EXIT_USER_ERROR
    except KeyboardInterrupt as stop:
        print(f"\n{name}: interrupted{_remedy(stop)}", file=sys.stderr)
        code = EXIT_INTERRUPTED
    except Terminated as stop:
        print(f"\n{name}: terminated{_remedy(stop)}", file=sys.stderr)
        code = EXIT_TERMINATED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)


def import_keras():
    """Import Keras with its backend; what TensorFlow's libraries print on standard error meanwhile is dropped.

    It tells of drivers not found and of rounding, some ten lines at each start, before any setting can silence it.
    """
    sys.stderr.flush()
    standard_error = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        import keras
    except ModuleNotFoundError as error:
        if error.name not in ("tensorflow", "jax", "torch"):
            raise
        raise UserError(
            f"Keras has no {error.name} to run under: pip install {error.name}, or set KERAS_BACKEND to what is "
            "installed of tensorflow, jax and torch"
        ) from None
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)
    return keras


def _raise_terminated(signum, frame):
    raise Terminated


def _remedy(stop):
    """KeyboardInterrupt("run the same command to go on") and Terminated("…") carry what to say to the user."""
    return f"; {stop}" if str(stop) else ""


def argument(parse):
    """Wrap a parsing function so that argparse shows the text of its ValueError.

    argparse itself replaces it by "invalid parse value".
    """

    def convert(text):
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


def integer(low, high=None):
    """An argparse type: a whole number of at least `low` and, if given, at most `high`."""

    def parse(text):
        try:
            value = int(text)
        except ValueError:
            raise ValueError(f"{text!r} is no whole number") from None
        return _in_range(value, text, low, high)

    return argument(parse)


def number(low, high=None, above=False):
    """An argparse type: a number from `low` (more than `low` with `above`) to `high`, never NaN."""

    def parse(text):
        try:
            value = float(text)
        except ValueError:
            raise ValueError(f"{text!r} is no number") from None
        if value != value or (above and value <= low):
            raise ValueError(f"{text} is not more than {low}")
        return _in_range(value, text, low, high)

    return argument(parse)


def _in_range(value, text, low, high):
    if value < low or (high is not None and value > high):
        raise ValueError(f"{text} is not {low} or more" if high is None else f"{text} is not from {low} to {high}")
    return value
