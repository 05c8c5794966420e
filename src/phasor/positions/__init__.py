"""Building and checking positions: the one input that says where each token stands.

Positions are int64 `[seq]`, `[batch, seq]` or, with several axes, `[..., axes]`; floats where they
fall between tokens. Each function returns them on the device of what it was given, and takes
`device` where it was given numbers only.
"""

from phasor.positions.checks import check_covers as check_covers
from phasor.positions.checks import check_positions as check_positions
from phasor.positions.checks import check_range as check_range
from phasor.positions.digits import abacus as abacus
from phasor.positions.grids import grid_2d as grid_2d
from phasor.positions.grids import grid_3d as grid_3d
from phasor.positions.grids import patch_centres as patch_centres
from phasor.positions.multimodal import Grid as Grid
from phasor.positions.multimodal import Text as Text
from phasor.positions.multimodal import multimodal as multimodal
from phasor.positions.multimodal import timestamped as timestamped
from phasor.positions.shards import ShardOrder as ShardOrder
from phasor.positions.shards import shard as shard
from phasor.positions.shards import unshard_order as unshard_order
from phasor.positions.text import after_cache as after_cache
from phasor.positions.text import from_cu_seqlens as from_cu_seqlens
from phasor.positions.text import from_documents as from_documents
from phasor.positions.text import from_mask as from_mask
from phasor.positions.text import packed as packed
from phasor.positions.text import same_document as same_document
from phasor.positions.training import interpolated as interpolated
from phasor.positions.training import pose as pose
from phasor.positions.training import randomised as randomised
