"""What every stage shares: `--root`, typed parameters, a timing file, and errors and signals in one line."""

import argparse
import resource
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from erkd.io.files import FULL, InputError, disk_full, print_warning, write_json
from erkd.params import load_params
from erkd.runtime.parallel import rows_on
from erkd.runtime.signals import Stopped, signals_raise


def run_stage(name: str, main: Callable[..., None], **options: str) -> None:
    """Run `main(root, params, **options)`; each of `options` becomes `--name VALUE` with that default.

    `--root DIR` (default `.`) says where `params.yaml` is read and outputs go. Seconds and peak memory go to
    `reports/timings/`, which nobody depends on, so that tracked outputs stay the same from run to run.
    """
    parser = argparse.ArgumentParser(prog=f"python -m pipeline.{name}", description=sys.modules["__main__"].__doc__)
    parser.add_argument("--root", type=Path, default=Path("."), help="folder of params.yaml and of the outputs")
    for option, default in options.items():
        parser.add_argument(f"--{option}", default=default, help=f"default: {default}")
    arguments: dict[str, Any] = vars(parser.parse_args())
    root = arguments.pop("root")
    start = time.perf_counter()
    try:
        with signals_raise(), warnings.catch_warnings():
            warnings.showwarning = print_warning
            params = load_params(root / "params.yaml")
            with rows_on(params.launch.rows, root):
                main(root, params, **arguments)
            label = "-".join([name, *(value for key, value in arguments.items() if value != options[key])])
            write_json(_timing(start), root / "reports/timings" / f"{label}.json")
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        if error.errno not in FULL:
            raise
        print(disk_full(error.filename or root), file=sys.stderr)
        sys.exit(2)
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        sys.exit(128 + stopped.signal)


def _timing(start: float) -> dict[str, float]:
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {"seconds": round(time.perf_counter() - start, 2), "peak_mib": round(peak / 1024)}
