"""The network: layer by layer what was published, and the released weights."""

import hashlib
import re
import types

import numpy as np
import pytest
import torch
from torch import nn

from colorize_lib.config import CHOICES, load_config
from colorize_lib.networks import (
    ARCHITECTURES,
    STAGES,
    ColorNet,
    data_dependent_init,
    flush_running_means,
    layer_table,
    make_network,
    receptive_field,
)
from colorize_lib.quantize import ab_gamut_centers

CENTERS = ab_gamut_centers()

# name, kernel, in, out, stride, dilation, side at 64, at 176, at 256, parameters; from the released training net v2
PUBLISHED = [
    ("conv1_1", 3, 1, 64, 1, 1, 64, 176, 256, 640),
    ("conv1_2", 3, 64, 64, 2, 1, 32, 88, 128, 36_928),
    ("conv2_1", 3, 64, 128, 1, 1, 32, 88, 128, 73_856),
    ("conv2_2", 3, 128, 128, 2, 1, 16, 44, 64, 147_584),
    ("conv3_1", 3, 128, 256, 1, 1, 16, 44, 64, 295_168),
    ("conv3_2", 3, 256, 256, 1, 1, 16, 44, 64, 590_080),
    ("conv3_3", 3, 256, 256, 2, 1, 8, 22, 32, 590_080),
    ("conv4_1", 3, 256, 512, 1, 1, 8, 22, 32, 1_180_160),
    ("conv4_2", 3, 512, 512, 1, 1, 8, 22, 32, 2_359_808),
    ("conv4_3", 3, 512, 512, 1, 1, 8, 22, 32, 2_359_808),
    *((f"conv{n}_{i}", 3, 512, 512, 1, 2, 8, 22, 32, 2_359_808) for n in (5, 6) for i in (1, 2, 3)),
    *((f"conv7_{i}", 3, 512, 512, 1, 1, 8, 22, 32, 2_359_808) for i in (1, 2, 3)),
    ("conv8_1", 4, 512, 256, 0.5, 1, 16, 44, 64, 2_097_408),
    ("conv8_2", 3, 256, 256, 1, 1, 16, 44, 64, 590_080),
    ("conv8_3", 3, 256, 256, 1, 1, 16, 44, 64, 590_080),
    ("head", 1, 256, 313, 1, 1, 16, 44, 64, 80_441),
]


def on_paper(channels=313, **options) -> ColorNet:
    """A network of shapes only: counting needs no memory."""
    with torch.device("meta"):
        return ColorNet(channels, **options)


def count(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def settings(**options):
    return types.SimpleNamespace(
        **{"width": 1 / 16, "activation": "relu", "affine": False, "init": "default", "architecture": "eccv16"}
        | options
    )


# -------------------------------------------------------------------------------------------- against the published


@pytest.mark.parametrize(("side", "column"), [(64, 6), (176, 7), (256, 8)])
def test_every_layer_is_the_published_one(side, column):
    rows = layer_table(on_paper(), side)
    assert len(rows) == len(PUBLISHED) == 23
    for row, published in zip(rows, PUBLISHED, strict=True):
        ours = [row[key] for key in ("layer", "kernel", "in", "out", "stride", "dilation", "side", "parameters")]
        assert ours == [*published[:6], published[column], published[9]]


def test_the_table_of_layers_is_true():
    """Sides and parameters of the table against what the layers do to a picture."""
    network = on_paper()
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    sides = []
    for layer in convolutions:
        layer.register_forward_hook(lambda _layer, _inputs, out: sides.append(out.shape[-1]))
    network(torch.empty(1, 1, 176, 176, device="meta"))
    rows = layer_table(network, 176)
    assert [row["side"] for row in rows] == sides
    assert [row["parameters"] for row in rows] == [count(layer) for layer in convolutions]


def test_parameters_in_total():
    assert count(on_paper()) == 32_230_393
    assert count(on_paper(affine=True)) == 32_235_385
    assert count(on_paper(affine=True)) + 2 * len(CENTERS) == 32_236_011  # with the port's fixed decode layer


@pytest.mark.parametrize(("side", "billions"), [(64, 2.61), (128, 10.44), (176, 19.74), (256, 41.77)])
def test_multiply_adds(side, billions):
    total = sum(row["multiply_adds"] for row in layer_table(on_paper(), side))
    assert total / 1e9 == pytest.approx(billions, abs=0.005)


def test_no_pooling_no_skips_norm_after_the_activation():
    kinds = {type(m) for m in on_paper().modules()}
    assert kinds == {ColorNet, nn.ModuleDict, nn.Sequential, nn.Conv2d, nn.ConvTranspose2d, nn.ReLU, nn.BatchNorm2d}
    for stage, block in zip(STAGES, on_paper().trunk.values(), strict=True):
        assert isinstance(block[1], nn.ReLU)
        assert isinstance(block[-1], nn.BatchNorm2d if stage.normalise else nn.ReLU)
        assert sum(isinstance(layer, nn.BatchNorm2d) for layer in block) == stage.normalise


@pytest.mark.parametrize(
    ("until", "field", "architecture"),
    [
        ("conv3", 37, "eccv16"),
        ("conv7", 325, "eccv16"),
        ("conv8", 349, "eccv16"),
        ("conv8", 342, "eccv16_kernel_minus"),
        ("conv8", 364, "eccv16_kernel_plus"),
        ("conv8", 325, "eccv16_stride"),
    ],
)
def test_receptive_field_is_what_the_gradient_reaches(until, field, architecture):
    assert receptive_field(until, architecture)[-1] == (f"{until}_3", field)
    torch.manual_seed(0)
    network = ColorNet(2, width=1 / 64, architecture=architecture).eval()
    for parameter in network.parameters():
        parameter.data.abs_().add_(0.01)  # nothing cancels, nothing is cut off
    picture = torch.full((1, 1, 392, 392), 80.0, requires_grad=True)
    x = (picture - 50) / 100
    for name, block in network.trunk.items():
        x = block(x)
        if name == until:
            break
    lengths = set()
    for middle in (x.shape[-1] // 2, x.shape[-1] // 2 + 1):
        (gradient,) = torch.autograd.grad(x[..., middle, middle].sum(), picture, retain_graph=True)
        for axis in (0, 1):
            touched = (gradient[0, 0] != 0).any(axis).nonzero()[:, 0]
            assert touched[-1] - touched[0] + 1 == len(touched)
            lengths.add(len(touched))
        assert touched[0] > 0 and touched[-1] < 391  # the picture is large enough to tell
    assert max(lengths) == field and (len(lengths) == 1) == (not architecture.startswith("eccv16_kernel"))


def test_receptive_field_grows_layer_by_layer():
    names, sides = zip(*receptive_field(), strict=True)
    assert list(names) == [row[0] for row in PUBLISHED[:19]]
    assert list(sides) == sorted(sides) and sides[0] == 3
    with pytest.raises(ValueError, match="until='conv9'; allowed: conv1, conv2"):
        receptive_field("conv9")


# ---------------------------------------------------------------------------------- kernels and strides off by one

VARIANTS = [name for name, table in ARCHITECTURES.items() if table.like]


def test_the_settings_know_every_architecture():
    assert CHOICES["architecture"] == tuple(ARCHITECTURES) and len(VARIANTS) == 3


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize(("height", "width"), [(64, 64), (16, 16), (24, 72)])
def test_a_variant_ends_where_the_published_network_does(name, height, width):
    network = ColorNet(5, width=1 / 32, architecture=name).eval()
    assert network(torch.rand(1, 1, height, width)).shape == (1, 5, height // 4, width // 4)


@pytest.mark.parametrize(
    ("name", "different"),
    [
        # layer: (kernel, stride, side at 64)
        ("eccv16_kernel_minus", {"conv1_2": (2, 2, 32), "conv2_2": (2, 2, 16), "conv3_3": (2, 2, 8)}
         | {"conv8_1": (3, 0.5, 16)}),
        ("eccv16_kernel_plus", {"conv1_2": (4, 2, 32), "conv2_2": (4, 2, 16), "conv3_3": (4, 2, 8)}
         | {"conv8_1": (5, 0.5, 16)}),
        ("eccv16_stride", {"conv3_3": (3, 1, 16), "conv4_1": (3, 1, 16), "conv4_2": (3, 1, 16), "conv4_3": (3, 2, 8)}),
    ],
)  # fmt: skip
def test_a_variant_differs_by_one_where_it_says(name, different):
    network = on_paper(architecture=name)
    sides = []
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.register_forward_hook(lambda _layer, _inputs, out: sides.append(out.shape[-1]))
    network(torch.empty(1, 1, 64, 64, device="meta"))
    rows = layer_table(network, 64)
    assert [row["side"] for row in rows] == sides
    usual = {row[0]: (row[1], row[4], row[6]) for row in PUBLISHED}
    assert {row["layer"]: (row["kernel"], row["stride"], row["side"]) for row in rows} == usual | different


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("init", ["default", "he"])
def test_a_variant_begins_with_the_published_networks_weights_where_it_can(name, init):
    usual = make_network(settings(init=init), 5, 3).state_dict()
    other = make_network(settings(init=init, architecture=name), 5, 3).state_dict()
    assert usual.keys() == other.keys()
    changed = {key.rpartition(".")[0] for key in usual if usual[key].shape != other[key].shape}
    assert len(changed) == (0 if name == "eccv16_stride" else 4)
    for key, value in usual.items():
        if key.rpartition(".")[0] not in changed:
            assert torch.equal(other[key], value), key
    for layer in changed:
        weight = other[f"{layer}.weight"]
        assert weight.std() > 0 and not torch.equal(weight[..., :2, :2], usual[f"{layer}.weight"][..., :2, :2])


# ------------------------------------------------------------------------------------------------------- SIGGRAPH 2017


class Port17(nn.Module):
    """The network of SIGGRAPH 2017, written from its published description: names, shapes and order of layers."""

    def __init__(self, classes: int = 529):
        super().__init__()
        for number, (first, channels, convolutions, dilation) in enumerate(
            [(4, 64, 2, 1), (64, 128, 2, 1), (128, 256, 3, 1), (256, 512, 3, 1), (512, 512, 3, 2), (512, 512, 3, 2),
             (512, 512, 3, 1)], 1,
        ):  # fmt: skip
            layers = []
            for inputs in [first] + [channels] * (convolutions - 1):
                layers += [nn.Conv2d(inputs, channels, 3, padding=dilation, dilation=dilation), nn.ReLU()]
            setattr(self, f"model{number}", nn.Sequential(*layers, nn.BatchNorm2d(channels)))
        for number, source, skipped, inputs, channels in (
            (8, 3, 256, 512, 256),
            (9, 2, 128, 256, 128),
            (10, 1, 64, 128, 128),
        ):
            setattr(self, f"model{number}up", nn.Sequential(nn.ConvTranspose2d(inputs, channels, 4, 2, 1)))
            setattr(self, f"model{source}short{number}", nn.Sequential(nn.Conv2d(skipped, channels, 3, padding=1)))
        again = [nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()], [nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()]
        self.model8 = nn.Sequential(nn.ReLU(), *again[0], *again[1], nn.BatchNorm2d(256))
        self.model9 = nn.Sequential(nn.ReLU(), nn.Conv2d(128, 128, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(128))
        self.model10 = nn.Sequential(nn.ReLU(), nn.Conv2d(128, 128, 3, padding=1), nn.LeakyReLU(0.2))
        self.model_class = nn.Sequential(nn.Conv2d(256, classes, 1))
        self.model_out = nn.Sequential(nn.Conv2d(128, 2, 1), nn.Tanh())

    def forward(self, lightness):
        """Class scores, and ab; no colours are given."""
        nothing = torch.zeros_like(lightness)
        c1 = self.model1(torch.cat([(lightness - 50) / 100, nothing / 110, nothing / 110, nothing], 1))
        c2 = self.model2(c1[:, :, ::2, ::2])
        c3 = self.model3(c2[:, :, ::2, ::2])
        c7 = self.model7(self.model6(self.model5(self.model4(c3[:, :, ::2, ::2]))))
        c8 = self.model8(self.model8up(c7) + self.model3short8(c3))
        c9 = self.model9(self.model9up(c8) + self.model2short9(c2))
        c10 = self.model10(self.model10up(c9) + self.model1short10(c1))
        return self.model_class(c8), 110 * self.model_out(c10)


def name_of_port17(name: str) -> str:
    """Name in the port of one of our tensors, head aside."""
    _, stage, *rest = name.split(".")
    number = stage.rpartition("conv")[2]
    if stage.startswith("short"):
        return f"model{dict(zip(('8', '9', '10'), '321', strict=True))[number]}short{number}.0.{rest[0]}"
    layer, kind = rest
    if int(number) < 8:
        return f"model{number}.{layer}.{kind}"
    return f"model{number}up.0.{kind}" if layer == "0" else f"model{number}.{int(layer) - 1}.{kind}"


def test_siggraph17_has_the_published_parameters():
    regression, classes = (on_paper(c, architecture="siggraph17") for c in (2, 529))
    assert count(regression) == 34_051_074
    assert count(regression) + count(classes.head) == 34_187_027
    with torch.device("meta"):
        port = Port17()
    assert count(port) == 34_187_027
    ours = on_paper(313, architecture="siggraph17")
    assert count(ours) == count(classes) - count(classes.head) + 313 * 257  # only the head is another
    layers = {row["layer"] for row in layer_table(ours)}
    assert "conv8_3" in layers and not {"conv9_1", "short_conv9"} & layers


def test_siggraph17_computes_what_the_port_computes():
    torch.manual_seed(4)
    port = Port17().eval()
    for name, tensor in port.state_dict().items():
        if "running_mean" in name or name.endswith("bias"):
            tensor.normal_(0, 0.1)
        elif "running_var" in name:
            tensor.uniform_(0.5, 2)
        elif tensor.ndim == 4:
            tensor.mul_(2)
    state = port.state_dict()
    lightness = 100 * torch.rand(2, 1, 16, 24)
    with torch.no_grad():
        expected = port(lightness)
        for channels, head, known in (529, "model_class", expected[0]), (2, "model_out", expected[1] / 110):
            network = ColorNet(channels, architecture="siggraph17").eval()
            heads = {f"head.{kind}": state[f"{head}.0.{kind}"] for kind in ("weight", "bias")}
            trunk = {name: state[name_of_port17(name)] for name in network.state_dict() if name.startswith("trunk")}
            network.load_state_dict(trunk | heads)
            assert known.std() > 0.02
            torch.testing.assert_close(network(lightness), known, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("channels", "part"), [(2, 1), (3, 1), (313, 4)])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (16, 40)])
def test_siggraph17_answers_in_full_size_where_it_regresses(channels, part, height, width):
    network = ColorNet(channels, 1 / 32, architecture="siggraph17").eval()
    with torch.no_grad():
        network.head.weight.mul_(1e4)
        out = network(100 * torch.rand(2, 1, height, width))
    assert out.shape == (2, channels, height // part, width // part)
    assert (out.abs().max() <= 1) == (channels == 2)  # a tanh for ab alone


@pytest.mark.parametrize("channels", [2, 313])
def test_siggraph17s_table_of_layers_is_true(channels):
    network = on_paper(channels, width=0.25, architecture="siggraph17")
    seen = []
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.register_forward_hook(lambda layer, _inputs, out: seen.append((count(layer), out.shape[-1])))
    network(torch.empty(1, 1, 64, 64, device="meta"))
    assert [(row["parameters"], row["side"]) for row in layer_table(network, 64)] == seen


def test_siggraph17s_trunk_depends_on_the_seed_alone():
    ab, classes = (make_network(settings(architecture="siggraph17"), c, 0).state_dict() for c in (2, 313))
    shared = [name for name in classes if name.startswith("trunk")]
    assert "trunk.short_conv8.weight" in shared and set(shared) < set(ab)
    assert all(torch.equal(ab[name], classes[name]) for name in shared)


# ------------------------------------------------------------------------------------------------- shapes, options


@pytest.mark.parametrize("channels", [2, 3, 313])
@pytest.mark.parametrize(("height", "width"), [(16, 16), (64, 24), (8, 40)])
def test_output_has_a_quarter_of_the_side(channels, height, width):
    network = ColorNet(channels, width=1 / 32).eval()
    assert network(torch.rand(2, 1, height, width)).shape == (2, channels, height // 4, width // 4)


@pytest.mark.parametrize("shape", [(1, 3, 16, 16), (1, 16, 16), (1, 1, 20, 16), (1, 1, 16, 33)])
def test_other_inputs_are_refused(shape):
    with pytest.raises(ValueError, match=r"input must be \[b, 1, h, w\], h and w multiples of 8; got \(") as refusal:
        ColorNet(2, width=1 / 32)(torch.zeros(shape))
    assert str(shape) in str(refusal.value)


def test_activation_and_affine():
    leaky = ColorNet(2, 1 / 32, "leaky_relu", affine=True)
    kinds = [m for m in leaky.modules() if isinstance(m, nn.LeakyReLU)]
    assert len(kinds) == 22 and {m.negative_slope for m in kinds} == {0.2}
    assert not [m for m in leaky.modules() if isinstance(m, nn.ReLU)]
    plain = ColorNet(2, 1 / 32)
    assert count(leaky) - count(plain) == 2 * sum(round(s.channels / 32) for s in STAGES if s.normalise)
    with pytest.raises(KeyError):
        ColorNet(2, 1 / 32, "tanh")


def test_width_multiplies_every_stage():
    rows = layer_table(on_paper(width=0.25), 64)
    assert [row["out"] for row in rows] == [round(row[3] / 4) for row in PUBLISHED[:-1]] + [313]
    with pytest.raises(ValueError, match=r"width=0\.001 leaves conv1 without a channel"):
        ColorNet(2, width=0.001)


def test_input_is_scaled_as_in_the_port():
    network = ColorNet(2, 1 / 32).eval()
    seen = []
    network.trunk["conv1"].register_forward_hook(lambda _layer, inputs, _out: seen.append(inputs[0]))
    network(torch.tensor([0.0, 50, 100, 75]).repeat(8, 4)[None, None, :, :16])
    assert seen[0][0, 0, 0, :4].tolist() == [-0.5, 0, 0.5, 0.25]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("channels", [2, 313])
def test_gradients_reach_every_parameter(architecture, channels):
    network = ColorNet(channels, 1 / 16, architecture=architecture)
    network(100 * torch.rand(2, 1, 32, 32)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in network.parameters())


def test_a_trunk_depends_on_the_seed_alone():
    two, many, other = (make_network(settings(), c, s) for c, s in ((2, 0), (313, 0), (2, 1)))
    for (name, a), (_, b) in zip(two.trunk.named_parameters(), many.trunk.named_parameters(), strict=True):
        assert torch.equal(a, b), name
    assert not torch.equal(two.trunk["conv1"][0].weight, other.trunk["conv1"][0].weight)
    again = make_network(settings(), 2, 0)
    assert all(torch.equal(a, b) for a, b in zip(two.state_dict().values(), again.state_dict().values(), strict=True))


def test_first_weights_are_pytorchs_but_the_same_on_every_processor():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        usual = ColorNet(5, 1 / 16)
    ours = make_network(settings(), 5, 3).state_dict()
    for name, value in usual.state_dict().items():
        torch.testing.assert_close(ours[name], value, rtol=1e-6, atol=1e-7, msg=name)
    whole = b"".join(p.detach().numpy().tobytes() for p in make_network(settings(width=0.125), 313, 0).parameters())
    assert hashlib.sha256(whole).hexdigest().startswith("7dbe02424d60c89f")


def test_making_a_network_leaves_the_random_numbers_alone():
    before = torch.random.get_rng_state()
    make_network(settings(), 2, 7)
    assert torch.equal(torch.random.get_rng_state(), before)


# ------------------------------------------------------------------------------------- initialisation


def test_he_init_keeps_the_size_of_a_signal_and_begins_with_small_answers():
    # He's condition holds where inputs are centred; batch norm centres them at the head of each block.
    network = make_network(load_config("laptop", init="he"), 313, 0).requires_grad_(False)
    assert all(
        layer.bias.eq(0).all() for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    )
    block, x = network.trunk["conv8"], torch.randn(4, 128, 16, 16, generator=torch.Generator().manual_seed(0))
    for layer in block:
        x = layer(x)
    assert 0.4 < x.square().mean() < 2.5  # PyTorch's own weights leave 0.01
    assert network.head(x).std().item() == pytest.approx(0.1 * x.square().mean().sqrt().item(), rel=0.5)
    other = make_network(load_config("laptop", init="default"), 313, 0).trunk["conv8"][0].weight.detach()
    drawn = block[0].weight
    torch.testing.assert_close(drawn / drawn.abs().max(), other / other.abs().max())  # the same draws, scaled


# ------------------------------------------------------------------------------------- data-dependent initialisation


@pytest.mark.parametrize(("architecture", "convolutions"), [("eccv16", 23), ("siggraph17", 30), ("eccv16_stride", 23)])
def test_data_dependent_init_gives_unit_variance_everywhere(architecture, convolutions):
    network = make_network(settings(architecture=architecture), 2, 0)
    lightness = 100 * torch.rand(8, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    data_dependent_init(network, lightness)
    outputs = {}
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.register_forward_hook(lambda _layer, _inputs, out, name=name: outputs.update({name: out}))
    with torch.no_grad():
        network.train()(lightness)
    assert len(outputs) == convolutions
    for name, out in outputs.items():
        deviation, mean = torch.std_mean(out, dim=(0, 2, 3))
        np.testing.assert_allclose(deviation, 1, atol=2e-3, err_msg=name)
        np.testing.assert_allclose(mean, 0, atol=2e-3, err_msg=name)
    assert all(p.requires_grad for p in network.parameters())


# ----------------------------------------------------------------------------------------------- released weights


class Port(nn.Module):
    """The released PyTorch net, written from its published description: names, shapes and order of layers."""

    def __init__(self):
        super().__init__()
        blocks = [  # inputs, outputs, convolutions, last stride, dilation
            (1, 64, 2, 2, 1), (64, 128, 2, 2, 1), (128, 256, 3, 2, 1), (256, 512, 3, 1, 1),
            (512, 512, 3, 1, 2), (512, 512, 3, 1, 2), (512, 512, 3, 1, 1),
        ]  # fmt: skip
        for number, (inputs, outputs, convolutions, stride, dilation) in enumerate(blocks, 1):
            layers = []
            for i in range(convolutions):
                last = i == convolutions - 1
                layers += [
                    nn.Conv2d(
                        inputs if i == 0 else outputs,
                        outputs,
                        kernel_size=3,
                        stride=stride if last else 1,
                        padding=dilation,
                        dilation=dilation,
                        bias=True,
                    ),
                    nn.ReLU(True),
                ]
            setattr(self, f"model{number}", nn.Sequential(*layers, nn.BatchNorm2d(outputs)))
        self.model8 = nn.Sequential(
            nn.ConvTranspose2d(512, 256, kernel_size=4, stride=2, padding=1, bias=True),
            nn.ReLU(True),
            nn.Conv2d(256, 256, kernel_size=3, padding=1, bias=True),
            nn.ReLU(True),
            nn.Conv2d(256, 256, kernel_size=3, padding=1, bias=True),
            nn.ReLU(True),
            nn.Conv2d(256, 313, kernel_size=1, bias=True),
        )
        self.softmax = nn.Softmax(dim=1)
        self.model_out = nn.Conv2d(313, 2, kernel_size=1, bias=False)
        self.upsample4 = nn.Upsample(scale_factor=4, mode="bilinear")

    def logits(self, lightness):
        x = (lightness - 50.0) / 100.0
        for number in range(1, 9):
            x = getattr(self, f"model{number}")(x)
        return x

    def forward(self, lightness):
        return 110.0 * self.upsample4(self.model_out(self.softmax(self.logits(lightness))))


@pytest.fixture(scope="module")
def port() -> Port:
    """The port with random weights and running statistics, its decode layer holding the colours / 110."""
    with torch.device("meta"):
        made = Port()
    made = made.to_empty(device="cpu").eval()
    generator = torch.Generator().manual_seed(3)
    for name, tensor in made.state_dict().items():
        if name.endswith("num_batches_tracked"):
            tensor.fill_(1000)
        elif name.endswith("running_var"):
            tensor.uniform_(0.5, 2, generator=generator)
        elif tensor.ndim == 1:
            tensor.normal_(0, 0.3, generator=generator)
        else:
            fan_in = tensor[0].numel() if "model8.0" not in name else tensor.shape[0] * 4
            tensor.uniform_(-1, 1, generator=generator).mul_((6 / fan_in) ** 0.5)
    made.model_out.weight.data.copy_((CENTERS / 110).T[:, :, None, None])
    return made


@pytest.fixture
def state(port) -> dict:
    return dict(port.state_dict())


def test_the_port_written_here_has_the_published_size(port):
    assert count(port) == 32_236_011


def our_name(name: str) -> str:
    """Ours of a tensor of the released PyTorch checkpoint; both count layers alike, and its head is in model8."""
    return re.sub(r"^model(\d)", r"trunk.conv\1", name.replace("model8.6.", "head."))


@pytest.fixture
def copy(state) -> ColorNet:
    """Our network with the weights of the port; every tensor must have its place."""
    network = ColorNet(313, affine=True)
    network.load_state_dict({our_name(name): value for name, value in state.items() if name != "model_out.weight"})
    return network.eval()


def test_the_released_weights_give_the_same_logits(port, copy):
    lightness = 100 * torch.rand(2, 1, 16, 24, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        theirs, ours = port.logits(lightness), copy(lightness)
    assert theirs.std() > 0.1
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_the_released_weights_give_the_same_colours(port, copy):
    """The port decodes by the plain mean: the annealed mean at T = 1."""
    from colorize_lib.objectives import upsample
    from colorize_lib.readout import annealed_mean

    lightness = 100 * torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        torch.testing.assert_close(upsample(annealed_mean(copy(lightness), 1.0)), port(lightness), rtol=0, atol=2e-3)


def test_means_of_dead_channels_are_flushed_without_a_difference():
    network = ColorNet(2, width=1 / 16).eval()
    norm = network.trunk["conv1"][-1]
    norm.running_mean[:2] = torch.tensor([1e-40, -1e-42])
    norm.running_mean[2] = 0.5
    picture = 100 * torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    before = network(picture)
    flush_running_means(network)
    assert norm.running_mean[:3].tolist() == [0, 0, 0.5]
    assert torch.equal(before, network(picture))
