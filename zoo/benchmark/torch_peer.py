"""Networks of the zoo in PyTorch, for comparing speed; the parameters are as many as ours.

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


class UNet(nn.Module):
    """The network of `builders.unet` with batch normalisation."""

    def __init__(self, channels: int, num_classes: int, base_filters: int):
        super().__init__()

        def two(inputs, outputs):
            return nn.Sequential(*_normed(inputs, outputs), *_normed(outputs, outputs))

        widths = [base_filters * 2**level for level in range(5)]
        self.down = nn.ModuleList(map(two, [channels, *widths], widths))
        self.upconv = nn.ModuleList(
            nn.ConvTranspose2d(2 * width, width, 2, stride=2) for width in widths[-2::-1]
        )
        self.up = nn.ModuleList(two(2 * width, width) for width in widths[-2::-1])
        self.head = nn.Conv2d(base_filters, num_classes, 1)

    def forward(self, image):
        x, skips = 2 * image - 1, []
        for block in self.down[:-1]:
            x = block(x)
            skips.append(x)
            x = functional.max_pool2d(x, 2)
        x = self.down[-1](x)
        for upconv, block in zip(self.upconv, self.up):
            x = block(torch.cat([upconv(x), skips.pop()], dim=1))
        return self.head(x)


class MicroSegmentor(nn.Module):
    """The network of `builders.micro_segmentor` for three channels in, one mask and four labels.

    Its modules with weights stand in the order of the layers of ours.
    """

    def __init__(self, base_filters: int = 16, up: str = "bilinear"):
        super().__init__()
        base = base_filters
        stem = nn.Conv2d(3, base, 3, 2, 1, bias=False)
        self.stem = nn.Sequential(stem, nn.BatchNorm2d(base), nn.SiLU())
        self.down = nn.ModuleList(
            _inverted(base * 2**level, base * 2 ** (level + 1), 2) for level in range(3)
        )
        self.bottleneck = _inverted(8 * base, 16 * base)
        self.up = nn.ModuleList()
        for deep, skip in ((16, 4), (8, 2), (4, 1)):
            merge = nn.Conv2d((deep + skip) * base, deep // 2 * base, 1)
            block = _inverted(deep // 2 * base, deep // 2 * base)
            self.up.append(nn.ModuleList([_enlarge(deep * base, up), merge, block]))
        self.mask = nn.Sequential(_enlarge(2 * base, up), nn.Conv2d(2 * base, 1, 1))
        self.label = nn.Linear(16 * base, 4)

    def forward(self, image):
        features = [self.stem(image)]
        for block in self.down:
            features.append(block(features[-1]))
        deep = x = self.bottleneck(features[3])
        for (larger, merge, block), skip in zip(self.up, features[2::-1]):
            x = merge(torch.cat([larger(x), skip], dim=1))
            x = x + block(x)
        return self.mask(x), self.label(deep.mean((2, 3)))


def tiny_unet(builder_args: dict) -> nn.Module:
    """`builders.tiny_unet` of these arguments, for one channel in and out."""
    _require(builder_args, image_channels=1, num_classes=1, variant="tiny", activation="relu")
    return TinyUNet()


def unet(builder_args: dict) -> nn.Module:
    """`builders.unet` of these arguments, with batch normalisation."""
    _require(builder_args, normalization="batch", dropout_rate=0.0)
    return UNet(
        builder_args["image_shape"][2],
        builder_args["num_classes"],
        builder_args.get("base_filters", 32),
    )


def micro_segmentor(builder_args: dict) -> nn.Module:
    """`builders.micro_segmentor` of these arguments, as far as `MicroSegmentor` goes."""
    _require(
        builder_args,
        image_channels=3,
        num_classes=1,
        num_labels=4,
        expansion=4,
        label_pooling="image",
    )
    return MicroSegmentor(builder_args.get("base_filters", 16), builder_args.get("up", "bilinear"))


def _require(builder_args, **known):
    """Raises ValueError where the network of ours would be another one than its peer."""
    args = {**builder_args, "image_channels": builder_args["image_shape"][2]}
    for name, value in known.items():
        if args.get(name, value) != value:
            raise ValueError(
                f"Argument `peer` is torch, whose network has {name} {value!r} alone. "
                f"Received: {args[name]!r}"
            )


PEERS = {"micro_segmentor": micro_segmentor, "tiny_unet": tiny_unet, "unet": unet}


def steps(builder: str, builder_args: dict, policy: str, image: np.ndarray, mask) -> dict:
    """Returns a training and an inference step on an image [B, H, W, C].

    See `zoo.benchmark.networks`.

    Raises:
      ValueError: the builder has no peer, or none of these arguments.
    """
    if builder not in PEERS:
        raise ValueError(
            f"Argument `peer` is there for {', '.join(PEERS)}. Received: torch for {builder}"
        )
    model = PEERS[builder](builder_args).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters())
    image = _channels_first(image)
    target = torch.from_numpy(mask[..., 0]).long()
    label = torch.ones(len(mask), dtype=torch.long)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=policy == "mixed_bfloat16")

    def training():
        model.train()
        optimizer.zero_grad(set_to_none=True)
        with autocast:
            logits = model(image)
        logits, *labels = logits if isinstance(logits, tuple) else (logits,)
        loss = _ce_dice(logits.float(), target)
        if labels:
            loss = loss + functional.cross_entropy(labels[0].float(), label)
        loss.backward()
        optimizer.step()

    def inference():
        model.eval()
        with torch.inference_mode(), autocast:
            model(image)

    return {"training": training, "inference": inference}


def _channels_first(image):
    image = torch.from_numpy(image).permute(0, 3, 1, 2)
    return image.contiguous(memory_format=torch.channels_last)


def _ce_dice(logits, target):
    """Cross-entropy and soft Dice of the defect channels; of the only one where there is one."""
    if logits.shape[1] == 1:
        probability, truth = torch.sigmoid(logits), target[:, None].float()
        entropy = functional.binary_cross_entropy_with_logits(logits, truth)
    else:
        probability = torch.softmax(logits, dim=1)[:, 1:]
        truth = functional.one_hot(target, logits.shape[1]).permute(0, 3, 1, 2)[:, 1:].float()
        entropy = functional.cross_entropy(logits, target)
    both = (probability * truth).sum((0, 2, 3))
    sizes = probability.sum((0, 2, 3)) + truth.sum((0, 2, 3))
    return entropy + (1 - (2 * both + 1) / (sizes + 1)).mean()


def _normed(inputs, outputs):
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return conv, nn.BatchNorm2d(outputs), nn.ReLU()


def _inverted(inputs, outputs, stride=1):
    """Returns an inverted residual without its addition, four times as wide inside."""
    width = 4 * inputs
    return nn.Sequential(
        *(nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width), nn.SiLU()),
        nn.Conv2d(width, width, 3, stride, 1, groups=width, bias=False),
        *(nn.BatchNorm2d(width), nn.SiLU()),
        *(nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs)),
    )


def _enlarge(channels, up):
    if up == "bilinear":
        return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
    upconv = nn.ConvTranspose2d(channels, channels, 3, 2, 1, output_padding=1, bias=False)
    return nn.Sequential(upconv, nn.BatchNorm2d(channels), nn.SiLU())


def _conv(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, padding=1)
