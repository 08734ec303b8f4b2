"""The pipeline: open, lower, check, write the model's folder, and around it the site."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from webgemma.architectures import lower
from webgemma.architectures.lowered import Lowered
from webgemma.architectures.views import num_weights
from webgemma.architectures.weights import MatrixSource, Quantization
from webgemma.chat import ChatData, chat_data
from webgemma.checkpoint import Checkpoint
from webgemma.errors import ConfigError, FormatError
from webgemma.layout import SELF_TEST, SELF_TEST_DATA
from webgemma.pack import pack
from webgemma.program.check import check, summarize
from webgemma.program.context import why_shorter
from webgemma.progress import Progress, no_progress
from webgemma.runtime.options import OWN_VALUES, is_own_value
from webgemma.self_test import make_self_test
from webgemma.site import ModelWriter, SiteWriter
from webgemma.sources import join_mmproj, open_checkpoint, read_samples, samples_beside
from webgemma.sources.hashes import hash_files
from webgemma.storage.quantize import KEEP, check_quantization
from webgemma.storage.shards import ShardWriter
from webgemma.tokenizer import Tokenizer, make_tokenizer_json, special_tokens
from webgemma.version import __version__

DEFAULT_CONTEXT = 4096
PADDING_ROWS = 512  # rows by which an embedding may exceed its vocabulary (Qwen 3 pads by 267)


@dataclass(frozen=True, slots=True)
class SiteReport:
    """What a build made."""

    path: Path
    model_id: str
    name: str
    num_parameters: int
    source_nbytes: int
    weights_nbytes: int
    num_shards: int
    num_files: int
    duration_s: float
    context: dict[str, int]
    """Tokens: the page's "default", and "max", the most it takes."""
    storage: dict[str, int]
    """Storage type -> bytes."""
    program: dict[str, Any]
    """What the checker counted: dispatches per layer, the largest binding, ..."""
    warnings: list[str]
    """What the user should know of this build, a sentence or two each."""


@dataclass(frozen=True, slots=True)
class Language:
    """How a model reads and writes."""

    tokenizer_json: bytes
    tokenizer: Tokenizer
    chat: ChatData | None
    """The chat template as data: docs/chat.md."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a model is to be built; the arguments of `build_site`."""

    quantization: Quantization
    model_id: str | None
    name: str | None
    chat_template: str | None
    context_window_size: int | None
    samples: Path | None
    progress: Progress


def build_site(
    source: str | Path,
    out: str | Path,
    *,
    mmproj: str | Path | None = None,
    quantization: str = KEEP,
    embedding_quantization: str | None = None,
    model_id: str | None = None,
    name: str | None = None,
    chat_template: str | None = None,
    context_window_size: int | None = None,
    samples: str | Path | None = None,
    host: str = "any",
    weights_url: str | None = None,
    force: bool = False,
    progress: Progress = no_progress,
) -> SiteReport:
    """Package a checkpoint as a static site that runs it in the browser.

    Args:
        source: A .gguf file, a Hugging Face folder or an MLC folder.
        out: The site's folder; it appears complete, or not at all.
        mmproj: The .gguf file of the vision tower that belongs to a .gguf file of a text.
        quantization: "keep" the source's own codes, or make all matrices of one type
            (storage.quantize.QUANTIZERS).
        embedding_quantization: The same for the embedding and an output matrix of its own; as
            `quantization` by default.
        model_id: The model's folder in the site; made from its name by default.
        name: What people call it.
        chat_template: "gemma", "none" or a jinja file, in place of the source's own template.
        context_window_size: The context the page allocates by default.
        samples: A folder of PNG files that the page offers to a model that sees; by default
            `samples` in the source's folder.
        host: A static host whose limits the site must keep (webgemma.hosts).
        weights_url: Where the weights will lie, if not in the site: they are written into a
            folder beside it, for uploading there.
        force: Replace a site that is there.
        progress: Told of the stages reading, packing and hashing.

    Raises:
        WebGemmaError: something is wrong with the source, the request or the disk.
    """
    started = time.perf_counter()
    asked = ask_quantization(quantization, embedding_quantization)
    tower, pictures = (None if path is None else Path(path) for path in (mmproj, samples))
    options = Options(asked, model_id, name, chat_template, context_window_size, pictures, progress)
    checkpoint = read_checkpoint(Path(source), progress, tower)
    lowered = lower(checkpoint, quantization=asked)
    program = summarize(check(lowered.program, lowered.shaders))
    nbytes = sum(s.matrix.nbytes for s in matrices(lowered))
    with SiteWriter(
        out, force=force, host=host, weights_url=weights_url, expected_nbytes=nbytes
    ) as site:
        model = write_model(site, checkpoint, lowered, program, options)
    folder = tuple(model.hashed_folders)  # of the weights
    shards = [
        entry["nbytes"]
        for path, entry in model.files.items()
        if path.startswith(folder) and path.endswith(".bin")
    ]
    return SiteReport(
        path=site.path,
        model_id=model.id,
        name=model.name,
        num_parameters=num_parameters(lowered),
        source_nbytes=sum(path.stat().st_size for path in checkpoint.files),
        weights_nbytes=sum(shards),
        num_shards=len(shards),
        num_files=len(model.files),
        duration_s=time.perf_counter() - started,
        context=choose_context(lowered, context_window_size),
        storage=storage_nbytes(lowered),
        program=program,
        warnings=warnings(lowered),
    )


def ask_quantization(layers: str, embedding: str | None) -> Quantization:
    """The storage types asked for.

    Raises:
        ConfigError: one is neither "keep" nor a type that can be made.
    """
    check_quantization("--quantization", layers)
    if embedding is not None:
        check_quantization("--embedding-quantization", embedding)
    return Quantization(layers, layers if embedding is None else embedding)


def warnings(lowered: Lowered) -> list[str]:
    """What the user should know of a build."""
    found = []
    if shorter := shorter_context(lowered):
        found.append(f"The context is {shorter}.")
    if not lowered.requantized:
        return found
    counts = ", ".join(f"{count} of {kind}" for kind, count in lowered.requantized.items())
    return [
        *found,
        f"{sum(lowered.requantized.values())} tensors were quantized already ({counts}): "
        "quantizing them again adds to their error. Build from F16 or BF16 weights, or keep "
        "the file's own types.",
    ]


def shorter_context(lowered: Lowered) -> str | None:
    """Why the context is shorter than the model's own, if it is."""
    own = lowered.config.get("max_position_embeddings")
    return why_shorter(lowered.program.max_context_window_size, own)


def choose_context(lowered: Lowered, asked: int | None) -> dict[str, int]:
    """The context that the page allocates by default, and the most it takes.

    Raises:
        ConfigError: more was asked for, or nothing.
    """
    most = lowered.program.max_context_window_size
    chosen = min(DEFAULT_CONTEXT, most) if asked is None else asked
    if not 1 <= chosen <= most:
        why = shorter_context(lowered) or "the model's maximum"
        raise ConfigError(f"--context-window-size: got {chosen}, expected 1 to {most} ({why}).")
    return {"default": chosen, "max": most}


def read_checkpoint(source: Path, progress: Progress, mmproj: Path | None = None) -> Checkpoint:
    """Open the source; its tensors are read later, while they are packed."""
    progress("reading", 0, 1)
    checkpoint = open_checkpoint(source)
    if mmproj is not None:
        checkpoint = join_mmproj(checkpoint, mmproj)
    progress("reading", 0, head_nbytes(checkpoint))
    return checkpoint


def head_nbytes(checkpoint: Checkpoint) -> int:
    """Bytes of the source files that are no tensors: configuration, vocabulary, descriptions."""
    nbytes = sum(path.stat().st_size for path in checkpoint.files)
    return nbytes - sum(tensor.nbytes for tensor in checkpoint.tensors.values())


def write_model(
    site: SiteWriter,
    checkpoint: Checkpoint,
    lowered: Lowered,
    report: Mapping[str, Any],
    options: Options,
) -> ModelWriter:
    """Write one model's folder; `report` is what the checker counted."""
    language = read_language(checkpoint, lowered.program.vocab_size, options.chat_template)
    manifest = describe(checkpoint, lowered, language.tokenizer, report, options)
    pictures = read_pictures(checkpoint, lowered, options.samples)
    options.progress("reading", head_nbytes(checkpoint), head_nbytes(checkpoint))
    model = site.model(manifest["id"], name=manifest["name"])
    manifest["source"]["sha256"] = hash_files(checkpoint, options.progress)
    manifest["weights"] = write_weights(model, lowered, options.progress)
    model.add_json("program.json", lowered.program.to_json())
    for file, text in sorted(lowered.shaders.items()):
        model.add_bytes(file, text.encode())
    write_self_test(model, lowered)
    model.add_bytes("tokenizer.json", language.tokenizer_json)
    for file, data in sorted(checkpoint.licence_files.items()):
        model.add_bytes(file, data)
    if pictures:
        manifest["samples"] = list(pictures)
    for file, data in pictures.items():
        model.add_bytes(file, data)
    model.finish({**manifest, "chat": language.chat})
    return model


def read_pictures(
    checkpoint: Checkpoint, lowered: Lowered, folder: Path | None
) -> dict[str, bytes]:
    """Read the sample pictures of a model that sees: path in the model's folder -> bytes.

    Raises:
        WebGemmaError: one of them is no picture for a page, or the model does not see.
    """
    sees = lowered.program.image is not None
    if folder is not None and not sees:
        msg = (
            f"--samples {folder}: got sample pictures for {checkpoint.architecture}, which takes "
            "text only, expected none. Leave --samples out."
        )
        raise ConfigError(msg)
    folder = folder or samples_beside(checkpoint.path)
    if folder is None or not sees:
        return {}
    return {f"samples/{name}": data for name, data in read_samples(folder).items()}


def write_self_test(model: ModelWriter, lowered: Lowered) -> None:
    """Write what the runners try a GPU with before they fetch weights."""
    test = make_self_test(lowered.sources)
    model.add_json(SELF_TEST, test.to_json())
    model.add_bytes(SELF_TEST_DATA, test.data)
    for file, text in sorted(test.shaders.items()):
        model.add_bytes(file, text.encode())


def read_language(checkpoint: Checkpoint, rows: int, chat_template: str | None = None) -> Language:
    """Read a model's tokenizer and chat template.

    Args:
        checkpoint: The source.
        rows: Of the embedding.
        chat_template: In place of the source's own, as in `build_site`.

    Raises:
        WebGemmaError: one of them is broken or not supported.
    """
    tokenizer_json = make_tokenizer_json(checkpoint.tokenizer)
    tokenizer = Tokenizer.from_json(tokenizer_json)
    check_vocabulary(checkpoint, tokenizer.vocab_size, rows)
    special = special_tokens(checkpoint, tokenizer)
    chat = chat_data(checkpoint.chat_template, tokenizer, special=special, option=chat_template)
    return Language(tokenizer_json, tokenizer, chat)


def write_weights(model: ModelWriter, lowered: Lowered, progress: Progress) -> dict[str, Any]:
    """Write the tensor cache; its folder is named by the hash of what is in it."""
    total = sum(s.matrix.nbytes for s in matrices(lowered))
    done = 0

    def advance(nbytes: int) -> None:
        nonlocal done
        done += nbytes
        progress("packing", min(done, total), total)

    writer = ShardWriter(lambda file: model.open(f"weights/{file}"))
    pack(lowered.sources, writer, advance)
    progress("packing", total, total)
    model.add_json("weights/ndarray-cache.json", writer.contents(num_parameters(lowered)))
    folder = f"weights-{model.digest('weights')}"
    model.rename_folder("weights", folder)
    return {"path": f"{folder}/", "nbytes": writer.nbytes, "num_shards": len(writer.shards)}


def describe(
    checkpoint: Checkpoint,
    lowered: Lowered,
    tokenizer: Tokenizer,
    report: Mapping[str, Any],
    options: Options,
) -> dict[str, Any]:
    """The manifest, but for hashes, weights and chat."""
    program = lowered.program
    name = options.name or checkpoint.name or checkpoint.path.stem
    sizes = storage_nbytes(lowered)
    return {
        "version": 1,
        "id": options.model_id or slug(name),
        "name": name,
        "tool": f"webgemma {__version__}",
        "architecture": program.architecture,
        "source": {"name": checkpoint.path.name, "format": checkpoint.format},
        "num_parameters": num_parameters(lowered),
        "storage": {
            kind: {"matrices": count, "nbytes": sizes[kind]}
            for kind, count in sorted(
                Counter(s.matrix.storage.name for s in matrices(lowered)).items()
            )
        },
        "weights": {},
        "config": dict(lowered.config),
        "vocab_size": program.vocab_size,
        "context": choose_context(lowered, options.context_window_size),
        "limits": {
            "maxStorageBufferBindingSize": report["largest_binding_nbytes"],
            "maxBufferSize": report["largest_buffer_nbytes"],
        },
        "memory": {
            "weights_nbytes": report["weights_nbytes"],
            "cache_nbytes_per_token": lowered.cache_nbytes_per_token,
            "scratch_nbytes": report["scratch_nbytes"],
        },
        "generation": generation(checkpoint, tokenizer, sees=program.image is not None),
        **({} if program.image is None else {"image": {"size": program.image["size"]}}),
    }


def generation(
    checkpoint: Checkpoint, tokenizer: Tokenizer, *, sees: bool = False
) -> dict[str, Any]:
    """Which tokens begin and end a text, and the model's own sampling defaults.

    A model that sees is asked where and how many: where it does not say how, its likeliest
    answer is taken, as transformers does.
    """
    special = special_tokens(checkpoint, tokenizer)
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


def check_vocabulary(checkpoint: Checkpoint, tokens: int, rows: int) -> None:
    """Compare the tokenizer with the embedding.

    Raises:
        FormatError: the embedding has fewer rows than the vocabulary tokens, or far more.
    """
    if not tokens <= rows <= tokens + PADDING_ROWS:
        msg = (
            f"{checkpoint.path}: got a vocabulary of {tokens:,} tokens, expected {rows:,} as the "
            f"embedding has rows (or up to {PADDING_ROWS} fewer). The tokenizer "
            "belongs to another model."
        )
        raise FormatError(msg)


def matrices(lowered: Lowered) -> list[MatrixSource]:
    """The matrices among the sources."""
    return [source for source in lowered.sources if isinstance(source, MatrixSource)]


def num_parameters(lowered: Lowered) -> int:
    """Weights of all matrices and vectors, as the source has them."""
    vectors = (num_weights(s.tensor) for s in lowered.sources if not isinstance(s, MatrixSource))
    parts = (part for source in matrices(lowered) for part in source.parts)
    return sum(vectors) + sum(
        num_weights(part.tensor) // part.tensor.shape[0] * (part.stop - part.start)
        for part in parts
    )


def storage_nbytes(lowered: Lowered) -> dict[str, int]:
    """Storage type -> bytes of all its matrices."""
    sizes: dict[str, int] = {}
    for source in matrices(lowered):
        kind = source.matrix.storage.name
        sizes[kind] = sizes.get(kind, 0) + source.matrix.nbytes
    return dict(sorted(sizes.items()))


def slug(name: str) -> str:
    """A model's id from its name: lower case, dashes, at most 64 characters."""
    cleaned = re.sub(r"[^a-z0-9._]+", "-", name.lower()).strip("-._")
    return cleaned[:64].rstrip("-._") or "model"
