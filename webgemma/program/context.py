"""Why the context that a program takes at most may be shorter than the model's own."""

from __future__ import annotations

from webgemma.program.check import BINDING_NBYTES


def why_shorter(most: int, own: object) -> str | None:
    """Say why a program takes fewer tokens than its model; None if it takes as many.

    Args:
        most: `max_context_window_size` of the program.
        own: The model's `max_position_embeddings`, as its configuration or a manifest has it.
    """
    if not isinstance(own, int) or own <= most:
        return None
    return (
        f"at most {most:,} of the model's {own:,} tokens, for which the keys of one layer, "
        f"or rotations, fill a binding ({BINDING_NBYTES >> 20} MiB, WebGPU's default limit)"
    )
