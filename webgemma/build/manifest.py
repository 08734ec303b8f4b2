"""What webgemma.json says of a model, as far as its checkpoint and its lowering tell.

Contract: docs/program.md.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from webgemma.architectures.lowered import Lowered
from webgemma.build.opened import OpenedModel
from webgemma.build.sizes import matrices, num_parameters, storage_nbytes
from webgemma.checkpoint import Checkpoint
from webgemma.layout import SITE_VERSION
from webgemma.runtime.options import OWN_VALUES, is_own_value
from webgemma.tokenizer import SpecialTokens
from webgemma.version import __version__


def describe(model: OpenedModel, special: SpecialTokens) -> dict[str, Any]:
    """The manifest, but for hashes, weights and chat."""
    checkpoint, lowered, counted = model.checkpoint, model.lowered, model.counted
    program = lowered.program
    return {
        "version": SITE_VERSION,
        "id": model.id,
        "name": model.name,
        "tool": f"webgemma {__version__}",
        "architecture": program.architecture,
        "source": {"name": checkpoint.path.name, "format": checkpoint.format},
        "num_parameters": num_parameters(lowered),
        "storage": describe_storage(lowered),
        "weights": {},
        "config": dict(lowered.config),
        "activation_quantization": lowered.run_quantization.activations,
        "vocab_size": program.vocab_size,
        "context": model.context,
        "limits": {
            "maxStorageBufferBindingSize": counted["largest_binding_nbytes"],
            "maxBufferSize": counted["largest_buffer_nbytes"],
        },
        "memory": {
            "weights_nbytes": counted["weights_nbytes"],
            "cache_quantization": lowered.run_quantization.cache,
            "cache_nbytes_per_token": lowered.cache_nbytes_per_token,
            "scratch_nbytes": counted["scratch_nbytes"],
        },
        "generation": generation(checkpoint, special, sees=program.image is not None),
        **({} if program.image is None else {"image": {"size": program.image["size"]}}),
    }


def describe_storage(lowered: Lowered) -> dict[str, dict[str, int]]:
    """Storage type -> how many matrices are stored so, and their bytes."""
    counts = Counter(source.matrix.storage.name for source in matrices(lowered))
    return {
        kind: {"matrices": counts[kind], "nbytes": nbytes}
        for kind, nbytes in storage_nbytes(lowered).items()
    }


def generation(
    checkpoint: Checkpoint, special: SpecialTokens, *, sees: bool = False
) -> dict[str, Any]:
    """Which tokens begin and end a text, and the model's own sampling defaults.

    A model that sees is asked where and how many: where it does not say how, its likeliest
    answer is taken, as transformers does.
    """
    settings: dict[str, Any] = {
        "bos_token_id": special.bos_token_id if special.add_bos else None,
        "stop_token_ids": special.stop_token_ids,
        **({"temperature": 0.0} if sees else {}),
    }
    own = {name: checkpoint.generation_config.get(name) for name in OWN_VALUES}
    settings |= {name: value for name, value in own.items() if is_own_value(name, value)}
    if checkpoint.generation_config.get("do_sample") is False:
        settings["temperature"] = 0.0
    prompts = checkpoint.generation_config.get("prompts")
    if isinstance(prompts, list):
        settings["prompts"] = [prompt for prompt in prompts if isinstance(prompt, str)]
    return settings
