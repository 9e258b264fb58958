"""The command `erkd`."""

import os
import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from erkd.io.files import InputError, sha256, write_json

app = typer.Typer(
    help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)
EXIT_CODES = "Exit codes: 0 done; 2 something that you gave is wrong, said in one line; 1 a mistake of erkd's."


@app.callback(epilog=EXIT_CODES)
def erkd() -> None:
    """Image matting: an alpha from a photograph and its trimap."""


@app.command(epilog="Example: erkd matte photo.jpg --trimap trimap.png -o alpha.png")
def matte(
    images: Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.", metavar="IMAGE|DIR...")],
    trimap: Annotated[
        Path,
        typer.Option(help="Trimap (0 background, 128 unknown, 255 foreground), or a folder of them, paired by name."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write, or a folder for NAME.png.")],
    model: Annotated[
        str | None,
        typer.Option(
            help="A student's folder, an ONNX file, or models:/erkd-student@champion. Without it: the "
            "package's own student, else that of the last `dvc repro`."
        ),
    ] = None,
    cutout: Annotated[
        bool, typer.Option("--cutout", help="Write RGBA with estimated foreground colours instead of alpha.")
    ] = False,
    background: Annotated[
        str | None, typer.Option(help="Write the foreground over this image file or colour (white, #rrggbb).")
    ] = None,
    tile: Annotated[
        int | None, typer.Option(help="Side of the tiles, pixels; smaller takes less memory and more time.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")] = False,
) -> None:
    """Estimate the alpha of photos from their trimaps.

    An output has its photo's size, upright as EXIF says. Files are written whole or not at all; with several
    photos, a bad one is named and the others are done.
    """
    from erkd.inference import matte_files
    from erkd.inference.matter import Matter

    jobs = matte_files.find_jobs(images, trimap, output, force)
    finish = matte_files.choose_finish(cutout, background, [job.output for job in jobs])
    if len(jobs) == 1:
        return matte_files.write_matte(Matter.load(model, device, tile), jobs[0], finish)
    matter = Matter.load(model, device, tile, threads=max(1, (os.cpu_count() or 1) // matte_files.AT_ONCE))
    from erkd.runtime.parallel import progress

    errors = list(matte_files.write_mattes(matter, progress(jobs, "Matting"), finish))
    if errors:
        raise InputError("\n".join(errors))


@app.command(epilog="Example: erkd export models/student -o models/onnx")
def export(
    student: Annotated[Path, typer.Argument(help="Folder with student.json and student.safetensors.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for student.onnx and onnx.json.")],
    opset: Annotated[int, typer.Option(help="Version of ONNX's operators.")] = 18,
    tolerance: Annotated[float, typer.Option(help="Largest difference of alpha from PyTorch.")] = 1e-4,
) -> None:
    """Write a student as ONNX, any size, checked against PyTorch."""
    try:
        from erkd.export.onnx import export_student
        from erkd.params import ExportParams
        from erkd.students.student import load_student
    except ImportError as error:
        raise InputError(f"export needs {error.name}: pip install 'erkd[torch,pipeline]'") from None

    params = ExportParams(opset=opset, tolerance=tolerance)
    network = load_student(student)
    difference = export_student(network, output, params, sha256(student / "student.safetensors"))
    typer.echo(f"{output / 'student.onnx'}: differs from PyTorch by at most {difference:.1g}")


@app.command(epilog="Example: erkd doctor --fix")
def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="Mend what can be mended without running a stage.")] = False,
) -> None:
    """Say what is installed, missing, stale, damaged or left over, and how to mend it.

    The exit code is 2 when `erkd matte` could not run, or a file is not what it was.
    """
    from erkd.doctor.examine import examine

    bad = False
    for check in examine(Path.cwd()):
        typer.echo(f"{check.name:16} {check.found}")
        if fix and check.fix:
            try:
                check.fix()
            except InputError as error:
                typer.echo(f"{'':16} -> not mended: {error}")
                bad = True
            else:
                typer.echo(f"{'':16} -> mended")
            continue
        if check.mend:
            typer.echo(f"{'':16} -> {check.mend}")
        bad |= check.bad
    if bad:
        raise typer.Exit(2)


@app.command(epilog="Example: erkd evaluate --pred predictions --alpha alphas --trimap trimaps --json scores.json")
def evaluate(
    pred: Annotated[Path, typer.Option(help="Folder of the predictions to score, 8-bit images.")],
    alpha: Annotated[Path, typer.Option(help="Folder of the true alphas, with the same file names.")],
    trimap: Annotated[Path, typer.Option(help="Folder of the trimaps (0, 128, 255), with the same file names.")],
    baseline_dir: Annotated[
        list[str] | None,
        typer.Option(
            help="Predictions of another program to score beside, NAME=DIR; may be repeated.", metavar="NAME=DIR"
        ),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the mean and every image's scores as JSON.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write every image's scores as CSV.")] = None,
    latex: Annotated[bool, typer.Option("--latex", help="Print the table as LaTeX.")] = False,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Score what is complete instead of refusing.")
    ] = False,
) -> None:
    """Score any program's predictions with the official metrics (Composition-1k's MATLAB code).

    Known regions of a prediction are overwritten from the trimap first. MSE is unscaled in files, x 10^-3
    in tables.
    """
    from rich.console import Console

    from erkd.evaluation import folders

    matches = folders.match_all(pred, folders.parse_folders(baseline_dir or []), alpha, trimap)
    unmatched = "; ".join(dict.fromkeys(words for found in matches.values() for words in found.unmatched))
    if unmatched and not allow_missing:
        count = len(matches[folders.PRED].files)
        raise InputError(f"{unmatched} (--allow-missing scores the {count} that are complete)")
    if unmatched:
        typer.echo(f"left out: {unmatched}", err=True)
    scores = {name: folders.score_matches(found) for name, found in matches.items()}
    results = folders.results(scores)
    if json:
        write_json(results, json)
    if csv:
        folders.write_csv(scores, csv)
    for grid in folders.grids(results):
        if latex:
            typer.echo(folders.latex(grid))
        else:
            Console().print(folders.printed(grid))


@app.command(epilog="Example: erkd demo --port 8000")
def demo(
    model: Annotated[
        str | None, typer.Option(help="A student's folder, an ONNX file, or models:/erkd-student@champion.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 lets others in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 is any free one.", min=0, max=65535)] = 7860,
    max_mb: Annotated[float, typer.Option(help="Largest upload, MB.", min=0.1)] = 20,
) -> None:
    """Serve a web page: open a photo, paint its trimap, download the cut-out.

    The page needs nothing but this server, and the server keeps nothing.
    """
    try:
        from erkd.demo.server import address, listen, serve
    except ModuleNotFoundError as error:
        raise InputError(f"the page needs {error.name}; pip install 'erkd[demo]'") from None
    from erkd.inference.matter import Matter

    listener = listen(host, port)
    matter = Matter.load(model)
    typer.echo(f"{address(listener)} (Ctrl+C ends it)")
    serve(matter, listener, round(max_mb * 1e6))


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    print(f"warning: {message}", file=sys.stderr)


def main() -> None:
    """Run the command; what the user can mend is one line on standard error and exit code 2, a warning another."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warn
            app()
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except ModuleNotFoundError as error:  # the light install
        if (error.name or "erkd").split(".")[0] == "erkd":
            raise
        print(f"this needs {error.name}: pip install 'erkd[torch,pipeline]' brings it", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
