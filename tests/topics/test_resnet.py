"""Topic 04: what its tests have that no other topic's have; `test_topics.py` holds what all share."""

import json
from typing import Any, cast

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from coursekit.check import topics
from coursekit.check.compare import Kind
from coursekit.check.fingerprints import load, matches, observation
from coursekit.check.run import run
from tests.topics.harness import read_topic
from tests.topics.resnet_oracles import expected

TOPIC = read_topic("04_resnet")
NETWORKS, SURGERY = (topics.load("04_resnet", part) for part in ("networks", "surgery"))
# Published with torchvision's weights; the layers with weights are the depth.
PARAMETERS = {18: 11_689_512, 34: 21_797_672, 50: 25_557_032, 101: 44_549_160, 152: 60_192_808}


@pytest.fixture(scope="module")
def answers():
    return TOPIC.namespace()


# ---- the reference ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", PARAMETERS)
def test_the_reference_has_the_published_number_of_parameters(answers, depth):
    with torch.device("meta"):
        model = answers["resnet"](depth)
    assert sum(weight.numel() for weight in model.parameters()) == PARAMETERS[depth]


def test_torchvisions_weights_load_strictly_and_give_equal_logits(answers, record_property):
    torch.manual_seed(0)
    theirs = torchvision.models.resnet50(weights=None).eval()
    ours = answers["resnet"](50).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    with torch.no_grad():
        x = torch.randn(1, 3, 224, 224)
        difference = float((ours(x) - theirs(x)).abs().max() / theirs(x).abs().max())
    record_property(
        "measured", f"{TOPIC.master.header.topic}: resnet(50) and torchvision's, {difference:.0e}"
    )
    assert difference < 1e-5


# ---- what the public checks rest on -----------------------------------------------------------------------


@pytest.mark.parametrize("depth", PARAMETERS)
def test_the_check_asks_for_torchvisions_names_and_shapes(depth):
    with torch.device("meta"):
        theirs = getattr(torchvision.models, f"resnet{depth}")(num_classes=7).state_dict()
    assert dict(NETWORKS._names(depth, 7)) == {name: tuple(tensor.shape) for name, tensor in theirs.items()}


def test_the_check_knows_what_automatic_differentiation_and_another_forward_pass_give():
    known = json.loads(SURGERY.EXPECTED.read_text(encoding="utf-8"))
    assert known.keys() == {"gradient_norms", "plain_twin"}
    for exercise, cases in expected().items():
        assert known[exercise].keys() == cases.keys()
        for case, values in cases.items():
            if exercise == "gradient_norms":
                assert known[exercise][case] == pytest.approx(values, rel=1e-5)
                assert list(known[exercise][case]) == list(values)
            else:
                torch.testing.assert_close(torch.tensor(known[exercise][case]), torch.tensor(values))


class Renamed(nn.Module):
    """A basic block with other names, made in another order than it is used in, F without modules."""

    expansion = 1

    def __init__(self, c_in, channels, stride=1):
        super().__init__()
        self.b = nn.BatchNorm2d(channels)
        if stride > 1 or c_in != channels:
            self.way = nn.ModuleList(
                [nn.BatchNorm2d(channels), nn.Conv2d(c_in, channels, 1, stride, bias=False)]
            )
        self.second = nn.Parameter(torch.empty(channels, channels, 3, 3))
        self.a = nn.BatchNorm2d(channels)
        self.first = nn.Conv2d(c_in, channels, 3, stride, 1, bias=False)

    def forward(self, x):
        out = self.b(F.conv2d(F.relu(self.a(self.first(x))), self.second, padding=1))
        return F.relu(out + (self.way[0](self.way[1](x)) if hasattr(self, "way") else x))


def test_names_and_the_order_in_which_parts_are_made_do_not_matter(answers):
    exercise = TOPIC.exercises["basic_block"]
    reference, renamed = (run(exercise, [block]) for block in (answers["BasicBlock"], Renamed))
    assert [outcome.sentence for outcome in renamed if not outcome.passed] == []
    for one, other in zip(reference, renamed, strict=True):
        assert str(observation(one))[:200] == str(observation(other))[:200]


@pytest.mark.parametrize("exercise", ["inception", "basic_block", "bottleneck"])
def test_in_evaluation_mode_a_card_shows_whole_numbers(answers, exercise):
    public = TOPIC.exercises[exercise]
    seen = 0
    for outcome in run(public, [answers[name] for name in public.functions]):
        if outcome.case.call.endswith(".eval()(x)"):
            seen += 1
            for number in cast(torch.Tensor, outcome.got).flatten().tolist():
                assert abs(number - round(number)) < 1e-4, outcome.case.name
                assert abs(number) < 1000, outcome.case.name
    assert seen >= 3


# ---- what the cards say -----------------------------------------------------------------------------------


def sentences(exercise, *functions):
    """What the card says of the cases that fail, by the name of the case."""
    outcomes = run(TOPIC.exercises[exercise], functions)
    return {outcome.case.name: outcome.sentence for outcome in outcomes if not outcome.passed}


def test_a_missing_norm_is_named_in_words(answers):
    base: Any = answers["BasicBlock"]

    class Block(base):
        def __init__(self, c_in, channels, stride=1):
            super().__init__(c_in, channels, stride)
            if self.downsample is not None:  # type: ignore[has-type]
                self.downsample = self.downsample[0]  # type: ignore[has-type]

    said = sentences("basic_block", Block)["what it consists of"]
    assert said == (
        "BasicBlock(2, 4) has 2 batch norms of 4 channels where 3 belong. "
        "BasicBlock(3, 3, 2) has 2 batch norms of 3 channels where 3 belong."
    )


def test_one_norm_in_two_places_is_one_norm(answers):
    base: Any = answers["Bottleneck"]

    class Block(base):
        def __init__(self, c_in, channels, stride=1):
            super().__init__(c_in, channels, stride)
            self.bn2 = self.bn1

    said = sentences("bottleneck", Block)
    assert "Bottleneck(8, 2) has 1 batch norm of 2 channels where 2 belong." in said["what it consists of"]


def test_weights_without_a_part_in_the_output_are_counted(answers):
    base: Any = answers["BasicBlock"]

    class Block(base):
        def forward(self, x):
            out = self.bn2(self.conv2(F.relu(self.bn2(self.conv1(x)))))
            return F.relu(out + (x if self.downsample is None else self.downsample(x)))

    assert sentences("basic_block", Block)["gradients"] == "2 of the weights take no part in the output."


def test_a_wrong_table_is_told_from_wrong_names(answers):
    def resnet(depth, num_classes=1000):
        if depth == 20:
            raise ValueError
        return answers["resnet"](34 if depth == 18 else depth, num_classes)

    said = sentences("resnet", resnet)["names and shapes of depth 18"]
    assert said.startswith(
        "Blocks in layer1 to layer4: [3, 4, 6, 3], where the table has [2, 2, 2, 2]. Not asked"
    )


@pytest.mark.parametrize("result", [None, 3, torch.zeros(2)], ids=["None", "a number", "a tensor"])
def test_what_is_no_module_fails_every_case_with_a_sentence(result):
    for exercise in ("inception", "basic_block", "bottleneck"):
        outcomes = run(TOPIC.exercises[exercise], [lambda *_, **__: result])
        assert {outcome.kind for outcome in outcomes} == {Kind.RAISED}
        assert "an nn.Module was asked for" in outcomes[0].sentence


def test_ready_made_networks_and_blocks_are_refused():
    def resnet(depth, num_classes=1000):
        return getattr(torchvision.models, f"resnet{depth}")(num_classes=num_classes)

    outcomes = run(TOPIC.exercises["resnet"], [resnet])
    assert outcomes[0].kind is Kind.FORBIDDEN
    assert "torchvision.models.resnet.ResNet.__init__" in outcomes[0].sentence


def test_a_mistake_is_named_on_machines_that_compute_in_another_order():
    """Rounding depends on the number of threads; 50 layers of norms over few values make much of it."""
    variant = next(one for one in TOPIC.of_kind("misconception") if one.name == "always-50")
    recorded = next(one for one in load("04_resnet")["resnet"] if one.name == "always-50")
    before = torch.get_num_threads()
    torch.set_num_threads(2)  # elsewhere it is one
    try:
        outcomes = TOPIC.checked("resnet", TOPIC.namespace({"resnet": variant.source}))
    finally:
        torch.set_num_threads(before)
    assert all(matches(observation(outcome), recorded.outputs[outcome.case.name]) for outcome in outcomes)
