"""Colorization networks as tables of stages: that of ECCV 2016, variants of it, and that of SIGGRAPH 2017.

Zhang, Isola and Efros (ECCV 2016), checked against models/colorization_train_val_v2.prototxt and colorizers/eccv16.py
of richzhang/colorization: at width 1 the shapes and parameter counts are theirs, layer by layer
(tests/test_networks.py). No pooling, no skip connection; all changes of resolution are strided convolutions.

Zhang et al. (SIGGRAPH 2017), checked against colorizers/siggraph17.py there: shortcuts from the first three stages, a
head of class scores at a quarter of the side and one of ab at the whole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Stage:
    """One block of convolutions; only the last of them strides, only the block's end is normalised."""

    name: str
    channels: int
    convolutions: int
    stride: int = 1
    dilation: int = 1
    normalise: bool = True
    upsample: bool = False  # the first convolution is a transposed one with stride 2
    kernel: int = 3  # of the convolution that can change the resolution, the last or the transposed one; others have 3

    def kernel_of(self, i: int) -> int:
        """Side of the kernel of convolution `i`, from 0."""
        return self.kernel if i == (0 if self.upsample else self.convolutions - 1) else 3


@dataclass(frozen=True)
class Architecture:
    """A table of stages, and what some networks have beside it. The head, a 1 x 1 convolution, follows the table."""

    stages: tuple[Stage, ...]
    like: str = ""  # an architecture whose first weights are shared wherever a layer has the same shape
    inputs: int = 1  # L; 4: L, the ab of colours that a user gives, and where they are (here nowhere)
    affine: bool = False  # batch norm has a scale and shift whatever is configured
    sliced: tuple[str, ...] = ()  # stages that read every other row and column of their input
    # stage: an earlier one, a 3 x 3 convolution of whose end is added to the stage's first, before its activation
    shortcuts: dict[str, str] = field(default_factory=dict)
    classes: str = ""  # the stage that a head of class scores follows, where it is not the last
    leaky: str = ""  # the stage that ends in a LeakyReLU(0.2) whatever is configured
    tanh: bool = False  # a head of ab (divided by 110) ends in one

    def before_head(self, channels: int) -> tuple[Stage, ...]:
        """The stages that a head of 2 (ab), 3 (RGB) or more (class scores) channels follows."""
        names = [stage.name for stage in self.stages]
        return self.stages[: names.index(self.classes) + 1] if self.classes and channels > 3 else self.stages


STAGES = (
    Stage("conv1", 64, 2, stride=2),
    Stage("conv2", 128, 2, stride=2),
    Stage("conv3", 256, 3, stride=2),
    Stage("conv4", 512, 3),
    Stage("conv5", 512, 3, dilation=2),
    Stage("conv6", 512, 3, dilation=2),
    Stage("conv7", 512, 3),
    Stage("conv8", 256, 3, normalise=False, upsample=True, kernel=4),
)
"""Table of the network of ECCV 2016 (facts of the released training file v2)."""


def _changed(**changes: dict) -> Architecture:
    """The network of ECCV 2016 with some fields of some stages replaced."""
    return Architecture(tuple(replace(stage, **changes.get(stage.name, {})) for stage in STAGES), like="eccv16")


def _kernels(by: int) -> dict[str, dict]:
    """Changes of the kernels by which the resolution changes."""
    return {stage.name: {"kernel": stage.kernel + by} for stage in STAGES if stage.stride == 2 or stage.upsample}


ARCHITECTURES = {
    "eccv16": Architecture(STAGES),
    "eccv16_kernel_minus": _changed(**_kernels(-1)),
    "eccv16_kernel_plus": _changed(**_kernels(+1)),
    "eccv16_stride": _changed(conv3={"stride": 1}, conv4={"stride": 2}),
    "siggraph17": Architecture(
        (
            *(replace(stage, stride=1) for stage in STAGES[:-1]),
            Stage("conv8", 256, 3, upsample=True, kernel=4),
            Stage("conv9", 128, 2, upsample=True, kernel=4),
            Stage("conv10", 128, 2, upsample=True, kernel=4, normalise=False),
        ),
        inputs=4,
        affine=True,
        sliced=("conv2", "conv3", "conv4"),
        shortcuts={"conv8": "conv3", "conv9": "conv2", "conv10": "conv1"},
        classes="conv8",
        leaky="conv10",
        tanh=True,
    ),
}
"""The networks by the name that `Config.architecture` gives them.

Three are what "kernels or strides changed by one" may mean, by which the student paper mended shapes; their layers
begin and end with maps of the published sides, and those not changed begin with the published network's weights:
`eccv16_kernel_minus` and `eccv16_kernel_plus` have kernels one smaller or one larger wherever the resolution changes
(2 or 4 in the three striding convolutions, 3 or 5 in the transposed one), with the padding that keeps all maps' sides;
in `eccv16_stride` the third stage does not stride and the fourth strides by 2 instead, so that conv4 sees maps of twice
the side.

`siggraph17` is the one of the two networks of which a head is asked: that of class scores after conv8, at a quarter of
the side, or that of ab (or RGB) after conv10, in full size. Its batch norm is always affine.
"""
OUTPUT_STRIDE = 4
"""The output has a quarter of the input's side; labels are every fourth pixel (but for ab and RGB of siggraph17)."""
_ACTIVATIONS = {"relu": nn.ReLU, "leaky_relu": lambda: nn.LeakyReLU(0.2)}


def _block(stage: Stage, inputs: int, channels: int, activation: str, affine: bool, end: str) -> nn.Sequential:
    """Convolutions with the activation after each, then batch norm: in the original it comes after the ReLU.

    end: the last activation.
    """
    layers: list[nn.Module] = []
    for i in range(stage.convolutions):
        last, kernel = i == stage.convolutions - 1, stage.kernel_of(i)
        padding = (kernel - 1) // 2 * stage.dilation
        if i == 0 and stage.upsample:  # the output padding makes the side exactly twice the input's
            extra = 2 - kernel + 2 * padding
            layers.append(nn.ConvTranspose2d(inputs, channels, kernel, 2, padding, extra))
        else:
            layers.append(nn.Conv2d(inputs, channels, kernel, stage.stride if last else 1, padding, stage.dilation))
        layers.append(_ACTIVATIONS[end if last else activation]())
        inputs = channels
    if stage.normalise:
        layers.append(nn.BatchNorm2d(channels, affine=affine))
    return nn.Sequential(*layers)


class ColorNet(nn.Module):
    """The trunk, which is a table of `ARCHITECTURES`, and a 1 x 1 head.

    channels: of the head (2 for ab, 3 for RGB, 313 for class scores). width: multiplies every stage's channels.
    activation: "relu" as released, "leaky_relu" (0.2) as the student paper says. affine: whether batch norm has a
    scale and shift (the Caffe file has none, the PyTorch port has).

    The head is made last, so that two networks made from one seed share the trunk's initial weights whatever
    their heads.
    """

    def __init__(
        self, channels: int, width: float = 1.0, activation: str = "relu", affine: bool = False,
        architecture: str = "eccv16",
    ):  # fmt: skip
        super().__init__()
        self.table = ARCHITECTURES[architecture]
        self.stages = self.table.before_head(channels)
        self.trunk, made, inputs = nn.ModuleDict(), {}, self.table.inputs
        for stage in self.stages:
            outputs = made[stage.name] = round(stage.channels * width)
            if outputs < 1:
                raise ValueError(f"width={width} leaves {stage.name} without a channel")
            end = "leaky_relu" if stage.name == self.table.leaky else activation
            self.trunk[stage.name] = _block(stage, inputs, outputs, activation, affine or self.table.affine, end)
            if source := self.table.shortcuts.get(stage.name):
                self.trunk[f"short_{stage.name}"] = nn.Conv2d(made[source], outputs, 3, padding=1)
            inputs = outputs
        self.head = nn.Conv2d(inputs, channels, 1)

    def forward(self, lightness: Tensor) -> Tensor:
        """Map lightness L [b, 1, h, w] in 0..100 to the output; h, w multiples of 8.

        The output is [b, channels, h/4, w/4]; of "siggraph17" ab (within -1..1) and RGB are [b, channels, h, w].
        """
        if lightness.ndim != 4 or lightness.shape[1] != 1 or lightness.shape[2] % 8 or lightness.shape[3] % 8:
            raise ValueError(f"input must be [b, 1, h, w], h and w multiples of 8; got {tuple(lightness.shape)}")
        x = (lightness - 50) / 100  # as the PyTorch port; Caffe feeds L - 50, which a first layer can undo
        x = x if self.table.inputs == 1 else F.pad(x, (0, 0, 0, 0, 0, self.table.inputs - 1))
        ends = {}
        for stage in self.stages:
            block, source = self.trunk[stage.name], self.table.shortcuts.get(stage.name)
            x = x[..., ::2, ::2] if stage.name in self.table.sliced else x
            if source:
                x = block[1:](block[0](x) + self.trunk[f"short_{stage.name}"](ends.pop(source)))
            else:
                x = block(x)
            if stage.name in self.table.shortcuts.values():
                ends[stage.name] = x
        out = self.head(x)
        return out.tanh() if self.table.tanh and self.head.out_channels == 2 else out


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
    so they are scaled here. A variant of an architecture shares the weights of all layers of the same shape with it.
    """
    network = _drawn(config, config.architecture, channels, seed)
    if like := ARCHITECTURES[config.architecture].like:
        for layer, other in zip(network.modules(), _drawn(config, like, channels, seed).modules(), strict=True):
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.weight.shape == other.weight.shape:
                layer.load_state_dict(other.state_dict())
    return network


def _drawn(config, architecture: str, channels: int, seed: int) -> ColorNet:
    """A network whose weights are drawn layer after layer, see `make_network`."""
    with torch.random.fork_rng(devices=[]):  # what is drawn here is replaced; on "meta" it would load much of PyTorch
        network = ColorNet(channels, config.width, config.activation, config.affine, architecture)
    chance = torch.Generator().manual_seed(seed)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            for parameter, init in ((layer.weight, config.init), (layer.bias, "default")):
                drawn = torch.rand(parameter.shape, generator=chance).double()
                parameter.copy_(_bound(layer, init) * (2 * drawn - 1))
            if config.init == "he":
                layer.bias.zero_()
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()
    if config.init == "he":
        network.head.weight.mul_(HEAD_GAIN)
    return network


def _bound(layer: nn.Module, init: str) -> float:
    """Half the width of the uniform distribution that a convolution's first weights, or biases, come from."""
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

    def scale(layer: nn.Module, inputs: tuple[Tensor]) -> None:
        deviation, mean = torch.std_mean(type(layer).forward(layer, *inputs), dim=(0, 2, 3))
        shape = [1, 1, 1, 1]
        shape[1 if isinstance(layer, nn.ConvTranspose2d) else 0] = -1
        deviation = deviation.clamp_min(1e-6)
        layer.weight.div_(deviation.reshape(shape))
        layer.bias.sub_(mean).div_(deviation)

    convolutions = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    hooks = [layer.register_forward_pre_hook(scale) for layer in convolutions]
    network.train()(lightness)
    for hook in hooks:
        hook.remove()


def layer_table(network: ColorNet, side: int = 64) -> list[dict]:
    """One row a convolution: name, kernel, in, out, stride, dilation, output side, parameters, multiply-adds."""
    rows = []
    for name, layer, before, after in _layers(network, side):
        up = isinstance(layer, nn.ConvTranspose2d)
        weights = layer.weight.numel()
        rows.append(
            {
                "layer": name,
                "kernel": layer.kernel_size[0],
                "in": layer.in_channels,
                "out": layer.out_channels,
                "stride": 0.5 if up else layer.stride[0],
                "dilation": layer.dilation[0],
                "side": after,
                "parameters": weights + layer.bias.numel(),
                "multiply_adds": weights * (before if up else after) ** 2,
            }
        )
    return rows


def _layers(network: ColorNet, side: int):
    """The convolutions in the order in which they compute: (name, layer, side of its input, side of its output)."""
    ends, table = {}, network.table
    for stage in network.stages:
        side = -(-side // 2) if stage.name in table.sliced else side
        convolutions = [c for c in network.trunk[stage.name] if isinstance(c, nn.Conv2d | nn.ConvTranspose2d)]
        for i, layer in enumerate(convolutions):
            up = isinstance(layer, nn.ConvTranspose2d)
            before, side = side, side * 2 if up else -(-side // layer.stride[0])
            yield f"{stage.name}_{i + 1}", layer, before, side
            if i == 0 and stage.name in table.shortcuts:
                end = ends[table.shortcuts[stage.name]]
                yield f"short_{stage.name}", network.trunk[f"short_{stage.name}"], end, end
        ends[stage.name] = side
    yield "head", network.head, side, side


def training_flop(width: float, side: int, channels: int = 313, architecture: str = "eccv16") -> int:
    """Floating point operations that an image costs in training: two a multiply-add, and backward twice as many."""
    with torch.device("meta"):  # shapes alone
        network = ColorNet(channels, width, architecture=architecture)
    return 3 * 2 * sum(row["multiply_adds"] for row in layer_table(network, side))


def receptive_field(until: str = "conv7", architecture: str = "eccv16") -> list[tuple[str, int]]:
    """Side in input pixels of what one output of each convolution sees, [(layer name, side)], up to stage `until`.

    After a transposed convolution with an odd kernel every other output sees less; the side is that of the others.
    """
    seen, step, rows = 1, 1, []
    table = ARCHITECTURES[architecture]
    for stage in table.stages:
        step *= 2 if stage.name in table.sliced else 1
        for i in range(stage.convolutions):
            if i == 0 and stage.upsample:  # of a kernel of 3 or 4 every other tap meets an input: 2 x 2, `step` apart
                seen += ((stage.kernel + 1) // 2 - 1) * step
                step //= 2
            else:
                seen += (stage.kernel_of(i) - 1) * stage.dilation * step
            if i == stage.convolutions - 1:
                step *= stage.stride
            rows.append((f"{stage.name}_{i + 1}", seen))
        if stage.name == until:
            return rows
    raise ValueError(f"until={until!r}; allowed: {', '.join(s.name for s in table.stages)}")
