"""What phasor promises of its angles, and proof that each promise can be broken.

The broken ones are the bugs of public libraries: a stored buffer, a buffer that meta initialisation
loses, angles by matrix product under autocast, positions in the dtype of the activations.
"""

import copy
from collections.abc import Callable

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

import phasor
from phasor import scaling

FAR = 2**31 - 1
HEAD_DIM = 64


def longrope(seq_len: int) -> Callable[[phasor.Frequencies], phasor.Frequencies]:
    """As many factors as there are pairs, rising as Phi-3's do."""

    def scale(frequencies: phasor.Frequencies) -> phasor.Frequencies:
        pairs = range(frequencies.pairs)
        return scaling.longrope(
            short_factor=[1 + 0.01 * pair for pair in pairs],
            long_factor=[1 + 0.03 * pair**2 for pair in pairs],
            original_seq_len=4096,
            factor=32,
        ).at(seq_len)(frequencies)

    return scale


SCALINGS: list[Callable[[phasor.Frequencies], phasor.Frequencies]] = [
    lambda frequencies: frequencies,
    scaling.linear(factor=8),
    scaling.ntk(factor=8),
    scaling.dynamic_ntk(factor=4, original_seq_len=4096).at(100_000),
    scaling.yarn(factor=40, original_seq_len=4096),
    scaling.yarn(factor=16, original_seq_len=8192, blend="geometric"),
    scaling.llama3(factor=8),
    longrope(4096),
    longrope(4097),
    scaling.ntk_by_parts(factor=8, original_seq_len=4096),
    scaling.theta_scale(factor=8, original_seq_len=4096),
    scaling.resonance(),
    scaling.drop_slow(original_seq_len=512),
]


@given(
    position=st.integers(-FAR, FAR) | st.integers(-10_000, 10_000),
    base=st.sampled_from([100.0, 10_000.0, 500_000.0, 1e8]),
    rotary_dim=st.sampled_from([4, 64, 128, 512]),
    scale=st.sampled_from(SCALINGS),
)
@settings(max_examples=200, deadline=None)
def test_float32_tables_err_by_at_most_3e_7(
    position: int, base: float, rotary_dim: int, scale: Callable
) -> None:
    frequencies = scale(phasor.geometric(rotary_dim, base))
    cos, sin = phasor.cos_sin(torch.tensor([position]), frequencies)
    gain = frequencies.attention_scale
    with mpmath.workdps(50):
        angles = [position * mpmath.mpf(value) for value in frequencies.inv_freq[0].tolist()]
        want_cos = torch.tensor([float(mpmath.cos(angle)) for angle in angles]) * gain
        want_sin = torch.tensor([float(mpmath.sin(angle)) for angle in angles]) * gain
    assert_close(cos[0], want_cos, rtol=0, atol=3e-7)
    assert_close(sin[0], want_sin, rtol=0, atol=3e-7)


@given(near=st.integers(0, 10_000), distance=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_scores_are_the_same_ten_million_tokens_further(near: int, distance: int) -> None:
    rotary = phasor.Rotary(HEAD_DIM, base=500_000.0)
    query, key = torch.randn(2, 1, 1, 1, HEAD_DIM)
    scores = []
    for shift in (0, 10_000_000):
        prepared = rotary.prepare(
            torch.tensor([near + distance + shift]), key_positions=torch.tensor([near + shift])
        )
        turned_query, turned_key = rotary.rotate(query, key, prepared)
        assert turned_key is not None
        scores.append((turned_query * turned_key).sum())
    assert_close(*scores, rtol=1e-5, atol=2e-5)


class Stored(nn.Module):
    """Frequencies in a buffer, as in transformers: casts and `to_empty` reach them."""

    def __init__(self) -> None:
        super().__init__()
        inv_freq = 1 / 10_000 ** (torch.arange(0, HEAD_DIM, 2) / HEAD_DIM)
        self.inv_freq = nn.Buffer(inv_freq, persistent=False)

    def prepare(self, positions: Tensor) -> Tensor:
        return (positions[:, None].float() * self.inv_freq).cos()


class ByMatmul(Stored):
    """Angles by matrix product: autocast and TF32 round its operands."""

    def prepare(self, positions: Tensor) -> Tensor:
        return (positions[:, None].float() @ self.inv_freq[None].float()).float().cos()


class Persistent(Stored):
    """A buffer that checkpoints carry, and overwrite."""

    def __init__(self) -> None:
        super().__init__()
        self.inv_freq = nn.Buffer(self.inv_freq, persistent=True)


class Trained(Stored):
    """Frequencies as a parameter: flattened, cast and sharded with all others."""

    def __init__(self) -> None:
        super().__init__()
        inv_freq = self.inv_freq
        del self.inv_freq
        self.inv_freq = nn.Parameter(inv_freq, requires_grad=False)


class Ours(nn.Module):
    """The real one, to the same measure."""

    def __init__(self) -> None:
        super().__init__()
        self.rotary = phasor.Rotary(HEAD_DIM)

    def prepare(self, positions: Tensor) -> Tensor:
        """Cosines, as they come out of a rotation: of vectors along the first of each pair."""
        along = torch.zeros(1, 1, len(positions), HEAD_DIM)
        along[..., : HEAD_DIM // 2] = 1.0
        turned, _ = self.rotary.rotate(along, None, self.rotary.prepare(positions))
        return turned[0, 0, :, : HEAD_DIM // 2]


def to_meta_and_back(module: nn.Module) -> nn.Module:
    torch.use_deterministic_algorithms(True)  # fills what is not initialised with NaN
    try:
        return copy.deepcopy(module).to("meta").to_empty(device="cpu")
    finally:
        torch.use_deterministic_algorithms(False)


def checkpoint_of_another_base(module: nn.Module) -> nn.Module:
    other = {name: value * 2 for name, value in module.state_dict().items()}
    module = copy.deepcopy(module)
    module.load_state_dict(other)
    return module


def flattened_in_bfloat16(module: nn.Module) -> nn.Module:
    """What FSDP's mixed precision does: one flat bfloat16 parameter, viewed back into place."""
    module = copy.deepcopy(module)
    for name, parameter in list(module.named_parameters()):
        flat = parameter.detach().to(torch.bfloat16).flatten()
        setattr(module, name, nn.Parameter(flat.view_as(parameter), requires_grad=False))
    return module


DAMAGE: dict[str, tuple[Callable[[nn.Module], nn.Module], type[nn.Module]]] = {
    "bfloat16": (lambda module: copy.deepcopy(module).bfloat16(), Stored),
    "half": (lambda module: copy.deepcopy(module).half(), Stored),
    "to": (lambda module: copy.deepcopy(module).to(torch.bfloat16), Stored),
    "meta, then to_empty": (to_meta_and_back, Stored),
    "load_state_dict": (checkpoint_of_another_base, Persistent),
    "flattened parameters": (flattened_in_bfloat16, Trained),
}
POSITIONS = torch.arange(4000, 4096)


def error(module: nn.Module) -> float:
    """Largest error of cos at positions near 4000; infinite where there is no number."""
    exact, _ = phasor.cos_sin(POSITIONS, phasor.geometric(HEAD_DIM), dtype=torch.float64)
    found = (module.prepare(POSITIONS).double() - exact).abs()
    return found.nan_to_num(torch.inf).max().item()


@pytest.mark.parametrize("kind", DAMAGE)
def test_nothing_that_is_done_to_a_module_reaches_its_angles(kind: str) -> None:
    damage, broken = DAMAGE[kind]
    assert error(damage(Ours())) < 1e-7
    assert error(broken()) < 1e-3  # right until it is damaged
    assert error(damage(broken())) > 1e-2


def test_autocast_does_not_reach_the_angles() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert error(Ours()) < 1e-7
        assert error(ByMatmul()) > 1e-2
    assert error(ByMatmul()) < 1e-3


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_matmul_precision_does_not_reach_the_angles(precision: str) -> None:
    """No CPU rounds as TF32 does; that there is no matrix product to round is what can be shown."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class NoProduct(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            assert not any(word in str(func) for word in ("mm", "matmul", "dot", "einsum")), func
            return func(*args, **(kwargs or {}))

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        with NoProduct():
            Ours().prepare(POSITIONS)
            with pytest.raises(AssertionError, match="mm"):
                ByMatmul().prepare(POSITIONS)
        assert error(Ours()) < 1e-7
    finally:
        torch.set_float32_matmul_precision(before)


def test_compiled_angles_are_exact_too() -> None:
    compiled = torch.compile(Ours().prepare, fullgraph=True)
    exact, _ = phasor.cos_sin(POSITIONS + 2**30, phasor.geometric(HEAD_DIM), dtype=torch.float64)
    assert_close(compiled(POSITIONS + 2**30).double(), exact, rtol=0, atol=3e-7)
