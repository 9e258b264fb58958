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
    baseline_dir: Annotated[
        list[str] | None,
        typer.Option(
            help="Predictions of another program to score beside, NAME=DIR; may be repeated.",
            metavar="NAME=DIR",
        ),
    ] = None,
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

    from erkd import beside
    from erkd import evaluate as evaluation

    matches = beside.match_all(pred, beside.parse_folders(baseline_dir or []), alpha, trimap)
    count = len(matches[beside.PRED].files)
    unmatched = "; ".join(dict.fromkeys(words for found in matches.values() for words in found.unmatched))
    if unmatched and not allow_missing:
        raise InputError(f"{unmatched} (--allow-missing scores the {count} that are complete)")
    if unmatched:
        typer.echo(f"left out: {unmatched}", err=True)
    scores = {name: evaluation.score_matches(found) for name, found in matches.items()}
    results = evaluation.results(scores[beside.PRED])
    baselines = beside.compare(scores) if len(scores) > 1 else {}
    if json:
        write_json(results | ({"baselines": baselines} if baselines else {}), json)
    if csv:
        evaluation.write_csv(scores, csv)
    if latex:
        typer.echo(evaluation.latex(results["mean"], count))
    else:
        Console().print(evaluation.table(results["mean"], count))
    if baselines and latex:
        typer.echo(beside.beside_latex(results["mean"], baselines, count))
    elif baselines:
        Console().print(beside.beside_table(results["mean"], baselines, count))


def main() -> None:
    """Run the command; what the user can mend is one line on standard error and exit code 2."""
    try:
        app()
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
