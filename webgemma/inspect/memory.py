"""The memory of a model in the browser, by storage type and context, and the devices it fits.

All figures are sums over the buffers of the program that would run: a source is lowered for every
storage type, as `webgemma build` does it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webgemma.architectures import lower
from webgemma.architectures.run_quantization import NONE as NOT_QUANTIZED
from webgemma.architectures.run_quantization import check_run_quantization
from webgemma.architectures.weights import Quantization
from webgemma.build.opened import read_checkpoint
from webgemma.checkpoint import Checkpoint
from webgemma.errors import ConfigError, FormatError, WebGemmaError
from webgemma.inspect.devices import DEVICES
from webgemma.inspect.facts import Facts
from webgemma.inspect.program import read_program
from webgemma.layout import MANIFEST, is_site, model_folder, read_manifest
from webgemma.pack import plan_shards
from webgemma.program.check import check
from webgemma.program.context import why_shorter
from webgemma.program.memory import Memory, measure_memory, plain_variants
from webgemma.program.spec import Program
from webgemma.progress import format_bytes
from webgemma.storage.quantize import KEEP, QUANTIZERS
from webgemma.table import format_table

CONTEXTS = (1024, 4096, 8192)
"""Tokens; the model's own maximum is added."""
AS_BUILT = "as built"
NONE = "-"


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to store the model."""

    name: str
    """"keep", "as built", or what --quantization takes."""
    program: Program
    shard_nbytes: Sequence[int]
    own_context: object
    """The model's `max_position_embeddings`, if that is known."""

    @property
    def download_nbytes(self) -> int:
        """Of all shards."""
        return sum(self.shard_nbytes)

    @property
    def shorter_context(self) -> str | None:
        """Why the longest context is not the model's own, if it is not."""
        return why_shorter(self.program.max_context_window_size, self.own_context)


@dataclass(frozen=True, slots=True)
class Row:
    """The memory of a choice in one variant at one context."""

    choice: str
    variant: str
    context_window_size: int
    memory: Memory
    native: Memory
    """Natively, where one shard after another is loaded."""

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "storage": self.choice,
            "variant": self.variant,
            "context_window_size": self.context_window_size,
            "weights_nbytes": self.memory.weights_nbytes,
            "cache_nbytes": self.memory.cache_nbytes,
            "scratch_nbytes": self.memory.scratch_nbytes,
            "total_nbytes": self.memory.total_nbytes,
            "peak_nbytes": self.memory.peak_nbytes,
            "native_peak_nbytes": self.native.peak_nbytes,
        }


def estimate(
    path: Path,
    *,
    model: str | None = None,
    mmproj: Path | None = None,
    cache_quantization: str | None = None,
    context: int | None = None,
) -> Facts:
    """Estimate the memory of a source or of a site's model.

    Args:
        path: A checkpoint, a site, or the folder of one of its models.
        model: The id of a site's model; the first by default.
        mmproj: The .gguf file of a source's vision tower.
        cache_quantization: As `webgemma build` takes it, of a source; "none" by default.
        context: Tokens, in place of 1,024, 4,096, 8,192 and the model's maximum.

    Raises:
        WebGemmaError: the model cannot be read or is not supported.
        ConfigError: the model has no such context, or a site was given another cache.
    """
    refused: dict[str, str] = {}
    if is_site(path):
        choices = [_as_built(model_folder(path, model), cache_quantization)]
    else:
        choices, refused = _choices(path, mmproj, cache_quantization or NOT_QUANTIZED)
    contexts = contexts_of(choices[0], context)
    rows = [row for choice in choices for row in measure(choice, contexts)]
    own = [row for row in rows if row.choice == choices[0].name]
    variants = " / ".join(dict.fromkeys(row.variant for row in own))
    sections = [
        (f"Memory in the browser ({choices[0].name})", _own_table(own)),
        (f"Peak by storage type and context, {variants}", _type_table(choices, rows)),
        ("Longest of these contexts that fits, by device and storage type", _fits(choices, rows)),
    ]
    if shorter := choices[0].shorter_context:
        sections.insert(1, ("Longest context", shorter))
    if refused:
        sections.append(("Not possible", format_table(list(refused.items()))))
    data = {
        "download_nbytes": {choice.name: choice.download_nbytes for choice in choices},
        "memory": [row.to_json() for row in rows],
        "devices": [
            {"name": device.name, "limit_nbytes": device.limit_nbytes, "fits": fits}
            for device, fits in _longest_fits(choices, rows)
        ],
        "max_context_window_size": choices[0].program.max_context_window_size,
        "max_position_embeddings": choices[0].own_context,
        "not_possible": refused,
    }
    return Facts(tuple(sections), data)


def _as_built(folder: Path, cache_quantization: str | None) -> Choice:
    """The one choice of a site: its shards as they lie there.

    Raises:
        FormatError: the manifest or the program is broken.
        ConfigError: its caches were asked to be of a type.
    """
    if cache_quantization is not None:
        msg = (
            f"--cache-quantization: got {cache_quantization!r} for the site {folder}, expected a "
            "source. The caches of a site are as it was built."
        )
        raise ConfigError(msg)
    manifest = read_manifest(folder)
    try:
        weights, files = manifest["weights"]["path"], manifest["files"]
        shards = [
            int(entry["nbytes"])
            for name, entry in files.items()
            if name.startswith(weights) and name.endswith(".bin")
        ]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise FormatError(
            f"{folder / MANIFEST}: got no usable {error}. Build the site again."
        ) from error
    program, _ = read_program(folder)
    own_context = manifest.get("config", {}).get("max_position_embeddings")
    return Choice(AS_BUILT, program, shards, own_context)


def _choices(
    path: Path, mmproj: Path | None, cache_quantization: str
) -> tuple[list[Choice], dict[str, str]]:
    """(the ways to store a model, its own first; those that are not possible, and why).

    Raises:
        WebGemmaError: none is possible: the error of its own types.
    """
    check_run_quantization("--cache-quantization", cache_quantization)
    checkpoint = read_checkpoint(path, mmproj)
    choices: list[Choice] = []
    refused: dict[str, str] = {}
    first: WebGemmaError | None = None
    for name in (KEEP, *QUANTIZERS):
        try:
            choices.append(_choose(checkpoint, name, cache_quantization))
        except WebGemmaError as error:
            first = first or error
            refused[name] = str(error)
    if not choices and first is not None:
        raise first
    return choices, refused


def _choose(checkpoint: Checkpoint, name: str, cache_quantization: str) -> Choice:
    lowered = lower(
        checkpoint, quantization=Quantization(name, name), cache_quantization=cache_quantization
    )
    check(lowered.program, lowered.shaders)
    own_context = lowered.config.get("max_position_embeddings")
    return Choice(name, lowered.program, plan_shards(lowered.sources), own_context)


def contexts_of(choice: Choice, asked: int | None) -> tuple[int, ...]:
    """The contexts to look at.

    Raises:
        ConfigError: the model has not the one that was asked for.
    """
    most = choice.program.max_context_window_size
    if asked is None:
        return (*(context for context in CONTEXTS if context < most), most)
    if not 1 <= asked <= most:
        why = choice.shorter_context or "the model's maximum"
        msg = f"--context: got {asked}, expected 1 to {most} ({why})."
        raise ConfigError(msg)
    return (asked,)


def measure(choice: Choice, contexts: Sequence[int]) -> Iterator[Row]:
    """The memory of a choice at every context, in every variant that allocates otherwise."""
    program, shards = choice.program, choice.shard_nbytes
    for context in contexts:
        for name, variant in plain_variants(program).items():
            memory = measure_memory(program, variant, context, shards)
            native = measure_memory(program, variant, context, shards, parallel=1)
            yield Row(choice.name, name, context, memory, native)


def _own_table(rows: Sequence[Row]) -> str:
    header = ("context", "variant", "weights", "cache", "scratch", "total", "peak", "native peak")
    lines = []
    for row in rows:
        m = row.memory
        parts = (m.weights_nbytes, m.cache_nbytes, m.scratch_nbytes, m.total_nbytes)
        peaks = (m.peak_nbytes, row.native.peak_nbytes)
        sizes = map(format_bytes, (*parts, *peaks))
        lines.append((f"{row.context_window_size:,}", row.variant, *sizes))
    return format_table(lines, header=header, right=(0, 2, 3, 4, 5, 6, 7))


def _type_table(choices: Sequence[Choice], rows: Sequence[Row]) -> str:
    contexts = sorted({row.context_window_size for row in rows})
    header = ("type", "download", *(f"{context:,}" for context in contexts))
    lines = [
        (
            choice.name,
            format_bytes(choice.download_nbytes),
            *(" / ".join(_peaks(rows, choice.name, context)) for context in contexts),
        )
        for choice in choices
    ]
    return format_table(lines, header=header, right=range(1, len(header)))


def _peaks(rows: Sequence[Row], choice: str, context: int) -> list[str]:
    return [
        format_bytes(row.memory.peak_nbytes)
        for row in rows
        if (row.choice, row.context_window_size) == (choice, context)
    ]


def _fits(choices: Sequence[Choice], rows: Sequence[Row]) -> str:
    header = ("device", "for a page", *(choice.name for choice in choices))
    lines = [
        (
            device.name,
            format_bytes(device.limit_nbytes),
            *(f"{context:,}" if context else NONE for context in fits.values()),
        )
        for device, fits in _longest_fits(choices, rows)
    ]
    return format_table(lines, header=header, right=range(1, len(header)))


def _longest_fits(choices: Sequence[Choice], rows: Sequence[Row]) -> Iterator[Any]:
    """(device, {choice: the longest context that fits in every variant, or 0})."""
    for device in DEVICES:
        fits = {
            choice.name: max(
                (
                    context
                    for context, peak in _largest_peaks(rows, choice.name).items()
                    if peak <= device.limit_nbytes
                ),
                default=0,
            )
            for choice in choices
        }
        yield device, fits


def _largest_peaks(rows: Sequence[Row], choice: str) -> dict[int, int]:
    """Context -> the peak of the variant that takes most."""
    peaks: dict[int, int] = {}
    for row in rows:
        if row.choice == choice:
            known = peaks.get(row.context_window_size, 0)
            peaks[row.context_window_size] = max(known, row.memory.peak_nbytes)
    return peaks
