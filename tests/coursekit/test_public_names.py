"""`import coursekit`: cheap, quiet, and the same names whatever was imported before."""

import random
import subprocess
import sys

import numpy as np
import pytest
import torch

import coursekit


def python(code: str) -> str:
    """What a fresh interpreter prints, every warning an error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_it_loads_nothing_beside_torch_but_itself_and_the_standard_library():
    loaded = python(
        "import sys, torch; held = set(sys.modules); import coursekit;"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - held})"
    ).split()
    assert set(loaded) - sys.stdlib_module_names == {"coursekit"}


def test_importing_it_loads_no_plotting_and_no_notebook_library():
    heavy = {"matplotlib", "torchvision", "IPython", "ipywidgets", "sklearn", "tqdm"}
    loaded = python("import sys, coursekit; print(*{name.split('.')[0] for name in sys.modules})").split()
    assert heavy.isdisjoint(loaded)


@pytest.mark.parametrize("name", coursekit.__all__)
def test_every_public_name_can_be_had(name):
    assert getattr(coursekit, name) is not None
    assert name in dir(coursekit)


def test_an_unknown_name_is_refused_with_those_there_are():
    with pytest.raises(AttributeError, match=r"coursekit has no 'flop'; it has check, hint"):
        _ = coursekit.flop


@pytest.mark.parametrize(
    "before", ["", "import coursekit.check.cases; ", "from coursekit.check import forbid; "]
)
def test_check_can_be_called_whatever_was_imported_before(before):
    assert python(f"{before}from coursekit import check; print(callable(check))") == "True"


def test_the_device_is_one_that_can_compute():
    device = coursekit.device()
    assert device.type == ("cuda" if torch.cuda.is_available() else device.type)
    assert torch.ones(2, device=device).sum().item() == 2


def test_seeding_repeats_the_numbers_of_all_three_libraries():
    def draw() -> list[float]:
        generator = coursekit.seed_everything(7)
        own = torch.rand((), generator=generator)
        return [random.random(), np.random.rand(), torch.rand(()).item(), own.item()]

    assert draw() == draw()


def test_a_seed_that_numpy_would_refuse_is_refused_for_all():
    with pytest.raises(ValueError, match="seed is -1"):
        coursekit.seed_everything(-1)
