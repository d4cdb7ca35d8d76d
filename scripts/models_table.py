"""Write docs/models.md: every network of the zoo, its cost, its paper, its check; and how fast some are.

python scripts/models_table.py [--check]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from coursekit.flops import model_card
from coursekit.models import FAMILIES, from_torchvision

RULE = "| --- | --- | ---: | ---: | --- | --- |"
ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "models.md"
MEASURED = ROOT / "benchmarks" / "results"
HEAD = """\
# The networks

Written by `python scripts/models_table.py`. `create_model(name)` builds one, `model_card(name)` prints
its figures, `coursekit profile NAME` counts it layer by layer. Parameters and multiply-adds are those of
the card's own input and classes.

*torchvision* in the last column: its randomly initialized weights load strictly through an explicit
table, and logits and a step of training agree (`tests/models/test_torchvision_parity.py`). The others
are held against timm by weight transfer, against published counts, or against the paper's equations
written out a second time, each in the test file of its family; and each learns sixteen examples by heart
(`tests/models/test_overfit.py`). All are compiled, exported, pickled and copied
(`tests/models/test_everywhere.py`), and on a GPU run in float32, under autocast with channels last, compiled
into one graph, and trained for a step (`tests/models/test_gpu.py`, skipped where there is none).
"""
SPEED = """
## How fast five of them are

`python benchmarks/models.py` runs ours, torchvision's and timm's network in turns, on the same images, in the
same type and memory order. A ratio of 1.10 means that ours does 110 images while the other does 100; in
brackets are the quartiles over the rounds. A row that was measured again with more rounds has a date of its
own in the file. *Default* is torchvision's network called as it comes: float32,
contiguous, eager.
"""
SPEED_RULE = "| --- | --- | --- | ---: | ---: | ---: | ---: |"
ADVICE = """
On a GPU, then: `bf16` autocast, `channels_last`, and `torch.compile` where a run is long enough to pay for
half a minute to three minutes of compiling. A ratio of 1.00 is what equal kernels give. Ours are ahead where,
by the code, a layer makes fewer passes over memory: `densenet121` hands one growing map on, where the others
concatenate the list of maps once more behind each block; `vit_b_16` gives its one projection's views straight
to `scaled_dot_product_attention`.

Look at what a compiler returns before you trust it: `torch.compile` of PyTorch 2.11 for a GPU makes something
wrong of `inception_v4` on images so small that its last maps have one pixel (96×96); on 160×160 it is right.
"""


def page() -> str:
    """The page as Markdown."""
    lines = [HEAD]
    for family in FAMILIES:
        title = (family.__doc__ or "").strip().splitlines()[0].rstrip(".")
        file = f"coursekit/models/{family.__name__.rpartition('.')[2]}.py"
        lines += [f"\n## {title.partition(':')[0]}\n", f"[{file}](../{file})\n"]
        lines += ["| name | input | parameters | multiply-adds | paper | checked |", RULE]
        lines += [row(name) for name in family.BUILDERS]
    lines += [SPEED, *(speeds(device) for device in ("cpu", "cuda")), ADVICE.strip()]
    return "\n".join(lines) + "\n"


def speeds(device: str) -> str:
    """The table of one measurement, and what it holds for."""
    found = json.loads((MEASURED / f"models-{device}.json").read_text())
    lines = [
        f"{found['hardware']}, {found['threads']} threads, torch {found['torch']}, {found['date'][:10]}, "
        f"batches of {found['batch']} images of {found['image']}×{found['image']} "
        f"([models-{device}.json](../benchmarks/results/models-{device}.json)):\n",
        "| network | call | setting | images/s | of torchvision's | of timm's | of the default |",
        SPEED_RULE,
    ]
    for each in found["rows"]:
        name = f"| `{each['network']}` | {each['call']} | {each['setting']}"
        ratios = [spread(each["times_as_fast_as"][who]) for who in ("torchvision", "timm", "default")]
        lines.append(f"{name} | {each['images_per_second']['ours']:,.0f} | {' | '.join(ratios)} |")
    return "\n".join(lines) + "\n"


def spread(ratio: dict[str, float]) -> str:
    """Median and quartiles."""
    return f"{ratio['median']:.2f} ({ratio['q1']:.2f} to {ratio['q3']:.2f})"


def row(name: str) -> str:
    """One network's line."""
    shown = model_card(name)
    shape = "×".join(map(str, shown.card.input_shape))
    checked = "torchvision" if in_torchvision(name) else "family's tests"
    return f"| `{name}` | {shape} | {shown.params:,} | {shown.macs:,} | {shown.card.paper} | {checked} |"


def in_torchvision(name: str) -> bool:
    """Whether torchvision's weights load into it."""
    try:
        from_torchvision(name, {})
    except ValueError:
        return False
    return True


def main() -> int:
    """Write the page, or with --check say whether it is up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail where the page is not up to date")
    text = page()
    if parser.parse_args().check:
        return 0 if PAGE.read_text(encoding="utf-8") == text else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
