"""Writes a lowered checkpoint as the folder of one model: weights, program, shaders, language."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from webgemma.architectures.lowered import Lowered
from webgemma.build.language import read_language
from webgemma.build.manifest import describe
from webgemma.build.opened import OpenedModel
from webgemma.build.sizes import num_parameters, weights_nbytes
from webgemma.checkpoint import Checkpoint
from webgemma.errors import ConfigError
from webgemma.layout import SELF_TEST, SELF_TEST_DATA
from webgemma.pack import pack
from webgemma.progress import Progress
from webgemma.self_test import make_self_test
from webgemma.site import ModelWriter, SiteWriter
from webgemma.sources import read_samples, samples_beside
from webgemma.sources.hashes import hash_files
from webgemma.storage.shards import ShardWriter


def write_model(site: SiteWriter, opened: OpenedModel, progress: Progress) -> ModelWriter:
    """Write one model's folder."""
    checkpoint, lowered, request = opened.checkpoint, opened.lowered, opened.request
    language = read_language(checkpoint, lowered.program.vocab_size, request.chat_template)
    manifest = describe(opened, language.tokenizer)
    pictures = read_pictures(checkpoint, lowered, request.samples)
    head_nbytes = stage_nbytes(opened)["reading"]
    progress("reading", head_nbytes, head_nbytes)
    model = site.model(opened.id, name=opened.name)
    manifest["source"]["sha256"] = hash_files(checkpoint, progress)
    manifest["weights"] = write_weights(model, lowered, progress)
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


def stage_nbytes(opened: OpenedModel) -> dict[str, int]:
    """Stage -> bytes that it has to go through: of all that is no tensor, of matrices, of files."""
    checkpoint = opened.checkpoint
    source = sum(path.stat().st_size for path in checkpoint.files)
    return {
        "reading": source - sum(tensor.nbytes for tensor in checkpoint.tensors.values()),
        "packing": weights_nbytes(opened.lowered),
        "hashing": source,
    }


def read_pictures(
    checkpoint: Checkpoint, lowered: Lowered, asked: str | Path | None
) -> dict[str, bytes]:
    """Read the sample pictures of a model that sees: path in the model's folder -> bytes.

    Raises:
        WebGemmaError: one of them is no picture for a page, or the model does not see.
    """
    sees = lowered.program.image is not None
    if asked is not None and not sees:
        msg = (
            f"--samples {asked}: got sample pictures for {checkpoint.architecture}, which takes "
            "text only, expected none. Leave --samples out."
        )
        raise ConfigError(msg)
    folder = samples_beside(checkpoint.path) if asked is None else Path(asked)
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


def write_weights(model: ModelWriter, lowered: Lowered, progress: Progress) -> dict[str, Any]:
    """Write the tensor cache; its folder is named by the hash of what is in it."""
    total = weights_nbytes(lowered)
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
