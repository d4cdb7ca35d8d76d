"""The memory of processes with all that they started; the system limits each process by itself only."""

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["memory_of"]


def memory_of(limits: Mapping[int, int]) -> dict[int, float]:
    """Mebibytes of memory of these processes with their descendants, of those that may be over their limit.

    What they share with this process counts for nothing; among themselves, for each in part. Page tables
    count as well: a map of nothing but zeros has some, and no other memory.
    """
    page = os.sysconf("SC_PAGE_SIZE") / 2**20
    families: dict[int, list[int]] = {pid: [pid] for pid in limits}
    parents = {pid: parent for pid in _processes() if (parent := _parent(pid))}
    for pid in parents:
        above = parents[pid]
        while above not in families and above in parents:
            above = parents[above]
        if above in families and pid not in families:
            families[above].append(pid)
    own, tables = _private_pages(os.getpid()), _page_tables(os.getpid())
    sizes = {
        root: sum(
            page * max(0, _private_pages(pid) - own) + max(0.0, _page_tables(pid) - tables) for pid in family
        )
        for root, family in families.items()
    }
    return {root: _shared_out(families[root]) for root, size in sizes.items() if size > limits[root]}


def _processes() -> Iterable[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0  # it is gone


def _private_pages(pid: int) -> int:
    try:
        _, resident, shared, *_ = map(int, Path(f"/proc/{pid}/statm").read_text().split())
    except (OSError, ValueError):
        return 0
    return resident - shared


def _page_tables(pid: int) -> float:
    """Mebibytes of memory in which the system notes where a process's memory is."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmPTE:"):
                return int(line.split()[1]) / 1024
    return 0.0


def _shared_out(pids: Iterable[int]) -> float:
    """The processes' memory, where each of n that share a page counts for an n-th of it, and page tables."""
    total = 0.0
    for pid in pids:
        total += _page_tables(pid)
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss_Anon:"):
                    total += int(line.split()[1]) / 1024
    return total
