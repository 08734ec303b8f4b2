"""Times our int4 products beside onnxruntime-web's MatMulNBits, in one page on one adapter.

    npm install --prefix build/peers onnxruntime-web@1.30.0
    pip install onnx playwright
    python bench/browser/onnxruntime.py [--rows 16384] [--columns 2048] [--tokens 1,64] [--repeat 5]
        [--variant software] [--chromium /usr/bin/chromium] [--modules build/peers/node_modules]

Both multiply the same Q4_0 matrix (groups of 32, zero 8) by the same activations in f32. A run
writes the activations, multiplies once and reads the product back; runs alternate, medians are
printed. Products are compared with numpy's in float64.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from page import open_page

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support.gpu import VARIANTS, padded, shape_of, state
from tests.support.weights import Weights, make_weights
from webgemma.architectures.decoder.kernels import matvec_constants, matvec_dispatch, matvec_shape
from webgemma.program.builder import variant_switches
from webgemma.program.expr import evaluate
from webgemma.shaders import parse_bindings, render

ZERO = 8
GROUP = 32


def matmulnbits(weights: Weights, codes: NDArray[np.uint8], scales: NDArray[np.float32]) -> bytes:
    """An ONNX model of one MatMulNBits: x float32 [tokens, K] -> y float32 [tokens, N].

    Args:
        weights: The matrix.
        codes: uint8 [N, K / 32, 16], two codes in a byte, the lower one first.
        scales: float32 [N, K / 32].
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rows, columns = weights.values.shape
    node = helper.make_node(
        "MatMulNBits", ["x", "w", "scales"], ["y"], domain="com.microsoft",
        K=columns, N=rows, bits=4, block_size=GROUP, accuracy_level=0,
    )  # fmt: skip
    graph = helper.make_graph(
        [node], "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["tokens", columns])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["tokens", rows])],
        [numpy_helper.from_array(codes, "w"), numpy_helper.from_array(scales.ravel(), "scales")],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def codes_and_scales(weights: Weights) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The planes of a Q4_0 matrix: MLC's order of codes is that of MatMulNBits too."""
    rows, columns = weights.values.shape
    offsets = dict(
        zip((p.name for p in weights.matrix.planes), weights.piece.plane_offsets, strict=True)
    )
    raw = weights.words.view(np.uint8)
    codes = raw[offsets["q_weight"] :][: rows * columns // 2]
    scales = raw[offsets["q_scale"] :][: rows * columns // GROUP * 2].view(np.float16)
    return (
        codes.reshape(rows, columns // GROUP, GROUP // 2),
        scales.astype(np.float32).reshape(rows, -1),
    )


def our_kernel(folder: Path, weights: Weights, variant: str, num_tokens: int) -> dict[str, Any]:
    """WGSL, dispatch and bindings of the product as a program has it; writes its `shape`."""
    rows, columns = weights.values.shape
    symbols = VARIANTS[variant].symbols
    params = {**weights.params, "n": rows, "mode": "store", **variant_switches(VARIANTS[variant])}
    constants: dict[str, int] = {}  # of a matrix product, the text's own
    if num_tokens == 1:
        constants = {n: evaluate(v, symbols) for n, v in matvec_constants(columns).items()}
        template, params = "matvec", {**params, **matvec_shape(rows, columns), "norm": False}
        dispatch = [evaluate(matvec_dispatch(rows, columns), symbols), 1, 1]
    else:
        template, params = "matmul", {**params, "y_stride": rows}
        groups = (-(-rows // symbols["matmul_rows"]), -(-num_tokens // symbols["matmul_tokens"]))
        dispatch = [*groups, 1]
    wgsl = render(template, params)
    for name, words in shape_of(wgsl, template, params, constants).items():
        (folder / f"{name}.bin").write_bytes(words.tobytes())
    return {
        "wgsl": wgsl,
        "constants": constants,
        "features": list(VARIANTS[variant].requires),
        "matrices": VARIANTS[variant].matrices,
        "dispatch": dispatch,
        "bindings": [{"name": b.name, "type": b.type} for b in parse_bindings(wgsl)],
    }


def write_case(folder: Path, weights: Weights, variant: str, num_tokens: int) -> dict[str, Any]:
    """Write the files of one comparison; return what the page needs to know of it."""
    rows, columns = weights.values.shape
    rng = np.random.default_rng(num_tokens)
    x = rng.standard_normal((num_tokens, columns)).astype(np.float32)
    (folder / "x.bin").write_bytes(x.tobytes())
    (folder / "w.bin").write_bytes(padded(weights.as_kept(VARIANTS[variant])))
    (folder / "state.bin").write_bytes(state(num_tokens=num_tokens).tobytes())
    (folder / "model.onnx").write_bytes(matmulnbits(weights, *codes_and_scales(weights)))
    expected = x.astype(np.float64) @ weights.values.T.astype(np.float64)
    np.save(folder / "expected.npy", expected)
    return {
        "kernel": our_kernel(folder, weights, variant, num_tokens),
        "rows": rows, "columns": columns, "tokens": num_tokens,
    }  # fmt: skip


def compare(arguments: argparse.Namespace, num_tokens: int) -> None:
    """Run one comparison and print its line."""
    weights = make_weights("q4_0", arguments.rows, arguments.columns)
    with TemporaryDirectory() as name:
        folder = Path(name)
        case = write_case(folder, weights, arguments.variant, num_tokens)
        expected = np.load(folder / "expected.npy")
        with open_page(folder, arguments.modules, arguments.chromium) as page:
            result = page.evaluate(
                "([spec, repeat]) => compare(spec, repeat)", [case, arguments.repeat]
            )
    errors = [
        np.abs(np.array(result[side]["y"]).reshape(expected.shape) - expected).max()
        / np.abs(expected).max()
        for side in ("ours", "theirs")
    ]
    ours, theirs = (1e3 * statistics.median(result[s]["seconds"]) for s in ("ours", "theirs"))
    print(
        f"{num_tokens:6} {ours:10.2f} {theirs:16.2f} {theirs / ours:8.1f} x"
        f"{errors[0]:12.1e} {errors[1]:12.1e}   {result['adapter']}",
        flush=True,
    )


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=16384)
    parser.add_argument("--columns", type=int, default=2048)
    parser.add_argument("--tokens", default="1,64", help="separated by commas")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--variant", choices=VARIANTS, default="software")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--modules", type=Path, default=Path("build/peers/node_modules"))
    arguments = parser.parse_args()
    print(f"Q4_0, {arguments.rows} x {arguments.columns}, medians of {arguments.repeat} runs")
    print("tokens    ours ms   onnxruntime ms    ratio   our error  their error   adapter")
    for num_tokens in map(int, arguments.tokens.split(",")):
        compare(arguments, num_tokens)


if __name__ == "__main__":
    main()
