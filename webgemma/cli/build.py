"""`webgemma build`: a checkpoint becomes a site."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

from webgemma.cli import build_options, options
from webgemma.progress import ConsoleProgress, format_bytes, no_progress
from webgemma.table import format_table

if TYPE_CHECKING:
    from webgemma.build import ModelReport, SiteReport

EXAMPLES = """\b
Examples:
  webgemma build gemma-2-2b-it-Q4_K_M.gguf -o site
  webgemma build ./gemma-2b -o site --quantization q4f16_1 --embedding-quantization q8_0
  webgemma build model-00001-of-00003.gguf -o site --host cloudflare-pages --force
  webgemma build gemma-2b.gguf gemma-7b.gguf -o site --model-id small --model-id large
  webgemma build gemma-2b.gguf -o site --title "Ask the library" --accent "#7a3e9d" --logo l.svg
  webgemma build paligemma-text-f16.gguf --mmproj paligemma-mmproj-f16.gguf -o site"""


def build(
    sources: build_options.Sources,
    out: build_options.Out,
    mmproj: build_options.Mmproj = None,
    quantization: build_options.Quantization = None,
    embedding_quantization: build_options.EmbeddingQuantization = None,
    cache_quantization: build_options.CacheQuantization = None,
    activation_quantization: build_options.ActivationQuantization = None,
    model_id: build_options.ModelId = None,
    name: build_options.Name = None,
    chat_template: build_options.ChatTemplate = None,
    context_window_size: build_options.ContextWindowSize = None,
    samples: build_options.Samples = None,
    host: build_options.Host = "any",
    weights_url: build_options.WeightsUrl = None,
    structured_output: build_options.StructuredOutput = False,
    title: build_options.Title = None,
    accent: build_options.AccentColour = None,
    logo: build_options.LogoFile = None,
    greeting: build_options.Greeting = None,
    prompts: build_options.Prompts = None,
    branding: build_options.BrandingFile = None,
    force: build_options.Force = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Package models as a web site.

    The site is plain files: put the folder on any static host. Weights keep the codes and scales
    of the file unless --quantization says otherwise. The folder appears complete or not at all.

    Several SOURCEs share a page, which lets its visitors choose. Options of a model are then
    given once for each, in their order ('-' leaves one out); where it makes sense, one is for all.
    """
    requests = build_options.spread(
        sources,
        each={"mmproj": mmproj, "model_id": model_id, "name": name, "samples": samples},
        each_or_all={
            "quantization": quantization,
            "embedding_quantization": embedding_quantization,
            "cache_quantization": cache_quantization,
            "activation_quantization": activation_quantization,
            "chat_template": chat_template,
            "context_window_size": context_window_size,
        },
    )
    # Only the self-test multiplies matrices: numpy's threads for that would be busy waiting.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from webgemma.build import ModelRequest, build_site

    brand = build_options.own_page(
        branding, title=title, accent=accent, logo=logo, greeting=greeting, prompts=prompts
    )
    with nullcontext(no_progress) if quiet else ConsoleProgress() as progress:
        report = build_site(
            [ModelRequest(**request) for request in requests],
            out,
            host=host,
            weights_url=weights_url,
            structured_output=structured_output,
            branding=brand,
            force=force,
            progress=progress,
        )
    of_models = (warning for model in report.models for warning in model.warnings)
    for warning in (*report.warnings, *of_models):
        print(f"warning: {warning}", file=sys.stderr)
    if as_json:
        print(json.dumps(dataclasses.asdict(report), default=str))
    else:
        print(_describe(report))


def _describe(report: SiteReport) -> str:
    """Say in a few lines what was built."""
    return format_table(
        [
            ("site", str(report.path)),
            *(row for model in report.models for row in _describe_model(model)),
            ("took", f"{report.duration_s:.1f} s"),
            ("next", f"webgemma serve {report.path}"),
        ]
    )


def _describe_model(model: ModelReport) -> list[tuple[str, str]]:
    storage = ", ".join(f"{kind} {format_bytes(n)}" for kind, n in model.storage.items())
    return [
        ("model", f"{model.name} ({model.id})"),
        ("parameters", f"{model.num_parameters:,}"),
        ("source", format_bytes(model.source_nbytes)),
        ("weights", f"{format_bytes(model.weights_nbytes)}, shards: {model.num_shards}"),
        ("storage", storage),
        ("context", "{default:,} tokens, at most {max:,}".format_map(model.context)),
        ("files", f"{model.num_files}"),
    ]
