"""The colorization network of Zhang, Isola and Efros (ECCV 2016) as a table of stages.

Checked against models/colorization_train_val_v2.prototxt and colorizers/eccv16.py of richzhang/colorization: at width
1 the shapes and parameter counts are theirs, layer by layer (tests/test_networks.py). No pooling, no skip connection;
all changes of resolution are strided convolutions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Stage:
    """One block of convolutions; only the last of them strides, only the block's end is normalised."""

    name: str
    channels: int
    convolutions: int
    stride: int = 1
    dilation: int = 1
    normalise: bool = True
    upsample: bool = False  # the first convolution is a 4 x 4 transposed one with stride 2


STAGES = (
    Stage("conv1", 64, 2, stride=2),
    Stage("conv2", 128, 2, stride=2),
    Stage("conv3", 256, 3, stride=2),
    Stage("conv4", 512, 3),
    Stage("conv5", 512, 3, dilation=2),
    Stage("conv6", 512, 3, dilation=2),
    Stage("conv7", 512, 3),
    Stage("conv8", 256, 3, normalise=False, upsample=True),
)
"""Table of the network (facts of the released training file v2); the head, a 1 x 1 convolution, follows."""
OUTPUT_STRIDE = 4
"""The output has a quarter of the input's side; labels are every fourth pixel."""
_ACTIVATIONS = {"relu": nn.ReLU, "leaky_relu": lambda: nn.LeakyReLU(0.2)}


def _block(stage: Stage, inputs: int, channels: int, activation: str, affine: bool) -> nn.Sequential:
    """Convolutions with the activation after each, then batch norm: in the original it comes after the ReLU."""
    layers: list[nn.Module] = []
    for i in range(stage.convolutions):
        stride = stage.stride if i == stage.convolutions - 1 else 1
        if i == 0 and stage.upsample:
            layers.append(nn.ConvTranspose2d(inputs, channels, 4, stride=2, padding=1))
        else:
            layers.append(nn.Conv2d(inputs, channels, 3, stride, stage.dilation, stage.dilation))
        layers.append(_ACTIVATIONS[activation]())
        inputs = channels
    if stage.normalise:
        layers.append(nn.BatchNorm2d(channels, affine=affine))
    return nn.Sequential(*layers)


class ColorNet(nn.Module):
    """The trunk of `STAGES` and a 1 x 1 head.

    channels: of the head (2 for ab, 3 for RGB, 313 for class scores). width: multiplies every stage's channels.
    activation: "relu" as released, "leaky_relu" (0.2) as the student paper says. affine: whether batch norm has a
    scale and shift (the Caffe file has none, the PyTorch port has).

    The head is made last, so that two networks made from one seed share the trunk's initial weights whatever
    their heads.
    """

    def __init__(self, channels: int, width: float = 1.0, activation: str = "relu", affine: bool = False):
        super().__init__()
        self.trunk = nn.ModuleDict()
        inputs = 1
        for stage in STAGES:
            outputs = round(stage.channels * width)
            if outputs < 1:
                raise ValueError(f"width={width} leaves {stage.name} without a channel")
            self.trunk[stage.name] = _block(stage, inputs, outputs, activation, affine)
            inputs = outputs
        self.head = nn.Conv2d(inputs, channels, 1)

    def forward(self, lightness: Tensor) -> Tensor:
        """Map lightness L [b, 1, h, w] in 0..100 to the output [b, channels, h/4, w/4]; h, w multiples of 8."""
        if lightness.ndim != 4 or lightness.shape[1] != 1 or lightness.shape[2] % 8 or lightness.shape[3] % 8:
            raise ValueError(f"input must be [b, 1, h, w], h and w multiples of 8; got {tuple(lightness.shape)}")
        x = (lightness - 50) / 100  # as the PyTorch port; Caffe feeds L - 50, which a first layer can undo
        for block in self.trunk.values():
            x = block(x)
        return self.head(x)


HEAD_GAIN = 0.1
"""Scale of the head's first weights under init "he": a classifier begins near the uniform distribution, a regression
near its mean answer."""


@torch.no_grad()
def make_network(config, channels: int, seed: int) -> ColorNet:
    """A fresh network for `config`, its weights a function of the seed alone; the global generator stays as it was.

    init "default" (and "data", which rescales it later): what PyTorch draws by itself, uniform within one over the
    root of the fan-in, biases too: a sixth of the variance that keeps a signal's size through a ReLU. "he": uniform
    with that variance (He et al., ICCV 2015, eq. 10), no biases, and a head of small weights.
    PyTorch rounds drawn weights differently on different processors, and training magnifies that beyond recognition,
    so they are scaled here.
    """
    with torch.random.fork_rng(devices=[]):  # what is drawn here is replaced; on "meta" it would load much of PyTorch
        network = ColorNet(channels, config.width, config.activation, config.affine)
    chance = torch.Generator().manual_seed(seed)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            for parameter, bound in ((layer.weight, _weight_bound(layer, config.init)), (layer.bias, None)):
                drawn = torch.rand(parameter.shape, generator=chance).double()
                bound = 1 / math.sqrt(layer.weight[0].numel()) if bound is None else bound
                parameter.copy_(bound * (2 * drawn - 1))
            if config.init == "he":
                layer.bias.zero_()
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
    if config.init == "he":
        network.head.weight.mul_(HEAD_GAIN)
    return network


def _weight_bound(layer: nn.Module, init: str) -> float:
    """Half the width of the uniform distribution that a convolution's first weights come from."""
    if init != "he":
        return 1 / math.sqrt(layer.weight[0].numel())
    fan_in = layer.in_channels * math.prod(layer.kernel_size)
    if isinstance(layer, nn.ConvTranspose2d):
        fan_in /= math.prod(layer.stride)  # an output sees only every other row and column of the kernel
    return math.sqrt(6 / fan_in)


@torch.no_grad()
def flush_running_means(network: ColorNet) -> None:
    """Set running means to 0 where they are too small to be normal floats.

    Where a channel has died its mean halves every few steps, for ever. Subtracted from the channel's zeros it leaves
    denormal numbers, on which processors compute about five times more slowly; predictions stay what they were.
    """
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean[layer.running_mean.abs() < torch.finfo(torch.float32).tiny] = 0


@torch.no_grad()
def data_dependent_init(network: ColorNet, lightness: Tensor) -> None:
    """Scale each convolution so that its outputs on `lightness` [b, 1, h, w] have mean 0 and variance 1 a channel.

    Krähenbühl et al. (ICLR 2016), the within-layer part: the original starts from weights made by that method.
    """
    network.train()
    x = (lightness - 50) / 100
    layers = [layer for block in network.trunk.values() for layer in block] + [network.head]
    for layer in layers:
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            out = layer(x)
            deviation, mean = torch.std_mean(out, dim=(0, 2, 3))
            out_axis = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
            shape = [1, 1, 1, 1]
            shape[out_axis] = -1
            deviation = deviation.clamp_min(1e-6)
            layer.weight.div_(deviation.reshape(shape))
            layer.bias.sub_(mean).div_(deviation)
        x = layer(x)


def layer_table(network: ColorNet, side: int = 64) -> list[dict]:
    """One row a convolution: name, kernel, in, out, stride, dilation, output side, parameters, multiply-adds."""
    rows = []
    named = [(n, layer) for stage, block in network.trunk.items() for n, layer in _convolutions(stage, block)]
    for name, layer in [*named, ("head", network.head)]:
        up = isinstance(layer, nn.ConvTranspose2d)
        area_in = side**2
        side = side * 2 if up else -(-side // layer.stride[0])
        weights = layer.weight.numel()
        rows.append(
            {
                "layer": name,
                "kernel": layer.kernel_size[0],
                "in": layer.in_channels,
                "out": layer.out_channels,
                "stride": 0.5 if up else layer.stride[0],
                "dilation": layer.dilation[0],
                "side": side,
                "parameters": weights + layer.bias.numel(),
                "multiply_adds": weights * (area_in if up else side**2),
            }
        )
    return rows


def training_flop(width: float, side: int, channels: int = 313) -> int:
    """Floating point operations that an image costs in training: two a multiply-add, and backward twice as many."""
    with torch.device("meta"):  # shapes alone
        network = ColorNet(channels, width)
    return 3 * 2 * sum(row["multiply_adds"] for row in layer_table(network, side))


def _convolutions(stage: str, block: nn.Sequential):
    convolutions = [layer for layer in block if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    return [(f"{stage}_{i + 1}", layer) for i, layer in enumerate(convolutions)]


def receptive_field(until: str = "conv7") -> list[tuple[str, int]]:
    """Side in input pixels of what one output of each convolution sees, [(layer name, side)], up to stage `until`."""
    field, step, rows = 1, 1, []
    for stage in STAGES:
        for i in range(stage.convolutions):
            if i == 0 and stage.upsample:
                field += step  # a 4 x 4 transposed convolution with stride 2 reads 2 x 2 inputs, `step` pixels apart
                step //= 2
            else:
                field += 2 * stage.dilation * step
            if i == stage.convolutions - 1:
                step *= stage.stride
            rows.append((f"{stage.name}_{i + 1}", field))
        if stage.name == until:
            return rows
    raise ValueError(f"until={until!r}; allowed: {', '.join(s.name for s in STAGES)}")


def released_keys() -> dict[str, str]:
    """Map the names of the released PyTorch checkpoint (model1.0.weight ...) to ours (trunk.conv1.0.weight ...).

    Both count layers alike within a block, so that only prefixes differ; the port's head is the last layer of model8.
    """
    keys = {}
    for number, stage in enumerate(STAGES, 1):
        for i in range(stage.convolutions):
            for kind in ("weight", "bias"):
                keys[f"model{number}.{2 * i}.{kind}"] = f"trunk.{stage.name}.{2 * i}.{kind}"
        if stage.normalise:
            end = 2 * stage.convolutions
            for kind in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
                keys[f"model{number}.{end}.{kind}"] = f"trunk.{stage.name}.{end}.{kind}"
    return keys | {"model8.6.weight": "head.weight", "model8.6.bias": "head.bias"}


def from_released(state: dict[str, Tensor], centers: Tensor) -> ColorNet:
    """Build the network of the released checkpoint from its state dict (read with `weights_only=True`).

    Refuses a state dict with missing, unknown or misshapen entries, naming the first. The fixed decode layer
    `model_out.weight` [2, 313, 1, 1] must hold `centers`, our derived colours [313, 2] (perhaps divided by 110).
    """
    keys = released_keys()
    rest = set(state) - set(keys) - {"model_out.weight"}
    missing = set(keys) - set(state)
    if rest or missing:
        raise ValueError(
            f"not the released eccv16 checkpoint: unknown {sorted(rest)[:3]}, missing {sorted(missing)[:3]}"
        )
    if "model_out.weight" in state:
        decode, known = state["model_out.weight"].float(), centers.T[:, :, None, None]
        if decode.shape != known.shape or not any(torch.allclose(decode * s, known, atol=0.01) for s in (1, 110)):
            raise ValueError("the checkpoint's decode layer does not hold the 313 derived colours")
    network = ColorNet(313, affine=True)
    own = network.state_dict()
    for theirs, ours in keys.items():
        if state[theirs].shape != own[ours].shape:
            raise ValueError(f"{theirs} is {tuple(state[theirs].shape)}; expected {tuple(own[ours].shape)}")
    network.load_state_dict({ours: state[theirs] for theirs, ours in keys.items()})
    return network
