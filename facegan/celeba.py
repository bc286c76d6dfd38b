"""CelebA fetched through kagglehub, an optional package. Standard library only."""

from pathlib import Path

from facegan.commands import UserError

HANDLE = "jessicali9530/celeba-dataset"
LICENCE = """CelebA (Liu et al., Deep Learning Face Attributes in the Wild, 2015) is for non-commercial research only.
The terms: https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html"""


def download():
    """Fetch the 202,599 aligned photos, or go on with a broken download; returns their folder, a Path.

    kagglehub keeps them in its own cache (KAGGLEHUB_CACHE moves it) and fetches nothing twice.
    """
    try:
        import kagglehub
    except ImportError:
        raise UserError("--download celeba: needs the package kagglehub; pip install kagglehub") from None
    print(LICENCE)
    try:
        folder = Path(kagglehub.dataset_download(HANDLE))
    except Exception as error:  # whatever the client raises: network, credentials, disk
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"--download celeba: {reason}; run the same command to go on") from None
    for table in sorted(folder.rglob("list_attr_celeba.*")):
        print(f"its attributes: --attributes {table}")
    return folder
