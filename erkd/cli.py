"""The command `erkd`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from erkd.files import InputError, write_json

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def erkd() -> None:
    """Image matting: an alpha from a photograph and its trimap."""


@app.command()
def evaluate(
    pred: Annotated[Path, typer.Option(help="Folder of the predictions to score, 8-bit images.")],
    alpha: Annotated[Path, typer.Option(help="Folder of the true alphas, with the same file names.")],
    trimap: Annotated[
        Path, typer.Option(help="Folder of the trimaps (0, 128, 255), with the same file names.")
    ],
    json: Annotated[
        Path | None, typer.Option(help="Write the mean and every image's scores as JSON.")
    ] = None,
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

    from erkd import evaluate as evaluation

    matches = evaluation.match_files(pred, alpha, trimap)
    if matches.unmatched:
        unmatched = "; ".join(matches.unmatched)
        if not allow_missing:
            raise InputError(
                f"{unmatched} (--allow-missing scores the {len(matches.files)} that are complete)"
            )
        typer.echo(f"left out: {unmatched}", err=True)
    scores = evaluation.score_matches(matches)
    results = evaluation.results(scores)
    if json:
        write_json(results, json)
    if csv:
        evaluation.write_csv(scores, csv)
    if latex:
        typer.echo(evaluation.latex(results["mean"], len(scores)))
    else:
        Console().print(evaluation.table(results["mean"], len(scores)))


@app.command()
def demo(
    model: Annotated[
        str | None, typer.Option(help="Student: a folder, an ONNX file or models:/NAME@ALIAS.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is every one.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 is any free one.", min=0, max=65535)] = 7860,
    max_mb: Annotated[float, typer.Option(help="Largest upload, MB.", min=0.1)] = 20,
) -> None:
    """Serve a web page that mattes: open a photo, paint its trimap, download the cut-out.

    Everything comes from this machine; nothing is sent elsewhere and nothing is kept.

    Example: erkd demo --port 8000
    """
    try:
        from erkd.demo.server import address, listen, serve
    except ModuleNotFoundError as error:
        raise InputError(f"the page needs {error.name}; pip install 'erkd[demo]'") from None
    from erkd.matter import Matter

    listener = listen(host, port)
    matter = Matter.load(model)
    typer.echo(f"{address(listener)} (Ctrl+C ends it)")
    serve(matter, listener, round(max_mb * 1e6))


def main() -> None:
    """Run the command; what the user can mend is one line on standard error and exit code 2."""
    try:
        app()
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
