"""TinyUNet in PyTorch, for comparing speed; the parameters are as many as ours.

Channels-last memory and bfloat16 autocast, as PyTorch advises for CPUs.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class TinyUNet(nn.Module):
    """The network of `builders.tiny_unet`, variant "tiny", one channel in and out."""

    def __init__(self):
        super().__init__()

        def two(inputs, first, second):
            return nn.Sequential(_conv(inputs, first), nn.ReLU(), _conv(first, second), nn.ReLU())

        def up(inputs, outputs):
            # TensorFlow pads a 2x2 kernel behind, PyTorch on both sides or not at all.
            return nn.Sequential(
                nn.Upsample(scale_factor=2),
                nn.ZeroPad2d((0, 1, 0, 1)),
                nn.Conv2d(inputs, outputs, 2),
                nn.ReLU(),
            )

        self.down = nn.ModuleList(
            [two(1, 32, 32), two(32, 32, 32), two(32, 64, 64), two(64, 128, 128)]
        )
        self.bottleneck = nn.Sequential(two(128, 256, 256), up(256, 128))
        self.up = nn.ModuleList(
            nn.Sequential(two(2 * width, width, width // 2), up(width // 2, width // 2))
            for width in (128, 64, 32)
        )
        self.head = nn.Sequential(two(48, 32, 32), nn.Conv2d(32, 1, 1))

    def forward(self, image):
        x, skips = 2 * image - 1, []
        for block in self.down:
            x = block(x)
            skips.append(x)
            x = functional.max_pool2d(x, 2)
        x = self.bottleneck(x)
        for block in self.up:
            x = block(torch.cat([x, skips.pop()], dim=1))
        return self.head(torch.cat([x, skips.pop()], dim=1))


def steps(policy: str, image: np.ndarray) -> dict:
    """A training and an inference step on an image [B, H, W, 1]; see `zoo.benchmark`."""
    model = TinyUNet().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters())
    image = (
        torch.from_numpy(image).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    )
    mask = (image > 0.9).float()
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=policy == "mixed_bfloat16")

    def training():
        optimizer.zero_grad(set_to_none=True)
        with autocast:
            logits = model(image)
        logits = logits.float()
        probability = torch.sigmoid(logits)
        overlap = (2 * (probability * mask).sum() + 1) / (probability.sum() + mask.sum() + 1)
        loss = functional.binary_cross_entropy_with_logits(logits, mask) + 1 - overlap
        loss.backward()
        optimizer.step()

    def inference():
        with torch.inference_mode(), autocast:
            model(image)

    return {"training": training, "inference": inference}


def _conv(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, padding=1)
