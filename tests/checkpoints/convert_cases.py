"""Freezes what llama.cpp's own converters write for each case, in `converted.json`.

From the directory `tests`: `python -m checkpoints.convert_cases FOLDER`, where the folder is a
checkout of llama.cpp (tried with that of llama-cpp-python 0.3.36). No weights are needed:
converters take them from the config but for a dummy. Nothing here imports phasor.
"""

import json
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from checkpoints.converted_cases import AS_WRITTEN, CASES, UNKNOWN_TO_TRANSFORMERS
from safetensors.torch import save_file

FILE = Path(__file__).parent / "converted.json"
_KINDS = {"NORM": "interleaved", "NEOX": "half", "MROPE": "half", "IMROPE": "half", "NONE": None}


def main(llama_cpp: Path) -> None:
    sys.path[:0] = [str(llama_cpp), str(llama_cpp / "gguf-py")]
    layouts = pair_layouts(llama_cpp)
    made = {}
    for name, (config, architecture) in (CASES | UNKNOWN_TO_TRANSFORMERS).items():
        try:
            made[name] = converted(config, architecture, AS_WRITTEN.get(name))
        except Exception as error:
            print(f"{name}: {type(error).__name__}: {error}")
            continue
        made[name]["layout"] = layouts[made[name]["metadata"]["general.architecture"]]
    FILE.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")


def converted(
    config: dict[str, Any], architecture: str, as_written: dict[str, Any] | None
) -> dict[str, Any]:
    """What the converter of one architecture says about position."""
    import gguf
    from conversion import get_model_class

    with TemporaryDirectory() as folder:
        path = Path(folder)
        written = {**config, **(as_written or {}), "architectures": [architecture]}
        (path / "config.json").write_text(json.dumps(written))
        (path / "tokenizer.json").write_text('{"model": {"type": "WordPiece"}}')
        save_file({"dummy": torch.zeros(1)}, path / "model.safetensors")
        made: Any = get_model_class(architecture)(
            path,
            gguf.LlamaFileType.ALL_F32,
            path / "model.gguf",
            dry_run=True,
            hparams=None if as_written is None else written,
        )
        made = getattr(made, "impl", made)
        tensors = {name: tensor.tolist() for name, tensor in made.generate_extra_tensors()}
        made.set_gguf_parameters()
        metadata = {
            key: value.value for part in made.gguf_writer.kv_data for key, value in part.items()
        }
    wanted = re.compile(r"\.(rope|attention)\.|\.(block_count|context_length|embedding_length)$")
    metadata = {key: value for key, value in metadata.items() if wanted.search(key)}
    metadata["general.architecture"] = made.gguf_writer.arch
    return {"metadata": metadata, "tensors": tensors}


def pair_layouts(llama_cpp: Path) -> dict[str, str | None]:
    """How llama.cpp pairs channels, by architecture: `llama_model_rope_type` in its source."""
    names = dict(
        re.findall(
            r"\{ (LLM_ARCH_\w+),\s+\"([^\"]+)\"", (llama_cpp / "src/llama-arch.cpp").read_text()
        )
    )
    source = (llama_cpp / "src/llama-model.cpp").read_text()
    (body,) = re.findall(r"^llama_rope_type llama_model_rope_type\(.*?^}", source, re.S | re.M)
    found: dict[str, str | None] = {}
    waiting: list[str] = []
    for case, kind, switched in re.findall(
        r"case (LLM_ARCH_\w+):|return LLAMA_ROPE_TYPE_(\w+);"
        r"|return model->.*? : LLAMA_ROPE_TYPE_(\w+);",
        body,
    ):
        if case:
            waiting.append(case)
            continue
        for name in waiting:
            found[names[name]] = _KINDS[kind or switched]
        waiting = []
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
