"""Parameters of a module inside an encoding, handed out by a call, so that its hooks are called."""

from torch import Tensor, nn


class HandedOut(nn.Linear):
    """A linear layer that is not applied but hands out its weight and its bias, copied.

    Offloading, which brings the parameters of each module at its call, then brings these.
    """

    def forward(self) -> tuple[Tensor, Tensor | None]:  # type: ignore[override]
        return self.weight.clone(), None if self.bias is None else self.bias.clone()


class HandedOutList(nn.ParameterList):
    """Likewise of a list of parameters."""

    __call__ = nn.Module.__call__  # which a ParameterList refuses

    def forward(self) -> list[Tensor]:
        return [each.clone() for each in self]
