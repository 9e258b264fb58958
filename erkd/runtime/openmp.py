"""How long OpenMP's threads, which torch computes with, wait in a loop for their next work."""

import os

SPIN_COUNT = 1000  # rounds; GNU's default, where there are cores enough, is 300,000


def limit_spinning() -> None:
    """Let waiting threads sleep soon; in effect where it is called before torch is imported.

    Beside other busy processes threads that spin keep cores from those that compute (docs/decisions/055). A user's
    own GOMP_SPINCOUNT or OMP_WAIT_POLICY stays as it is.
    """
    if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = str(SPIN_COUNT)
