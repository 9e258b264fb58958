"""Check the rules of `rules.py` on the tables of `facts.py` by Great Expectations, which only this module imports."""

import logging
import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from erkd.data.validation.facts import IDS, ROW_TYPES, add_facts, read_frame
from erkd.data.validation.rules import Rule, column_rules, row_rules
from erkd.params import ValidateParams

if TYPE_CHECKING:
    import pandas as pd


def validate_tables(
    paths: Mapping[str, Path],
    bounds: ValidateParams,
    expected_layers: Mapping[str, Mapping[str, int]],
    per_foreground: Mapping[str, int],
    docs: Path,
) -> dict[str, Any]:
    """Validate the tables; rows are checked only if every table has its columns and at least one row.

    Args:
        paths: Files of `library`, `composites` and `trimaps`.
        bounds: The section `validate`.
        expected_layers: See `add_facts`.
        per_foreground: See `add_facts`.
        docs: Folder for the HTML pages.

    Returns:
        `{"success", "rows": {table: count}, "not_judged": [table], "expectations": [...]}` without times or ids; each
        expectation lists its offending rows (line in the file, id, values found).

    Raises:
        InputError: When a table cannot be read.
    """
    frames = {name: read_frame(paths[name]) for name in ROW_TYPES}
    rows = {name: len(frame) for name, frame in frames.items()}
    context = _context()
    results = _judge(context, "columns", frames, {name: column_rules(name) for name in frames})
    rules = row_rules(bounds)
    sound = all(result["success"] for result in results)
    if sound:
        frames = add_facts(frames, paths, expected_layers, per_foreground)
        results += _judge(context, "rows", frames, rules)
    _write_docs(context, docs)
    return {
        "success": all(result["success"] for result in results),
        "rows": rows,
        "not_judged": [] if sound else list(rules),
        "expectations": results,
    }


def failures(report: Mapping[str, Any], most: int = 5) -> list[str]:
    """Format the failed expectations of a report as lines, with at most `most` rows of each."""
    lines = []
    for result in report["expectations"]:
        if result["success"]:
            continue
        rows = result["offending"]
        lines.append(f"{result['table']}: {result['says']}: not so" + (f" in {len(rows)} row(s)" if rows else ""))
        if "found" in result:
            lines.append(f"    found: {result['found']}")
        for row in rows[:most]:
            found = ", ".join(f"{name} = {value!r}" for name, value in row["found"].items())
            lines.append(f"    {IDS[result['table']]} {row['id']!r} (line {row['line']}): {found}")
        if len(rows) > most:
            lines.append(f"    and {len(rows) - most} more")
    if report["not_judged"]:
        lines.append("the rows themselves were not judged: the tables' columns and row counts come first")
    return lines


def _context() -> Any:
    """An in-memory Great Expectations context without log messages and progress bars."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it imports modules that Python will drop
        import great_expectations as gx
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}  # type: ignore[assignment]
    return context


def _judge(
    context: Any, subject: str, frames: Mapping[str, "pd.DataFrame"], rules: Mapping[str, Sequence[Rule]]
) -> list[dict[str, Any]]:
    """Evaluate every rule in order; `subject` names this pass in the HTML pages."""
    import great_expectations as gx

    source = context.data_sources.add_pandas(subject)
    results = []
    for table, frame in frames.items():
        expectations = [
            getattr(gx.expectations, f"Expect{rule.expectation}")(**rule.arguments, notes=rule.says)
            for rule in rules[table]
        ]
        name = f"{table}: {subject}"
        suite = context.suites.add(gx.ExpectationSuite(name, expectations=expectations))
        batch = source.add_dataframe_asset(table).add_batch_definition_whole_dataframe("all")
        validation = gx.ValidationDefinition(name=name, data=batch, suite=suite)
        outcome = context.validation_definitions.add(validation).run(
            batch_parameters={"dataframe": _typed(frame, rules[table])},
            result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["line"]},
        )
        results += [_plain(table, frame, rule, outcome) for rule in rules[table]]
    return results


def _plain(table: str, frame: "pd.DataFrame", rule: Rule, outcome: Any) -> dict[str, Any]:
    """One rule's result without times and ids; values found are read from the unconverted `frame`."""
    (judged,) = (one for one in outcome.results if one.expectation_config.notes == rule.says)
    if judged.exception_info.get("raised_exception"):
        raise RuntimeError(f"{table}: {rule.says}: {judged.exception_info['exception_message']}")
    columns = [value for key, value in rule.arguments.items() if key in ("column", "column_A", "column_B")]
    result: dict[str, Any] = {
        "table": table,
        "says": rule.says,
        "expectation": f"Expect{rule.expectation}",
        "columns": columns,
        "success": bool(judged.success),
    }
    if not columns:
        found = judged.result["observed_value"]
        result["found"] = [name for name in found if name != "line"] if isinstance(found, list) else found
    lines = {entry["line"] for entry in judged.result.get("unexpected_index_list") or []}
    result["offending"] = [
        {"line": row["line"], "id": row[IDS[table]], "found": {name: str(row[name]) for name in columns}}
        for row in frame[frame["line"].isin(lines)].to_dict("records")
    ]
    return result


def _typed(raw: "pd.DataFrame", rules: Sequence[Rule]) -> "pd.DataFrame":
    """Convert a frame for Great Expectations: bounded columns to numbers, empty cells to missing values."""
    import pandas as pd

    frame = raw.copy()
    bounded = {rule.arguments["column"] for rule in rules if rule.expectation == "ColumnValuesToBeBetween"}
    for column in frame.columns:
        if column in bounded:
            frame[column] = pd.to_numeric(frame[column], errors="coerce")
        elif frame[column].dtype == "str":
            frame[column] = frame[column].replace("", None)
    return frame


def _write_docs(context: Any, docs: Path) -> None:
    """Write the HTML pages of the results; they contain times, so no stage depends on them."""
    shutil.rmtree(docs, ignore_errors=True)
    backend = {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.resolve())}
    index = {"class_name": "DefaultSiteIndexBuilder", "show_cta_footer": False}
    site = {"class_name": "SiteBuilder", "show_how_to_buttons": False} | {
        "store_backend": backend, "site_index_builder": index
    }  # fmt: skip
    context.add_data_docs_site("local", site)
    context.build_data_docs(site_names=["local"])
