"""M-RoPE positions: text, images and video in one sequence, on the axes time, height and width."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from phasor.errors import ArgumentError, ArgumentTypeError
from phasor.positions.checks import check_count
from phasor.positions.grids import grid_3d


@dataclass(frozen=True)
class Text:
    """Tokens of text, in `multimodal`; those that open and close an image are text too.

    Args:
        length: Number of tokens.

    Raises:
        ArgumentError: `length` is negative.
        ArgumentTypeError: It is no integer.
    """

    length: int

    def __post_init__(self) -> None:
        check_count("length", self.length, at_least=0, advice="pass the number of text tokens")


@dataclass(frozen=True)
class Grid:
    """Tokens of an image or a video, in `multimodal`.

    Args:
        frames: Tokens along time; 1 for an image.
        height: Tokens along the height, after the model has merged patches into tokens: half the
            patches of `image_grid_thw` in Qwen's models.
        width: Tokens along the width, likewise.
        time_step: Positions from one frame to the next, rounded down after it is multiplied by the
            frame. 1 in Qwen2-VL; in Qwen2.5-VL, for video, `tokens_per_second` times the seconds
            from one frame to the next.

    Raises:
        ArgumentError: A size less than 1, or a `time_step` that is negative or not finite.
        ArgumentTypeError: A size that is no integer.
    """

    frames: int
    height: int
    width: int
    time_step: float = 1.0

    def __post_init__(self) -> None:
        for name in ("frames", "height", "width"):
            advice = "pass the tokens along each axis, 1 frame for an image"
            check_count(name, getattr(self, name), at_least=1, advice=advice)
        if not 0 <= self.time_step < math.inf:
            raise ArgumentError(
                f"time_step must be finite and not negative, got {self.time_step}; pass the "
                "positions from one frame to the next, 1 in Qwen2-VL"
            )


def multimodal(segments: Sequence[Text | Grid], *, device: torch.device | str = "cpu") -> Tensor:
    r"""Number a mix of text, images and video on the axes time, height and width (M-RoPE).

    A text token has the same number on all three axes, one more than the token before. An image or
    video starts, on all axes, at the next number that is free, and counts frames, rows and columns
    from there. What follows it goes on after the largest number in it.

    For Qwen3-VL, whose video frames stand apart, write video as `timestamped`. To generate, go on
    after `positions.max()`, not after the number of tokens.

    Args:
        segments: The sequence in order.
        device: Of the result.

    Returns:
        Positions `[seq, 3]`, int64: time, height, width, the order that `phasor.sections` takes.

    Raises:
        ArgumentTypeError: A segment that is neither `Text` nor `Grid`.

    Source:
        Wang et al. 2024, arXiv:2409.12191, section 2.1, and the first code in transformers. Its
        current code (5.23) goes on after the larger of height and width and does not look at the
        time, so that numbers come twice after a video whose frames reach further than that; images
        and Qwen3-VL are alike in both. `time_step`: Bai et al. 2025, arXiv:2502.13923; multiplied
        in float32 as Qwen2.5-VL does.

    Examples:
        >>> Text, Grid = phasor.positions.Text, phasor.positions.Grid
        >>> phasor.positions.multimodal([Text(2), Grid(1, 2, 2), Text(1)]).T.tolist()
        [[0, 1, 2, 2, 2, 2, 4], [0, 1, 2, 2, 3, 3, 4], [0, 1, 2, 3, 2, 3, 4]]
    """
    blocks = [torch.empty(0, 3, dtype=torch.int64, device="cpu")]
    start = 0
    for segment in segments:
        if isinstance(segment, Text):
            block = torch.arange(segment.length, device="cpu")[:, None].expand(-1, 3)
        elif isinstance(segment, Grid):
            block = grid_3d(segment.frames, segment.height, segment.width)
            block[:, 0] = (block[:, 0].float() * segment.time_step).long()
        else:
            raise ArgumentTypeError(
                f"segments must be phasor.positions.Text or Grid, got {segment!r}; write n tokens "
                "of text as Text(n) and an image as Grid(1, height, width)"
            )
        blocks.append(block + start)
        if len(block):
            start += int(block.max()) + 1
    return torch.cat(blocks).to(device)


def timestamped(video: Grid, text_lengths: Sequence[int]) -> list[Text | Grid]:
    r"""Segments of a video whose frames are told apart by text, as in Qwen3-VL.

    Each frame is an image of its own, and the time is written before it as text.

    Args:
        video: The whole video; its `time_step` stays 1, for the text tells the time.
        text_lengths: For each frame, the tokens of text before it: the timestamp, the token that
            opens the frame, and from the second frame on the one that closed the last.

    Returns:
        `Text` and `Grid` in turns, for `multimodal`.

    Raises:
        ArgumentError: Not one length for each frame, a negative one, or a `time_step` that would
            have no effect.

    Source:
        Qwen3-VL, arXiv:2511.21631, and transformers' `qwen3_vl`.

    Examples:
        >>> for segment in phasor.positions.timestamped(phasor.positions.Grid(2, 4, 6), [5, 6]):
        ...     print(segment)
        Text(length=5)
        Grid(frames=1, height=4, width=6, time_step=1.0)
        Text(length=6)
        Grid(frames=1, height=4, width=6, time_step=1.0)
    """
    if len(text_lengths) != video.frames:
        raise ArgumentError(
            f"text_lengths must have one length for each of the {video.frames} frames, got "
            f"{len(text_lengths)}; pass the tokens of text before each frame"
        )
    if video.time_step != 1:
        raise ArgumentError(
            f"time_step has no effect on frames that are told apart by text, got "
            f"{video.time_step}; leave it at 1, or pass the video to multimodal as it is"
        )
    frame = Grid(1, video.height, video.width)
    return [segment for length in text_lengths for segment in (Text(length), frame)]
