"""Tables of samples."""

from dataclasses import asdict, replace

import pandas as pd
import pytest

from erkd.io.files import InputError, write_hash
from erkd.io.tables import TrimapRow, read_table, take_turns, write_table

ROWS = [
    TrimapRow("a", "train", "trimaps/a.png", 3, 4, 0.25, 7),
    TrimapRow("0012", "test", "trimaps/b.png", 5, 6, 0.5, 8),
]


def test_rows_survive_a_round_trip_with_their_types(tmp_path):
    write_table(ROWS, tmp_path / "t.csv")
    assert read_table(tmp_path / "t.csv", TrimapRow) == ROWS
    assert read_table(tmp_path / "t.csv", TrimapRow, "test") == ROWS[1:]


def test_missing_and_foreign_tables_are_named(tmp_path):
    with pytest.raises(InputError, match=r"t\.csv: no such table"):
        read_table(tmp_path / "t.csv", TrimapRow)
    (tmp_path / "t.csv").write_text("sample_id,split\n1,train\n")
    write_hash(tmp_path / "t.csv")
    with pytest.raises(
        InputError, match=r"t\.csv: expected the columns sample_id, split, trimap.*found sample_id, split"
    ):
        read_table(tmp_path / "t.csv", TrimapRow)
    (tmp_path / "t.csv").write_text(
        "sample_id,split,trimap,foreground_radius,background_radius,unknown_fraction,seed\na,b,c,d,e,f,g\n"
    )
    write_hash(tmp_path / "t.csv")
    with pytest.raises(InputError, match=r"t\.csv: not a readable table"):
        read_table(tmp_path / "t.csv", TrimapRow)


def test_kinds_take_turns():
    rows = ["b1", "b2", "b3", "a1", "c1", "a2"]
    assert take_turns(rows, lambda row: row[0], 4) == ["a1", "a2", "b1", "c1"]
    assert take_turns(rows, lambda row: row[0], 99) == sorted(rows)
    assert take_turns([], str, 3) == []


def test_a_table_has_the_bytes_that_pandas_writes(tmp_path):
    rows = [replace(ROWS[0], sample_id='a "quoted", name', unknown_fraction=1e-06), replace(ROWS[1], trimap="")]
    write_table(iter(rows), tmp_path / "t.csv")
    frame = pd.DataFrame([asdict(row) for row in rows])
    assert (tmp_path / "t.csv").read_text() == frame.to_csv(index=False, lineterminator="\n")
    assert read_table(tmp_path / "t.csv", TrimapRow) == rows


@pytest.mark.parametrize("line", ["a,b,c,1,2", "a,b,c,1,2,0.5,7,8", f"a,b,c,1,2,0.5,{2**63}", 'a,"b,c,1,2,0.5,7'])
def test_lines_of_another_shape_are_refused(tmp_path, line):
    write_table(ROWS, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open("a") as stream:
        stream.write(f"{line}\n")
    write_hash(tmp_path / "t.csv")
    with pytest.raises(InputError, match=r"t\.csv: not a readable table"):
        read_table(tmp_path / "t.csv", TrimapRow)
