"""Cells of the ablation: what each changes, where it works, and its table."""

import shutil

import pytest
from ruamel.yaml import YAML

from erkd.experiments.trials import (
    Cell,
    CellRow,
    list_rows,
    prediction_milliseconds,
    prepare_cell,
    read_cells,
)
from erkd.io.files import InputError, write_json
from erkd.io.tables import read_results, write_results
from erkd.params import load_params
from tests.support import ROOT

COMMITTED = read_cells(ROOT / "ablation")


@pytest.fixture
def root(tmp_path):
    """The ablation's settings in an empty folder."""
    for name in ("params.yaml", "cells.yaml"):
        shutil.copy(ROOT / "ablation" / name, tmp_path)
    return tmp_path


def test_the_committed_cells_and_their_names():
    assert set(COMMITTED["names"]) == set(COMMITTED["cells"]) - {"none-teacher"}
    assert 0 not in COMMITTED["seeds"]  # tuning's
    assert len(COMMITTED["seeds"]) >= 5


@pytest.mark.parametrize("name", COMMITTED["cells"])
def test_a_cell_is_a_project_with_valid_parameters(root, name):
    cell = prepare_cell(root, name, 3)
    (root / "data").mkdir()
    params, shared = load_params(cell.folder / "params.yaml"), load_params(root / "params.yaml")
    assert cell.folder == root / f"cells/{name}-3"
    assert (cell.folder / "data").resolve() == root / "data"
    assert params.seed == 3
    method, variant = name.split("-")
    assert params.kd.methods == {"none": [], "layers": ["erkd"], "layers3": ["erkd"]}.get(method, [method])
    assert (params.kd.erkd.target == "layered") == method.startswith("layers")
    assert (params.distill == shared.distill) == (variant not in ("longer", "longest", "teacher"))
    assert (params.data, params.composite, params.features) == (
        shared.data,
        shared.composite,
        shared.features,
    )


def test_seeds_of_a_cell_differ_in_the_seed_alone(root):
    first, second = (
        load_params(prepare_cell(root, "erkd-full", seed).folder / "params.yaml") for seed in (1, 2)
    )
    assert first.model_copy(update={"seed": 2}) == second


def test_unknown_cells_and_settings_are_named(root):
    with pytest.raises(InputError, match=r"cells\.yaml: no cell 'erkd-fast'; there are .*none-full"):
        prepare_cell(root, "erkd-fast", 1)
    yaml = YAML()
    cells = yaml.load(root / "cells.yaml")
    cells["cells"]["erkd-full"]["kd"]["wieght"] = 2.0
    yaml.dump(cells, root / "cells.yaml")
    with pytest.raises(InputError, match=r"erkd-full\.kd\.wieght: params\.yaml has no such setting"):
        prepare_cell(root, "erkd-full", 1)
    with pytest.raises(InputError, match="--root ablation"):
        read_cells(root / "elsewhere")


def rows_of(cell):
    method, variant = cell.name.split("-")
    values = (method, variant, cell.seed, "test", 5.25, 0.01, 2.0, 3.0, 290_000, 350, 41.5)
    return [CellRow(*values)]


def test_a_table_is_read_as_it_was_written(tmp_path):
    rows = rows_of(Cell(tmp_path, "erkd-full", 2))
    write_results(rows, tmp_path / "scores.csv")
    header = (tmp_path / "scores.csv").read_text().splitlines()[0]
    assert header == "method,variant,seed,set,sad,mse,grad,conn,params,steps,seconds"
    assert read_results(tmp_path / "scores.csv", CellRow, "cells") == rows
    (tmp_path / "scores.csv").write_text("method,variant\na,b\n")
    with pytest.raises(InputError, match=r"scores\.csv: not a table of cells"):
        read_results(tmp_path / "scores.csv", CellRow, "cells")


def test_listed_cells_that_were_run_and_no_others(root):
    with pytest.raises(InputError, match="no cell of none-full or erkd-full"):
        list_rows(root)
    cells = [Cell(root, name, seed) for name in ("none-full", "erkd-full") for seed in (1, 0)]
    for cell in cells:
        write_results(rows_of(cell), cell.scores)
        write_json(
            {"student": {"seconds": 0.1, "peak_mib": 1}},
            cell.folder / "reports/timings/evaluate-test-methods.json",
        )
    assert [(row.method, row.seed) for row in list_rows(root)] == [("none", 1), ("erkd", 1)]
    assert prediction_milliseconds(root) == {"none-full": 100.0, "erkd-full": 100.0}
