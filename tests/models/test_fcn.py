"""FCN: the classifier slid over the image, the paper's size, and upsampling that interpolates."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from coursekit.models.fcn import BUILDERS, CARDS, bilinear_kernel, convolution_of, upsampling
from coursekit.models.vgg import vgg
from tests.models.zoo import parameters


@pytest.fixture(scope="module")
def classifier():
    torch.manual_seed(0)
    return vgg("vgg16", num_classes=5).eval()


def narrow(name, classes=3):
    """A network whose scores are not all zero, with an eighth of the channels."""
    torch.manual_seed(0)
    with torch.device("meta"):
        model = BUILDERS[name](num_classes=classes)
    for module in model.modules():
        if type(module) is nn.Conv2d:
            slim = nn.Conv2d(
                max(3, module.in_channels // 8),
                max(classes, module.out_channels // 8),
                module.kernel_size,
                padding=module.padding,
            )
            nn.init.kaiming_normal_(slim.weight, nonlinearity="relu")
            module.weight, module.bias = slim.weight, slim.bias
        elif isinstance(module, nn.ConvTranspose2d):
            learned = module.groups == 1
            module.weight = upsampling(classes, module.stride[0], learned=learned).weight
    return model.eval()


def test_on_a_crop_of_224_it_is_vgg16(classifier):
    """The unit in the middle of 7×7 sees what fc6 sees, and the other layers look at one place only."""
    crop = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        expected = classifier(crop)
        model = BUILDERS["fcn32s"](num_classes=5, vgg16=classifier).eval()
        model.score["fc7"].weight.copy_(classifier.fc8.weight[:, :, None, None])
        model.score["fc7"].bias.copy_(classifier.fc8.bias)
        dense = model.score["fc7"](model.classifier(model.trunk(crop)))
    assert dense.shape == (1, 5, 7, 7)
    assert len(model.trunk) == 13 + 13 + 5  # convolutions, ReLUs, poolings
    torch.testing.assert_close(dense[:, :, 3, 3], expected, atol=1e-4, rtol=1e-3)


def test_dense_evaluation_is_the_classifier_at_each_place():
    torch.manual_seed(0)
    fc = nn.Linear(4 * 7 * 7, 6)
    maps = torch.randn(2, 4, 10, 12)
    dense = convolution_of(fc, 7)(maps)
    assert dense.shape == (2, 6, 10, 12)
    for top in range(4):
        for left in range(6):
            window = maps[:, :, top : top + 7, left : left + 7].flatten(1)
            torch.testing.assert_close(dense[:, :, top + 3, left + 3], fc(window), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", BUILDERS)
def test_its_parameters_are_vgg16s_and_the_scores(name):
    vgg16 = sum(
        (9 * i + 1) * o
        for i, o in [
            *((3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256)),
            *((256, 512), (512, 512), (512, 512), (512, 512), (512, 512), (512, 512)),
        ]
    )
    fc = (7 * 7 * 512 + 1) * 4096 + (4096 + 1) * 4096
    skips = {"fcn32s": [], "fcn16s": [512], "fcn8s": [512, 256]}[name]
    scores = sum((c + 1) * 21 for c in (4096, *skips))
    learned = len(skips) * 21 * 21 * 4 * 4
    fixed = 21 * (2 * 32 // 2 ** len(skips)) ** 2
    with torch.device("meta"):
        model = BUILDERS[name]()
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trained == vgg16 + fc + scores + learned
    assert parameters(model) == trained + fixed
    assert round(trained / 1e6) == 134  # the paper's table 1
    table = {"fcn32s": (134_346_581, 86_016), "fcn16s": (134_364_410, 21_504), "fcn8s": (134_376_863, 5_376)}
    assert (trained, fixed) == table[name]


@pytest.mark.parametrize(("name", "factor"), [("fcn32s", 32), ("fcn16s", 16), ("fcn8s", 8)])
def test_scores_are_summed_from_coarse_to_fine(name, factor):
    model = narrow(name)
    image = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        maps, x = {}, image
        for layer_name, layer in model.trunk.named_children():
            x = maps[layer_name] = layer(x)
        assert [maps[f"pool{i}"].shape[2] for i in (3, 4, 5)] == [8, 4, 2]
        scores = model.score["fc7"](model.classifier(x))
        for pool in ("pool4", "pool3")[: len(model.score) - 1]:
            doubled = F.conv_transpose2d(scores, model.twice[pool].weight, stride=2, padding=1)
            scores = doubled + model.score[pool](maps[pool])
        output = model(image)
    assert output.shape == (2, 3, 64, 96)
    inner = slice(factor, -factor)
    expected = F.interpolate(scores, scale_factor=factor, mode="bilinear")[:, :, inner, inner]
    torch.testing.assert_close(output[:, :, inner, inner], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("factor", [2, 8, 16, 32])
@pytest.mark.parametrize("learned", [False, True])
def test_fresh_upsampling_is_bilinear_interpolation(factor, learned):
    x = torch.randn(2, 3, 5, 4)
    layer = upsampling(3, factor, learned=learned)
    ours = layer(x)
    assert ours.shape == (2, 3, 5 * factor, 4 * factor)
    inner = slice(factor // 2, -(factor // 2))  # at the border zeros take part, not the border's own values
    expected = F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
    torch.testing.assert_close(ours[:, :, inner, inner], expected[:, :, inner, inner], atol=1e-5, rtol=1e-4)
    assert layer.weight.requires_grad == learned


def test_the_kernel_for_twice_the_size():
    assert (bilinear_kernel(2) * 16).tolist() == [[1, 3, 3, 1], [3, 9, 9, 3], [3, 9, 9, 3], [1, 3, 3, 1]]


@pytest.mark.parametrize("name", BUILDERS)
def test_an_image_of_any_size_gets_logits_at_each_pixel(name):
    model = narrow(name)
    for height, width in ((1, 1), (33, 64), (50, 37)):
        assert model(torch.zeros(1, 3, height, width)).shape == (1, 3, height, width)
    with pytest.raises(ValueError, match="from 1×1 pixels on, got 0×5"):
        model(torch.zeros(1, 3, 0, 5))
    assert CARDS[name].smallest == 1


def test_an_image_filled_up_with_zeros_gives_the_same_logits():
    model = narrow("fcn8s")
    image = torch.randn(1, 3, 50, 37)
    filled = torch.zeros(1, 3, 64, 64)
    filled[:, :, :50, :37] = image
    torch.testing.assert_close(model(image), model(filled)[:, :, :50, :37])


def test_a_fresh_network_scores_zero_and_a_skip_changes_nothing_at_first():
    model = narrow("fcn16s")
    coarse = narrow("fcn32s")
    for name in ("trunk", "classifier"):
        model.get_submodule(name).load_state_dict(coarse.get_submodule(name).state_dict())
    model.score["fc7"].load_state_dict(coarse.score["fc7"].state_dict())
    nn.init.zeros_(model.score["pool4"].weight)
    nn.init.zeros_(model.score["pool4"].bias)
    image = torch.randn(1, 3, 96, 96)
    inner = slice(24, -24)
    # Interpolated by 2 and then by 16, or by 32 at once: the same up to the corners of the tents.
    difference = (model(image) - coarse(image))[:, :, inner, inner].abs().max()
    assert difference < 0.1 * coarse(image).abs().max()


def test_fresh_scores_are_zero(classifier):
    model = BUILDERS["fcn8s"](num_classes=5, vgg16=classifier)
    assert not any(p.any() for p in model.score.parameters())
    assert not model(torch.randn(1, 3, 32, 32)).any()


def test_a_step_trains_every_layer_but_the_last():
    model = narrow("fcn8s").train()
    labels = torch.randint(0, 3, (2, 40, 40))
    F.cross_entropy(model(torch.randn(2, 3, 40, 40)), labels).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == ["upsample.weight"]


def test_channels_and_classes_can_be_chosen():
    with torch.device("meta"):
        model = BUILDERS["fcn8s"](num_classes=2, in_channels=1)
        assert model(torch.zeros(1, 1, 70, 70)).shape == (1, 2, 70, 70)
