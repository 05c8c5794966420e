"""Loads a stranger's model: its numbers and its settings, and nothing that it would run.

Every verb that runs a model comes through here. transformers is given a folder of our own, with
links to those files of the checkpoint that are data, and with its config less whatever names code.
So no file of Python or pickle is there to be found, whatever transformers would do with it.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from phasor._kit.whole_folder import passing_folder
from phasor._read.gguf_header import read_header
from phasor._read.limits import read_json
from phasor._read.own_files import own_file
from phasor._read.quiet import no_progress_bars, quiet_libraries
from phasor.errors import ArgumentError
from phasor.installation import needs

# What is data: JSON, weights without pickles, vocabularies, templates of a chat.
_DATA = {".gguf", ".jinja", ".json", ".model", ".safetensors", ".txt"}
_CONFIG = "config.json"
# Settings that name code: files of the folder, and kernels of the hub.
_NAMES_CODE = ("attn_implementation", "experts_implementation")
_IS_CODE = {"auto_map", "custom_pipelines", "kernel_config", "use_kernels"}


class Loaded(NamedTuple):
    """A model in memory."""

    model: Any
    """Of transformers, in evaluation mode."""
    missing: list[str]
    """Weights that it has and the checkpoint lacks, by name."""


def load_model(
    path: Path,
    *,
    causal: bool,
    dtype: "torch.dtype | Literal['auto']" = torch.float32,
    config: Mapping[str, Any] | None = None,
) -> Loaded:
    """Load a model without running, fetching or unpickling anything.

    Args:
        path: A checkpoint's folder, or a GGUF file.
        causal: Whether it predicts the next token; otherwise the model without a head is loaded.
        dtype: Of its parameters; `"auto"` takes what the checkpoint has.
        config: To load it by, instead of the folder's own.

    Raises:
        ArgumentError: transformers is missing or does not know the model, or a file of it is
            missing, damaged or outside of the folder.
    """
    with data_alone(path, config) as (folder, options):
        from transformers import AutoModel, AutoModelForCausalLM

        kind = AutoModelForCausalLM if causal else AutoModel
        try:
            model, about = kind.from_pretrained(
                folder, dtype=dtype, use_safetensors=True, output_loading_info=True, **options
            )
        except Exception as error:
            # Loading fails in as many ways as files can be wrong.
            raise ArgumentError(
                f"{path} cannot be loaded: {_in_one_line(error, folder, path)}"
            ) from None
    model.config.name_or_path = str(path)
    return Loaded(model.eval(), sorted(about["missing_keys"]))


def load_tokenizer(path: Path) -> Any:
    """The tokenizer of a checkpoint's folder or GGUF file, by the same rules as its model.

    Raises:
        ArgumentError: None there, or none that can be read.
    """
    with data_alone(path) as (folder, options):
        from transformers import AutoTokenizer

        try:
            tokenizer: Any = AutoTokenizer.from_pretrained(folder, **options)
        except Exception as error:
            raise ArgumentError(
                f"cannot read a tokenizer from {path}: {_in_one_line(error, folder, path)}; the "
                "loss of text needs one"
            ) from error
    tokenizer.name_or_path = str(path)
    return tokenizer


def load_config(path: Path) -> Any:
    """The config of a checkpoint's folder or GGUF file, as transformers reads it.

    Raises:
        ArgumentError: None that transformers knows.
    """
    with data_alone(path) as (folder, options):
        from transformers import AutoConfig

        try:
            return AutoConfig.from_pretrained(folder, **options)
        except Exception as error:
            raise ArgumentError(
                f"cannot read the config of {path}: {_in_one_line(error, folder, path)}"
            ) from error


@contextmanager
def data_alone(
    path: Path, config: Mapping[str, Any] | None = None
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """A folder with the data of a checkpoint alone, and the options to load from it by.

    It lasts as long as the block; what was loaded may stay open.

    Raises:
        ArgumentError: No such checkpoint, or a file of it that is not its own.
    """
    needs("transformers", "running a model")
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    with passing_folder() as folder, quiet_libraries():
        if path.is_file():
            file = own_file(path.resolve().parent, path.resolve().name)
            read_header(file)  # which transformers takes for true
            (folder / path.name).symlink_to(file)
            options["gguf_file"] = path.name
        else:
            _link_data(path, folder)
            if config is None:
                config = read_json(own_file(path, _CONFIG))
            (folder / _CONFIG).write_text(json.dumps(_without_code(config)))
        with no_progress_bars():
            yield folder, options


def _link_data(source: Path, folder: Path) -> None:
    if (source / "adapter_config.json").exists():
        raise ArgumentError(
            f"{source} has an adapter beside its weights (adapter_config.json); merge it into them "
            "first"
        )
    names = {path.name for path in source.iterdir() if path.suffix in _DATA} - {_CONFIG}
    for name in sorted(names):
        if name.endswith(".index.json"):
            shards = read_json(own_file(source, name)).get("weight_map")
            names |= (
                {str(shard) for shard in shards.values()} if isinstance(shards, dict) else set()
            )
    for name in sorted(names):
        file = own_file(source, name)
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ArgumentError(f"{source} names {name!r} as a file of its own")
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(file)


def _without_code(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _without_code(item)
            for name, item in value.items()
            if name not in _IS_CODE and not any(part in name for part in _NAMES_CODE)
        }
    return [_without_code(item) for item in value] if isinstance(value, list) else value


def _in_one_line(error: Exception, folder: Path, path: Path) -> str:
    shown = path if path.is_dir() else path.parent
    reason = " ".join(str(error).split()).replace(str(folder), str(shown))
    return f"{type(error).__name__}: {reason[:300]}"
