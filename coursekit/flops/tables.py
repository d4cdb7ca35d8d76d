"""A profile as text, Markdown and data frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coursekit.flops.profile import Profile
    from coursekit.flops.rows import Field, Row

__all__ = ["as_json", "dataframe", "frame", "markdown", "text"]

COLUMNS = ("layer", "kind", "output", "memory (KB)", "parameters", "MACs (M)", "other (M)", "saved (KB)")
FIELD_COLUMNS = ("field", "stride", "padding")
LEFT = 3  # columns of words


def dataframe(profile: Profile, *, fields: bool) -> Any:
    """See `Profile.to_dataframe`."""
    names = ("name", "kind", "output_shape", "params", "macs", "other", "activation_bytes", "saved_bytes")
    records = [{name: getattr(row, name) for name in names} for row in profile.rows]
    if fields:
        for record, field in zip(records, profile.receptive_fields(), strict=True):
            record |= {"field": field.size, "stride": field.stride, "padding": field.padding}
            record |= {"note": field.note}
    return frame(records)


def frame(records: list[dict[str, Any]]) -> Any:
    """A pandas data frame.

    Raises:
        ImportError: without pandas, with the command that installs it.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("to_dataframe needs pandas: install it with `pip install pandas`") from error
    return pd.DataFrame(records)


def markdown(profile: Profile, *, layers_only: bool, fields: bool) -> str:
    """See `Profile.to_markdown`."""
    header, lines, total = _cells(profile, layers_only, fields)
    rule = [":--"] * LEFT + ["--:"] * (len(header) - LEFT)
    bold = [f"**{cell}**" if cell else "" for cell in total]
    written = [_row(cells) for cells in (header, rule, *lines, bold)]
    return "\n".join([*written, *(f"\n{line}" for line in _notes(profile))]) + "\n"


def text(profile: Profile, *, fields: bool = False) -> str:
    """The table of layers in columns, for a terminal."""
    header, lines, total = _cells(profile, True, fields)
    widths = [max(map(len, column)) for column in zip(header, *lines, total, strict=True)]

    def line(cells: Sequence[str]) -> str:
        pairs = enumerate(zip(cells, widths, strict=True))
        return "  ".join(c.ljust(w) if i < LEFT else c.rjust(w) for i, (c, w) in pairs).rstrip()

    rule = "  ".join("─" * width for width in widths)
    return "\n".join([line(header), rule, *map(line, lines), rule, line(total), *_notes(profile)])


def _cells(profile: Profile, layers_only: bool, fields: bool) -> tuple[list[str], list[list[str]], list[str]]:
    """Header, rows and totals."""
    measured = profile.receptive_fields() if fields else ()
    lines = []
    for i, row in enumerate(profile.rows):
        if layers_only and not (row.is_layer or row.kind == "not run"):
            continue
        lines.append([*_row_cells(row), *(_field_cells(measured[i]) if fields else ())])
    total = [
        "total", "", "×".join(map(str, profile.input_shape)) + " in", _kb(profile.activation_bytes),
        f"{profile.params:,}", _millions(profile.macs), _millions(profile.flops("lecture") - profile.macs),
        _kb(profile.saved_bytes), *([""] * len(FIELD_COLUMNS) if fields else ()),
    ]  # fmt: skip
    return [*COLUMNS, *(FIELD_COLUMNS if fields else ())], lines, total


def _row_cells(row: Row) -> list[str]:
    shape = "×".join(map(str, row.output_shape))
    return [
        row.name, row.kind, shape, _kb(row.activation_bytes), f"{row.params:,}", _millions(row.macs),
        _millions(row.other), _kb(row.saved_bytes),
    ]  # fmt: skip


def _field_cells(field: Field) -> list[str]:
    values = (field.size, field.stride, field.padding)
    return ["–" if v is None else "×".join(map(str, v)) if isinstance(v, tuple) else str(v) for v in values]


def _notes(profile: Profile) -> list[str]:
    """What the sums leave out."""
    if not profile.uncounted:
        return []
    listed = ", ".join(f"{name} ({u.times}×, in {u.where[0]})" for name, u in profile.uncounted.items())
    return [f"Not counted, for want of a formula: {listed}."]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _kb(size: int) -> str:
    return f"{size / 1024:,.1f}" if size else "0"


def _millions(count: int) -> str:
    if count >= 5000:
        return f"{count / 1e6:,.2f}"
    return "0" if not count else f"{count / 1e6:.4f}" if count >= 50 else "<0.0001"


def as_json(profile: Profile, *, convention: str, fields: bool) -> dict[str, Any]:
    """What `coursekit profile --json` prints."""
    rows: list[dict[str, Any]] = [
        {name: getattr(row, name) for name in row.__dataclass_fields__} for row in profile.rows
    ]
    if fields:
        for record, field in zip(rows, profile.receptive_fields(), strict=True):
            record["receptive_field"] = {name: getattr(field, name) for name in field.__dataclass_fields__}
    return {
        "network": profile.network,
        "input_shape": list(profile.input_shape),
        "params": profile.params,
        "macs": profile.macs,
        "convention": convention,
        "flops": profile.flops(convention),
        "activation_bytes": profile.activation_bytes,
        "saved_bytes": profile.saved_bytes,
        "peak_bytes": profile.peak_bytes,
        "uncounted": {n: {"times": u.times, "where": list(u.where)} for n, u in profile.uncounted.items()},
        "rows": rows,
    }
