"""The four objectives against hand-computed values, other libraries and the original's backward-only rebalancing."""

import math
import types

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab
from torch.nn import functional as F

from colorize_lib._compat import torchvision
from colorize_lib.color import lab_to_rgb, rgb_to_lab
from colorize_lib.config import ARMS
from colorize_lib.networks import ColorNet
from colorize_lib.objectives import (
    AB_SCALE,
    L2,
    CrossEntropy,
    StudentMSE,
    _SoftCrossEntropy,
    label_ab,
    make_objective,
    reduce,
    subsample,
    upsample,
)
from colorize_lib.quantize import ab_gamut_centers, densify, nearest_bin, soft_encode
from colorize_lib.readout import Readout, annealed_mean

CENTERS = ab_gamut_centers()
GREY_BIN = int(nearest_bin(torch.zeros(1, 2)))

# Half of all colour is grey, the other half spread evenly over the 312 other colours: easy to compute with.
PRIOR = torch.full((313,), 0.5 / 312)
PRIOR[GREY_BIN] = 0.5

SETTINGS = types.SimpleNamespace(reduction="mean", lambda_=0.5, neighbours=5, sigma=5.0, temperature=0.38)


def objective(arm: str, **changes):
    return make_objective(arm, types.SimpleNamespace(**{**vars(SETTINGS), **changes}), PRIOR)


def two_pixels(left, right, dtype=torch.float32) -> torch.Tensor:
    """A picture [1, 3, 4, 8] with two labels: the left half in one colour, the right half in another."""
    halves = [torch.tensor(colour, dtype=dtype).reshape(1, 3, 1, 1).expand(1, 3, 4, 4) for colour in (left, right)]
    return torch.cat(halves, -1)


GREY, RED = (0.5, 0.5, 0.5), (1.0, 0.0, 0.0)


def random_pictures(n=3, height=8, width=12, dtype=torch.float32, seed=0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, 3, height, width, generator=generator).to(dtype)


def random_output(arm: str, rgb: torch.Tensor, seed=1) -> torch.Tensor:
    b, _, h, w = rgb.shape
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(b, objective(arm).channels, h // 4, w // 4, generator=generator).to(rgb)


# ----------------------------------------------------------------------------------------------- two pixels by hand


def test_student_mse_of_two_pixels():
    # The target is mid grey, 0.5 everywhere, and an output r means 0.5 + r. Answers 0 and 0.8, enlarged by four,
    # lie at 0.8 t with t = 0, 0, 1/8, 3/8, 5/8, 7/8, 1, 1 (align_corners=False). The squared error is 0.64 t^2, and
    # the mean of t^2 is (0 + 0 + 1/64 + 9/64 + 25/64 + 49/64 + 1 + 1) / 8 = 3.3125 / 8 = 0.4140625: 0.265 in all.
    output = torch.tensor([0, 0.8]).expand(1, 3, 1, 2)
    score = StudentMSE().score(output, two_pixels(GREY, GREY))
    assert score.loss.item() == pytest.approx(0.64 * 0.4140625, abs=1e-6)
    assert score.loss == score.plain == score.excess
    # one channel of three carries a third of it
    one = torch.cat([output[:, :1], torch.zeros(1, 2, 1, 2)], 1)
    assert StudentMSE().score(one, two_pixels(GREY, GREY)).loss.item() == pytest.approx(0.64 * 0.4140625 / 3, abs=1e-6)


def test_l2_of_two_pixels():
    # Red has a = 80.09, b = 67.20, grey a = b = 0. Where red is answered by grey, half the squared error is
    # (80.09^2 + 67.20^2) / 110^2 / 2 = (6414.4 + 4515.8) / 12100 / 2 = 0.45166. Where grey is answered by
    # (0.1, -0.2): (0.01 + 0.04) / 2 = 0.025. Mean 0.23833.
    output = torch.tensor([[0, 0.1], [0, -0.2]]).reshape(1, 2, 1, 2)
    score = L2().score(output, two_pixels(RED, GREY))
    assert score.loss.item() == pytest.approx(0.23833, abs=2e-4)
    assert score.loss == score.plain == score.excess


# Grey is soft-encoded as 0.6488 on its own bin and 0.0878 on each of the four beside it. With logits 0 everywhere
# but log 2 on the grey bin, the 313 exponentials sum to 314, and
#   the cross entropy of a grey pixel is log 314 - 0.6488 log 2 = 5.74939 - 0.44971 = 5.29968,
#   that of a red pixel, whose target has nothing on the grey bin, is log 314 = 5.74939.
GREY_NATS, RED_NATS = math.log(314) - 0.6488 * math.log(2), math.log(314)


def leaning_to_grey() -> torch.Tensor:
    output = torch.zeros(1, 313, 1, 2)
    output[:, GREY_BIN] = math.log(2)
    return output


def test_cross_entropy_of_two_pixels():
    score = objective("ce").score(leaning_to_grey(), two_pixels(GREY, RED))
    assert score.loss.item() == pytest.approx((GREY_NATS + RED_NATS) / 2, abs=1e-4)
    assert score.plain == score.loss
    _, weight = soft_encode(rgb_to_lab(two_pixels(GREY, RED))[0, 1:, 0, ::4].T)
    entropy = -(weight * weight.log()).sum(1)  # grey: 1.1351
    assert entropy[0].item() == pytest.approx(1.1351, abs=1e-3)
    assert score.excess.item() == pytest.approx(score.loss.item() - entropy.mean().item(), abs=1e-5)


def test_rebalanced_cross_entropy_of_two_pixels():
    # Equation 4 with lambda = 1/2: grey has p = 0.5, and 1 / (0.25 + 0.5 / 313) = 3.97460; every other colour has
    # p = 0.5 / 312, and 1 / (0.25 / 312 + 0.5 / 313) = 416.889. Scaled so that the mean under p is 1, by
    # 0.5 * 3.97460 + 0.5 * 416.889 = 210.432: weights 0.018888 and 1.981112.
    low, high = 0.018888, 1.981112
    score = objective("ce_rebal").score(leaning_to_grey(), two_pixels(GREY, RED))
    assert score.loss.item() == pytest.approx((low * GREY_NATS + high * RED_NATS) / 2, abs=1e-3)
    assert score.plain.item() == pytest.approx((GREY_NATS + RED_NATS) / 2, abs=1e-4)  # logged without the weights


def test_rebalanced_l2_of_two_pixels():
    # Errors as in test_l2_of_two_pixels, weights as in the test before: red 1.981112 times 0.45166, grey 0.018888
    # times 0.025, mean 0.44764. Logged is the loss without weights.
    output = torch.tensor([[0, 0.1], [0, -0.2]]).reshape(1, 2, 1, 2)
    score = objective("l2_rebal").score(output, two_pixels(RED, GREY))
    assert score.loss.item() == pytest.approx((1.981112 * 0.45166 + 0.018888 * 0.025) / 2, abs=5e-4)
    assert score.plain.item() == pytest.approx(0.23833, abs=2e-4)


def test_both_rebalanced_losses_weigh_pixels_alike():
    rgb = random_pictures(3, 8, 12)
    rgb[0] = 0.5  # a grey picture counts for nothing in either
    ab = label_ab(rgb)
    index, _ = objective("ce_rebal").targets(ab)
    weight = objective("ce_rebal").pixel_weights(ab, index)
    output = random_output("l2_rebal", rgb)
    half_squared = (output - ab / AB_SCALE).square().sum(1) / 2
    assert weight[0].sum() == 0 and weight[1:].min() > 0
    torch.testing.assert_close(objective("l2_rebal").score(output, rgb).loss, (weight * half_squared).mean())


# ------------------------------------------------------------------------------------------- student_mse, l2: others


def test_grayscale_is_that_of_torchvision():
    from torchvision.transforms.v2.functional import rgb_to_grayscale

    rgb = random_pictures()
    ours = StudentMSE().network_input(rgb)
    assert torch.equal(ours, 100 * rgb_to_grayscale(rgb))
    torch.testing.assert_close(ours, 100 * torchvision.transforms.Grayscale()(rgb))
    r, g, b = rgb.unbind(1)
    torch.testing.assert_close(ours[:, 0], 100 * (0.2989 * r + 0.587 * g + 0.114 * b))  # ITU-R 601
    assert StudentMSE().network_input(torch.ones(1, 3, 4, 4)).max() == pytest.approx(100, abs=0.02)


def test_student_mse_is_torchs_mean_squared_error():
    rgb = random_pictures()
    output = random_output("student_mse", rgb)
    enlarged = F.interpolate(output + 0.5, size=rgb.shape[-2:], mode="bilinear", align_corners=False)
    assert StudentMSE().score(output, rgb).loss.item() == pytest.approx(F.mse_loss(enlarged, rgb).item(), rel=1e-5)


def test_l2_is_half_the_squared_error_on_every_fourth_pixel():
    rgb = random_pictures()
    output = random_output("l2", rgb)
    lab = np.moveaxis(rgb2lab(np.moveaxis(rgb.double().numpy(), 1, -1)), -1, 1)[:, 1:, ::4, ::4]
    expected = ((output.numpy() - lab / 110) ** 2).sum(1).mean() / 2
    assert L2().score(output, rgb).loss.item() == pytest.approx(expected, rel=1e-4)


def test_lightness_is_the_input_of_the_others():
    rgb = random_pictures()
    for arm in ("l2", "ce", "ce_rebal"):
        assert torch.equal(objective(arm).network_input(rgb), rgb_to_lab(rgb)[:, :1])


@pytest.mark.parametrize("arm", ["student_mse", "l2", "ce", "ce_rebal"])
def test_bytes_are_scored_as_their_values_are(arm):
    pixels = (random_pictures() * 255).round()
    rgb, output, chosen = pixels.to(torch.uint8), random_output(arm, pixels), objective(arm)
    torch.testing.assert_close(chosen.network_input(rgb), chosen.network_input(pixels / 255), rtol=0, atol=1e-4)
    torch.testing.assert_close(
        chosen.score(output, rgb).loss, chosen.score(output, pixels / 255).loss, rtol=1e-5, atol=0
    )


def test_labels_are_every_fourth_pixel_not_an_average():
    rgb = two_pixels(GREY, RED)
    spoilt = rgb.clone()
    spoilt[..., 1:, :] = torch.rand(1, 3, 3, 8)
    spoilt[..., 0, [1, 2, 3, 5, 6, 7]] = torch.rand(1, 3, 6)
    for arm in ("l2", "ce", "ce_rebal"):
        output = random_output(arm, rgb)
        assert objective(arm).score(output, rgb).loss == objective(arm).score(output, spoilt).loss
    assert subsample(torch.arange(64).reshape(1, 8, 8)).tolist() == [[[0, 4], [32, 36]]]


def test_enlargement():
    line = upsample(torch.tensor([0.0, 8.0, 8.0]).reshape(1, 1, 1, 3))
    assert line.shape == (1, 1, 4, 12)
    assert line[0, 0, 0].tolist() == [0, 0, 1, 3, 5, 7, 8, 8, 8, 8, 8, 8]
    assert torch.equal(upsample(torch.full((1, 2, 3, 3), 7.0)), torch.full((1, 2, 12, 12), 7.0))


# --------------------------------------------------------------------------------------------------- cross entropy


def dense_targets(rgb: torch.Tensor, **options) -> torch.Tensor:
    """Soft targets over all colours, [b, 313, h/4, w/4]."""
    ab = rgb_to_lab(rgb)[:, 1:, ::4, ::4]
    b, _, h, w = ab.shape
    dense = densify(*soft_encode(ab.movedim(1, -1).reshape(-1, 2), **options))
    return dense.reshape(b, h, w, 313).movedim(-1, 1)


@pytest.mark.parametrize("neighbours", [5, 10])
def test_cross_entropy_is_torchs_with_soft_targets(neighbours):
    rgb = random_pictures()
    output = random_output("ce", rgb)
    expected = F.cross_entropy(output, dense_targets(rgb, neighbours=neighbours)).item()
    assert objective("ce", neighbours=neighbours).score(output, rgb).loss.item() == pytest.approx(expected, rel=1e-5)


def test_a_perfect_answer_reaches_the_floor():
    rgb = random_pictures()
    perfect = dense_targets(rgb).clamp_min(1e-30).log()
    for arm in ("ce", "ce_rebal"):
        score = objective(arm).score(perfect, rgb)
        assert score.excess.item() == pytest.approx(0, abs=1e-5)
        assert 0.5 < score.plain.item() < math.log(5)
        assert objective(arm).score(random_output(arm, rgb), rgb).excess > 1


def test_the_gradient_of_the_cross_entropy_is_written_out_right():
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 9, dtype=torch.float64, requires_grad=True)
    index, weight = torch.randn(2, 3, 9).topk(4).indices, torch.rand(2, 3, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: _SoftCrossEntropy.apply(z, index, weight), logits)
    found, expected = (
        torch.autograd.grad((loss * torch.arange(3)).sum(), logits)[0]
        for loss in (
            _SoftCrossEntropy.apply(logits, index, weight),
            -(weight * torch.log_softmax(logits, -1).gather(-1, index)).sum(-1),
        )
    )
    torch.testing.assert_close(found, expected)


def test_an_impossible_answer_has_a_finite_loss_and_the_whole_gradient():
    logits = torch.tensor([[0.0, 50.0, 1000.0]], requires_grad=True)
    index, weight = torch.tensor([[0, 2]]), torch.tensor([[0.75, 0.25]])
    loss = _SoftCrossEntropy.apply(logits, index, weight)
    assert loss.item() == pytest.approx(0.75 * 87.3, abs=0.1)
    assert torch.autograd.grad(loss.sum(), logits)[0].tolist() == [[-0.75, 0, 0.75]]
    assert _SoftCrossEntropy.apply(torch.tensor([[0.0, math.nan, 1]]), index, weight).isnan().all()


def test_the_pixel_weight_is_that_of_the_likeliest_colour():
    rgb = random_pictures()
    rebalanced = objective("ce_rebal")
    index, _ = rebalanced.targets(label_ab(rgb))
    weights = rebalanced.pixel_weights(label_ab(rgb), index)
    assert index.shape == (3, 5, 2, 3) and weights.shape == (3, 2, 3)
    likeliest = dense_targets(rgb).argmax(1)
    assert torch.equal(weights, rebalanced.weights[likeliest])
    assert (PRIOR @ rebalanced.weights).item() == pytest.approx(1, abs=1e-5)


def pixel_weights(objective, rgb):
    return objective.pixel_weights(label_ab(rgb), objective.targets(label_ab(rgb))[0])


def picture_of_ab(a: float, b: float) -> torch.Tensor:
    """One colour of lightness 60, [1, 3, 8, 8]."""
    return lab_to_rgb(torch.tensor([60.0, a, b]).reshape(1, 3, 1, 1).expand(1, 3, 8, 8))


def test_grey_pictures_count_for_nothing():
    rebalanced = objective("ce_rebal")
    for (a, b), counts in {(0, 0): 0, (4.9, -4.9): 0, (5.1, 0): 1, (0, -5.1): 1}.items():
        rgb = picture_of_ab(a, b)
        weights = pixel_weights(rebalanced, rgb)
        assert (weights > 0).all() == bool(counts), (a, b)
    # one coloured label saves the whole picture, the greys in it too; a colour beside the labels does not
    rgb = picture_of_ab(0, 0)
    rgb[..., 1, 1] = picture_of_ab(40, 0)[..., 0, 0]
    assert rebalanced.score(random_output("ce", rgb), rgb).loss == 0
    rgb[..., 4, 4] = picture_of_ab(40, 0)[..., 0, 0]
    assert (pixel_weights(rebalanced, rgb) > 0).all()


def test_the_mask_is_a_matter_of_each_picture():
    both = torch.cat([picture_of_ab(0, 0), picture_of_ab(30, 30)])
    output = random_output("ce", both)
    rebalanced = objective("ce_rebal")
    together, alone = rebalanced.score(output, both), rebalanced.score(output[1:], both[1:])
    assert together.loss.item() == pytest.approx(alone.loss.item() / 2, rel=1e-5)


def test_lambda_one_is_no_rebalancing():
    rgb = random_pictures()
    output = random_output("ce", rgb)
    plain = objective("ce").score(output, rgb)
    assert objective("ce_rebal", lambda_=1.0).score(output, rgb).loss == plain.loss
    # towards it, only the mask of grey pictures remains
    almost = objective("ce_rebal", lambda_=1 - 1e-6)
    assert almost.score(output, rgb).loss.item() == pytest.approx(plain.loss.item(), rel=1e-3)
    grey = picture_of_ab(0, 0)
    assert almost.score(random_output("ce", grey), grey).loss == 0
    assert objective("ce_rebal", lambda_=1.0).score(random_output("ce", grey), grey).loss > 1


class WeighGradient(torch.autograd.Function):
    """What the original does: hands the logits on, and multiplies their gradient by each position's weight."""

    @staticmethod
    def forward(ctx, logits, weights):
        ctx.save_for_backward(weights)
        return logits.clone()

    @staticmethod
    def backward(ctx, gradient):
        (weights,) = ctx.saved_tensors
        return gradient * weights[:, None], None


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_weighing_the_gradient_is_weighing_the_loss(reduction):
    rgb = torch.cat([random_pictures(2, 16, 16), picture_of_ab(1, 1).repeat(1, 1, 2, 2)])
    rebalanced, plain = objective("ce_rebal", reduction=reduction), objective("ce", reduction=reduction)
    torch.manual_seed(0)
    network = ColorNet(313, width=1 / 32)
    parameters = list(network.parameters())

    logits = network(rebalanced.network_input(rgb))
    ours = rebalanced.score(logits, rgb)
    expected = torch.autograd.grad(ours.loss, parameters, retain_graph=True)
    weights = pixel_weights(rebalanced, rgb)
    caffe = plain.score(WeighGradient.apply(logits, weights), rgb)
    found = torch.autograd.grad(caffe.loss, parameters)

    assert caffe.plain == ours.plain and caffe.loss != ours.loss  # the printed loss is the plain one
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=2e-7 * (1 if reduction == "mean" else 64))
    unweighted = torch.autograd.grad(plain.score(network(rebalanced.network_input(rgb)), rgb).loss, parameters[-1])[0]
    assert (unweighted - expected[-1]).abs().max() > 10 * (found[-1] - expected[-1]).abs().max()


# ------------------------------------------------------------------------------------------------- all objectives


@pytest.mark.parametrize(("arm", "positions"), [("student_mse", 8 * 12), ("l2", 6), ("ce", 6), ("ce_rebal", 6)])
def test_sum_is_mean_times_positions(arm, positions):
    rgb = random_pictures()
    output = random_output(arm, rgb)
    mean, total = objective(arm).score(output, rgb), objective(arm, reduction="sum").score(output, rgb)
    assert total.loss.item() == pytest.approx(mean.loss.item() * positions, rel=1e-5)
    assert total.plain == mean.plain and total.excess == mean.excess  # logged per position in any case


def test_reduction():
    values = torch.arange(12.0).reshape(2, 2, 3)
    assert reduce(values, "mean") == 5.5 and reduce(values, "sum") == (15 + 51) / 2


@pytest.mark.parametrize("arm", ARMS)
def test_gradients(arm):
    rgb = random_pictures(2, 4, 8, torch.float64)
    output = random_output(arm, rgb).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: objective(arm).score(x, rgb).loss, output, fast_mode=True)
    score = objective(arm).score(output, rgb)
    assert score.loss.shape == score.plain.shape == score.excess.shape == ()


@pytest.mark.parametrize("arm", ARMS)
def test_extreme_answers_stay_finite(arm):
    rgb = torch.cat([torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8), random_pictures(1, 8, 8)])
    output = (1000 * random_output(arm, rgb)).requires_grad_()
    score = objective(arm).score(output, rgb)
    score.loss.backward()
    assert torch.isfinite(score.loss) and torch.isfinite(output.grad).all()


@pytest.mark.parametrize("arm", ARMS)
def test_decoding(arm):
    rgb = random_pictures()
    output = random_output(arm, rgb)
    lab = objective(arm).decode(output, rgb)
    assert lab.shape == (3, 3, 8, 12)
    assert torch.equal(lab[:, :1], rgb_to_lab(rgb)[:, :1]) == (arm != "student_mse")


def test_decoded_colours():
    rgb = random_pictures()
    output = 0.1 * random_output("student_mse", rgb)
    shown = lab_to_rgb(StudentMSE().decode(output, rgb))
    torch.testing.assert_close(shown, upsample(output + 0.5).clamp(0, 1), rtol=0, atol=1e-4)
    output = random_output("l2", rgb)
    torch.testing.assert_close(L2().decode(output, rgb)[:, 1:], upsample(output) * AB_SCALE)
    output = random_output("ce", rgb)
    torch.testing.assert_close(objective("ce").decode(output, rgb)[:, 1:], upsample(annealed_mean(output, 0.38)))
    warm = objective("ce", temperature=0.9)
    torch.testing.assert_close(warm.decode(output, rgb)[:, 1:], upsample(annealed_mean(output, 0.9)))
    torch.testing.assert_close(warm.decode(output, rgb, Readout(0.5))[:, 1:], upsample(annealed_mean(output, 0.5)))


def test_a_perfect_answer_decodes_to_the_picture():
    smooth = picture_of_ab(20, -35)
    perfect = {"l2": rgb_to_lab(smooth)[:, 1:, ::4, ::4] / 110, "student_mse": smooth[..., ::4, ::4] - 0.5}
    for arm, output in perfect.items():
        assert objective(arm).score(output, smooth).loss.item() == pytest.approx(0, abs=1e-9)
        torch.testing.assert_close(objective(arm).decode(output, smooth), rgb_to_lab(smooth), rtol=0, atol=1e-2)
    logits = dense_targets(smooth).clamp_min(1e-30).log()
    decoded = objective("ce").decode(logits, smooth, Readout(1.0))
    assert (decoded - rgb_to_lab(smooth)).norm(dim=1).max() < 0.7  # what soft encoding costs


@pytest.mark.parametrize("arm", ["student_mse", "l2", "l2_rebal"])
def test_an_answer_of_full_size_is_held_against_every_pixel_and_not_enlarged(arm):
    rgb = random_pictures(n=1)
    lab = rgb_to_lab(rgb)
    perfect = rgb - 0.5 if arm == "student_mse" else lab[:, 1:] / 110
    assert objective(arm).score(perfect, rgb).plain.item() == pytest.approx(0, abs=1e-9)
    torch.testing.assert_close(objective(arm).decode(perfect, rgb), lab, rtol=0, atol=1e-3)
    wrong = perfect.clone()
    wrong[..., 3, 5] += 0.2  # a pixel that no label at a quarter of the side would see
    plain = {"student_mse": 0.2**2}.get(arm, 0.2**2 * 2 / 2) / (8 * 12)
    score = objective(arm).score(wrong, rgb)
    assert score.plain.item() == pytest.approx(plain, rel=1e-4)
    weight = 1.0
    if arm == "l2_rebal":
        weight = objective(arm).weights[nearest_bin(lab[:, 1:, 3, 5])].item()
        assert weight > 1
    assert score.loss.item() == pytest.approx(weight * plain, rel=1e-4)


# -------------------------------------------------------------------------------------------------- make_objective


@pytest.mark.parametrize(
    ("arm", "channels"), [("student_mse", 3), ("l2", 2), ("l2_rebal", 2), ("ce", 313), ("ce_rebal", 313)]
)
def test_make_objective(arm, channels):
    made = objective(arm, reduction="sum", neighbours=10, sigma=4.0, temperature=0.5, lambda_=0.25)
    assert (made.name, made.channels, made.reduction) == (arm, channels, "sum")
    if isinstance(made, CrossEntropy):
        assert (made.neighbours, made.sigma, made.temperature) == (10, 4.0, 0.5)
        assert made.lambda_ == (0.25 if arm == "ce_rebal" else 1.0)
        assert torch.equal(made.prior, PRIOR)


def test_tables_are_buffers_that_are_not_stored():
    made = objective("ce_rebal").double()
    assert {name for name, _ in made.named_buffers()} == {"prior", "weights"} and not made.state_dict()
    assert made.prior.dtype == made.weights.dtype == torch.float64
    plain = objective("l2")
    assert plain.prior is None and plain.weights is None


def test_make_objective_refuses():
    with pytest.raises(ValueError, match="arm='l3' is unknown; choose one of student_mse, l2, l2_rebal, ce, ce_rebal"):
        objective("l3")
    for arm in ("l2_rebal", "ce", "ce_rebal"):
        with pytest.raises(ValueError, match=f"arm '{arm}' needs the prior of the training data"):
            make_objective(arm, SETTINGS)
    assert make_objective("l2", SETTINGS).name == "l2"
