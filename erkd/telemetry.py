"""The one place that switches off the telemetry of every tool, and the loading of pickles by MLflow: environment
variables that each of them reads.

Importing `erkd` sets them for its process and what that starts. `make setup` runs `python -m erkd.telemetry`,
which makes every Python of that environment set them at its start: `dvc` and `mlflow` have them too, with no
shell or Makefile around. What the user has set stays.
"""

import os
import sysconfig
from pathlib import Path

OFF = {
    "DO_NOT_TRACK": "true",
    "DVC_NO_ANALYTICS": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "ITERATIVE_DO_NOT_TRACK": "1",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "ORT_DISABLE_TELEMETRY": "1",  # else it starts a thread and writes to the temporary folder and ~/.cache
}


def switch_off() -> None:
    """Set what is not set."""
    for name, value in OFF.items():
        os.environ.setdefault(name, value)


def install(folder: Path) -> Path:
    """Write a `.pth` file, which Python runs at its start, into `folder` (site-packages).

    It holds the values themselves: importing `erkd` there would fix which copy of it the process uses.
    """
    file = folder / "no_telemetry.pth"
    file.write_text(f"import os; [os.environ.setdefault(*pair) for pair in {OFF}.items()]\n", encoding="utf-8")
    return file


if __name__ == "__main__":
    print(f"telemetry is off: {install(Path(sysconfig.get_path('purelib')))}")
