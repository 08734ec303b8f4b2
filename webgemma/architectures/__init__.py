"""One file per model family; the file's name is the model_type of its configuration."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from webgemma.architectures import gemma, gemma2, gemma3, llama, paligemma, qwen3
from webgemma.architectures.lowered import Lowered
from webgemma.architectures.run_quantization import RunQuantization
from webgemma.architectures.weights import Quantization
from webgemma.checkpoint import Checkpoint
from webgemma.errors import UnsupportedError

AS_IS = Quantization()
ARCHITECTURES: Mapping[str, Callable[[Checkpoint, Mapping[str, Any]], Lowered]] = {
    "gemma": gemma.build_program,
    "gemma2": gemma2.build_program,
    "gemma3": gemma3.build_program,
    "gemma3_text": gemma3.build_program,
    "llama": llama.build_program,
    "paligemma": paligemma.build_program,
    "qwen3": qwen3.build_program,
}


def lower(
    checkpoint: Checkpoint,
    *,
    quantization: Quantization = AS_IS,
    cache_quantization: str = "none",
    activation_quantization: str = "none",
) -> Lowered:
    """Lower a checkpoint to a program.

    Raises:
        UnsupportedError: its architecture, or something in it, is not known.
        FormatError: a tensor or a key is missing or of the wrong shape.
    """
    if checkpoint.architecture not in ARCHITECTURES:
        msg = (
            f"{checkpoint.path}: architecture {checkpoint.architecture!r} is not supported "
            f"(have {', '.join(ARCHITECTURES)})."
        )
        raise UnsupportedError(msg)
    run_quantization = RunQuantization(cache_quantization, activation_quantization)
    options = {"quantization": quantization, "run_quantization": run_quantization}
    return ARCHITECTURES[checkpoint.architecture](checkpoint, options)
