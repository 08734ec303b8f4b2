"""Writes a lowered checkpoint as the folder of one model: weights, program, shaders, language."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from webgemma.architectures.lowered import Lowered
from webgemma.build.begun import Begun, begin
from webgemma.build.beside import Beside
from webgemma.build.manifest import describe
from webgemma.build.opened import OpenedModel
from webgemma.build.sizes import num_parameters, weights_nbytes
from webgemma.checkpoint import Checkpoint
from webgemma.errors import ConfigError
from webgemma.language import Language, check_vocabulary, read_language
from webgemma.layout import PROGRAM, SELF_TEST, SELF_TEST_DATA, TENSOR_CACHE
from webgemma.pack import pack
from webgemma.self_test import make_self_test
from webgemma.site import HashingFile, ModelWriter, SiteWriter
from webgemma.sources import read_samples, samples_beside
from webgemma.storage.layout import SHARD_NBYTES


def write_model(site: SiteWriter, opened: OpenedModel, beside: Beside) -> ModelWriter:
    """Write one model's folder.

    Three things take long, and go side by side: packing the weights, hashing the source, and
    reading a large vocabulary.
    """
    checkpoint, lowered = opened.checkpoint, opened.lowered
    pictures = read_pictures(checkpoint, lowered, opened.request.samples)
    model = site.model(opened.id, name=opened.name)
    begun = opened.begun or begin(checkpoint, opened.request, beside)
    language = start_language(opened, begun, beside)
    write_program(model, lowered)
    for file, data in {**checkpoint.licence_files, **pictures}.items():
        model.add_bytes(file, data)
    weights = write_weights(model, lowered, beside)
    described = describe(opened, language.result().special)
    model.add_bytes("tokenizer.json", language.result().tokenizer_json)
    sha256 = begun.hashes.result()
    source_nbytes = stage_nbytes(opened)["hashing"]
    beside.progress("hashing", source_nbytes, source_nbytes)
    model.finish(
        {
            **described,
            "source": {**described["source"], "sha256": sha256},
            "weights": weights,
            **({"samples": list(pictures)} if pictures else {}),
            "chat": language.result().chat,
        }
    )
    return model


def start_language(opened: OpenedModel, begun: Begun, beside: Beside) -> Future[Language]:
    """Check the model's language, a large one when it is read; a small one is read at once."""
    checkpoint, template = opened.checkpoint, opened.request.chat_template
    nbytes = stage_nbytes(opened)["reading"]

    def checked(language: Language) -> Language:
        check_vocabulary(checkpoint, language, opened.lowered.program.vocab_size)
        beside.progress("reading", nbytes, nbytes)
        return language

    large = begun.language
    if large is not None:
        return beside.start(lambda: checked(large.result()))
    done: Future[Language] = Future()
    done.set_result(checked(read_language(checkpoint, template)))
    return done


def write_program(model: ModelWriter, lowered: Lowered) -> None:
    """Write the program, its shaders, and what the runners try a GPU with beforehand."""
    model.add_json(PROGRAM, lowered.program.to_json())
    test = make_self_test(lowered.sources, lowered.run_quantization)
    model.add_json(SELF_TEST, test.to_json())
    model.add_bytes(SELF_TEST_DATA, test.data)
    for file, text in {**lowered.shaders, **test.shaders}.items():
        model.add_bytes(file, text.encode())


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


def write_weights(model: ModelWriter, lowered: Lowered, beside: Beside) -> dict[str, Any]:
    """Write the tensor cache; its folder is named by the hash of what is in it."""
    total = weights_nbytes(lowered)
    done = 0
    lock = threading.Lock()

    def advance(nbytes: int) -> None:
        nonlocal done
        with lock:
            done += nbytes
            beside.progress("packing", min(done, total), total)
        beside.check()

    def open_shard(name: str) -> AbstractContextManager[HashingFile]:
        return model.open(f"weights/{name}", direct=True)

    plan = pack(lowered.sources, open_shard, advance, shard_nbytes=SHARD_NBYTES)
    beside.progress("packing", total, total)
    model.add_json(f"weights/{TENSOR_CACHE}", plan.contents(num_parameters(lowered)))
    folder = f"weights-{model.digest('weights')}"
    model.rename_folder("weights", folder)
    return {"path": f"{folder}/", "nbytes": plan.nbytes, "num_shards": len(plan.shards)}
