"""Any checkpoint becomes an MLC folder: weights, mlc-chat-config.json and tokenizer."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webgemma.architectures import lower
from webgemma.architectures.weights import FLOATS
from webgemma.chat import chat_data
from webgemma.checkpoint import Checkpoint
from webgemma.errors import UnsupportedError
from webgemma.mlc.cache import CacheWriter
from webgemma.mlc.chat_config import Chat, chat_config
from webgemma.mlc.encode import encode, plan
from webgemma.mlc.folder import CONFIG_NAME, check_may_write, to_json, write_file
from webgemma.mlc.model_config import model_config, model_numbers
from webgemma.mlc.parameters import Parameter, family_of, parameters
from webgemma.mlc.schemes import Scheme, scheme_of
from webgemma.progress import Progress, no_progress
from webgemma.sources import open_checkpoint
from webgemma.staging import Staging, check_room
from webgemma.tokenizer import Tokenizer, make_tokenizer_json, special_tokens

DEFAULT_QUANTIZATION = "q4f16_1"


@dataclass(frozen=True, slots=True)
class MlcReport:
    """What a conversion made."""

    path: Path
    architecture: str
    quantization: str
    num_parameters: int
    source_nbytes: int
    weights_nbytes: int
    num_tensors: int
    num_shards: int
    num_files: int
    duration_s: float
    warnings: list[str]
    """What the user should know of it, a sentence or two each."""


def convert_to_mlc(
    source: str | Path,
    out: str | Path,
    *,
    quantization: str = DEFAULT_QUANTIZATION,
    chat_template: str | None = None,
    force: bool = False,
    progress: Progress = no_progress,
) -> MlcReport:
    """Write a checkpoint as a folder that MLC and WebLLM load with their own compiled library.

    Args:
        source: A .gguf file, a Hugging Face folder or an MLC folder.
        out: The folder; it appears complete, or not at all.
        quantization: One of MLC's names, see webgemma.mlc.schemes.SCHEMES.
        chat_template: "gemma", "none" or a jinja file, in place of the source's own template.
        force: Replace MLC weights that are there.
        progress: Told of the stages reading and packing.

    Raises:
        WebGemmaError: something is wrong with the source, the request or the disk.
    """
    started = time.perf_counter()
    path = Path(out).resolve()
    scheme = scheme_of(quantization)
    check_may_write(path, force=force)
    progress("reading", 0, 1)
    checkpoint = open_checkpoint(Path(source))
    family = family_of(checkpoint)
    lower(checkpoint)  # it takes every key and tensor, or says what is wrong
    checkpoint = family.text_of(checkpoint)
    numbers = model_numbers(checkpoint)
    found = list(parameters(checkpoint, numbers))
    files, warnings = _other_files(checkpoint, scheme, numbers, chat_template)
    check_room(path, sum(record.nbytes for p in found for record in plan(p, scheme)))
    progress("reading", 1, 1)
    staging = Staging(path)
    try:
        staging.create()
        writer = _write_weights(staging, found, scheme, progress)
        for name, data in files.items():
            write_file(staging.folder, name, data, shown=path)
        names = writer.finish(sum(parameter.size for parameter in found))
        staging.publish()
    finally:
        staging.discard()
    return MlcReport(
        path=path,
        architecture=checkpoint.architecture,
        quantization=quantization,
        num_parameters=sum(parameter.size for parameter in found),
        source_nbytes=sum(file.stat().st_size for file in checkpoint.files),
        weights_nbytes=sum(shard["nbytes"] for shard in writer.shards),
        num_tensors=sum(len(shard["records"]) for shard in writer.shards),
        num_shards=len(writer.shards),
        num_files=len(files) + len(names) + len(writer.shards),
        duration_s=time.perf_counter() - started,
        warnings=[*warnings, *quantized_already(found)],
    )


def _write_weights(
    staging: Staging, found: Sequence[Parameter], scheme: Scheme, progress: Progress
) -> CacheWriter:
    """Write all shards but the open one."""
    total = sum(part.nbytes for parameter in found for part in parameter.parts)
    done = 0

    def advance(nbytes: int) -> None:
        nonlocal done
        done += nbytes
        progress("packing", min(done, total), total)

    writer = CacheWriter(staging.folder, staging.final)
    for parameter in found:
        encode(parameter, scheme, writer, advance)
    progress("packing", total, total)
    return writer


def _other_files(
    checkpoint: Checkpoint,
    scheme: Scheme,
    numbers: Mapping[str, Any],
    chat_template: str | None,
) -> tuple[dict[str, bytes], list[str]]:
    """(everything but the weights, by name; what to warn of)."""
    source = checkpoint.tokenizer
    document = make_tokenizer_json(source)
    tokenizer = Tokenizer.from_json(document)
    special = special_tokens(checkpoint, tokenizer)
    warnings = []
    try:
        data = chat_data(checkpoint.chat_template, tokenizer, special=special, option=chat_template)
    except UnsupportedError as error:
        if chat_template is not None:
            raise
        data, warnings = None, [f"The conversation is plain text: {error}"]
    files = {"tokenizer.json": source.tokenizer_json or document}
    if source.sentencepiece is not None:
        files = {"tokenizer.model": source.sentencepiece} | files
    config = dict(source.config)
    if chat_template is None and checkpoint.chat_template is not None:
        config["chat_template"] = checkpoint.chat_template
    if config:
        files["tokenizer_config.json"] = to_json(config)
    model_type = family_of(checkpoint).model_type
    described = chat_config(
        checkpoint,
        model_type=model_type,
        quantization=scheme.name,
        model_config=model_config(model_type, dict(numbers)),
        chat=Chat(data, tokenizer, special),
        tokenizer_files=list(files),
        tokenizer_document=json.loads(document),
    )
    return files | {CONFIG_NAME: to_json(described)} | dict(checkpoint.licence_files), warnings


def quantized_already(found: Sequence[Parameter]) -> list[str]:
    """A warning if matrices of the source are not floats."""
    kinds = Counter(part.type for p in found for part in p.parts if part.type not in FLOATS)
    if not kinds:
        return []
    counts = ", ".join(f"{count} of {kind}" for kind, count in sorted(kinds.items()))
    return [
        f"{sum(kinds.values())} tensors were quantized already ({counts}): what is written holds "
        "their error too. Convert from F16 or BF16 weights if there are any."
    ]
