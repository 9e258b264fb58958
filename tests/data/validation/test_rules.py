"""Every rule can be judged and told apart; what the rules catch is tested in test_expectations."""

from dataclasses import fields

from erkd.data.validation.facts import ROW_TYPES, columns_of
from erkd.data.validation.rules import Rule, column_rules, row_rules
from erkd.params import ValidateParams

BOUNDS = ValidateParams(min_unknown=0.125, max_unknown=0.75)
RULES = row_rules(BOUNDS)


def test_every_column_of_every_table_is_judged_and_a_sentence_names_one_rule() -> None:
    for rules in RULES.values():
        assert len({rule.says for rule in rules}) == len(rules)
    judged = {
        table: {str(value) for rule in rules for value in rule.arguments.values()} for table, rules in RULES.items()
    }
    judged["library"] |= judged["foregrounds"] | judged["backgrounds"]
    files = {"image": "image_state", "alpha": "alpha_state", "trimap": "trimap_state"}
    for table, row_type in ROW_TYPES.items():
        for field in fields(row_type):
            assert files.get(field.name, field.name) in judged[table], f"{table}: {field.name}"


def test_columns_come_first_and_bounds_come_from_the_parameters() -> None:
    (rule,) = (rule for rule in RULES["trimaps"] if rule.says.startswith("unknown_fraction is from"))
    arguments = {"column": "unknown_fraction", "min_value": 0.125, "max_value": 0.75}
    assert rule == Rule("unknown_fraction is from 0.125 to 0.75", "ColumnValuesToBeBetween", arguments)
    columns, count = column_rules("trimaps")
    assert columns.arguments["column_list"] == [*columns_of("trimaps"), "line"]
    assert count.arguments == {"min_value": 1}
