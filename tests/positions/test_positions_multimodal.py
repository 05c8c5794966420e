"""M-RoPE positions against the functions of transformers that Qwen's models call."""

from functools import partial
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLModel
from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VLModel
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLModel

import phasor
from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.positions import Grid, Text, multimodal, timestamped

MERGE = 2
SIZE = st.integers(1, 5)
TEXT = st.builds(Text, st.integers(1, 5))
IMAGE = st.builds(Grid, st.just(1), SIZE, SIZE)
VIDEO = st.builds(Grid, SIZE, SIZE, SIZE)


def mixes(grid: st.SearchStrategy[Grid]) -> st.SearchStrategy[list[Text | Grid]]:
    """Text between any two grids: transformers takes neighbours of one kind for one."""
    turns = st.lists(st.tuples(TEXT, grid), max_size=4)
    return st.builds(lambda pairs, last: [x for pair in pairs for x in pair] + [last], turns, TEXT)


def oracle(
    model: type, segments: list[Text | Grid], videos: list[Grid] | None = None, **options: object
) -> torch.Tensor:
    """What transformers says: images of one frame, videos of several, `videos` if they differ."""
    vision = SimpleNamespace(spatial_merge_size=MERGE, tokens_per_second=2)
    host = SimpleNamespace(config=SimpleNamespace(vision_config=vision))
    host.get_vision_position_ids = partial(model.get_vision_position_ids, host)
    kinds: list[int] = []
    images: list[list[int]] = []
    found: list[list[int]] = []
    for segment in segments:
        if isinstance(segment, Text):
            kinds += [0] * segment.length
            continue
        video = videos is not None or segment.frames > 1
        kinds += [2 if video else 1] * (segment.frames * segment.height * segment.width)
        (found if video else images).append(patches(segment))
    if videos is not None:
        found = [patches(video) for video in videos]
    ids = torch.zeros(1, len(kinds), dtype=torch.int64)
    got, delta = model.get_rope_index(
        host, ids, torch.tensor([kinds]), torch.tensor(images), torch.tensor(found), **options
    )
    assert int(delta) == int(got.max()) + 1 - len(kinds)
    return got[:, 0].T


def patches(grid: Grid) -> list[int]:
    return [grid.frames, grid.height * MERGE, grid.width * MERGE]


@settings(deadline=None)
@given(segments=mixes(IMAGE))
def test_text_and_images_as_qwen2_vl(segments: list[Text | Grid]) -> None:
    got = multimodal(segments)
    assert got.dtype == torch.int64
    assert torch.equal(got, oracle(Qwen2VLModel, segments))


@settings(deadline=None)
@given(segments=mixes(VIDEO.filter(lambda video: video.frames <= max(video.height, video.width))))
def test_short_videos_as_qwen2_vl(segments: list[Text | Grid]) -> None:
    assert torch.equal(multimodal(segments), oracle(Qwen2VLModel, segments))


def test_text_after_a_long_video_goes_on_where_transformers_steps_back() -> None:
    segments = [Text(2), Grid(5, 1, 2), Text(2)]
    got = multimodal(segments)
    theirs = oracle(Qwen2VLModel, segments)
    assert torch.equal(got[:-2], theirs[:-2])
    assert got[-3:].tolist() == [[6, 2, 3], [7, 7, 7], [8, 8, 8]]
    # Positions 4 and 5 twice: those of the third and fourth frame. See Source.
    assert theirs[-2:].tolist() == [[4, 4, 4], [5, 5, 5]]


@settings(deadline=None)
@given(
    before=st.integers(0, 3),
    video=VIDEO.filter(lambda video: video.frames > 1),
    seconds=st.sampled_from([0.25, 0.3, 0.5, 1.0, 1.7, 3.0]),
)
def test_time_steps_as_qwen2_5_vl(before: int, video: Grid, seconds: float) -> None:
    stepped = Grid(video.frames, video.height, video.width, time_step=2 * seconds)
    got = multimodal([Text(before), stepped])
    theirs = oracle(Qwen2_5_VLModel, [Text(before), stepped], second_per_grid_ts=[seconds])
    assert torch.equal(got, theirs)


def test_time_steps_round_like_qwen2_5_vl() -> None:
    # In float64 frame 15 would come to 63 and frame 25 to 105, as in plain arithmetic.
    video = Grid(26, 1, 1, time_step=2 * 2.1)
    theirs = oracle(Qwen2_5_VLModel, [video], second_per_grid_ts=[2.1])
    got = multimodal([video])
    assert torch.equal(got, theirs)
    assert got[[15, 25], 0].tolist() == [62, 104]


@settings(deadline=None)
@given(
    video=VIDEO,
    lengths=st.lists(st.integers(1, 4), min_size=5, max_size=5),
    last=st.integers(0, 3),
)
def test_videos_told_apart_by_text_as_qwen3_vl(video: Grid, lengths: list[int], last: int) -> None:
    frames = timestamped(video, lengths[: video.frames])
    segments = [*frames, Text(last)]
    assert torch.equal(multimodal(segments), oracle(Qwen3VLModel, segments, videos=[video]))


@settings(deadline=None)
@given(segments=st.lists(st.one_of(TEXT, VIDEO), max_size=6))
def test_each_segment_starts_after_all_numbers_before_it(segments: list[Text | Grid]) -> None:
    got = multimodal(segments)
    sizes = [
        part.length if isinstance(part, Text) else part.frames * part.height * part.width
        for part in segments
    ]
    parts = got.split(sizes)
    assert len(got) == sum(sizes)
    for before, after in pairwise(parts):
        assert after.min() == after[0].max() == before.max() + 1
    for segment, part in zip(segments, parts, strict=True):
        if isinstance(segment, Text):
            assert torch.equal(part, part[:1, :1] + torch.arange(len(part))[:, None].expand(-1, 3))
        else:
            grid = phasor.positions.grid_3d(segment.frames, segment.height, segment.width)
            assert torch.equal(part - part[0], grid)


def test_text_alone_is_numbered_as_ever_and_nothing_has_no_positions() -> None:
    assert multimodal([Text(2), Text(0), Text(1)]).tolist() == [[0] * 3, [1] * 3, [2] * 3]
    assert multimodal([]).shape == (0, 3)
    assert multimodal([Text(2)], device="meta").device.type == "meta"


def test_positions_suit_the_frequencies_of_m_rope() -> None:
    frequencies = phasor.sections(phasor.geometric(16), (2, 3, 3))
    text, _ = phasor.cos_sin(multimodal([Text(5)]), frequencies)
    plain, _ = phasor.cos_sin(torch.arange(5), phasor.geometric(16))
    assert torch.equal(text, plain)


def test_refuses_segments_that_are_none() -> None:
    with pytest.raises(ArgumentTypeError, match=r"Text or Grid, got 3; write n tokens of text as"):
        multimodal([Text(1), 3])
    with pytest.raises(ArgumentError, match="length must be at least 0, got -1; pass the number"):
        Text(-1)
    with pytest.raises(ArgumentTypeError, match=r"length must be an integer, got 2\.0"):
        Text(2.0)
    with pytest.raises(ArgumentError, match=r"frames must be at least 1, got 0; .* 1 frame for an"):
        Grid(0, 2, 2)
    for step in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ArgumentError, match=f"time_step must be finite .* got {step}; pass"):
            Grid(2, 2, 2, time_step=step)


def test_refuses_text_that_does_not_suit_the_frames() -> None:
    with pytest.raises(ArgumentError, match="one length for each of the 3 frames, got 2; pass"):
        timestamped(Grid(3, 1, 1), [4, 4])
    with pytest.raises(ArgumentError, match=r"time_step has no effect .* got 2\.0; leave it at 1"):
        timestamped(Grid(1, 1, 1, time_step=2.0), [4])
