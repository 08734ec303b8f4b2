"""PaliGemma of its real sizes passes the checker; what is missing or unknown is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.messages import message_of
from tests.support.programs import ShapeOnly
from tests.support.seeing_folder import write_seeing
from tests.support.seeing_shapes import TowerShape, seeing_checkpoint
from webgemma.architectures import lower
from webgemma.architectures.weights import Quantization
from webgemma.build import build_site
from webgemma.build.sizes import num_parameters
from webgemma.checkpoint import Checkpoint, TokenizerSource
from webgemma.errors import ConfigError, FormatError, UnsupportedError, WebGemmaError
from webgemma.program.check import check
from webgemma.sources import join_mmproj, open_checkpoint
from webgemma.storage.quantize import KEEP, QUANTIZERS

LISTING = Path(__file__).parent.parent / "fixtures" / "paligemma-3b-mix-224.gguf-listing.json"
IMAGE_TOKEN = 257152
TOWER = TowerShape()


def real_checkpoint(**changes):
    """The published text file's listing and a tower's shapes, without data."""
    listing = json.loads(LISTING.read_text())
    shapes = {t["name"]: (t["type"], tuple(t["shape"][::-1])) for t in listing["tensors"]}
    metadata = {k: int(v) if v.isdecimal() else v for k, v in listing["metadata"].items()}
    metadata["gemma.attention.layer_norm_rms_epsilon"] = 1e-6
    text = Checkpoint(
        path=Path("paligemma.gguf"),
        format="gguf",
        files=(),
        architecture="gemma",
        metadata=metadata,
        tensors={name: ShapeOnly(name, *found) for name, found in shapes.items()},
        tokenizer=TokenizerSource(gguf={"tokenizer.ggml.tokens": ["x"] * 257216}),
    )
    both = seeing_checkpoint(text, TOWER, IMAGE_TOKEN)
    return replace(both, metadata={**both.metadata, **changes})


@pytest.mark.parametrize("quantization", [KEEP, *QUANTIZERS])
def test_real_shapes_pass_the_checker(quantization):
    lowered = lower(real_checkpoint(), quantization=Quantization(quantization, quantization))
    report = check(lowered.program, lowered.shaders)
    program = lowered.program
    assert program.image == {
        "size": 224, "mean": [0.5] * 3, "std": [0.5] * 3, "num_tokens": TOWER.patches,
        "token_id": IMAGE_TOKEN, "suffix": "\n",
    }  # fmt: skip
    assert program.prefill_chunk_size == 256 + 256
    assert report.largest_binding_nbytes <= 128 << 20
    assert report.dispatches["encode_image"] == 2 + 9 * TOWER.layers + 2
    held = json.loads(LISTING.read_text())["tensors"] + [
        {"shape": shape} for shape in TOWER.tensors().values()
    ]
    assert num_parameters(lowered) == sum(math.prod(tensor["shape"]) for tensor in held)
    pieces = [name for name in program.buffers if name.startswith("model.embed_tokens@")]
    if quantization == KEEP:
        assert len(pieces) == 11  # 1.05 GB
    print(f"{quantization}: {report.buffer_nbytes}")


@pytest.mark.parametrize(
    ("changes", "kind", "expected"),
    [
        (
            {"clip.use_silu": True},
            UnsupportedError,
            "paligemma.gguf: key 'clip.use_silu': True is not supported (have False).",
        ),
        (
            {"clip.vision.surprise": 1},
            UnsupportedError,
            "paligemma.gguf: keys that webgemma does not know for architecture 'clip': "
            "clip.vision.surprise. They could change the mathematics, so the model is not built.",
        ),
        (
            {"clip.projector_type": "gemma3"},
            UnsupportedError,
            "paligemma.gguf: key 'clip.projector_type': 'gemma3' is not supported (have "
            "paligemma, mlp, linear).",
        ),
        (
            {"clip.vision.image_mean": [0.5, 0.5, 0.4]},
            FormatError,
            "paligemma.gguf: key 'clip.vision.image_mean': got [0.5, 0.5, 0.4], expected "
            "[0.5, 0.5, 0.5], as SigLIP's images are normalized. The configuration is damaged; "
            "fetch the model again.",
        ),
        (
            {"clip.vision.image_size": 225},
            ConfigError,
            "paligemma.gguf: image_size: got 225, expected a multiple of 14 (pixels of a patch).",
        ),
    ],
)
def test_unknown_towers(changes, kind, expected):
    assert message_of(kind, lambda: lower(real_checkpoint(**changes))) == expected


def test_untaken_and_missing_tensors():
    checkpoint = real_checkpoint()
    extra = {"v.head.weight": ShapeOnly("v.head.weight", "F16", (1152, 1152))}
    more = replace(checkpoint, tensors={**checkpoint.tensors, **extra})
    assert "1 tensors are not part of architecture 'paligemma' as webgemma knows it: " in (
        message_of(UnsupportedError, lambda: lower(more))
    )
    fewer = {k: t for k, t in checkpoint.tensors.items() if k != "v.blk.26.ln2.bias"}
    less = replace(checkpoint, tensors=fewer)
    assert "tensor 'v.blk.26.ln2.bias' is missing" in message_of(FormatError, lambda: lower(less))


def test_a_vocabulary_without_the_image_token():
    checkpoint = real_checkpoint()
    tokens = {"tokenizer.ggml.tokens": ["x"] * 257216}
    other = replace(checkpoint, tokenizer=TokenizerSource(gguf=tokens))
    assert message_of(FormatError, lambda: lower(other)) == (
        "paligemma.gguf: key 'tokenizer.ggml.tokens': got 257,216 tokens without '<image>', "
        "expected it among them. The file is not PaliGemma's."
    )


def test_config_of_a_folder(tmp_path, fixtures):
    tokenizer = fixtures / "tokenizer.model"
    lower(open_checkpoint(write_seeing(tmp_path / "a", tokenizer)))
    surprising = open_checkpoint(write_seeing(tmp_path / "b", tokenizer, surprise=1))
    assert "does not know for architecture 'paligemma': surprise" in (
        message_of(UnsupportedError, lambda: lower(surprising))
    )
    blind = open_checkpoint(write_seeing(tmp_path / "c", tokenizer, vision_config=None))
    assert message_of(FormatError, lambda: lower(blind)) == (
        f"{tmp_path / 'c'}: key 'vision_config': got nothing, expected an object. "
        "The configuration is damaged; fetch the model again."
    )


def test_mmproj_of_something_else(tmp_path, fixtures):
    folder = write_seeing(tmp_path / "a", fixtures / "tokenizer.model")
    gguf = fixtures / "gemma2-F16.gguf"

    def joined(source: Path, mmproj: Path) -> None:
        build_site(source, tmp_path / "site", mmproj=mmproj)

    assert message_of(ConfigError, lambda: joined(folder, gguf)) == (
        f"--mmproj {gguf}: {folder} is a folder, which holds its vision tower itself: got a "
        "second one, expected none. Leave --mmproj out."
    )
    assert message_of(ConfigError, lambda: joined(gguf, gguf)) == (
        f"--mmproj {gguf}: got architecture 'gemma2', expected 'clip', the file of a vision "
        "tower. Give the text's file as SOURCE and the tower's here."
    )
    with pytest.raises(WebGemmaError, match="nowhere"):
        join_mmproj(open_checkpoint(gguf), tmp_path / "nowhere.gguf")
