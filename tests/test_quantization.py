"""`--quantization` and `--embedding-quantization`: from floats, from codes, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.make_gguf import write_gguf
from webgemma import build_site, open_session
from webgemma.errors import ConfigError
from webgemma.sources import open_checkpoint
from webgemma.storage.quantize import QUANTIZERS, quantize
from webgemma.storage.registry import storage_for


def rewrite(source: Path, out: Path, change) -> None:
    """Write a GGUF of floats: the source's, each matrix passed through change(name, values)."""
    checkpoint = open_checkpoint(source)
    tensors = {}
    for name, tensor in checkpoint.tensors.items():
        columns = tensor.shape[-1]
        kept = storage_for(tensor.where, tensor.type)
        raw = tensor.read_rows(0, tensor.shape[0] if len(tensor.shape) == 2 else 1)
        values = kept.decode(kept.encode(raw, columns), columns)
        tensors[name] = change(name, values) if len(tensor.shape) == 2 else values[0]
    metadata = {**checkpoint.metadata, **checkpoint.tokenizer.gguf}
    metadata.pop("general.architecture")
    metadata = {k: v.tolist() if hasattr(v, "tolist") else v for k, v in metadata.items()}
    write_gguf(out, "gemma2", metadata, tensors)


def logits(site: Path, tokens: list[int]) -> NDArray[np.float32]:
    """Logits of every position, f32."""
    with open_session(site, variant="f32") as session:
        return session.logits(tokens)


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("name", "layers", "embedding"),
    [
        ("gemma2-F16", "q4f16_1", None),
        ("gemma2-F16", "q4f32_1", "f32"),
        ("gemma2-F16", "q3f16_1", "q8_0"),
        ("gemma2-F16", "q4_0", "keep"),
        ("gemma2-F16", "q5_1", "bf16"),
        ("gemma2-F16", "keep", "q4_1"),
        ("gemma2-Q4_K", "q8_0", "keep"),
        ("gemma2-Q4_K", "keep", "q5_0"),
    ],
)
def test_a_quantized_site_is_one_of_the_decoded_weights(
    name, layers, embedding, fixtures, tmp_path
):
    source = fixtures / f"{name}.gguf"
    report = build_site(
        source, tmp_path / "quantized", quantization=layers, embedding_quantization=embedding
    )

    def coarsened(tensor: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
        asked = layers if embedding is None or tensor != "token_embd.weight" else embedding
        if asked == "keep":
            return values
        return QUANTIZERS[asked].decode(quantize(asked, values, tensor), values.shape[1])

    rewrite(source, tmp_path / "decoded.gguf", coarsened)
    build_site(tmp_path / "decoded.gguf", tmp_path / "decoded")
    tokens = np.load(fixtures / f"{name}.npz")["tokens"].tolist()
    got, expected = (logits(tmp_path / site, tokens) for site in ("quantized", "decoded"))
    difference = np.abs(got - expected).max()
    print(f"{name} as {layers}, {embedding}: maxdiff {difference:.1e}")
    assert difference <= 1e-3
    kept = {"gemma2-F16": ("f16", "f16"), "gemma2-Q4_K": ("q4_k", "q6_k")}[name]
    asked = (layers, layers if embedding is None else embedding)
    stored = {own if want == "keep" else want for own, want in zip(kept, asked, strict=True)}
    assert set(report.models[0].storage) == stored


def test_quantizing_again_warns(fixtures, tmp_path):
    source = fixtures / "gemma2-Q4_K.gguf"
    report = build_site(source, tmp_path / "a", quantization="q8_0", embedding_quantization="keep")
    assert report.models[0].warnings == [
        "21 tensors were quantized already (21 of Q4_K): quantizing them again adds to their "
        "error. Build from F16 or BF16 weights, or keep the file's own types."
    ]
    assert build_site(source, tmp_path / "b").models[0].warnings == []
    floats = fixtures / "gemma2-F16.gguf"
    assert build_site(floats, tmp_path / "c", quantization="q4_0").warnings == []


def test_weights_that_f16_cannot_hold_are_refused(tmp_path, fixtures):
    path = tmp_path / "large.gguf"
    rewrite(fixtures / "gemma2-F16.gguf", path, lambda _, values: np.full_like(values, 7e4))
    with pytest.raises(ConfigError) as error:
        build_site(path, tmp_path / "site", quantization="f16")
    assert str(error.value) == (
        f"{path}: tensor 'token_embd.weight', rows from 0: got weights that are not finite as f16, "
        "expected finite ones. Keep the type with --quantization keep, or choose a type of a "
        "wider range (bf16)."
    )
    assert not (tmp_path / "site").exists()
