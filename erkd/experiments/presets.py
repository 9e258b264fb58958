"""Presets: YAML files of settings that are merged into params.yaml, whose comments are kept."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from erkd.io.files import InputError, atomic


def apply_preset(root: Path, name: str, data: Path, backgrounds: Path) -> Path:
    """Merge presets/`name`.yaml into params.yaml below `root`, set both data folders, and return its path.

    The folders `data` and `backgrounds` are written as absolute paths, since DVC runs queued experiments elsewhere.
    Raises InputError for an unknown preset, a missing folder, and an unknown setting.
    """
    presets = sorted(file.stem for file in (root / "presets").glob("*.yaml"))
    if name not in presets:
        raise InputError(f"{root / 'presets'}: no preset {name!r}; there are {', '.join(presets) or 'none'}")
    for folder in (data, backgrounds):
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder")
    yaml = YAML()
    yaml.width = 200
    path = root / "params.yaml"
    settings = yaml.load(path)
    changes = YAML(typ="safe", pure=True).load(root / "presets" / f"{name}.yaml")
    change_settings(settings, changes, f"presets: {name}")
    settings["data"]["root"] = str(data.resolve())
    settings["data"]["backgrounds_root"] = str(backgrounds.resolve())
    with atomic(path) as temporary:
        yaml.dump(settings, temporary)
    return path


def change_settings(settings: Any, changes: dict[str, Any], where: str) -> None:
    """Merge nested `changes` into `settings` in place; an empty mapping replaces the old value.

    Raises InputError for an unknown setting; `where` names the source of the changes.
    """
    for key, value in changes.items():
        if key not in settings:
            raise InputError(f"{where}.{key}: params.yaml has no such setting")
        if isinstance(value, dict) and value:
            change_settings(settings[key], value, f"{where}.{key}")
        else:
            settings[key] = value
