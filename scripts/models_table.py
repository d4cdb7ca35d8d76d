"""Write docs/models.md: every network of the zoo, its cost, its paper, and what it was checked against.

python scripts/models_table.py [--check]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from coursekit.models import FAMILIES, from_torchvision, model_card

RULE = "| --- | --- | ---: | ---: | --- | --- |"
PAGE = Path(__file__).parents[1] / "docs" / "models.md"
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
(`tests/models/test_everywhere.py`).
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
    return "\n".join(lines) + "\n"


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
