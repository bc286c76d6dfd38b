"""Takes the README's picture of the page that explore.py wrote: screenshot.py PAGE PNG [FACE]."""

import sys
import tempfile
from pathlib import Path

import browser

SIZE = (1200, 800)
SMILE = 1.5
FACE = "99"
# Nothing is left to draw, and the stage shows what is chosen.
DRAWN = "return artist.idle.length === artist.workers && seenCanvas.dataset.shown === JSON.stringify(state)"


def take(page, picture, face=FACE):
    with tempfile.TemporaryDirectory() as profile, browser.opened(profile) as chromium:
        chromium.resize(*SIZE)
        chromium.open(Path(page))
        chromium.execute_script(
            "edit(null, (chosen) => { chosen.face = arguments[0]; chosen.strengths.smile = arguments[1] })", face, SMILE
        )
        chromium.wait_for(DRAWN, seconds=300)
        chromium.save_screenshot(picture)


if __name__ == "__main__":
    take(*sys.argv[1:])
