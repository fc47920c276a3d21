"""What this machine is, and the numeric settings that suit it."""

import importlib.metadata
import os
import pathlib
import platform

import keras
from absl import logging


def resolve_mixed_precision(setting: str) -> str:
    """Turns "auto" into a dtype policy.

    A GPU gets mixed_float16, which every GPU since 2017 computes fast (bfloat16 needs one since
    2020). A CPU gets mixed_bfloat16 where it has instructions for it, AVX512-BF16 or AMX, which
    about doubles the speed; elsewhere bfloat16 is emulated and ten times slower than float32.
    """
    if setting != "auto":
        return setting
    if gpu_names():
        choice, reason = "mixed_float16", "there is a GPU"
    elif {"avx512_bf16", "amx_bf16"} & cpu_features():
        choice, reason = "mixed_bfloat16", "the CPU has bfloat16 instructions"
    else:
        choice, reason = "float32", "the CPU has no bfloat16 instructions"
    logging.info("mixed_precision=auto: %s, since %s.", choice, reason)
    return choice


def resolve_xla(setting: str) -> bool:
    """Turns "auto" into whether to compile with XLA: on a GPU, not on a CPU.

    On a CPU, XLA replaces oneDNN's convolutions by slower ones.
    """
    if setting != "auto":
        return setting == "on"
    choice = bool(gpu_names())
    logging.info("xla=auto: %s, since there is %s.", choice, "a GPU" if choice else "no GPU")
    return choice


def gpu_names() -> list[str]:
    """Returns the GPUs that Keras sees."""
    return keras.distribution.list_devices("gpu")


def cpu_features() -> set[str]:
    """Instruction sets of the CPU; empty where the system does not tell (not Linux)."""
    lines = (line for line in _cpu_info() if line.startswith(("flags", "Features")))
    return set(" ".join(lines).split())


def describe() -> dict:
    """Versions and devices, for `environment.json`."""
    packages = ("tensorflow", "keras", "tensorflow-datasets", "numpy")
    return {
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in packages},
        "backend": keras.backend.backend(),
        "system": platform.platform(),
        "cpu": _cpu_name(),
        "cpu_cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "gpus": ", ".join(gpu_names()) or "none",
    }


def _cpu_name() -> str:
    names = (
        line.partition(":")[2].strip() for line in _cpu_info() if line.startswith("model name")
    )
    return next(names, platform.processor())


def _cpu_info() -> list[str]:
    """Returns the lines in which Linux describes its processors; none on another system."""
    try:
        return pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return []
