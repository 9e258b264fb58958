"""The commands and settings that a Markdown file shows, so that tests can do what it says."""

import re
from pathlib import Path


def blocks(document: Path, language: str) -> list[str]:
    """The text of every block of `language` (sh, yaml, python), in order."""
    return re.findall(rf"```{language}\n(.*?)```", document.read_text(encoding="utf-8"), re.S)


def commands(document: Path) -> list[str]:
    """Every line of the shell blocks of `document`."""
    return "".join(blocks(document, "sh")).splitlines()


def section(document: Path, title: str) -> list[str]:
    """The shell blocks below the heading `title`."""
    text = document.read_text(encoding="utf-8").split(f"## {title}\n")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", text, re.S)
