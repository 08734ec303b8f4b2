"""What the page says a model takes is what the browser's runner allocates, at its peak too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import webgemma.build.write_model
from webgemma.architectures.decoder.base import GENERATED_RING
from webgemma.build import build_site
from webgemma.inspect import estimate
from webgemma.program.spec import WORD_NBYTES
from webgemma.resources import built_in_model
from webgemma.serve import serving

pytestmark = [
    pytest.mark.browser,
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.xdist_group("browser"),
]

SHARD_NBYTES = 1 << 20  # so that small models have several
MODELS = {"pebble": (None, 1024), "gemma2-F16": ("gemma2-F16.gguf", 300)}
"""Name -> (file of tests/fixtures, a context it has)."""
WITHIN = 0.02

# Counts the buffers, the copies of what was written and the shards it came from. The first three
# shards wait for each other, as they would on a slow GPU: the estimate is of the worst case.
MEASURE = """async ([model, contextWindowSize]) => {
  const meter = { buffers: 0, staged: 0, shards: new Set(), peak: 0, waiting: 0 };
  const sizes = new Map();
  const note = () => {
    const shards = [...meter.shards].reduce((sum, shard) => sum + shard.byteLength, 0);
    meter.peak = Math.max(meter.peak, meter.buffers + meter.staged + shards);
  };
  const wrap = (owner, name, make) => (owner[name] = make(owner[name]));
  wrap(GPUDevice.prototype, "createBuffer", (real) => function (descriptor) {
    const buffer = real.call(this, descriptor);
    sizes.set(buffer, buffer.size);
    meter.buffers += buffer.size;
    note();
    return buffer;
  });
  wrap(GPUBuffer.prototype, "destroy", (real) => function () {
    meter.buffers -= sizes.get(this) ?? 0;
    sizes.delete(this);
    return real.call(this);
  });
  const folder = new URL(`/models/${model}/`, location.href);
  const program = await (await fetch(new URL("program.json", folder))).json();
  const manifest = await (await fetch(new URL("webgemma.json", folder))).json();
  let written = 0;
  let shard = null;
  wrap(GPUQueue.prototype, "writeBuffer", (real) => function (buffer, offset, data) {
    real.call(this, buffer, offset, data);
    meter.staged += data.byteLength;
    written += data.byteLength;
    if (program.buffers[buffer.label]?.kind === "weights") shard = data.buffer;
    if (shard) meter.shards.add(shard);
    note();
  });
  const together = Math.min(3, manifest.weights.num_shards);
  let open;
  const gate = new Promise((resolve) => (open = resolve));
  wrap(GPUQueue.prototype, "onSubmittedWorkDone", (real) => async function () {
    const [mine, ours] = [written, shard];
    [written, shard] = [0, null];
    await real.call(this);
    if (ours && ++meter.waiting >= together) open();
    if (ours) await gate;
    meter.staged -= mine;
    meter.shards.delete(ours);
  });
  const { estimateMemory } = await import("/webgemma/index.js");
  const { loadModel } = await import("/webgemma/load.js");
  const options = { variant: "f32", contextWindowSize };
  const estimate = await estimateMemory(folder, options);
  const { session, runner, info } = await loadModel(folder.href, options);
  const loaded = { ...meter, shards: meter.shards.size };
  const tokens = [];
  for await (const token of session.generate([2, 5, 9], { maxTokens: 6 })) tokens.push(token);
  const used = meter.buffers;
  runner.destroy();
  return { estimate, info, loaded, used, left: meter.buffers, tokens };
}"""


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A site of every model, in small shards."""
    fixtures = Path(__file__).parents[1] / "fixtures"
    folder = tmp_path_factory.mktemp("memory")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(webgemma.build.write_model, "SHARD_NBYTES", SHARD_NBYTES)
        for name, (file, _) in MODELS.items():
            source = fixtures / file if file else built_in_model()
            build_site(source, folder / name, model_id="model")
    return {name: folder / name for name in MODELS}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("divisor", [1, 3])
def test_the_estimate_is_what_is_allocated(
    sites: dict[str, Path], open_page: Callable[..., Any], name: str, divisor: int
) -> None:
    context = MODELS[name][1] // divisor
    rows = estimate(sites[name], context=context).data["memory"]
    row = next(row for row in rows if row["variant"] == "f32")
    with serving(sites[name]) as server:
        watched = open_page(server)
        measured = watched.engine().evaluate(MEASURE, ["model", context])
        watched.page.close()
    same = ("weights_nbytes", "cache_nbytes", "scratch_nbytes", "total_nbytes", "peak_nbytes")
    assert {key: measured["estimate"][key] for key in same} == {key: row[key] for key in same}
    assert measured["info"]["memory"]["total_nbytes"] == row["total_nbytes"]
    assert measured["loaded"]["buffers"] == row["total_nbytes"]
    off = measured["loaded"]["peak"] / row["peak_nbytes"] - 1
    print(f"{name}, context {context}: {row['total_nbytes']:,} bytes; peak {off:+.3%}")
    assert abs(off) < WITHIN
    assert len(measured["tokens"]) == 6
    rings = measured["used"] - row["total_nbytes"]  # read back, at most four at a time
    assert 0 < rings <= 4 * WORD_NBYTES * GENERATED_RING
    assert measured["left"] == 0
