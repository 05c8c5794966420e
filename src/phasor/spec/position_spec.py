"""What a model does to encode position: layer by layer, complete."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from phasor._compose import Compose
from phasor._encoding_spec import UNSTATED, EncodingSpec, check_whole
from phasor.encoding import NoPE, PositionEncoding
from phasor.encodings.rotary import RotarySpec
from phasor.encodings.uneven_rotary import UnevenRotarySpec
from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.per_layer import PerLayer
from phasor.rotary.layout import Values
from phasor.rotary.phase import Precision
from phasor.spec.difference import differences
from phasor.spec.serialise import decode, encode

if TYPE_CHECKING:
    from phasor.spec._targets.llama_cpp import LlamaCpp


@dataclass(frozen=True, kw_only=True)
class LayerSpec:
    r"""One layer's attention.

    Args:
        encodings: In the order in which they apply; none at all is NoPE.
        window: Tokens that a query sees, itself among them; `None` for all.
        chunk: Tokens of each block that attention does not leave (Llama 4); `None` for one block.
        score_scale: Factor on the product of query and key; `None` for $1/\sqrt{d}$. It matters
            here where a bias is added: T5 has 1.
        values: Whether values turn as keys do, and whether attention's output is turned back; see
            `phasor.attention`.
        indexer: The rotation of the layer's indexer, a second and smaller attention that chooses
            the tokens which attention sees (DeepSeek-V3.2). Its heads are others, and its pairs
            may be. `build` and `encodings()` leave it out: build it by itself.
    """

    encodings: tuple[EncodingSpec[Any], ...] = ()
    window: int | None = None
    chunk: int | None = None
    score_scale: float | None = None
    values: Values = "still"
    indexer: RotarySpec | None = field(default=None, metadata=UNSTATED)

    def __post_init__(self) -> None:
        if not isinstance(self.encodings, tuple):
            raise ArgumentTypeError(
                f"encodings must be a tuple, got {type(self.encodings).__name__}; "
                "for one write (RotarySpec(...),)"
            )
        for each in self.encodings:
            _check_part("encodings", each, at_embedding=False)
        for name in ("window", "chunk"):
            tokens = getattr(self, name)
            if tokens is not None and tokens < 1:
                raise ArgumentError(f"{name} must be at least 1, got {tokens}; None sees all")
        if self.score_scale is not None and not 0 < self.score_scale < math.inf:
            raise ArgumentError(f"score_scale must be positive, got {self.score_scale}")
        if self.values != "still" and [type(each) for each in self.encodings] != [RotarySpec]:
            raise ArgumentError(
                f"values={self.values!r} needs a RotarySpec and nothing beside it, got "
                f"{[type(each).__name__ for each in self.encodings]}"
            )

    @property
    def rotary(self) -> RotarySpec:
        """Its rotation.

        Raises:
            ArgumentError: It has none.
        """
        for spec in self.encodings:
            if isinstance(spec, RotarySpec):
                return spec
        others = ", ".join(type(spec).__name__ for spec in self.encodings)
        raise ArgumentError(f"this layer has no RotarySpec; it has {others or 'no encoding'}")

    def build(self, *, precision: Precision = "exact") -> PositionEncoding:
        """One encoding for the layer."""
        built = [
            spec.build(precision=precision)
            if isinstance(spec, RotarySpec | UnevenRotarySpec)
            else spec.build()
            for spec in self.encodings
        ]
        if not built:
            return NoPE()
        return built[0] if len(built) == 1 else Compose(*built)


def _check_part(name: str, part: object, *, at_embedding: bool) -> None:
    """Raise unless `part` is an encoding that has its place there, and a model can have it."""
    if not isinstance(part, EncodingSpec):
        raise ArgumentTypeError(
            f"{name} must hold encodings as data, such as RotarySpec(...), got "
            f"{type(part).__name__}; a module has its data in .options"
        )
    if ("embedding" in part.encoding.sites) != at_embedding:
        place = "in layers: encodings=" if at_embedding else "at the embedding: embedding="
        raise ArgumentError(f"{name} cannot hold {type(part).__name__}, which enters {place}")
    check_whole(part)


@dataclass(frozen=True, kw_only=True)
class PositionSpec:
    """What a model does to encode position: the truth that encodings, reports and readers share.

    Frozen and hashable; two are equal if every number is.

    Args:
        model: Its name, for people.
        layers: Of one stack, first layer first.
        embedding: What is added to the token embeddings.
        causal: Whether tokens see earlier ones only.
        max_seq_len: The longest sequence that the model is meant for, in tokens; `None` if it says
            none.
        trained_seq_len: The longest sequence that it was trained on, where it says so and neither
            `max_seq_len` nor a scaling does: Qwen2.5-1M reads 1,010,000 tokens by dual chunk
            attention and was trained on 262,144.
        towers: The model's other stacks, each by its own name: a vision tower, an encoder.

    Raises:
        ArgumentError: No layers, or two towers of one name.

    Examples:
        >>> from phasor.spec import GeometricSpec, LayerSpec, PositionSpec, RotarySpec
        >>> rotary = RotarySpec(head_dim=64, frequencies=GeometricSpec(rotary_dim=64))
        >>> layer, bare = LayerSpec(encodings=(rotary,)), LayerSpec()
        >>> spec = PositionSpec(model="mine", layers=(layer, layer, layer, bare) * 2)
        >>> [type(encoding).__name__ for encoding in spec.encodings()][:4]
        ['Rotary', 'Rotary', 'Rotary', 'NoPE']
        >>> PositionSpec.from_json(spec.to_json()) == spec
        True
        >>> other = PositionSpec(model="other", layers=(layer,) * 8)
        >>> print(*spec.diff(other))
        layers 3 and 7: no encoding in mine, rotary in other
    """

    model: str
    layers: tuple[LayerSpec, ...]
    embedding: EncodingSpec[Any] | None = None
    causal: bool = True
    max_seq_len: int | None = None
    trained_seq_len: int | None = field(default=None, metadata=UNSTATED)
    towers: tuple["PositionSpec", ...] = ()

    def __post_init__(self) -> None:
        for name, kind in (("layers", LayerSpec), ("towers", PositionSpec)):
            if not isinstance(getattr(self, name), tuple):
                raise ArgumentTypeError(
                    f"{name} must be a tuple, got {type(getattr(self, name)).__name__}"
                )
            for each in getattr(self, name):
                if not isinstance(each, kind):
                    raise ArgumentTypeError(
                        f"{name} must hold {kind.__name__}, got {type(each).__name__}; a spec is "
                        "made of data, as phasor.read returns, not of modules"
                    )
        if self.embedding is not None:
            _check_part("embedding", self.embedding, at_embedding=True)
        if not self.layers:
            raise ArgumentError(f"{self.model} must have at least one layer, got none")
        for name in ("max_seq_len", "trained_seq_len"):
            tokens = getattr(self, name)
            if tokens is not None and tokens < 1:
                raise ArgumentError(f"{name} must be at least 1, got {tokens}")
        names = [tower.model for tower in self.towers]
        if len(set(names)) < len(names):
            raise ArgumentError(f"towers must differ in name, got {names}")

    def encodings(self, *, precision: Precision = "exact") -> PerLayer:
        """Build the modules: one encoding for each layer, and the one at the embedding.

        Layers that do the same share a module, except where the model gives each layer a table of
        its own. Tables are untrained; what the weights hold is loaded afterwards.

        Args:
            precision: Of rotary angles; see `phasor.cos_sin`.
        """
        shared: dict[LayerSpec, PositionEncoding] = {}
        layers = []
        for layer in self.layers:
            encoding = shared.get(layer)
            if encoding is None:
                encoding = layer.build(precision=precision)
            if not any(spec.each_layer for spec in layer.encodings):
                shared[layer] = encoding
            layers.append(encoding)
        return PerLayer(
            layers, embedding=None if self.embedding is None else self.embedding.build()
        )

    def tower(self, name: str) -> "PositionSpec":
        """The tower called `name`.

        Raises:
            ArgumentError: There is none.
        """
        for tower in self.towers:
            if tower.model == name:
                return tower
        raise ArgumentError(
            f"{self.model} has no tower {name!r}; it has {[tower.model for tower in self.towers]}"
        )

    def diff(self, other: "PositionSpec") -> list[str]:
        """How `other` differs, a sentence each; empty if it does the same under another name."""
        return differences(self, other)

    def to_json(self) -> str:
        """As readable JSON, with a version; equal layers are written once."""
        return encode(self)

    def to_hf(self, version: Literal[4, 5] = 5) -> dict[str, Any]:
        """The fields of a transformers config that say this.

        Written are the layers, the width of a head, lengths, windows, which layers turn, and how.
        What `model_type` decides is not: which channels form a pair, `score_scale`, `values`,
        the indexer, `YaRN.scale_softmax`.

        Args:
            version: Of transformers: 5 has `rope_parameters`, by layer type where types differ; 4
                has `rope_theta` and `rope_scaling`.

        Raises:
            ArgumentError: Something that the config has no field for.

        Examples:
            >>> spec = phasor.read({"model_type": "llama", "rope_theta": 500000.0})
            >>> spec.to_hf()["rope_parameters"]
            {'rope_theta': 500000.0, 'rope_type': 'default'}
        """
        from phasor.spec._targets.hf import to_hf

        return to_hf(self, version)

    def to_vllm(self) -> tuple[str, ...]:
        """The arguments of `vllm serve`: `--hf-overrides` and `--max-model-len`.

        Heads and windows stay those of the model's own config.

        Raises:
            ArgumentError: Something that vLLM cannot do.
        """
        from phasor.spec._targets.vllm import to_vllm

        return to_vllm(self)

    def to_llama_cpp(self) -> "LlamaCpp":
        """Flags of llama.cpp, and the keys and tensors of a GGUF file that say the same.

        Raises:
            ArgumentError: Something that llama.cpp cannot do.
        """
        from phasor.spec._targets.llama_cpp import to_llama_cpp

        return to_llama_cpp(self)

    def to_ollama(self) -> dict[str, int]:
        """The parameters of an Ollama Modelfile: the length; how to turn is the GGUF file's.

        Raises:
            ArgumentError: No `max_seq_len`.
        """
        from phasor.spec._targets.ollama import to_ollama

        return to_ollama(self)

    def to_megatron(self) -> tuple[str, ...]:
        """The arguments of Megatron-LM's training scripts.

        Raises:
            ArgumentError: Something that Megatron-LM cannot do.
        """
        from phasor.spec._targets.megatron import to_megatron

        return to_megatron(self)

    def to_mlx(self) -> dict[str, Any]:
        """The config fields that mlx-lm reads.

        Raises:
            ArgumentError: Something that mlx-lm cannot do.
        """
        from phasor.spec._targets.mlx import to_mlx

        return to_mlx(self)

    @staticmethod
    def from_json(text: str) -> "PositionSpec":
        """Read what `to_json` wrote, and nothing else.

        Raises:
            ArgumentError: Not JSON, of another version, or a field that is unknown, missing or of
                a wrong kind; the message says where.
        """
        return decode(text, PositionSpec)
