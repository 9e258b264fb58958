"""The page's samples: photographs that anyone may use, each with a trimap; photographs/README.md says whose."""

from importlib.resources import files

SAMPLES = ("red-panda", "giraffe", "crab")


def sample_file(name: str, suffix: str) -> bytes:
    """The photo (suffix jpg) or the trimap (png) of a sample by its name in SAMPLES."""
    return files("erkd.demo").joinpath("photographs", f"{name}.{suffix}").read_bytes()
