"""What is added to the embedding: against the paper's formula and against transformers."""

import math

import pytest
import torch
from torch.testing import assert_close

import phasor
from phasor.errors import ArgumentError, PositionRangeError

DIM = 12


def table(encoding: phasor.PositionEncoding, positions: torch.Tensor) -> torch.Tensor:
    zeros = torch.zeros(1, len(positions), DIM, dtype=torch.float64)
    return encoding.embed(zeros, encoding.prepare(positions, dtype=zeros.dtype))[0].detach()


def test_interleaved_is_the_formula_of_the_paper() -> None:
    found = table(phasor.Sinusoidal(DIM), torch.tensor([0, 1, 17, 5000]))
    for row, position in enumerate((0, 1, 17, 5000)):
        for pair in range(DIM // 2):
            angle = position / 10_000 ** (2 * pair / DIM)
            assert math.isclose(found[row, 2 * pair], math.sin(angle), abs_tol=1e-12)
            assert math.isclose(found[row, 2 * pair + 1], math.cos(angle), abs_tol=1e-12)


def test_half_equals_marian_in_transformers() -> None:
    from transformers.models.marian.modeling_marian import MarianSinusoidalPositionalEmbedding

    theirs = MarianSinusoidalPositionalEmbedding(40, DIM)
    expected = theirs.create_weight()
    found = table(phasor.Sinusoidal(DIM, layout="half"), torch.arange(40))
    assert_close(found.float(), torch.as_tensor(expected).float(), rtol=0, atol=1e-6)


def test_rms_is_what_it_says() -> None:
    found = table(phasor.Sinusoidal(DIM, rms=0.02), torch.arange(1000))
    # Each pair's sine and cosine have squares that add up to 1, at every position.
    assert math.isclose(found.square().mean().sqrt().item(), 0.02, rel_tol=1e-9)
    torch.manual_seed(0)
    learned = phasor.Learned(1000, 64, rms=0.3)
    assert math.isclose(learned.weight.square().mean().sqrt().item(), 0.3, rel_tol=0.02)


def test_learned_rows_are_looked_up() -> None:
    learned = phasor.Learned(5, DIM).double()
    assert_close(table(learned, torch.tensor([4, 0, 4])), learned.weight[[4, 0, 4]].detach())


@pytest.mark.parametrize("positions", [torch.arange(6), torch.tensor([-1, 0])])
def test_learned_ends_with_a_clear_error(positions: torch.Tensor) -> None:
    with pytest.raises(PositionRangeError, match="positions 0 to 4 but was asked for") as caught:
        phasor.Learned(5, DIM).prepare(positions)
    assert "make the table longer" in str(caught.value)


def test_learned_ends_with_a_clear_error_under_compile() -> None:
    learned = phasor.Learned(5, DIM)
    compiled = torch.compile(learned.prepare, fullgraph=True, backend="aot_eager")
    assert_close(compiled(torch.arange(5)), learned.weight)
    with pytest.raises(RuntimeError, match="positions 0 to 4"):
        compiled(torch.arange(6))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: phasor.Sinusoidal(7), "dim must be even and at least 2 for Sinusoidal, got 7"),
        (lambda: phasor.Sinusoidal(8, layout="other"), "layout must be one of"),
        (lambda: phasor.Sinusoidal(8, offset=-1), "offset must be at least 0, got -1"),
        (lambda: phasor.Sinusoidal(8, rms=0.0), "rms must be positive, got 0.0"),
        (lambda: phasor.Learned(0, 8), "at least one position"),
        (lambda: phasor.Learned(8, 8, rms=-1.0), "rms must be positive, got -1.0"),
    ],
)
def test_refuses_with_advice(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ArgumentError, match=message):
        call()


def test_refuses_an_embedding_of_another_width() -> None:
    encoding = phasor.Sinusoidal(8)
    with pytest.raises(ArgumentError, match=r"with dim 8, got shape \[1, 3, 6\]"):
        encoding.embed(torch.zeros(1, 3, 6), encoding.prepare(torch.arange(3)))


def test_endpoint_equals_whisper_and_fairseq_in_transformers() -> None:
    from transformers.models.m2m_100.modeling_m2m_100 import M2M100SinusoidalPositionalEmbedding
    from transformers.models.whisper.modeling_whisper import sinusoids

    found = table(phasor.Sinusoidal(DIM, layout="half", endpoint=True), torch.arange(40)).float()
    assert_close(found, sinusoids(40, DIM), rtol=0, atol=1e-5)
    fairseq = M2M100SinusoidalPositionalEmbedding.get_embedding(40, DIM, padding_idx=None)
    assert_close(found, fairseq, rtol=0, atol=1e-5)
    with pytest.raises(ArgumentError, match="needs at least two pairs per axis, got dim=2"):
        phasor.Sinusoidal(2, endpoint=True)


def test_offset_of_sines_equals_fairseq_in_transformers() -> None:
    from transformers.models.m2m_100.modeling_m2m_100 import M2M100SinusoidalPositionalEmbedding

    theirs = M2M100SinusoidalPositionalEmbedding(200, DIM, padding_idx=1)
    expected = theirs(torch.full((1, 126), 5))[0]
    sines = phasor.Sinusoidal(DIM, layout="half", endpoint=True, offset=2)
    # The last positions plus 2 do not fit into eight bits.
    found = table(sines, torch.arange(126, dtype=torch.int8))
    assert_close(found.float(), expected, rtol=0, atol=1e-4)
    halfway = table(sines, torch.tensor([0.5]))[0, 0]
    assert math.isclose(halfway.item(), math.sin(2.5), abs_tol=1e-12)
    assert "offset=2" in repr(sines)


def test_offset_equals_opt_in_transformers() -> None:
    from transformers.models.opt.modeling_opt import OPTLearnedPositionalEmbedding

    theirs = OPTLearnedPositionalEmbedding(5, DIM)
    learned = phasor.Learned(5, DIM, offset=2)
    assert learned.weight.shape == theirs.weight.shape
    with torch.no_grad():
        learned.weight.copy_(theirs.weight)
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
    expected = theirs(mask, 0)
    found = learned.prepare(phasor.positions.from_mask(mask.bool()))
    assert_close(found[mask.bool()], expected[mask.bool()], rtol=0, atol=0)
    with pytest.raises(PositionRangeError, match="positions 0 to 4 but was asked for 5"):
        learned.prepare(torch.tensor([5]))
    with pytest.raises(ArgumentError, match="offset must be at least 0, got -1"):
        phasor.Learned(5, DIM, offset=-1)


def test_endpoint_with_a_scale_is_the_convention_of_mlx() -> None:
    """Frequencies in equal logarithmic steps from 1 to 1e-4, all times the root of 2 / dim."""
    found = table(
        phasor.Sinusoidal(DIM, layout="half", endpoint=True, rms=DIM**-0.5), torch.arange(40)
    )
    for column in range(DIM // 2):
        share = column / (DIM // 2 - 1)
        frequency = math.exp((1 - share) * math.log(1.0) + share * math.log(1e-4))
        for position in (0, 1, 39):
            for at, wave in ((column, math.sin), (column + DIM // 2, math.cos)):
                expected = math.sqrt(2 / DIM) * wave(position * frequency)
                assert math.isclose(found[position, at], expected, abs_tol=1e-12)


def test_a_learned_scale_starts_as_in_x_transformers_and_learns() -> None:
    encoding = phasor.Sinusoidal(
        DIM, layout="half", rms=(2 * DIM) ** -0.5, learned_scale=True
    ).double()
    encoding.reset_parameters()
    found = table(encoding, torch.arange(40))
    for position in (0, 1, 39):
        for pair in range(DIM // 2):
            angle = position * 10_000 ** (-pair / (DIM / 2))
            expected = DIM**-0.5 * math.sin(angle)
            assert math.isclose(found[position, pair], expected, abs_tol=1e-12)
    assert encoding.scale is not None
    assert encoding.scale.item() == pytest.approx(DIM**-0.5)
    encoding.prepare(torch.arange(40), dtype=torch.float64).sum().backward()
    plain = table(phasor.Sinusoidal(DIM, layout="half"), torch.arange(40)).sum()
    assert encoding.scale.grad.item() == pytest.approx(plain.item())


def test_a_learned_scale_made_without_memory_gets_its_value_afterwards() -> None:
    with torch.device("meta"):
        encoding = phasor.Sinusoidal(8, rms=0.25, learned_scale=True)
    encoding = encoding.to_empty(device="cpu")
    encoding.reset_parameters()
    assert encoding.scale.item() == pytest.approx(0.25 * math.sqrt(2.0))


@pytest.mark.parametrize("normalize", [False, True])
def test_two_axes_equal_detr_in_transformers(normalize: bool) -> None:
    from transformers.models.detr.modeling_detr import DetrSinePositionEmbedding

    theirs = DetrSinePositionEmbedding(16, normalize=normalize)
    expected = theirs(torch.Size((1, 3, 5, 7)), "cpu", torch.float64)
    positions = phasor.positions.grid_2d(5, 7) + 1
    if normalize:
        positions = 2 * math.pi * positions.double() / (torch.tensor([5, 7]).double() + 1e-6)
    found = phasor.Sinusoidal(32, axes=2).prepare(positions, dtype=torch.float64)
    assert_close(found.T.reshape(1, 32, 5, 7), expected, rtol=0, atol=1e-12)


def test_two_axes_in_halves_equal_vit_mae_in_transformers() -> None:
    from transformers import ViTMAEConfig
    from transformers.models.vit_mae.modeling_vit_mae import ViTMAEEmbeddings

    theirs = ViTMAEEmbeddings(ViTMAEConfig(hidden_size=32, image_size=48, patch_size=16))
    with torch.no_grad():
        theirs.position_embeddings.fill_(float("nan"))
    theirs.initialize_weights()
    expected = theirs.position_embeddings.detach()
    positions = phasor.positions.grid_2d(3, 3).flip(-1)  # columns first
    found = phasor.Sinusoidal(32, axes=2, layout="half").prepare(positions)
    assert_close(found, expected[0, 1:], rtol=0, atol=1e-6)


def test_each_axis_with_an_endpoint_is_one_axis_alone() -> None:
    both = phasor.Sinusoidal(24, axes=2, endpoint=True)
    alone = phasor.Sinusoidal(12, endpoint=True)
    positions = torch.tensor([[3, 40], [0, 7]])
    found = both.prepare(positions, dtype=torch.float64)
    for axis in range(2):
        expected = alone.prepare(positions[:, axis], dtype=torch.float64)
        assert_close(found[:, 12 * axis : 12 * (axis + 1)], expected, rtol=0, atol=0)


def test_a_table_of_another_length_equals_vitdet_in_transformers() -> None:
    from transformers.models.vitdet.modeling_vitdet import get_rel_pos

    old = phasor.Learned(9, DIM, offset=2, rms=1.0)
    for length in (3, 9, 31):
        new = old.interpolate(length)
        # Of a square of offsets, those of the first query and of the first key.
        square = get_rel_pos((length + 1) // 2, (length + 1) // 2, old.weight[2:].detach())
        expected = torch.cat((square[0].flip(0), square[1:, 0]))
        assert new.num_positions == length
        assert_close(new.weight[2:], expected, rtol=0, atol=1e-6)
        assert_close(new.weight[:2], old.weight[:2], rtol=0, atol=0)
        assert new.prepare(torch.tensor([length - 1])).shape == (1, DIM)


@pytest.mark.parametrize("length", [1, 4, 9, 10, 100])
def test_a_table_of_another_length_is_linear_between_middles_of_cells(length: int) -> None:
    old = phasor.Learned(9, DIM, rms=1.0).double()
    new = old.interpolate(length).weight
    for m in range(length):
        at = min(max((m + 0.5) * 9 / length - 0.5, 0.0), 8.0)
        low = min(math.floor(at), 7)
        expected = (low + 1 - at) * old.weight[low] + (at - low) * old.weight[low + 1]
        assert_close(new[m], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("model", ["vit", "dinov2"])
@pytest.mark.parametrize("new_size", [(5, 5), (4, 9), (2, 3)])
def test_a_table_of_another_image_equals_transformers(
    model: str, new_size: tuple[int, int]
) -> None:
    from transformers import Dinov2Config, ViTConfig
    from transformers.models.dinov2.modeling_dinov2 import Dinov2Embeddings
    from transformers.models.vit.modeling_vit import ViTEmbeddings

    if model == "vit":
        theirs = ViTEmbeddings(ViTConfig(hidden_size=DIM, image_size=64, patch_size=16))
    else:
        theirs = Dinov2Embeddings(Dinov2Config(hidden_size=DIM, image_size=64, patch_size=16))
    torch.nn.init.normal_(theirs.position_embeddings)
    old = phasor.Learned(17, DIM)
    with torch.no_grad():
        old.weight.copy_(theirs.position_embeddings[0])
    tokens = torch.zeros(1, 1 + new_size[0] * new_size[1], DIM)
    expected = theirs.interpolate_pos_encoding(tokens, 16 * new_size[0], 16 * new_size[1])
    new = old.interpolate_grid((4, 4), new_size, keep=1)
    assert_close(new.weight, expected[0], rtol=0, atol=1e-6)
    assert new.num_positions == tokens.shape[1]


def test_tables_of_another_size_keep_dtype_and_whether_they_train() -> None:
    old = phasor.Learned(4, DIM, offset=1).bfloat16().requires_grad_(False)
    for new in (old.interpolate(6), old.interpolate_grid((2, 2), (3, 3))):
        assert new.weight.dtype == torch.bfloat16
        assert new.weight.is_leaf
        assert not new.weight.requires_grad
        assert new.weight.shape[0] == new.num_positions + 1
        assert_close(new.weight[0], old.weight[0], rtol=0, atol=0)
    assert_close(old.interpolate(4).weight, old.weight, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: phasor.Sinusoidal(8, axes=0), "axes must be at least 1, got 0"),
        (lambda: phasor.Sinusoidal(6, axes=2), r"a multiple of 2 \* axes = 4, .* got 6"),
        (lambda: phasor.Sinusoidal(4, axes=2, endpoint=True), "two pairs per axis, got dim=2"),
        (lambda: phasor.Sinusoidal(8, axes=2).prepare(torch.arange(3)), r"\[seq, 2\]"),
        (lambda: phasor.Learned(4, 8).interpolate(0), "num_positions must be at least 1, got 0"),
        (lambda: phasor.Learned(4, 8).interpolate_grid((2, 2), (0, 3)), "new_size must be rows"),
        (lambda: phasor.Learned(4, 8).interpolate_grid((2, 2, 1), (3, 3)), "size must be rows"),
        (
            lambda: phasor.Learned(5, 8).interpolate_grid((2, 2), (3, 3)),
            r"the 5 positions of the table, got 2 \* 2 \+ 0; .* 1 for a class token",
        ),
    ],
)
def test_refuses_sizes_that_do_not_fit(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(ArgumentError, match=message):
        call()
