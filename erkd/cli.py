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


def main() -> None:
    """Run the command; what the user can mend is one line on standard error and exit code 2."""
    try:
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
