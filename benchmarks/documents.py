"""Generated text in documents that are otherwise written by hand: it stands between two marks."""

from pathlib import Path

from erkd.io.files import write_text

README, RESULTS = Path("README.md"), Path("docs/results.md")


def put_between(marks: tuple[str, str], text: str, path: Path) -> None:
    """Put `text`, of whole lines, between the marks of a document."""
    document = path.read_text(encoding="utf-8")
    before, after = document.split(marks[0])[0], document.split(marks[1])[1]
    write_text(f"{before}{marks[0]}\n{text}\n{marks[1]}{after}", path)
