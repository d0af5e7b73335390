"""Models that are already on this machine: nothing is ever fetched at run time."""

import os
from pathlib import Path

from memories.engine.errors import UsageError


def quiet_libraries() -> None:
    """Before the first import of anything of Hugging Face or PyTorch, which read these once."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # Threads that wait must not spin: beside a database and a web server on the same two cores a query took 190 ms
    # instead of 9, and a sixth as many chunks were embedded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def folder_of(name: str, revision: str | None = None, cache_dir: str | Path | None = None) -> Path | None:
    """A local folder, or the snapshot in the Hugging Face cache; None where the model is in neither."""
    from huggingface_hub import snapshot_download

    if Path(name).is_dir():
        return Path(name)
    try:
        return Path(snapshot_download(name, revision=revision, cache_dir=cache_dir, local_files_only=True))
    except (OSError, ValueError):  # not there, or not a name that the hub could have
        return None


def device_of(use_gpu: bool) -> str:
    import torch

    if not use_gpu:
        return "cpu"
    if not torch.accelerator.is_available():
        raise UsageError("use_gpu is set, but PyTorch sees no GPU here: set it to false.")
    return torch.accelerator.current_accelerator().type


def supports_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this processor multiplies bfloat16 natively; elsewhere it would be emulated and slower."""
    try:
        flags = cpuinfo.read_text().split()
    except OSError:
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags
