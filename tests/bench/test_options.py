"""What the command line may say, and what it is told where it is wrong."""

import pytest
import torch

from phasor._bench.options import Options, make_plan
from phasor._bench.peers import PEERS, choose_peers
from phasor._bench.shapes import NAMED, parse_shapes
from phasor.errors import ArgumentError

OPTIONS = {
    "device": "cpu", "shapes": "C", "against": "none", "dtype": "float32", "layout": "half",
    "threads": 1, "rounds": 1, "backward": False,
}  # fmt: skip


def test_named_shapes_are_those_of_the_bars() -> None:
    sizes = {name: (shape.query, shape.key) for name, shape in NAMED.items()}
    assert sizes == {
        "A": ([1, 32, 4096, 128], [1, 8, 4096, 128]),
        "B": ([8, 16, 512, 64], [8, 16, 512, 64]),
        "C": ([64, 32, 1, 128], [64, 8, 1, 128]),
    }


def test_shapes_in_their_order() -> None:
    free, named, alike = parse_shapes("2x12+3x7x80, a ,1x4x9x2")
    assert (free.query, free.key) == ([2, 12, 7, 80], [2, 3, 7, 80])
    assert named is NAMED["A"]
    assert (alike.query, alike.key) == ([1, 4, 9, 2], [1, 4, 9, 2])
    assert free.elements == 2 * 15 * 7 * 80


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "shape '' is neither one of A, B, C nor spelled as"),
        ("D", "unknown shape 'D'"),
        ("A,A", "shape A is there twice"),
        ("A,a", "shape A is there twice"),
        ("1x32x4096", "nor spelled as batch x query heads"),
        ("1x32+8x4096x128x2", "nor spelled as"),
        ("1x32-8x4096x128", "nor spelled as"),
        ("1x32+8x4096x1.5", "nor spelled as"),
        ("-1x32x4096x128", "nor spelled as"),
        ("1x٣x4096x128", "nor spelled as"),
        ("1x0x4096x128", "every size must be at least 1"),
        ("1x8+0x4096x128", "every size must be at least 1"),
        ("1x8x4096x127", "head_dim must be even, got 127"),
    ],
)
def test_shapes_that_are_not(text: str, part: str) -> None:
    with pytest.raises(ArgumentError) as error:
        parse_shapes(text)
    assert part in str(error.value)


def test_peers_by_name() -> None:
    assert choose_peers("all") == PEERS
    assert choose_peers("none") == ()
    assert [peer.name for peer in choose_peers(" torchtune,llama")] == ["llama", "torchtune"]


def test_peers_that_are_not() -> None:
    with pytest.raises(ArgumentError, match=r"unknown peer 'ligerkernel'.*Did you mean 'liger-k"):
        choose_peers("ligerkernel")
    with pytest.raises(ArgumentError, match="peer llama is there twice"):
        choose_peers("llama,llama")


def test_plan() -> None:
    plan = make_plan(
        Options(**{**OPTIONS, "dtype": "bfloat16,float64", "shapes": "B,C", "backward": True})
    )
    assert plan.dtypes == (torch.bfloat16, torch.float64)
    assert plan.directions == ("forward", "backward")
    assert plan.num_cases == 8


@pytest.mark.parametrize(
    ("option", "part"),
    [
        ({"dtype": "float"}, "unknown dtype 'float'"),
        ({"dtype": "float32,float32"}, "dtype float32 is there twice"),
        ({"layout": "neox"}, "unknown layout 'neox'"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
        ({"rounds": -1}, "rounds must be at least 1, got -1"),
        ({"shapes": "99999x999x99999x128"}, "take a smaller one"),
    ],
)
def test_plans_that_are_not(option: dict, part: str) -> None:
    with pytest.raises(ArgumentError) as error:
        make_plan(Options(**{**OPTIONS, **option}))
    assert part in str(error.value)
