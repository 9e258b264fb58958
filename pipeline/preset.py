"""Take a preset over into params.yaml: `python -m pipeline.preset composition1k --data DIR --backgrounds DIR`."""

import argparse
import sys
from pathlib import Path

from erkd.experiments.presets import apply_preset
from erkd.io.files import InputError
from erkd.params import load_params


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.preset", description=__doc__)
    parser.add_argument("name", help="a file of presets/, without its suffix")
    parser.add_argument("--data", type=Path, required=True, help="folder of the data set, as it was unpacked")
    parser.add_argument("--backgrounds", type=Path, required=True, help="folder that holds all backgrounds")
    parser.add_argument("--root", type=Path, default=Path("."), help="folder of params.yaml and presets/")
    arguments = parser.parse_args()
    try:
        params = apply_preset(arguments.root, arguments.name, arguments.data, arguments.backgrounds)
        load_params(params)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    print(f"{params} now follows presets/{arguments.name}.yaml; `git checkout {params}` takes it back")


if __name__ == "__main__":
    main()
