"""Train a face generator and explore its latent space; README.md says what each module is."""

import importlib.util
import sys

# Beside the environment that `make demo` sets up, a machine's own Python lacks these: say so before an import fails.
for _package in ("numpy", "PIL", "keras"):
    if importlib.util.find_spec(_package) is None:
        print(
            f"this Python has no {_package}: pip install -r requirements.txt, or take .venv/bin/python", file=sys.stderr
        )
        sys.exit(2)
