"""The demo's last page: what was made, by which commands, in what time. Its pictures stand beside it."""

import dataclasses
import html
import shlex
import string
from pathlib import Path

IMAGES = (".png", ".gif", ".jpg")
TEMPLATE = string.Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>From photographs to faces</title>
<style>
body { max-width: 70rem; margin: auto; padding: 1rem; font: 16px/1.5 system-ui, sans-serif; color: #202020 }
pre { white-space: pre-wrap; padding: .5rem; background: #f4f4f4; border: 1px solid #ccc }
img { max-width: 100%; max-height: 60rem; vertical-align: top; margin: 2px }
.many img { height: 9rem }
</style>
</head>
<body>
<h1>From photographs to faces</h1>
<p>Every picture was made by the command above it. The commands run in the folder of the scripts.</p>
$sections
</body>
</html>
""")


@dataclasses.dataclass(frozen=True)
class Stage:
    """A command of the demo and what it shows.

    Attributes:
        title, about: words for people.
        command: the script's name and its arguments, a list of str.
        shows: paths of files that it writes: pictures, and others, which are linked to.
    """

    title: str
    about: str
    command: list
    shows: list

    @property
    def text(self):
        """The command as it is typed."""
        return shlex.join(["python", *self.command])


def page(done, folder):
    """Build the page.

    Args:
        done: pairs of a `Stage` and its seconds, None where it was done before.
        folder: where the page will stand; files are linked to from there, those that are not there left out.

    Returns:
        The text of an HTML file.
    """
    sections = [_section(number, *pair, folder) for number, pair in enumerate(done, 1)]
    return TEMPLATE.substitute(sections="\n".join(sections))


def _section(number, stage, seconds, folder):
    links = [Path(path).relative_to(folder).as_posix() for path in stage.shows if Path(path).is_file()]
    shown = [link for link in links if Path(link).suffix in IMAGES]
    others = [link for link in links if link not in shown]
    took = "was there already" if seconds is None else f"took {seconds:,.0f} s"
    return "\n".join(
        [
            f"<h2>{number}. {html.escape(stage.title)}</h2>",
            f"<p>{html.escape(stage.about)} This {took}.</p>",
            f"<pre>{html.escape(stage.text)}</pre>",
            f'<p class="{"many" if len(shown) > 2 else "few"}">',
            *(_link(link, f'<img src="{html.escape(link)}" alt="{html.escape(Path(link).stem)}">') for link in shown),
            "</p>",
            *(f"<p>{_link(link, html.escape(link))}</p>" for link in others),
        ]
    )


def _link(link, content):
    return f'<a href="{html.escape(link)}">{content}</a>'
