"""Positions of the patches of images and video."""

import torch
from torch import Tensor

from phasor.positions.checks import check_count


def grid_2d(height: int, width: int, *, device: torch.device | str = "cpu") -> Tensor:
    r"""Row and column of each patch of an image, row by row.

    Args:
        height: Rows of patches.
        width: Columns of patches.
        device: Of the result.

    Returns:
        Positions `[height * width, 2]`, int64: row, column.

    Raises:
        ArgumentError: A size less than 1.
        ArgumentTypeError: A size that is no integer.

    Examples:
        >>> phasor.positions.grid_2d(2, 2).tolist()
        [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    return _grid({"height": height, "width": width}, device)


def grid_3d(frames: int, height: int, width: int, *, device: torch.device | str = "cpu") -> Tensor:
    r"""Frame, row and column of each patch of a video, frame by frame and row by row.

    Args:
        frames: Number of frames, or of the groups of frames that become one patch.
        height: Rows of patches.
        width: Columns of patches.
        device: Of the result.

    Returns:
        Positions `[frames * height * width, 3]`, int64: frame, row, column.

    Raises:
        ArgumentError: A size less than 1.
        ArgumentTypeError: A size that is no integer.

    Examples:
        >>> phasor.positions.grid_3d(2, 1, 2).tolist()
        [[0, 0, 0], [0, 0, 1], [1, 0, 0], [1, 0, 1]]
    """
    return _grid({"frames": frames, "height": height, "width": width}, device)


def patch_centres(height: int, width: int, *, device: torch.device | str = "cpu") -> Tensor:
    r"""Where the centre of each patch lies in its image, whose sides go from -1 to 1 (DINOv3).

    The centre of row $i$ of $H$ is $2(i + \tfrac12)/H - 1$, and so for the columns. An image of
    another size, or another shape, spans the same range. `phasor.image_periods` are frequencies for
    these.

    Args:
        height: Rows of patches.
        width: Columns of patches.
        device: Of the result; one that has float64.

    Returns:
        Positions `[height * width, 2]`, float64: row, column.

    Raises:
        ArgumentError: A size less than 1.
        ArgumentTypeError: A size that is no integer.

    Source:
        Siméoni et al. 2025, arXiv:2508.10104, and the authors' code, whose default is to divide
        each side by its own length. transformers computes these in float32.

    Examples:
        >>> phasor.positions.patch_centres(1, 4).tolist()
        [[0.0, -0.75], [0.0, -0.25], [0.0, 0.25], [0.0, 0.75]]
    """
    index = grid_2d(height, width, device=device)
    sizes = torch.tensor([height, width], device=device)
    # One division of integers: each centre is the float64 nearest to the true one.
    return (2 * index + 1 - sizes).double() / sizes


def _grid(sizes: dict[str, int], device: torch.device | str) -> Tensor:
    for name, size in sizes.items():
        check_count(name, size, at_least=1, advice="pass the number of patches along each axis")
    ranges = [torch.arange(size, device=device) for size in sizes.values()]
    return torch.stack(torch.meshgrid(*ranges, indexing="ij"), -1).flatten(0, -2)
