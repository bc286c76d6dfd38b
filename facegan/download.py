"""Fetch the photographs of CelebA through `kagglehub`, an optional extra: `pip install kagglehub`."""

import os
import sys
from pathlib import Path

from facegan import files
from facegan.commands import UserError

CELEBA = "jessicali9530/celeba-dataset"
CELEBA_SIZE = "1.4 GB to download, 3 GB on the disk while it is unpacked"
LICENCE = (
    "CelebA (Liu et al. 2015) is for non-commercial research only: neither the photographs nor parts of them may be "
    "passed on, and they belong to their owners, not to those who gathered them. Read and accept its agreement at "
    "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html before you use it."
)


def fetch_celeba(folder, option="--download celeba"):
    """Download CelebA's 202,599 aligned photographs, or go on with a download that was cut, or find it done.

    Args:
        folder: where to keep them; all that is written lies in it.
        option: for messages.

    Returns:
        The folder of the `.jpg` files; CelebA's tables, `list_attr_celeba.csv` among them, lie beside it.

    Raises:
        UserError: kagglehub is missing, the folder cannot be written or the download failed; the same command goes on.
    """
    folder = files.writable_folder(folder, option)
    # Its cache, unlike its `output_dir`, takes up a cut download where it stopped. Read when kagglehub is called.
    os.environ["KAGGLEHUB_CACHE"] = str(folder.resolve())
    try:
        import kagglehub
    except ImportError:
        raise UserError(f"{option}: needs kagglehub; pip install kagglehub, or download CelebA yourself") from None
    print(f"{LICENCE}\nCelebA goes to {folder} ({CELEBA_SIZE}).", file=sys.stderr)
    try:
        fetched = Path(kagglehub.dataset_download(CELEBA))
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command goes on with the download") from None
    except Exception as error:  # kagglehub passes on what its network and archive libraries raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"{option}: the download failed ({reason}); the same command goes on where it stopped"
        ) from None
    photographs = fetched / "img_align_celeba"
    if not photographs.is_dir():
        raise UserError(f"{option}: {fetched} holds no img_align_celeba; remove that folder and download again")
    for table in sorted(fetched.glob("list_attr_celeba.*")):
        print(f"Its attributes: --attributes {table}", file=sys.stderr)
    return photographs
