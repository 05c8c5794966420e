"""What lies beside a model of sentence-transformers, without which its vectors are others."""

import json
import shutil
from pathlib import Path

from phasor._read.own_files import own_file

_MODULES = "modules.json"
_OWN = ("config_sentence_transformers.json", "sentence_bert_config.json")
_LENGTH = "max_seq_length"


def copy_companions(path: Path, folder: Path, length: int) -> dict[str, str]:
    """Copy the modules that follow the model at `path`, and let texts be as long as `length`.

    Returns:
        The field that differs, and why; empty where there is nothing to copy.
    """
    if not (path / _MODULES).is_file():
        return {}
    shutil.copyfile(own_file(path, _MODULES), folder / _MODULES)
    for module in json.loads((folder / _MODULES).read_text()):
        name = module.get("path", "")
        if name and Path(name).name == name:
            for file in sorted((path / name).rglob("*")):
                if file.is_file():
                    _copy(path, folder, file.relative_to(path))
    for name in _OWN:
        if (path / name).is_file():
            _copy(path, folder, Path(name))
    file = folder / "sentence_bert_config.json"
    config = json.loads(file.read_text()) if file.is_file() else {}
    if config.get(_LENGTH, length) >= length:
        return {}
    config[_LENGTH] = length
    file.write_text(json.dumps(config, indent=2) + "\n")
    return {_LENGTH: "of sentence-transformers, which cuts texts there"}


def _copy(path: Path, folder: Path, name: Path) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(own_file(path, str(name)), folder / name)
