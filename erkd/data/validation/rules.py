"""The rules for the three tables, as data; `erkd.data.validation.suite` evaluates them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from erkd.data.validation.facts import FOUND, columns_of
from erkd.io.tables import FILE_NAME, SPLITS
from erkd.params import ValidateParams

MAX_SIDE = 65_535
MAX_RADIUS = 65_535
SHARE_TOLERANCE = 0.001  # between a table's and its file's share of unknown pixels


@dataclass(frozen=True)
class Rule:
    """A readable statement, and the Great Expectations class and arguments that check it."""

    says: str
    expectation: str
    arguments: Mapping[str, Any]


def column_rules(table: str) -> list[Rule]:
    """Rules that must hold before a table's rows can be checked: its columns, and at least one row."""
    columns = {"column_list": [*columns_of(table), "line"]}
    return [
        Rule("has its columns, in order", "TableColumnsToMatchOrderedList", columns),
        Rule("has at least one row", "TableRowCountToBeBetween", {"min_value": 1}),
    ]


def row_rules(bounds: ValidateParams) -> dict[str, list[Rule]]:
    """Rules for rows by table, over the file's columns and those of `add_facts`."""
    return {
        "library": [
            *_filled("layer_id", "kind", "split", "source", "licence", "caption"),
            _unique("layer_id"),
            _file_name("layer_id"),
            _among("kind", ["foreground", "background"]),
            _among("split", SPLITS),
            *_within(1, MAX_SIDE, "height", "width"),
            *_within(0, None, "seed"),
            *_file("image", "size"),
            _equal("no image lies in two splits, under whatever id", "content_splits", "split"),
        ],
        "foregrounds": [*_filled("material"), *_file("alpha", "size")],
        "backgrounds": [_empty("alpha")],
        "composites": [
            *_filled("sample_id", "split", "source", "licence", "material", "caption"),
            *_filled("foreground_id", "background_id", "foreground_phrase", "background_phrase"),
            _unique("sample_id"),
            _file_name("sample_id"),
            _among("split", SPLITS),
            *_within(1, MAX_SIDE, "height", "width"),
            *_within(0, None, "seed"),
            *_file("image", "size"),
            *_file("alpha", "size"),
            _equal("the foreground belongs to the composite's split", "foreground_split", "split"),
            _equal("the background belongs to the composite's split", "background_split", "split"),
            _equal("no foreground is used in two splits", "foreground_splits", "split"),
            _equal("no background is used in two splits", "background_splits", "split"),
            *_within(1, 1, "trimap_rows"),
        ],
        "trimaps": [
            *_filled("sample_id", "split"),
            _unique("sample_id"),
            _among("split", SPLITS),
            _equal("the split is the composite's", "composite_split", "split"),
            *_within(0, MAX_RADIUS, "foreground_radius", "background_radius"),
            *_within(0, None, "seed"),
            *_file("trimap", "composite_size"),
            Rule("holds 0, 128 and 255 alone", "ColumnValuesToBeInSet",
                 {"column": "other_values", "value_set": ["none"]}),
            *_within(bounds.min_unknown, bounds.max_unknown, "unknown_found", "unknown_fraction"),
            *_within(0, SHARE_TOLERANCE, "unknown_difference"),
        ],
        "splits": [_equal("has the expected number of rows", "rows", "expected_rows")],
    }  # fmt: skip


def _filled(*columns: str) -> list[Rule]:
    return [Rule(f"{column} is filled", "ColumnValuesToNotBeNull", {"column": column}) for column in columns]


def _empty(column: str) -> Rule:
    return Rule(f"{column} is empty", "ColumnValuesToBeNull", {"column": column})


def _unique(column: str) -> Rule:
    return Rule(f"{column} is unique", "ColumnValuesToBeUnique", {"column": column})


def _file_name(column: str) -> Rule:
    rule = {"column": column, "regex": f"^{FILE_NAME}$"}
    return Rule(f"{column} can name a file", "ColumnValuesToMatchRegex", rule)


def _among(column: str, allowed: Sequence[str]) -> Rule:
    rule = {"column": column, "value_set": list(allowed)}
    return Rule(f"{column} is one of {', '.join(allowed)}", "ColumnValuesToBeInSet", rule)


def _within(least: float, most: float | None, *columns: str) -> list[Rule]:
    """Columns hold numbers within bounds; empty cells would pass the bounds, hence the first rule of each."""
    limits = f"{least} at least" if most is None else f"from {least} to {most}"
    rule = {"min_value": least} if most is None else {"min_value": least, "max_value": most}
    rules = []
    for column in columns:
        rules += [Rule(f"{column} is a number", "ColumnValuesToNotBeNull", {"column": column})]
        rules += [Rule(f"{column} is {limits}", "ColumnValuesToBeBetween", {"column": column, **rule})]
    return rules


def _file(column: str, size: str) -> list[Rule]:
    there = {"column": f"{column}_state", "value_set": [FOUND]}
    return [
        Rule(f"the {column} file exists", "ColumnValuesToBeInSet", there),
        _equal(f"the {column} file has the size that {size} says", f"{column}_size", size),
    ]


def _equal(says: str, column: str, other: str) -> Rule:
    return Rule(says, "ColumnPairValuesToBeEqual", {"column_A": column, "column_B": other})
