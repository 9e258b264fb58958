"""An MLflow store whose project was moved: SQLite notes where artifacts lie as absolute addresses."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from erkd.doctor.check import Check

ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
EXPERIMENT = "SELECT artifact_location FROM experiments WHERE name = 'erkd'"


def find_moved(store: Path) -> Iterator[Check]:
    """Say where a SQLite store looks for its artifacts when that is elsewhere and gone."""
    try:
        with closing(sqlite3.connect(f"{store.resolve().as_uri()}?mode=ro", uri=True)) as database:
            row = database.execute(EXPERIMENT).fetchone()
    except sqlite3.Error as error:
        yield Check(
            "MLflow store",
            f"{store}: {error}",
            "restore it, or move it away and run `make setup mlflow-sync`",
            bad=True,
        )
        return
    before = Path(str(row[0]).removeprefix("file://")) if row else store.with_name("mlartifacts")
    now = store.resolve().with_name("mlartifacts")
    if before != now and not before.exists() and before.name == now.name:
        says = f"{store} looks for artifacts in {before}, which is gone: the project was moved"
        mend = f"`erkd doctor --fix` writes {now} instead and keeps the store before as {store.name}.before"
        yield Check("moved store", says, mend, fix=partial(_readdress, store, before, now))


def _readdress(store: Path, before: Path, now: Path) -> None:
    shutil.copy2(store, store.with_name(f"{store.name}.before"))
    with closing(sqlite3.connect(store)) as database, database:
        for table, column in ADDRESSES:
            for old, new in ((str(before), str(now)), (before.as_uri(), now.as_uri())):
                database.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",  # noqa: S608
                    (new, len(old) + 1, len(old), old),
                )
