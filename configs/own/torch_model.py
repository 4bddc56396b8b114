"""A convolutional network in PyTorch."""

import torch
from torch import nn


class Digits(nn.Module):
    """Images `[rows, 8, 8, 1]` with pixels from 0 to 16 in, logits of ten digits out."""

    def __init__(self, channels: tuple[int, int], dropout: float) -> None:
        super().__init__()
        one, two = channels
        self.layers = nn.Sequential(
            nn.Conv2d(1, one, 3, padding=1, bias=False), nn.BatchNorm2d(one), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(one, two, 3, padding=1, bias=False), nn.BatchNorm2d(two), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Dropout(dropout), nn.Linear(4 * two, 10),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """PyTorch has channels before height and width."""
        return self.layers(x.permute(0, 3, 1, 2) / 16)


def build(channels: tuple[int, int] = (8, 16), dropout: float = 0.25) -> nn.Module:
    """What `[model.arguments]` of the config are handed to."""
    return Digits(tuple(channels), dropout)
