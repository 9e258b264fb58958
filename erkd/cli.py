"""The command `erkd`."""

import io
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from erkd.io.files import InputError, InputWarning, check_writable, one_line, print_warning, sha256, write_json

# Paths are not `readable` to Typer, whose word for one that is not takes four lines: their readers name them in one.
if TYPE_CHECKING:
    from erkd.inference.jobs import Job

app = typer.Typer(
    help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None
)
# what several commands take
PHOTOS = Annotated[
    list[Path],
    typer.Argument(help="Photos, or folders of photos; - is standard input.", metavar="IMAGE|DIR...", readable=False),
]
OUTPUT = Annotated[
    Path | None, typer.Option("--output", "-o", help="File to write, a folder for NAME.png, or - for a PNG to pipe.")
]
MASK = Annotated[
    Path | None,
    typer.Option(
        help="Mask of the thing: grey, white where the thing is, or the alpha of an RGBA; or a folder, as above.",
        readable=False,
    ),
]
BOX = Annotated[
    str | None,
    typer.Option(
        help="LEFT,TOP,RIGHT,BOTTOM around the thing, pixels of the upright photo; GrabCut makes the mask.",
        metavar="L,T,R,B",
    ),
]
BAND = Annotated[
    int | None,
    typer.Option(
        help="Pixels that are unknown to either side of the mask's edge; without it the mask and the photo tell.",
        min=1,
    ),
]
MODEL = Annotated[
    str | None,
    typer.Option(
        help="A student's folder, an ONNX file, or models:/erkd-student@champion. Without it: the "
        "package's own student, else that of the last `dvc repro`."
    ),
]
QUALITY = Annotated[
    str | None,
    typer.Option(help="The package's student: fast, balanced (without it) or best.", metavar="fast|balanced|best"),
]
FORCE = Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")]
SKIP_EXISTING = Annotated[
    bool, typer.Option("--skip-existing", help="Leave out photos whose output exists: go on with a batch.")
]
EXIT_CODES = "Exit codes: 0 done; 2 something that you gave is wrong, said in one line; 1 a mistake of erkd's."


@app.callback(epilog=EXIT_CODES)
def erkd() -> None:
    """Image matting: an alpha from a photograph and a trimap, a mask or a box."""


@app.command(epilog="Example: erkd matte photo.jpg --mask mask.png -o alpha.png")
def matte(
    images: PHOTOS,
    output: OUTPUT = None,
    trimap: Annotated[
        Path | None,
        typer.Option(
            help="Trimap (0 background, 128 unknown, 255 foreground), or a folder of them, paired by name.",
            readable=False,
        ),
    ] = None,
    mask: MASK = None,
    box: BOX = None,
    band: BAND = None,
    model: MODEL = None,
    quality: QUALITY = None,
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
    force: FORCE = False,
    skip_existing: SKIP_EXISTING = False,
) -> None:
    """Estimate the alpha of photos from one of three: their trimaps, masks of the thing, or a box around it.

    An output has its photo's size, upright as EXIF says, and its colour profile. Files are written whole or not at
    all; with several photos, a bad one is named and the others are done. Sub-folders are gone along.
    """
    from erkd.inference.hints import choose_hint
    from erkd.inference.jobs import find_jobs
    from erkd.inference.matte_files import choose_finish, threads_for, write_matte
    from erkd.inference.matter import Matter

    jobs = find_jobs(images, choose_hint(trimap, mask, box, band), _told(output), force, skip_existing)
    finish = choose_finish(cutout, background, jobs)
    if jobs:
        matter = Matter.load(model, device, tile, threads_for(jobs), quality)
        _run(lambda job: write_matte(matter, job, finish), jobs, "Matting")


@app.command(epilog="Example: erkd trimap photo.jpg --mask mask.png -o trimap.png")
def trimap(
    images: PHOTOS,
    output: OUTPUT = None,
    mask: MASK = None,
    box: BOX = None,
    band: BAND = None,
    model: MODEL = None,
    quality: QUALITY = None,
    force: FORCE = False,
    skip_existing: SKIP_EXISTING = False,
) -> None:
    """Write the trimap that `erkd matte` would use with a mask or a box, to look at and to paint on."""
    from erkd.inference.hints import WITHOUT_TRIMAP, choose_hint
    from erkd.inference.jobs import find_jobs
    from erkd.inference.matte_files import choose_finish, threads_for, write_trimap
    from erkd.inference.matter import Matter

    jobs = find_jobs(images, choose_hint(None, mask, box, band, WITHOUT_TRIMAP), _told(output), force, skip_existing)
    choose_finish(False, None, jobs)
    if jobs:
        matter = Matter.load(model, threads=threads_for(jobs), quality=quality)
        _run(lambda job: write_trimap(matter, job), jobs, "Trimaps")


def _told(output: Path | None) -> Path:
    """Where to write; asked for after the hint, which matters more to who gives neither."""
    if output is None:
        raise InputError("-o says where to write: a file, a folder for NAME.png, or - for a PNG to pipe")
    return output


def _run(write: Callable[["Job"], None], jobs: list["Job"], description: str) -> None:
    """Write a job's output, or each job's behind a progress bar; those that failed are named at the end."""
    if len(jobs) == 1:
        return write(jobs[0])
    from erkd.inference.matte_files import attempt_each
    from erkd.runtime.parallel import progress

    errors = list(attempt_each(write, progress(jobs, description)))
    if errors:
        raise InputError(*errors)


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
    pred: Annotated[Path, typer.Option(help="Folder of the predictions to score, 8-bit images.", readable=False)],
    alpha: Annotated[Path, typer.Option(help="Folder of the true alphas, with the same file names.", readable=False)],
    trimap: Annotated[
        Path, typer.Option(help="Folder of the trimaps (0, 128, 255), with the same file names.", readable=False)
    ],
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

    for path in filter(None, (json, csv)):
        check_writable(path)
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
    quality: QUALITY = None,
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
    from erkd.inference.find_student import DEFAULT, QUALITIES, packaged
    from erkd.inference.matter import Matter

    listener = listen(host, port)
    names = [] if model else [name for name in QUALITIES if packaged(name)]
    qualities = {name: Matter.load(quality=name) for name in names}
    matter = qualities.get(quality or DEFAULT) or Matter.load(model, quality=quality)
    typer.echo(f"{address(listener)} (Ctrl+C ends it)")
    serve(matter, listener, round(max_mb * 1e6), qualities, quality or DEFAULT)


def main() -> None:
    """Run the command; what the user can mend is one line on standard error and exit code 2, a warning another."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for names and signs that its encoding has not
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what libraries say is not for users
            warnings.simplefilter("always", InputWarning)
            warnings.showwarning = print_warning
            app()
    except InputError as error:
        for line in error.args:
            print(one_line(line), file=sys.stderr)
        sys.exit(2)
    except OSError as error:  # what the operating system refuses
        if error.filename is None:
            raise
        print(one_line(f"{error.filename}: {error.strerror}"), file=sys.stderr)
        sys.exit(2)
    except MemoryError:
        print("there is not enough memory for this", file=sys.stderr)
        sys.exit(2)
    except ModuleNotFoundError as error:  # the light install
        if (error.name or "erkd").split(".")[0] == "erkd":
            raise
        print(f"this needs {error.name}: pip install 'erkd[torch,pipeline]' brings it", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
