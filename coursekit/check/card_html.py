"""The card as HTML: colours from JupyterLab's theme, no script, nothing loaded from anywhere.

Okabe and Ito's palette, legible to colour-blind readers (https://jfly.uni-koeln.de/color/); a state is always
a sign and a word as well. Whatever comes from a student's code passes through ``html.escape``.
"""

import re
from html import escape

from coursekit.check.card import Card, Detail, Shown, heading, one_line
from coursekit.check.grids import Grid
from coursekit.check.run import Outcome

# The doubled class outranks JupyterLab's own rules for tables in rendered HTML.
STYLE = """
.ck.ck{color:var(--jp-content-font-color1,var(--vscode-foreground,#1b1b1b));
 background:var(--jp-layout-color0,var(--vscode-editor-background,#fff));
 border:1px solid var(--jp-border-color1,#9a9a9a);border-left:6px solid #D55E00;border-radius:4px;
 padding:10px 14px;margin:4px 0;max-width:62em;
 font:14px/1.45 var(--jp-ui-font-family,system-ui,sans-serif)}
.ck.ck.ck-right{border-left-color:#009E73}
.ck.ck p{margin:4px 0}
.ck.ck .ck-title{font-size:16px;font-weight:600}
.ck.ck code,.ck.ck pre,.ck.ck .ck-grid td{font-family:var(--jp-code-font-family,monospace);font-size:13px;
 color:inherit;background:none;padding:0}
.ck.ck pre{margin:4px 0 4px 1em;padding:0;white-space:pre-wrap;overflow-wrap:anywhere}
.ck.ck table{border-collapse:collapse;margin:4px 0;font-size:14px;table-layout:auto;color:inherit;
 background:none;border:none}
.ck.ck tr,.ck.ck tbody tr:nth-child(n),.ck.ck tbody tr:hover{background:none}
.ck.ck th,.ck.ck td{text-align:left;vertical-align:top;padding:2px 12px 2px 0;border:none;max-width:46em;
 white-space:normal;overflow-wrap:anywhere;color:inherit}
.ck.ck caption{text-align:left;caption-side:top;padding:0 0 2px;color:inherit;font-size:13px}
.ck.ck tbody th{font-weight:inherit}
.ck.ck .ck-state{white-space:nowrap;overflow-wrap:normal}
.ck.ck .ck-sign{display:inline-block;width:1.4em;height:1.4em;line-height:1.4em;margin-right:.5em;
 text-align:center;border-radius:50%;background:#D55E00;color:#000;font-weight:700}
.ck.ck .ck-passed .ck-sign{background:#009E73}
.ck.ck .ck-part{border-top:1px solid var(--jp-border-color2,#c4c4c4);margin-top:8px;padding-top:6px}
.ck.ck .ck-row{display:flex;flex-wrap:wrap;gap:6px 28px;align-items:flex-start}
.ck.ck .ck-grid td{text-align:right;padding:1px 7px;min-width:1.2em;max-width:none;white-space:nowrap;
 border:1px solid var(--jp-border-color2,#c4c4c4)}
.ck.ck .ck-grid td.ck-differs{background:#F0E442;color:#000;font-weight:700;text-decoration:underline}
.ck.ck .ck-why{border-left:6px solid #0072B2;padding:4px 10px;margin:8px 0 4px;
 background:var(--jp-layout-color2,rgba(128,128,128,.12))}
.ck.ck .ck-why p{margin:2px 0}
"""


def card_html(card: Card) -> str:
    """The card as one HTML fragment."""
    right = " ck-right" if card.passed == card.total else ""
    parts = [
        f'<section class="ck{right}" role="group" aria-label="{escape(card.title)}">',
        f"<style>{STYLE}</style>",
        f'<p class="ck-title"><code>{escape(card.exercise)}</code>: '
        f"{card.passed} of {card.total} cases passed</p>",
        '<table aria-label="Public cases"><thead><tr><th scope="col">Result</th><th scope="col">Case</th>',
        '<th scope="col">What happened</th>' if card.detail is not None else "",
        "</tr></thead><tbody>",
        *(_row(outcome, card.detail is not None) for outcome in card.outcomes),
        "</tbody></table>",
    ]
    if card.diagnoses:
        says = "".join(f"<p>{prose(diagnosis.says)}</p>" for diagnosis in card.diagnoses)
        parts.append(
            f'<div class="ck-why" role="note"><p><strong>{heading(card.diagnoses)}</strong></p>{says}</div>'
        )
    if card.detail is not None:
        parts.append(_detail(card.detail))
    if card.footer:
        parts.append(
            '<div class="ck-part">' + "".join(f"<p>{prose(line)}</p>" for line in card.footer) + "</div>"
        )
    parts.append("</section>")
    return "\n".join(parts)


def prose(text: str) -> str:
    """The course's own sentence, escaped, with `code` in backticks set as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _row(outcome: Outcome, with_sentence: bool) -> str:
    state, sign = ("ck-passed", "&#10003;") if outcome.passed else ("ck-failed", "&#10007;")
    return (
        f'<tr class="{state}"><td class="ck-state"><span class="ck-sign" aria-hidden="true">{sign}</span>'
        f'{escape(outcome.kind)}</td><th scope="row">{escape(outcome.case.name)}</th>'
        + (f"<td>{escape(one_line(outcome.sentence))}</td>" if with_sentence else "")
        + "</tr>"
    )


def _detail(detail: Detail) -> str:
    label = escape(f"Case “{detail.case}”")
    parts = [
        f'<div class="ck-part" role="group" aria-label="{label}">',
        f"<p><strong>{label}</strong></p><pre>{escape(detail.call)}</pre>",
    ]
    if detail.arguments:
        parts.append(_side_by_side(detail.arguments))
    both = tuple(shown for shown in (detail.expected, detail.got) if shown is not None)
    if both:
        parts.append(_side_by_side(both))
    if detail.facts:
        rows = "".join(
            f'<tr><th scope="row">{escape(label)}</th><td>{escape(text)}</td></tr>'
            for label, text in detail.facts
        )
        parts.append(f'<table aria-label="Differences"><tbody>{rows}</tbody></table>')
    if detail.source:
        parts.append(f"<pre>{escape(detail.source)}</pre>")
    return "".join([*parts, "</div>"])


def _side_by_side(shown: tuple[Shown, ...]) -> str:
    return '<div class="ck-row">' + "".join(f"<div>{_shown(item)}</div>" for item in shown) + "</div>"


def _shown(shown: Shown) -> str:
    text = f"<pre>{escape(shown.text)}</pre>" if shown.text else ""
    grids = "".join(_grid(shown.name, grid) for grid in shown.grids)
    rest = f"<p>{shown.rest}</p>" if shown.rest else ""
    return f"<p><strong>{escape(shown.name)}</strong> {escape(shown.description)}</p>{text}{grids}{rest}"


def _grid(name: str, grid: Grid) -> str:
    caption = f"<caption>{escape(grid.caption)}</caption>" if grid.caption else ""
    rows = []
    for row in grid.rows:
        cells = (
            f'<td class="ck-differs" aria-label="{escape(cell.text)}, differs">{escape(cell.text)}</td>'
            if cell.differs
            else f"<td>{escape(cell.text)}</td>"
            for cell in row
        )
        rows.append(f"<tr>{''.join(cells)}</tr>")
    label = escape(f"{name} {grid.caption}".strip())
    return f'<table class="ck-grid" aria-label="{label}">{caption}<tbody>{"".join(rows)}</tbody></table>'
