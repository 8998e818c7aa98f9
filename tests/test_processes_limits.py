"""How much of a machine a container may use, read from made-up files of both versions of control groups."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab_lib.processes.limits import CONTAINER, GIB, MACHINE, core_limit, memory_limit

TWO, ONE = "0::/", "4:memory:/\n1:cpu,cpuacct:/"


def machine(root: Path, groups: str, files: dict[str, str]) -> Path:
    """A root folder with the groups of a process and files below sys/fs/cgroup."""
    for name, text in {"proc/self/cgroup": groups, **{f"sys/fs/cgroup/{n}": t for n, t in files.items()}}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text + "\n")
    return root


@pytest.mark.parametrize(
    ("groups", "files", "gib"),
    [
        (TWO, {"memory.max": str(8 * GIB)}, 8),
        (TWO, {"memory.max": "max"}, 24),
        (TWO, {"memory.max": str(99 * GIB)}, 24),  # more than there is
        ("0::/job/step", {"job/memory.max": str(6 * GIB), "job/step/memory.max": str(9 * GIB)}, 6),
        ("0::/docker/abc", {"memory.max": str(5 * GIB)}, 5),  # the path is the machine's, the files the container's
        ("0::/../job", {"memory.max": str(5 * GIB)}, 5),
        (ONE, {"memory/memory.limit_in_bytes": str(4 * GIB)}, 4),
        (ONE, {"memory/memory.limit_in_bytes": "9223372036854771712"}, 24),  # no limit, in pages
        (f"{ONE}\n{TWO}", {"unified/memory.max": str(3 * GIB), "memory/memory.limit_in_bytes": str(4 * GIB)}, 3),
        (TWO, {"memory.max": "lots"}, 24),
        ("nonsense", {}, 24),
        ("", {}, 24),
    ],
)
def test_the_smallest_limit_of_memory_applies(tmp_path, groups, files, gib):
    found = memory_limit(24.0, machine(tmp_path, groups, files))
    assert (found.value, found.reason) == (gib, MACHINE if gib == 24 else CONTAINER)


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        (TWO, {"cpu.max": "200000 100000"}, 2),
        (TWO, {"cpu.max": "250000 100000"}, 2),
        (TWO, {"cpu.max": "50000 100000"}, 1),  # half a core is still one process
        (TWO, {"cpu.max": "max 100000"}, 16),
        (TWO, {"cpu.max": "200000 0"}, 16),
        (ONE, {"cpu,cpuacct/cpu.cfs_quota_us": "300000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 3),
        (ONE, {"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
        (ONE, {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 16),
    ],
)
def test_the_smallest_limit_of_cores_applies(tmp_path, groups, files, cores):
    found = core_limit(16, machine(tmp_path, groups, files))
    assert (found.value, found.reason) == (cores, MACHINE if cores == 16 else CONTAINER)


def test_this_machine_has_cores_and_memory(tmp_path):
    assert core_limit().value >= 1 and memory_limit().value > 0.1
    assert core_limit(root=tmp_path).value >= core_limit().value  # no control groups: all there is
