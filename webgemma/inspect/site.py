"""What a site's model is and how it was built, by its manifest, tensor cache and program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from webgemma.errors import FormatError, WebGemmaError
from webgemma.inspect.facts import Facts
from webgemma.inspect.model import licence_row, model_rows
from webgemma.inspect.program import read_program, run_rows
from webgemma.inspect.tensors import TensorRow, tensor_data, tensor_sections
from webgemma.layout import (
    INDEX,
    MANIFEST,
    TENSOR_CACHE,
    find_file,
    find_model,
    model_folder,
    read_index,
    read_json,
    read_manifest,
)
from webgemma.program.check import check, summarize
from webgemma.progress import format_bytes
from webgemma.sources.licences import is_document
from webgemma.table import format_table


def describe_site(path: Path, model: str | None = None) -> Facts:
    """Describe a site's model: the manifest, the tensors, and whether its program passes the check.

    Of a site with several models, of which none is named, all are listed instead.

    Raises:
        FormatError: the manifest or the tensor cache is broken.
    """
    if model is None and (path / INDEX).is_file() and len(read_index(path)) > 1:
        return _describe_models(path)
    folder = model_folder(path, model)
    manifest = read_manifest(folder)
    try:
        tensors = list(_tensors(folder, manifest))
        own_context = manifest.get("config", {}).get("max_position_embeddings")
        runs, report = _runs(folder, own_context)
        sections = (
            *_manifest_sections(manifest),
            ("Will it run?", format_table(runs)),
            *tensor_sections(tensors),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise FormatError(
            f"{folder / MANIFEST}: got no usable {error}. Build the site again."
        ) from error
    return Facts(sections, {**manifest, "run": report, **tensor_data(tensors)})


def _describe_models(site: Path) -> Facts:
    """List the models of a site."""
    manifests = [read_manifest(find_model(site, entry["id"])) for entry in read_index(site)]
    data = [
        {
            **{key: manifest[key] for key in ("id", "name", "architecture", "num_parameters")},
            "weights_nbytes": manifest["weights"]["nbytes"],
        }
        for manifest in manifests
    ]
    table = format_table(
        [
            (
                each["id"],
                each["name"],
                each["architecture"],
                f"{each['num_parameters']:,}",
                format_bytes(each["weights_nbytes"]),
            )
            for each in data
        ],
        header=("id", "name", "architecture", "parameters", "weights"),
        right=(3, 4),
    )
    hint = f"webgemma inspect {site} --model {data[0]['id']}"
    return Facts((("Models", table), ("One of them", hint)), {"models": data})


def _runs(folder: Path, own_context: object) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    """Whether the program passes the check, as rows and as JSON."""
    try:
        program, shaders = read_program(folder)
        report = check(program, shaders)
    except WebGemmaError as error:
        return [("runs", f"no: {error}")], {"supported": False, "reason": str(error)}
    rows = [("runs", "yes"), *run_rows(program, report, own_context)]
    return rows, {"supported": True, **summarize(report)}


def _tensors(folder: Path, manifest: Mapping[str, Any]) -> Iterator[TensorRow]:
    """The records of the tensor cache: planes of matrices, and vectors."""
    cache = read_json(find_file(folder, manifest, manifest["weights"]["path"] + TENSOR_CACHE))
    for shard in cache["records"]:
        for record in shard["records"]:
            shape = tuple(record["shape"])
            yield TensorRow(record["name"], record["dtype"], shape, record["nbytes"])


def _manifest_sections(manifest: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Lay out what a manifest says."""
    weights, memory, context = manifest["weights"], manifest["memory"], manifest["context"]
    files = manifest["files"]
    model = [
        ("id", manifest["id"]),
        ("name", manifest["name"]),
        ("architecture", manifest["architecture"]),
        ("parameters", f"{manifest['num_parameters']:,}"),
        ("vocabulary", f"{manifest['vocab_size']:,} tokens"),
        ("context", f"{context['default']:,} tokens, at most {context['max']:,}"),
        ("chat", "yes" if manifest.get("chat") else "no chat template"),
        ("activations", manifest.get("activation_quantization", "none")),
        ("source", f"{manifest['source']['name']} ({manifest['source']['format']})"),
        ("built by", manifest["tool"]),
        ("files", f"{len(files)}, {format_bytes(sum(f['nbytes'] for f in files.values()))}"),
        licence_row({}, {n: f["nbytes"] for n, f in files.items() if is_document(n)}),
    ]
    config = {key: v for key, v in manifest.get("config", {}).items() if key != "vocab_size"}
    quantization = memory.get("cache_quantization", "none")
    cached = "f32" if quantization == "none" else quantization
    on_gpu = [
        ("weights", format_bytes(memory["weights_nbytes"])),
        ("cache", f"{format_bytes(memory['cache_nbytes_per_token'])} per token ({cached})"),
        ("scratch", format_bytes(memory["scratch_nbytes"])),
    ]
    storage = format_table(
        [
            (kind, entry["matrices"], format_bytes(entry["nbytes"]))
            for kind, entry in manifest["storage"].items()
        ],
        header=("type", "matrices", "bytes"),
        right=(1, 2),
    )
    shards = f"{format_bytes(weights['nbytes'])}, shards: {weights['num_shards']}"
    return (
        ("Model", format_table(model)),
        ("What it is", format_table(model_rows(config))),
        *_quality_sections(manifest.get("quality")),
        (f"Storage ({shards})", storage),
        ("Memory on the GPU", format_table(on_gpu)),
        ("Limits needed", format_table(list(manifest["limits"].items()), right=(1,))),
    )


def _quality_sections(quality: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    """Lay out what `webgemma eval --record` left, if it did."""
    if quality is None:
        return ()
    rows = [("perplexity", _estimate(quality["perplexity"]))]
    if "kl_divergence" in quality:
        far, reference = quality["kl_divergence"], quality["reference"]
        rows += [
            ("KL divergence", f"{_estimate(far)}, at most {far['maximum']:.4g}"),
            ("same top token", _estimate(quality["same_top"])),
            ("reference", f"{reference['name']} ({', '.join(reference['storage'])})"),
        ]
    where = f"{quality['scored_tokens']:,} tokens of {quality['text']['name']}"
    return ((f"Quality ({where}, context {quality['context']:,})", format_table(rows)),)


def _estimate(figure: Mapping[str, float]) -> str:
    """A figure and its standard error."""
    return f"{figure['value']:.4f} ± {figure['error']:.4f}"
