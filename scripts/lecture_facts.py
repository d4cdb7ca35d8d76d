"""Write docs/lecture-facts.md: the facts of the lectures, recomputed.

python scripts/lecture_facts.py          # write it
python scripts/lecture_facts.py --check  # fail if it would change
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from coursekit.facts import Verdict, counts, recompute, to_markdown

PAGE = Path(__file__).resolve().parents[1] / "docs" / "lecture-facts.md"


def main() -> int:
    """Write or check the page; 1 when it is stale or a difference is unexplained."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page would change")
    options = parser.parse_args()
    results = recompute(progress=True)
    page = to_markdown(results)
    if options.check:
        if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page:
            print(f"{PAGE} is out of date; run python scripts/lecture_facts.py", file=sys.stderr)
            return 1
    else:
        PAGE.write_text(page, encoding="utf-8")
        print(f"wrote {PAGE}")
    unexplained = counts(results)[Verdict.UNEXPLAINED]
    if unexplained:
        print(f"{unexplained} of the facts are unexplained, see the page", file=sys.stderr)
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
