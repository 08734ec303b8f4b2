"""`webgemma bench`: every figure is there, is measured, and adds up."""

from __future__ import annotations

import json
import time
from xml.etree import ElementTree

import pytest

from webgemma.bench import bench
from webgemma.bench.chart import draw
from webgemma.bench.measure import choose_lengths
from webgemma.bench.report import as_json, as_text
from webgemma.build import build_site
from webgemma.cli import main
from webgemma.errors import ConfigError
from webgemma.resources import built_in_model
from webgemma.runtime.session import open_session
from webgemma.runtime.timing import seconds_of


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench") / "site"
    build_site(built_in_model(), folder, name="Pebble", model_id="pebble")
    return folder


@pytest.fixture(scope="module")
def result(site):
    return bench(site, prompts=[3, 40], contexts=[5, 300], repeat=2)


def test_figures(result, site):
    assert [rate.tokens for rate in result.prefill] == [3, 40]
    assert [rate.tokens for rate in result.decode] == [5, 300]
    rates = [*result.prefill, *result.decode]
    assert all(0 < rate.seconds_per_token < 10 for rate in rates)
    assert 0 < result.first_token_seconds < 10
    assert 1e8 < result.copy_bandwidth < 1e13
    assert 1e9 < result.multiply_add_rate < 1e15
    with open_session(site) as session:
        steps = session.program.phases["decode"]
        variant = session.runner.variant.name
    assert sum(kernel.dispatches for kernel in result.kernels) == len(steps)
    assert {kernel.name for kernel in result.kernels} == {step.kernel for step in steps}
    assert result.variant == variant


def test_bytes_of_a_token(result, site):
    """All weights but the rows of the embedding that are not looked up: here it is the head too."""
    manifest = json.loads((site / "models/pebble/webgemma.json").read_text(encoding="utf-8"))
    weights = manifest["weights"]["nbytes"]
    assert weights * 0.99 <= result.weights_nbytes <= weights * 1.01


class Sleeper:
    """A device whose dispatches take a given time each."""

    queue = property(lambda self: self)

    def __init__(self, seconds):
        self.seconds, self.recorded = seconds, 0

    def create_buffer(self, **_):
        return None

    def create_command_encoder(self):
        return self

    def begin_compute_pass(self):
        return self

    def end(self):
        pass

    def finish(self):
        return self.recorded

    def submit(self, commands):
        time.sleep(self.seconds * commands[0])
        self.recorded = 0

    def read_buffer(self, _):
        pass


def test_loops_are_counted():
    """A loop that takes ten times as long is measured as that."""

    def record(sleeper):
        sleeper.recorded += 1

    for seconds in (0.002, 0.02):
        got = seconds_of(Sleeper(seconds), record, repeat=3)
        assert seconds <= got <= 1.6 * seconds


def test_text_and_picture(result):
    text = as_text(result)
    assert result.adapter in text
    assert all(kernel.name in text for kernel in result.kernels)
    assert json.loads(json.dumps(as_json(result)))["decode"][0]["tokens"] == 5
    picture = ElementTree.fromstring(draw(result))
    bars = [node for node in picture.iter() if node.get("class") == "point"]
    assert len(bars) == len(result.kernels)
    widths = [float(bar.get("width")) for bar in bars]
    slowest = max(range(len(bars)), key=lambda i: result.kernels[i].seconds)
    assert widths[slowest] == max(widths)


def test_usual_lengths_fit_the_context():
    assert choose_lengths(None, (16, 128, 512), 200, "prompt") == [16, 128]
    assert choose_lengths(None, (16, 128, 512), 10, "prompt") == [10]


@pytest.mark.parametrize(("lengths", "message"), [([0], "got 0 tokens"), ([900], "got 900 tokens")])
def test_length_out_of_range(lengths, message):
    with pytest.raises(ConfigError, match=f"{message}, expected 1 to 200"):
        choose_lengths(lengths, (16,), 200, "prompt")


def test_command(site, tmp_path, capsys):
    picture = tmp_path / "kernels.svg"
    arguments = ["--prompts", "2", "--contexts", "4", "--repeat", "1", "--json", "-q"]
    with pytest.raises(SystemExit) as exit_info:
        main(["bench", str(site), *arguments, "--picture", str(picture)])
    assert exit_info.value.code in (0, None)
    data = json.loads(capsys.readouterr().out)
    assert data["prefill"][0]["tokens"] == 2
    assert picture.read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prompts", "16;32"], "--prompts: got '16;32', expected whole numbers"),
        (["--prompts", "1000000"], "prompt: got 1000000 tokens, expected 1 to"),
        (["--picture", "no/such/folder/x.svg"], "got no folder"),
        (["--variant", "fast"], "variant 'fast'"),
    ],
)
def test_bad_input(site, capsys, arguments, message):
    with pytest.raises(SystemExit) as exit_info:
        main(["bench", str(site), "-q", *arguments])
    assert exit_info.value.code == 1
    assert message in capsys.readouterr().err
