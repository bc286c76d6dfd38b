"""Train a preset with one thing changed, to see what it is worth: the rows of docs/ablation.md.

    python benchmarks/ablation.py data/faces32.npz --preset faces32 --change batch_norm=True --steps 1000 --out runs/bn

Takes every option of train_gan.py, and writes what it writes. --change NAME=VALUE sets a field of the preset's row in
facegan/presets.py, the value as Python writes it; it may come several times; config.json
records the row.

Needs: train_gan.py and what it needs
"""

import ast
import dataclasses
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import train_gan
from facegan import commands, presets

FIELDS = {field.name for field in dataclasses.fields(presets.Preset)}


def main():
    parser = commands.parser(__doc__)
    parser.add_argument("--preset", required=True, choices=presets.PRESETS, help="the row to change")
    parser.add_argument(
        "--change",
        action="append",
        default=[],
        type=commands.argument(parse_change),
        metavar="NAME=VALUE",
        help="a field of the row",
    )
    options, rest = parser.parse_known_args()
    presets.PRESETS[options.preset] = dataclasses.replace(presets.PRESETS[options.preset], **dict(options.change))
    sys.argv[1:] = ["--preset", options.preset, *rest]
    return train_gan.main()


def parse_change(text):
    """Parse "batch_norm=True" into ("batch_norm", True)."""
    name, _, value = text.partition("=")
    if name not in FIELDS:
        raise ValueError(f"{text!r}: a preset has no {name!r}; it has {', '.join(sorted(FIELDS))}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        raise ValueError(f"{text!r}: {value!r} is no Python value; text needs quotation marks") from None


if __name__ == "__main__":
    commands.run(main)
