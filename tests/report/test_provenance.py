import hashlib
import platform

from erkd.io.files import write_json
from erkd.report.provenance import environment, hashes, licences, timings
from tests.support.report_tree import make_tree


def test_licences_are_counted(tmp_path):
    make_tree(tmp_path)
    assert licences(tmp_path / "data/library/library.csv") == [
        ["layers", "source", "licence", "count"],
        ["backgrounds", "procedural", "CC0-1.0", "2"],
        ["foregrounds", "procedural", "CC0-1.0", "8"],
    ]


def test_environment_names_python_and_packages():
    rows = environment()
    assert rows["Python"] == platform.python_version()
    assert {"numpy", "machine", "accelerator"} <= set(rows)


def test_hashes_of_what_exists(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert hashes({"one": tmp_path / "a", "two": tmp_path / "b"}) == {"one": hashlib.sha256(b"abc").hexdigest()}


def test_timings_of_stages_without_the_methods(tmp_path):
    write_json({"seconds": 1.5, "peak_mib": 10}, tmp_path / "distill.json")
    write_json({"closed_form": {"seconds": 2, "peak_mib": 30}}, tmp_path / "baselines-test-methods.json")
    assert timings(tmp_path)[1:] == [["distill", "1.5", "10"]]
    assert timings(tmp_path / "nothing") == []
