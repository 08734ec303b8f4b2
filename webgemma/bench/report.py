"""A bench as text for people and as JSON for scripts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from webgemma.bench.measure import Bench, Rate
from webgemma.progress import format_bytes
from webgemma.table import format_table
from webgemma.version import __version__


def as_json(bench: Bench) -> dict[str, Any]:
    """Everything, for scripts: seconds, bytes, bytes and operations per second."""
    return {"tool": f"webgemma {__version__}", **asdict(bench)}


def as_text(bench: Bench) -> str:
    """Four short tables: the machine, prompts, tokens, and the kernels of a token."""
    return "\n\n".join([_machine(bench), _rates(bench), _kernels(bench), _whole(bench)])


def share_of_copy(bench: Bench, bandwidth: float) -> str:
    """A bandwidth as a share of what a plain copy reaches."""
    return f"{100 * bandwidth / bench.copy_bandwidth:.0f} %"


def _machine(bench: Bench) -> str:
    rows = [
        ("model", f"{bench.model}, variant {bench.variant}"),
        ("adapter", f"{bench.adapter} ({bench.backend})"),
        ("copy", f"{bench.copy_bandwidth / 1e9:.1f} GB/s, read and written"),
        ("multiply-add", f"{bench.multiply_add_rate / 1e9:.0f} GFLOP/s, f32"),
        ("load", f"{bench.load_seconds:.2f} s"),
        ("first token", f"{1e3 * bench.first_token_seconds:.1f} ms after a prompt of "
                        f"{min(rate.tokens for rate in bench.prefill)} tokens"),
        *((f"choice of {group}", choice) for group, choice in bench.tuning.items()),
    ]  # fmt: skip
    return format_table(rows)


def _rates(bench: Bench) -> str:
    def rows(kind: str, rates: tuple[Rate, ...]) -> list[tuple[str, ...]]:
        return [
            (kind, f"{rate.tokens:,}", f"{rate.tokens_per_second:.1f}",
             f"{1e3 * rate.seconds_per_token:.2f}", _limit(bench, kind, rate))
            for rate in rates
        ]  # fmt: skip

    header = ("", "tokens", "tokens/s", "ms each", "of the device")
    return format_table(
        [*rows("prompt of", bench.prefill), *rows("decode behind", bench.decode)],
        header=header,
        right=(1, 2, 3, 4),
    )


def _limit(bench: Bench, kind: str, rate: Rate) -> str:
    """What share of the device's arithmetic a prompt takes, or of its bandwidth a token."""
    if kind == "prompt of":
        flops = 2 * bench.num_parameters * rate.tokens_per_second
        return f"{100 * flops / bench.multiply_add_rate:.0f} % of multiply-add"
    share = share_of_copy(bench, bench.weights_nbytes * rate.tokens_per_second)
    return f"{share} of copy"


def _kernels(bench: Bench) -> str:
    rows = [
        (
            kernel.name,
            kernel.dispatches,
            f"{1e6 * kernel.seconds / kernel.dispatches:.1f}",
            f"{100 * kernel.seconds / bench.kernels_seconds:.1f} %",
            format_bytes(kernel.weights_nbytes) if kernel.weights_nbytes else "",
            f"{kernel.bandwidth / 1e9:.1f}" if kernel.weights_nbytes else "",
            share_of_copy(bench, kernel.bandwidth) if kernel.weights_nbytes else "",
        )
        for kernel in bench.kernels
    ]
    header = ("kernel of a token", "times", "us each", "share", "weights", "GB/s", "of copy")
    return format_table(rows, header=header, right=(1, 2, 3, 4, 5, 6))


def _whole(bench: Bench) -> str:
    shortest = bench.decode[0]
    ratio = shortest.seconds_per_token / bench.kernels_seconds
    return (
        f"A token reads {format_bytes(bench.weights_nbytes)} of weights. Its kernels take "
        f"{1e3 * bench.kernels_seconds:.2f} ms one by one, a whole step "
        f"{1e3 * shortest.seconds_per_token:.2f} ms: {ratio:.2f} times as long."
    )
