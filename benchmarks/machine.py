"""What the race ran on."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def line() -> str:
    """One line: processor, cores, memory, system, Python."""
    cpu = platform.processor() or "unknown processor"
    memory = ""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((text.partition(":")[2].strip() for text in lines if text.startswith("model name")), cpu)
        flags = next((text for text in lines if text.startswith("flags")), "")
        cpu += " (AVX-512)" if "avx512f" in flags else " (AVX2)" if "avx2" in flags else ""
        total = next(t for t in Path("/proc/meminfo").read_text().splitlines() if t.startswith("MemTotal"))
        memory = f", {int(total.split()[1]) / 2**20:.0f} GiB"
    except (OSError, StopIteration):
        pass
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count()
    return f"{cores} cores of {cpu}{memory}; {platform.system()}, Python {platform.python_version()}"


def load_average() -> float:
    """Processes that wanted a core in the last minute (nan where not known)."""
    try:
        return os.getloadavg()[0]
    except (OSError, AttributeError):
        return float("nan")
