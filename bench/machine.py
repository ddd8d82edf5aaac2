"""What machine this is, and how much of it there is to use: what is read and what is multiplied in a second.

A limit is what a plain library call reaches on this machine now, with whatever else runs on it; a benchmark takes it in
the same rounds as what it holds against it.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import torch

Number = Literal["float32", "bfloat16", "int8"]

# Of all that a CPU can do, what decides how fast it multiplies matrices.
FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimddp", "sve")
COLUMNS = 1024  # of the matrix that is read: a row is as long as a layer is wide, or a few of them
SIDE = 1536  # of the square matrices that are multiplied: large enough that reading them does not count
LIMIT_SECONDS = 0.15  # for one measurement of a limit


@dataclass(frozen=True)
class Machine:
    """memory_gb: of the whole machine   load: processes that wanted a core in the minute before the benchmark"""

    cpu: str
    cores: int  # that this process may use
    flags: tuple[str, ...]
    memory_gb: float
    gpu: str | None
    load: float
    python: str
    torch: str
    date: str  # UTC


def machine() -> Machine:
    """This machine, as it is now."""
    facts = _cpu_facts()
    there = set(facts.get("flags", facts.get("Features", "")).split())
    return Machine(
        cpu=facts.get("model name") or platform.processor() or platform.machine(),
        cores=cores(),
        flags=tuple(flag for flag in FLAGS if flag in there),
        memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        load=round(os.getloadavg()[0], 2),
        python=platform.python_version(),
        torch=torch.__version__,
        date=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def cores() -> int:
    return len(os.sched_getaffinity(0))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Have torch use so many threads on the CPU."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def read_rate(size: int, device: torch.device) -> float:
    """Bytes a second that a product of a matrix of `size` bytes with a vector reads, from wherever they then lie.

    Of ways to read without writing (sum, maximum, dot product) it was the fastest, and it is what a step does.
    """
    matrix = torch.ones(max(1, size // 4 // COLUMNS), COLUMNS, device=device)
    vector = torch.ones(COLUMNS, device=device)
    return 4 * matrix.numel() / fastest(lambda: matrix @ vector, device)


def matrix_rate(number: Number, device: torch.device) -> float:
    """Operations a second, two for a multiplication and its addition, of a product of square matrices."""
    if number == "int8":
        integers = torch.ones(SIDE, SIDE, dtype=torch.int8, device=device)
        # The one product of int8 matrices that torch has; it has no public name.
        return 2 * SIDE**3 / fastest(lambda: torch._int_mm(integers, integers), device)
    square = torch.ones(SIDE, SIDE, dtype=getattr(torch, number), device=device)
    return 2 * SIDE**3 / fastest(lambda: square @ square, device)


def numbers_multiplied(described: Machine, device: torch.device) -> tuple[Number, ...]:
    """What this machine has instructions for; the rest it would only imitate."""
    flags = set(described.flags)
    there: list[Number] = ["float32"]
    if device.type == "cuda" or flags & {"avx512_bf16", "amx_bf16"}:
        there.append("bfloat16")
    if device.type == "cuda" or flags & {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp"}:
        there.append("int8")
    return tuple(there)


def fastest(work: Callable[[], object], device: torch.device, seconds: float = LIMIT_SECONDS) -> float:
    """The shortest time that `work` took, tried for some seconds: what others take of the machine is left out."""
    shortest = float("inf")
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        began = time.perf_counter()
        work()
        synchronise(device)
        shortest = min(shortest, time.perf_counter() - began)
    return shortest


def synchronise(device: torch.device) -> None:
    """Wait for what a GPU has been told to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def resident_mb(pid: int, peak: bool = False) -> float:
    """Memory of a process: what is resident now, or at most since it began. In MiB; Linux only."""
    name = "VmHWM" if peak else "VmRSS"
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def _cpu_facts() -> dict[str, str]:
    """The first processor of /proc/cpuinfo; empty where there is none, as on macOS."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return {}
    first, _, _ = path.read_text().partition("\n\n")
    return {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in first.splitlines())}
