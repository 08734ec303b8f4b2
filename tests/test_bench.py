"""`webgemma bench`: every figure is there, is measured, and adds up."""

from __future__ import annotations

import json
import time
from xml.etree import ElementTree

import pytest

from webgemma.bench import bench, measure
from webgemma.bench.chart import draw
from webgemma.bench.measure import choose_lengths, window_for
from webgemma.bench.report import as_json, as_text
from webgemma.bench.tune import Tuned
from webgemma.bench.tune import as_text as tune_as_text
from webgemma.build import build_site
from webgemma.cli import main
from webgemma.errors import ConfigError
from webgemma.resources import built_in_model
from webgemma.runtime.runner import Runner
from webgemma.runtime.session import open_session
from webgemma.runtime.timing import best_seconds, seconds_of
from webgemma.runtime.tuner import Trial
from webgemma.runtime.tuning import choice_name, running_choices


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


def test_kernels_have_run_before_anything_is_measured(site, monkeypatch):
    """A first dispatch of lavapipe's compiles for seconds: longer than all of a figure may take."""
    before = []
    run = Runner.run

    def noting(self, phase, symbols):
        before.append(phase)
        run(self, phase, symbols)

    def stop(once, repeat):
        raise KeyboardInterrupt

    monkeypatch.setattr(Runner, "run", noting)
    monkeypatch.setattr(measure, "_median", stop)
    with pytest.raises(KeyboardInterrupt):
        bench(site, prompts=[3], contexts=[5], repeat=1)
    assert before == ["prefill", "sample", "decode"]


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


def test_the_least_of_each_counts():
    """Records take turns, and are looped alike."""
    sleeper = Sleeper(0.002)

    def record(times):
        def once(sleeper):
            sleeper.recorded += times

        return once

    single, triple = best_seconds(sleeper, [record(1), record(3)], repeat=3)
    assert 0.002 <= single < 0.004
    assert 2 * single < triple < 5 * single


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


def test_a_longer_context_is_allocated_for_what_is_asked(site):
    manifest = {"context": {"default": 4096, "max": 8192}}
    assert window_for(manifest, None, None) == 4096
    assert window_for(manifest, [16], [4088]) == 4096
    assert window_for(manifest, [16], [256, 8184]) == 8192
    assert window_for(manifest, [6000], None) == 6000
    assert window_for(manifest, None, [9000]) == 8192  # which the lengths are then checked against


def test_command(site, tmp_path, capsys):
    picture = tmp_path / "kernels.svg"
    arguments = ["--prompts", "2", "--contexts", "4", "--repeat", "1", "--json", "-q"]
    with pytest.raises(SystemExit) as exit_info:
        main(["bench", str(site), *arguments, "--picture", str(picture)])
    assert exit_info.value.code in (0, None)
    data = json.loads(capsys.readouterr().out)
    assert data["prefill"][0]["tokens"] == 2
    assert picture.read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.gpu
def test_tune(site, tmp_path, capsys, monkeypatch):
    """What it prints is what it tried; a later session, and its bench, use what was taken."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(SystemExit) as exit_info:
        main(["bench", str(site), "--tune", "--variant", "f32", "--repeat", "1", "--json", "-q"])
    assert exit_info.value.code in (0, None)
    trials = json.loads(capsys.readouterr().out)["trials"]
    with open_session(site, variant="f32") as session:
        running = running_choices(session.runner.variant)
        tuning = session.runner.variant.tuning
    assert [(trial["group"], trial["choice"]) for trial in trials] == [
        (group, choice_name(choice)) for group in tuning for choice in tuning[group]
    ]
    assert all(trial["seconds"] > 0 for trial in trials)
    assert {trial["group"]: trial["choice"] for trial in trials if trial["taken"]} == running
    result = bench(site, variant="f32", prompts=[2], contexts=[4], repeat=1)
    assert result.tuning == running
    assert all(choice in as_text(result) for choice in running.values())


def test_text_of_a_search():
    trials = (Trial("matvec", "lanes=8", 0.002, False), Trial("matvec", "lanes=4", 0.001, True))
    text = tune_as_text(Tuned("Pebble", "f32", "llvmpipe", "Vulkan", trials))
    assert text.splitlines()[-2:] == [
        "matvec   lanes=8  2.00          1.00",
        "matvec   lanes=4  1.00          0.50  taken",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tune", "--browser"], "--tune: got --browser beside it; a page searches by itself"),
        (["--tune", "--prompts", "16"], "--tune: got --prompts beside it, expected it alone"),
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
