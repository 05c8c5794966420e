"""The backward with learned frequencies against automatic derivatives of the float64 oracle."""

import pytest
import torch
from oracle import turned

from phasor.kernels._turn import Turn


@pytest.mark.parametrize("layout", ["half", "interleaved"])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("head_dim", "start", "pairs"), [(16, 0, 8), (24, 4, 5), (24, 14, 5)])
@pytest.mark.parametrize(
    ("axes", "dtype", "tokens", "groups"),
    [(1, torch.float32, 16, 1), (3, torch.float64, 8, 3)],
)
def test_both_gradients(
    device, layout, sign, head_dim, start, pairs, axes, dtype, tokens, groups
) -> None:
    from phasor.kernels.triton.rotation_backward import launch
    from phasor.kernels.triton.tile import Tile

    query = torch.randn(2, 5, 7, head_dim, dtype=torch.float64, requires_grad=True)
    key = torch.randn(2, 3, 7, head_dim, dtype=torch.float64, requires_grad=True)
    inv_freq = torch.rand(axes, pairs, dtype=torch.float64, requires_grad=True)
    positions = torch.randn(1, 7, axes, dtype=torch.float64) * 9
    angle = (positions[..., None] * inv_freq).sum(-2)
    options = {"layout": layout, "start": start, "sign": sign, "gain": 1.25}
    results = [turned(x, angle, **options) for x in (query, key)]
    grads = [torch.randn_like(result) for result in results]
    expected = torch.autograd.grad(results, (query, key, inv_freq), grads)

    kept = [x.detach().to(device, dtype) for x in results]
    given = [x.to(device, dtype) for x in grads]
    found = [torch.full_like(x, torch.nan) for x in given]
    arguments = (positions.to(device), inv_freq.detach().to(device))
    kernel = {"turn": Turn(layout == "interleaved", start, sign, 1.25)}
    tile = Tile(tokens, groups, 1)
    slope = launch(*given, *kept, *found, *arguments, **kernel, tile=tile)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    for got, truth in zip((*found, slope), expected, strict=True):
        size = truth.abs().max().item()
        torch.testing.assert_close(got.cpu().double(), truth, rtol=tolerance, atol=tolerance * size)
    again = launch(*given, *kept, *given, *arguments, **kernel, tile=tile)
    assert torch.equal(again, slope)
    assert torch.equal(given[0], found[0])
    assert torch.equal(given[1], found[1])


def test_learned_frequencies_train_through_it(device, monkeypatch) -> None:
    """On a GPU by itself; under the interpreter it is put in the place it has there."""
    import phasor
    from phasor.kernels import gradient
    from phasor.kernels.triton import rotation_backward

    calls = []

    def counted(*arguments, **how) -> torch.Tensor:
        calls.append(arguments[0].device.type)
        return rotation_backward.launch(*arguments, **how)

    query, key = torch.randn(2, 1, 3, 5, 16, device=device)
    inv_freq = phasor.geometric(16).inv_freq.float().to(device).requires_grad_()
    positions = torch.arange(5, device=device)
    weight = torch.randn_like(query)

    def slope() -> torch.Tensor:
        turned_query, turned_key = phasor.rotate(query, key, positions, inv_freq)
        assert turned_key is not None
        return torch.autograd.grad(((turned_query + turned_key) * weight).sum(), inv_freq)[0]

    monkeypatch.setattr(gradient, "fused_backward", lambda _: None)
    plain = slope()
    monkeypatch.setattr(gradient, "fused_backward", lambda _: counted)
    torch.testing.assert_close(slope(), plain, rtol=1e-4, atol=1e-4)
    assert calls == [device.type]
