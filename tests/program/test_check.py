"""The checker finds every kind of defect, by name; and round trips of program.json."""

from __future__ import annotations

from dataclasses import replace

import pytest

from webgemma.architectures import lower
from webgemma.errors import ProgramError
from webgemma.program.check import check
from webgemma.program.spec import Buffer, Range, program_from_json
from webgemma.sources import open_checkpoint


@pytest.fixture(scope="module")
def lowered(fixtures):
    """The Gemma 2 fixture, lowered."""
    return lower(open_checkpoint(fixtures / "gemma2-Q4_K.gguf"))


def with_step(program, phase, index, **changes):
    """The program with one step changed."""
    steps = list(program.phases[phase])
    steps[index] = replace(steps[index], **changes)
    return replace(program, phases={**program.phases, phase: tuple(steps)})


def defect(program, shaders) -> str:
    """The checker's message."""
    with pytest.raises(ProgramError) as error:
        check(program, shaders)
    return str(error.value)


def test_round_trip(lowered):
    data = lowered.program.to_json()
    assert program_from_json(data).to_json() == data


def test_counts(lowered):
    report = check(lowered.program, lowered.shaders)
    assert report.dispatches_per_layer["decode"] == 8
    assert report.most_storage_buffers <= 8


def test_unknown_kernel(lowered):
    program = with_step(lowered.program, "decode", 1, kernel="gone")
    assert defect(program, lowered.shaders) == (
        "phase decode, step layers.0.qkv, kernel gone: no such kernel"
    )


def test_number_of_bindings(lowered):
    step = lowered.program.phases["decode"][1]
    program = with_step(lowered.program, "decode", 1, bindings=step.bindings[:-1])
    assert defect(program, lowered.shaders).endswith("got 7 bindings, expected 8")


def test_range_outside_its_buffer(lowered):
    step = lowered.program.phases["decode"][1]
    bindings = (*step.bindings[:2], Range("arena.0", 256, 1 << 30), *step.bindings[3:])
    program = with_step(lowered.program, "decode", 1, bindings=bindings)
    assert "binding x: got bytes 256 to 1073742080, expected within" in defect(
        program, lowered.shaders
    )


def test_misaligned_offset(lowered):
    step = lowered.program.phases["decode"][1]
    bindings = (*step.bindings[:2], Range("arena.0", 128, 256), *step.bindings[3:])
    program = with_step(lowered.program, "decode", 1, bindings=bindings)
    assert "binding x: got offset 128, expected a multiple of 256" in defect(
        program, lowered.shaders
    )


def test_aliasing(lowered):
    step = next(s for s in lowered.program.phases["decode"] if s.label == "layers.0.o_proj")
    index = lowered.program.phases["decode"].index(step)
    bindings = (step.bindings[0], *[step.bindings[2]] * 2, *step.bindings[3:])
    program = with_step(lowered.program, "decode", index, bindings=bindings)
    assert "is bound writable and 1 times more" in defect(program, lowered.shaders)


def test_too_many_workgroups(lowered):
    program = with_step(lowered.program, "decode", 1, dispatch=("position * 200", 1, 1))
    assert "dispatch x: got 102200 workgroups, expected 1 to 65535" in defect(
        program, lowered.shaders
    )


def test_no_workgroups(lowered):
    program = with_step(lowered.program, "decode", 1, dispatch=(0, 1, 1))
    assert "dispatch x: got 0 workgroups, expected 1 to 65535" in defect(program, lowered.shaders)


def test_buffer_too_large(lowered):
    buffers = {**lowered.program.buffers, "huge": Buffer("scratch", (256 << 20) + 4)}
    program = replace(lowered.program, buffers=buffers)
    assert defect(program, lowered.shaders) == (
        "buffer huge: got 268,435,460 bytes, expected 1 to 268,435,456 (WebGPU's default limit)"
    )


def test_missing_shader(lowered):
    file = next(iter(lowered.shaders))
    shaders = {name: text for name, text in lowered.shaders.items() if name != file}
    assert "no shader for variant" in defect(lowered.program, shaders)


def test_weights_nobody_fills(lowered):
    records = dict(lowered.program.records)
    del records["model.norm.weight"]
    program = replace(lowered.program, records=records)
    assert defect(program, lowered.shaders) == (
        "buffer model.norm.weight: no record of the tensor cache fills it"
    )


def test_record_to_nowhere(lowered):
    records = {**lowered.program.records, "extra": Range("state", 0)}
    program = replace(lowered.program, records=records)
    assert defect(program, lowered.shaders) == "record extra: 'state' is no buffer of weights"


def with_tuning(program, **choices):
    """The program whose last variant may choose these."""
    variant = replace(program.variants[-1], tuning=choices)
    return replace(program, variants=(*program.variants[:-1], variant))


def test_choices_of_a_group_set_the_same_symbols(lowered):
    program = with_tuning(lowered.program, attention=({"attention_split_keys": 64}, {"keys": 1}))
    assert defect(program, lowered.shaders) == (
        "variant f32, tuning attention: got ['keys'], expected ['attention_split_keys']"
    )


def test_the_first_choice_is_the_default(lowered):
    program = with_tuning(lowered.program, attention=({"attention_split_keys": 32},))
    assert defect(program, lowered.shaders) == (
        "variant f32, tuning attention: got {'attention_split_keys': 32} first, "
        "expected what symbols has: {'attention_split_keys': 64}"
    )


def test_every_choice_is_checked(lowered):
    """A constant that one choice makes too large, and a dispatch that it makes empty."""
    for keys, message in ((1 << 32, "got constant SPLIT_KEYS"), (-1, "expected a number >= 0")):
        choices = ({"attention_split_keys": 64}, {"attention_split_keys": keys})
        program = with_tuning(lowered.program, attention=choices)
        assert message in defect(program, lowered.shaders)


def test_timed_steps_are_there(lowered):
    timed = replace(lowered.program.tuning["attention"], steps=(0, 9999))
    program = replace(lowered.program, tuning={"attention": timed})
    assert defect(program, lowered.shaders).startswith(
        "tuning attention: got steps [0, 9999] of phase decode, expected some of its "
    )


def test_what_is_timed(lowered):
    """Of matrices the kernel that reads most, in its layers; of attention the first layers."""
    steps = {
        group: [lowered.program.phases[timed.phase][number] for number in timed.steps]
        for group, timed in lowered.program.tuning.items()
    }
    assert {step.kernel.partition(".")[0] for step in steps["matvec"]} == {"gate_up"}
    assert {step.kernel.partition(".")[0] for step in steps["attention"]} == {
        "attention_split",
        "attention_combine",
    }
    assert {step.kernel.partition(".")[0] for step in steps["matmul"]} == {"matmul_gated"}
    assert len({step.label for step in steps["matvec"]}) == len(steps["matvec"]) > 1
