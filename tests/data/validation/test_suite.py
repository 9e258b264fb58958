"""Sound tables pass; each fault is named with its table, row and what was found."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from erkd.data.validation.facts import IDS, read_frame
from erkd.data.validation.suite import failures, validate_tables
from erkd.io.files import InputError, read_json, write_hash
from erkd.io.tables import SPLITS
from erkd.params import Splits, ValidateParams, load_params
from pipeline.validate import main
from tests.support import ROOT
from tests.support.sound_tables import HEIGHT, PER_FOREGROUND, WIDTH, make_sound_tables, save_png, table_paths

BOUNDS = ValidateParams(min_unknown=0.01, max_unknown=0.9)
ONE_EACH = dict.fromkeys(SPLITS, 1)


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    return make_sound_tables(tmp_path)


def _judge(root: Path) -> dict:
    layers = {"foregrounds": ONE_EACH, "backgrounds": ONE_EACH}
    return validate_tables(table_paths(root), BOUNDS, layers, dict.fromkeys(SPLITS, PER_FOREGROUND), root / "docs")


def test_sound_tables_pass_with_the_same_report_each_time(sound: Path) -> None:
    report = _judge(sound)
    assert failures(report) == []
    assert report["success"]
    assert report["rows"] == {"library": 6, "composites": 18, "trimaps": 18}
    assert all(result["success"] and not result["offending"] for result in report["expectations"])
    assert json.dumps(report) == json.dumps(_judge(sound))
    assert (sound / "docs/index.html").is_file()


def _edit(root: Path, table: str, row_id: str, **changes: object) -> None:
    """Change cells of one row, as text."""
    path = table_paths(root)[table]
    frame = read_frame(path).drop(columns="line")
    rows = frame[IDS[table]] == row_id
    assert rows.any()
    for column, value in changes.items():
        frame.loc[rows, column] = str(value)
    frame.to_csv(path, index=False)
    write_hash(path)


# every row carries one fault at most, so that all of them can be judged at once
FAULTS: dict[str, tuple[Callable[[Path], None], str, str, dict[str, str]]] = {
    "train-0": (lambda root: save_png(np.zeros((5, 5)), root / "composites/alphas/train-0.png"),
        "composites", "the alpha file has the size that size says", {"alpha_size": "5 x 5", "size": "8 x 6"}),
    "foreground-test": (lambda root: save_png(np.zeros((5, 5)), root / "library/alphas/foreground-test.png"),
        "foregrounds", "the alpha file has the size that size says", {"alpha_size": "5 x 5", "size": "8 x 6"}),
    "train-1": (lambda root: save_png(np.full((5, 5), 128), root / "trimaps/trimaps/train-1.png"),
        "trimaps", "the trimap file has the size that composite_size says",
        {"trimap_size": "5 x 5", "composite_size": "8 x 6"}),
    "train-2": (lambda root: (root / "composites/images/train-2.png").unlink(),
        "composites", "the image file exists", {"image_state": "no such file"}),
    "train-3": (lambda root: (root / "composites/images/train-3.png").write_text("junk"),
        "composites", "the image file exists", {"image_state": "not an image"}),
    "train-4": (lambda root: save_png(np.full((HEIGHT, WIDTH), 255), root / "trimaps/trimaps/train-4.png"),
        "trimaps", "unknown_found is from 0.01 to 0.9", {"unknown_found": "0.0"}),
    "train-5": (lambda root: save_png(np.full((HEIGHT, WIDTH), 77), root / "trimaps/trimaps/train-5.png"),
        "trimaps", "holds 0, 128 and 255 alone", {"other_values": "77"}),
    "validation-0": (lambda root: (root / "trimaps/trimaps/validation-0.png").write_bytes(b"\x89PNG"),
        "trimaps", "holds 0, 128 and 255 alone", {"other_values": "not readable"}),
    "validation-1": (lambda root: _edit(root, "composites", "validation-1", image="../../secret.png"),
        "composites", "the image file exists", {"image_state": "the path leaves the table's folder"}),
    "validation-2": (lambda root: _edit(root, "trimaps", "validation-2", unknown_fraction=0),
        "trimaps", "unknown_fraction is from 0.01 to 0.9", {"unknown_fraction": "0"}),
    "validation-3": (lambda root: _edit(root, "trimaps", "validation-3", unknown_fraction=0.5),
        "trimaps", "unknown_difference is from 0 to 0.001", {"unknown_difference": "0.166667"}),
    "validation-4": (lambda root: _edit(root, "trimaps", "validation-4", foreground_radius="two"),
        "trimaps", "foreground_radius is a number", {"foreground_radius": "two"}),
    "validation-5": (lambda root: _edit(root, "composites", "validation-5", height=-6),
        "composites", "height is from 1 to 65535", {"height": "-6"}),
    "../escape": (lambda root: _edit(root, "composites", "test-0", sample_id="../escape"),
        "composites", "sample_id can name a file", {"sample_id": "../escape"}),
    "test-0": (lambda root: None,  # left without its composite by the fault above
        "trimaps", "the split is the composite's",
        {"composite_split": "no composite of this id", "split": "test"}),
    "test-1": (lambda root: _edit(root, "composites", "test-1", foreground_id="foreground-train"),
        "composites", "no foreground is used in two splits",
        {"foreground_splits": "test + train", "split": "test"}),
    "test-2": (lambda root: _edit(root, "composites", "test-2", background_id="background-train"),
        "composites", "the background belongs to the composite's split",
        {"background_split": "train + validation", "split": "test"}),  # see the fault of background-train
    "test-3": (lambda root: _edit(root, "composites", "test-3", background_id="nowhere"),
        "composites", "the background belongs to the composite's split",
        {"background_split": "no background of this id in the library", "split": "test"}),
    "test-4": (lambda root: _edit(root, "composites", "test-4", split="holiday"),
        "composites", "split is one of train, validation, test", {"split": "holiday"}),
    "test-5": (lambda root: _edit(root, "trimaps", "test-5", sample_id="train-0"),
        "composites", "trimap_rows is from 1 to 1", {"trimap_rows": "0"}),
    "composites of test": (lambda root: None,  # test-4 went on holiday
        "splits", "has the expected number of rows", {"rows": "5", "expected_rows": "6"}),
    "background-test": (lambda root: _edit(root, "library", "background-test", licence=""),
        "library", "licence is filled", {"licence": ""}),
    "background-train": (lambda root: _edit(root, "library", "background-validation", layer_id="background-train"),
        "library", "layer_id is unique", {"layer_id": "background-train"}),
    "foreground-validation": (lambda root: (root / "library/foregrounds/foreground-validation.png").write_bytes(
            (root / "library/foregrounds/foreground-train.png").read_bytes()
        ),
        "library", "no image lies in two splits, under whatever id",
        {"content_splits": "train + validation", "split": "validation"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The report on tables with every fault."""
    root = make_sound_tables(tmp_path_factory.mktemp("faulty"))
    for break_it, *_ in FAULTS.values():
        break_it(root)
    report = _judge(root)
    assert "    and 5 more" in failures(report, most=1)
    json.dumps(report, allow_nan=False)
    return report


@pytest.mark.parametrize("row", FAULTS)
def test_fault_is_named_with_its_row(faulty: dict, row: str) -> None:
    _, table, says, found = FAULTS[row]
    assert not faulty["success"]
    (result,) = (one for one in faulty["expectations"] if (one["table"], one["says"]) == (table, says))
    assert not result["success"]
    assert {offending["id"]: offending["found"] for offending in result["offending"]}[row] == found
    text = "\n".join(failures(faulty, most=100))
    assert f"{IDS[table]} {row!r} (line" in text
    assert ", ".join(f"{name} = {value!r}" for name, value in found.items()) in text


def test_the_stage_fails_and_says_why(tmp_path: Path) -> None:
    params = load_params(ROOT / "params.yaml")
    counts = {"per_foreground": Splits(**dict.fromkeys(SPLITS, PER_FOREGROUND))}
    data = params.data.model_copy(update={"source": "folder"})
    params = params.model_copy(update={"data": data, "composite": params.composite.model_copy(update=counts)})
    make_sound_tables(tmp_path / "data")
    main(tmp_path, params)
    assert read_json(tmp_path / "reports/validation.json")["success"]
    save_png(np.full((HEIGHT, WIDTH), 255), tmp_path / "data/trimaps/trimaps/train-4.png")
    with pytest.raises(InputError, match=r"(?s)the data is not sound .*sample_id 'train-4' \(line 6\)"):
        main(tmp_path, params)
    assert not read_json(tmp_path / "reports/validation.json")["success"]


def test_empty_table_and_missing_column_are_named_before_rows_are_judged(sound: Path) -> None:
    composites, trimaps = table_paths(sound)["composites"], table_paths(sound)["trimaps"]
    composites.write_text(composites.read_text().splitlines()[0] + "\n")
    read_frame(trimaps).drop(columns=["seed", "line"]).to_csv(trimaps, index=False)
    write_hash(composites)
    write_hash(trimaps)
    report = _judge(sound)
    failed = {(result["table"], result["says"]) for result in report["expectations"] if not result["success"]}
    assert failed == {("composites", "has at least one row"), ("trimaps", "has its columns, in order")}
    text = "\n".join(failures(report))
    assert "found: 0" in text
    assert "'unknown_fraction']" in text  # the columns found end there
    assert "not judged" in text
