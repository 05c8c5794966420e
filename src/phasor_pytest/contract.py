"""What every encoding owes its users, whatever it is.

Who takes this in has a fixture `make`, which gives the function that builds the encoding, and a
fixture `code_is_generated`, whether to compile with inductor too.
"""

# ruff: noqa: D101, D103

import copy
import io
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.attention.flex_attention import flex_attention
from torch.testing import assert_close
from torch.utils._pytree import tree_map_only

import phasor
from phasor.attention import blocks
from phasor_pytest.layer import HEAD_DIM, HEADS, LONGEST, Layer, embeddings

Make = Callable[[], phasor.PositionEncoding]

EXACT = {"rtol": 1e-12, "atol": 1e-12}
DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]


@pytest.fixture
def layer(make: Make) -> Layer:
    return Layer(make()).double()


def positions_of(x: Tensor, start: int = 0) -> Tensor:
    return torch.arange(start, start + x.shape[1])


def relative(layer: Layer) -> bool:
    """Whether a shift of all positions changes nothing."""
    return "embedding" not in layer.encoding.sites and layer.encoding.is_relative


class TestShapesAndDtypes:
    @pytest.mark.parametrize("dtype", DTYPES, ids=str)
    @pytest.mark.parametrize(("batch", "seq"), [(2, 13), (1, 1), (0, 5), (2, 63)])
    def test_keeps_shape_and_dtype(
        self, layer: Layer, dtype: torch.dtype, batch: int, seq: int
    ) -> None:
        x = embeddings(batch, seq, dtype)
        out = layer.to(dtype)(x, positions_of(x))
        assert out.shape == (batch, HEADS, seq, HEAD_DIM)
        assert out.dtype == dtype
        assert bool(out.isfinite().all())

    @pytest.mark.parametrize(
        ("dtype", "tolerance"),
        [(torch.float32, 2e-6), (torch.bfloat16, 4e-2), (torch.float16, 5e-3)],
        ids=str,
    )
    def test_low_precision_is_near_float64(
        self, layer: Layer, dtype: torch.dtype, tolerance: float
    ) -> None:
        if isinstance(layer.encoding, phasor.Rotary) and layer.encoding.precision == "float32":
            tolerance = max(tolerance, 1e-5)
        x = embeddings(dtype=dtype)
        expected = copy.deepcopy(layer).to(dtype).double()(x.double(), positions_of(x))
        out = layer.to(dtype)(x, positions_of(x))
        assert_close(out.double(), expected, rtol=tolerance, atol=tolerance)

    def test_batched_positions_equal_each_row_alone(self, layer: Layer) -> None:
        x = embeddings()
        positions = torch.stack((positions_of(x), positions_of(x, start=7)))
        out = layer(x, positions)
        for row in range(2):
            assert_close(out[row : row + 1], layer(x[row : row + 1], positions[row]), **EXACT)

    def test_non_contiguous_input(self, layer: Layer) -> None:
        x = embeddings()
        strided = x.repeat_interleave(2, -1)[..., ::2]
        assert not strided.is_contiguous()
        assert_close(layer(strided, positions_of(x)), layer(x, positions_of(x)), **EXACT)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile:UserWarning")
class TestGradients:
    def test_gradcheck(self, layer: Layer) -> None:
        x = embeddings(1, 3).requires_grad_()
        assert torch.autograd.gradcheck(
            lambda x, *_: layer(x, positions_of(x)), (x, *layer.parameters())
        )

    @pytest.mark.parametrize("causal", [True, False])
    @pytest.mark.parametrize("impl", ["sdpa", "blockwise"])
    def test_fused_attention_equals_reference(
        self, layer: Layer, causal: bool, impl: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(blocks, "LEAST_ROWS", 2)
        monkeypatch.setattr(blocks, "BLOCK_BYTES", 8 * 2 * HEADS * 30)  # 30 pairs, 13 times 13
        x = embeddings().requires_grad_()
        weight = torch.randn(2, HEADS, 13, HEAD_DIM, dtype=torch.float64)
        inputs = (x, *layer.parameters())
        found = []
        for way in (impl, "reference"):
            if way == "sdpa" and not layer.encoding.score_is_bias and layer.scores:
                with pytest.raises(NotImplementedError, match="which fused attention cannot"):
                    layer(x, positions_of(x), causal=causal, impl=way)
                return
            out = layer(x, positions_of(x), causal=causal, impl=way)
            found.append((out, *torch.autograd.grad((out * weight).sum(), inputs)))
        for fused, reference in zip(*found, strict=True):
            assert_close(fused, reference, **EXACT)

    def test_flex_attention_takes_the_score_mod(self, layer: Layer) -> None:
        """For those whose attention is their own: on CPU without a gradient, which it lacks."""
        if not layer.scores or layer.encoding.score_needs_row:
            pytest.skip("no score_mod of single scores")
        layer.float()
        x = embeddings(dtype=torch.float32)
        encoding, positions = layer.encoding, positions_of(x)
        with torch.no_grad():
            expected = layer(x, positions, causal=False, impl="reference")
            x = encoding.embed(x, encoding(positions))
            query, key, value = layer.project(x)
            prepared = encoding(positions)
            prepared = encoding.look(prepared, query, key, encoding.observe(x))
            query, turned = encoding.rotate(query, key, prepared)
            assert turned is not None
            out = flex_attention(
                query,
                turned,
                value,
                score_mod=encoding.score_mod(prepared),
                scale=HEAD_DIM**-0.5,
                enable_gqa=True,
            )
        assert_close(out, expected, rtol=1e-5, atol=1e-5)


class TestCompile:
    def test_any_size_may_be_symbolic(self, layer: Layer) -> None:
        layer.float()
        compiled = torch.compile(layer, fullgraph=True, backend="aot_eager", dynamic=True)
        for batch, seq in ((2, 13), (3, 21)):
            x = embeddings(batch, seq, torch.float32)
            assert_close(compiled(x, positions_of(x)), layer(x, positions_of(x)))

    @pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
    def test_one_graph_and_the_same_numbers(
        self, layer: Layer, backend: str, code_is_generated: bool
    ) -> None:
        if backend == "inductor" and not code_is_generated:
            pytest.skip("code is generated for one variant of each encoding: it takes seconds")
        layer.float()
        compiled = torch.compile(layer, fullgraph=True, backend=backend)
        for seq in (13, 21):  # the second length compiles with a symbolic shape
            x = embeddings(seq=seq, dtype=torch.float32).requires_grad_()
            inputs = (x, *layer.parameters())
            eager, once = layer(x, positions_of(x)), compiled(x, positions_of(x))
            assert_close(once, eager, rtol=1e-4, atol=1e-5)
            wanted = torch.autograd.grad(eager.square().sum(), inputs)
            for got, want in zip(
                torch.autograd.grad(once.square().sum(), inputs), wanted, strict=True
            ):
                assert_close(got, want, rtol=1e-3, atol=1e-4)


class TestSurvives:
    """Nothing that is done to a module may reach its angles, slopes or buckets."""

    def check(self, layer: Layer, other: Layer) -> None:
        x = embeddings()
        assert_close(other(x, positions_of(x)), layer(x, positions_of(x)), rtol=0, atol=0)

    def test_state_dict_holds_parameters_alone(self, layer: Layer) -> None:
        assert layer.encoding.state_dict().keys() == dict(layer.encoding.named_parameters()).keys()
        assert not list(layer.encoding.buffers())

    def test_state_dict_round_trip(self, layer: Layer, make: Make) -> None:
        file = io.BytesIO()
        torch.save(layer.state_dict(), file)
        file.seek(0)
        other = Layer(make()).double()
        other.load_state_dict(torch.load(file, weights_only=True))
        self.check(layer, other)

    def test_deepcopy(self, layer: Layer) -> None:
        self.check(layer, copy.deepcopy(layer))

    def test_pickle(self, layer: Layer) -> None:
        self.check(layer, pickle.loads(pickle.dumps(layer)))

    def test_meta_then_to_empty(self, layer: Layer, make: Make) -> None:
        with torch.device("meta"):
            other = Layer(make()).double()
        other = other.to_empty(device="cpu")
        other.load_state_dict(layer.state_dict())
        self.check(layer, other)

    @pytest.mark.parametrize(
        "cast",
        [
            lambda module: module.to(torch.bfloat16),
            lambda module: module.half(),
            lambda module: module.bfloat16(),
            lambda module: module.float(),
            lambda module: module.to("cpu", torch.float16),
            lambda module: module.to(torch.empty(1, dtype=torch.bfloat16)),
            lambda module: module.to(memory_format=torch.channels_last),
        ],
        ids=["to-bfloat16", "half", "bfloat16", "float", "to-device-dtype", "to-tensor", "format"],
    )
    def test_casts(self, layer: Layer, cast: object) -> None:
        assert callable(cast)
        other = cast(copy.deepcopy(layer)).double()
        other.load_state_dict(layer.state_dict())  # parameters are rounded, and rightly so
        self.check(layer, other)

    def test_autocast(self, layer: Layer) -> None:
        """Nothing here is a matrix product, so autocast must change nothing at all."""
        x = embeddings(dtype=torch.float32)
        layer.float()
        encoding, positions = layer.encoding, positions_of(x)

        def attend() -> Tensor:
            prepared = encoding(positions)
            return phasor.attention(*projected, encoding, prepared=prepared, features=features)

        embedded = encoding.embed(x, encoding(positions))
        projected, features = layer.project(embedded), encoding.observe(embedded)
        plain = attend()
        with torch.autocast("cpu", torch.bfloat16):
            cast = attend()
        assert_close(cast, plain, rtol=0, atol=0)


class TestPositions:
    def test_decode_equals_prefill(self, layer: Layer) -> None:
        x = embeddings()
        positions = positions_of(x)
        prefill = layer(x, positions)
        cache, steps = None, []
        for at in range(x.shape[1]):
            out, cache = layer.decode(x[:, at : at + 1], positions[at : at + 1], cache)
            steps.append(out)
        assert_close(torch.cat(steps, 2), prefill, **EXACT)

    def test_chunks_equal_the_whole(self, layer: Layer) -> None:
        """`attention` with positions of its own for queries and for the keys so far."""
        x, encoding = embeddings(), layer.encoding
        positions = positions_of(x)
        embedded = encoding.embed(x, encoding(positions, dtype=x.dtype))
        query, key, value = layer.project(embedded)
        features = encoding.observe(embedded)
        parts = []
        for start, end in ((0, 5), (5, 6), (6, 13)):
            prepared = encoding(positions[start:end], key_positions=positions[:end], dtype=x.dtype)
            parts.append(
                phasor.attention(
                    query[:, :, start:end],
                    key[:, :, :end],
                    value[:, :, :end],
                    encoding,
                    prepared=prepared,
                    features=tree_map_only(Tensor, lambda whole, end=end: whole[:, :end], features),
                )
            )
        assert_close(torch.cat(parts, 2), layer(x, positions), **EXACT)

    @pytest.mark.parametrize("side", ["left", "right"])
    def test_padded_equals_unpadded(self, layer: Layer, side: str) -> None:
        x = embeddings(batch=3)
        lengths = [13, 9, 1]
        real = torch.zeros(3, 13, dtype=torch.bool)
        for row, length in enumerate(lengths):
            real[row, slice(13 - length, 13) if side == "left" else slice(length)] = True
        padded = x.masked_fill(~real[..., None], 1e3)
        out = layer(padded, phasor.positions.from_mask(real), mask=real[:, None, None, :])
        for row, length in enumerate(lengths):
            alone = x[row, real[row]][None]
            assert_close(out[row, :, real[row]][None], layer(alone, torch.arange(length)), **EXACT)

    def test_packed_equals_unpacked(self, layer: Layer) -> None:
        x = embeddings(batch=1)
        lengths = torch.tensor([4, 1, 8])
        positions, documents = phasor.positions.packed(lengths)
        out = layer(x, positions, mask=phasor.positions.same_document(documents))
        for document in range(3):
            inside = documents == document
            alone = layer(x[:, inside], torch.arange(int(lengths[document])))
            assert_close(out[:, :, inside], alone, **EXACT)

    def test_a_shift_of_all_positions(self, layer: Layer) -> None:
        x = embeddings()
        near, far = layer(x, positions_of(x)), layer(x, positions_of(x, start=40))
        if relative(layer):
            tolerance = 1e-4 if "float32" in repr(layer.encoding) else 1e-9
            assert_close(far, near, rtol=tolerance, atol=tolerance)
        else:
            assert (far - near).abs().max() > 1e-2

    def test_order_matters(self, layer: Layer) -> None:
        """Swapping two earlier tokens changes the last output, except without any encoding."""
        x = embeddings()
        swapped = x[:, [1, 0, *range(2, 13)]]
        change = (layer(swapped, positions_of(x)) - layer(x, positions_of(x)))[:, :, -1].abs().max()
        if layer.encoding.sites:
            assert change > 1e-3
        else:
            assert change < 1e-12

    @pytest.mark.parametrize("causal", [True, False])
    @pytest.mark.parametrize(
        "dtype",
        [torch.int32, torch.int8, torch.uint8, torch.uint16, torch.float32, torch.float64],
        ids=str,
    )
    def test_dtype_of_positions(self, layer: Layer, dtype: torch.dtype, causal: bool) -> None:
        x = embeddings()
        if dtype.is_floating_point and layer.encoding.integer_positions:
            with pytest.raises(phasor.errors.ArgumentTypeError, match=r"positions\.long\(\)"):
                layer(x, positions_of(x).to(dtype))
            return
        out = layer(x, positions_of(x).to(dtype), causal=causal)
        assert_close(out, layer(x, positions_of(x), causal=causal), rtol=1e-12, atol=1e-12)

    def test_float64_positions_of_float32_activations(self, layer: Layer) -> None:
        if layer.encoding.integer_positions:
            pytest.skip("a table is looked up with integers")
        x = embeddings(dtype=torch.float32)
        layer.float()
        out = layer(x, positions_of(x).double())
        assert out.dtype == torch.float32
        assert_close(out, layer(x, positions_of(x)), rtol=1e-5, atol=1e-5)


class TestRefuses:
    def test_positions_of_another_length(self, layer: Layer) -> None:
        if not layer.encoding.sites:
            pytest.skip("NoPE has no use for positions")
        x = embeddings()
        with pytest.raises(phasor.errors.ArgumentError, match=r"positions|12"):
            layer(x, torch.arange(12))

    def test_positions_of_another_batch(self, layer: Layer) -> None:
        if not layer.encoding.sites:
            pytest.skip("NoPE has no use for positions")
        x = embeddings(batch=4)
        with pytest.raises(phasor.errors.ArgumentError, match="batch of 2 but"):
            layer(x, positions_of(x).expand(2, -1))

    def test_float64_activations_with_tables_for_float32(self, layer: Layer) -> None:
        encoding, x = layer.encoding, embeddings()
        if not encoding.sites or list(encoding.parameters()):
            pytest.skip("no table, or a table in the dtype of its parameters")
        prepared = encoding(positions_of(x))
        projected = layer.project(x)
        with pytest.raises(phasor.errors.ArgumentTypeError, match=r"dtype="):
            encoding.embed(x, prepared), phasor.attention(*projected, encoding, prepared=prepared)

    def test_positions_that_are_no_tensor(self, layer: Layer) -> None:
        if not layer.encoding.sites:
            pytest.skip("NoPE has no use for positions")
        with pytest.raises(phasor.errors.ArgumentTypeError, match=r"torch\.as_tensor"):
            layer.encoding([0, 1, 2])  # type: ignore[arg-type]

    def test_a_mask_as_positions(self, layer: Layer) -> None:
        if not layer.encoding.sites:
            pytest.skip("NoPE has no use for positions")
        with pytest.raises(phasor.errors.ArgumentTypeError, match="from_mask"):
            layer.encoding(torch.ones(2, LONGEST, dtype=torch.bool))
