"""What is particular to the PyTorch backends; what all share is in the conformance tests."""

from inspect import signature
from typing import Any

import numpy as np
import pytest

import backends
from bench.spec import ModelSpec, Training
from bench.weights import initial_weights

EAGER = ("torch", "torch-loop", "torch-scan")
LENGTHS = np.array([6, 2, 5, 1])


def sessions(*names: str, spec: ModelSpec, **training: Any) -> list[Any]:
    params = initial_weights(spec, np.random.default_rng(3))
    return [backends.load(n).open_session(spec, params, "cpu", Training(**training)) for n in names]


def batch(spec: ModelSpec) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 6, spec.inputs))
    if spec.readout == "last":
        return x, rng.standard_normal((4, spec.outputs))
    return x, rng.integers(-1, spec.outputs, (4, spec.decoder or 6))


def error(ours: Any, reference: Any) -> float:
    assert np.shape(ours) == np.shape(reference)
    return float(np.abs(ours - reference).max() / np.abs(reference).max())


def gradient_error(ours: Any, reference: Any, *given: Any) -> float:
    (_, a), (_, b) = (session.gradients(*given) for session in (ours, reference))
    assert set(a) == set(b)
    return max(error(a[name], value) for name, value in b.items())


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("name", EAGER)
def test_a_decoder_behind_sequences_of_unequal_length(name: str, cell: str) -> None:
    spec = ModelSpec(cell=cell, inputs=3, hidden=5, outputs=2, layers=2, readout="every",
                     loss="cross_entropy", dtype="float64", decoder=3)  # fmt: skip
    ours, reference = sessions(name, "numpy", spec=spec)
    x, y = batch(spec)
    assert error(ours.predict(x, LENGTHS), reference.predict(x, LENGTHS)) < 1e-9
    assert gradient_error(ours, reference, x, y, LENGTHS) < 1e-9
    assert error(ours.hidden_gradients(x, y), reference.hidden_gradients(x, y)) < 1e-9
    for _ in range(3):
        assert float(ours.step(x, y, LENGTHS)) == pytest.approx(reference.step(x, y, LENGTHS))


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "feedforward"])
@pytest.mark.parametrize("name", EAGER)
def test_both_directions_beyond_the_end(name: str, cell: str) -> None:
    spec = ModelSpec(cell=cell, inputs=3, hidden=5, outputs=2, layers=2, bidirectional=True,
                     dtype="float64")  # fmt: skip
    ours, reference = sessions(name, "numpy", spec=spec)
    x, y = batch(spec)
    assert error(ours.hidden_states(x, LENGTHS), reference.hidden_states(x, LENGTHS)) < 1e-9
    assert gradient_error(ours, reference, x, y, LENGTHS) < 1e-9


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("name", EAGER)
def test_padding_is_never_seen(name: str, cell: str) -> None:
    spec = ModelSpec(cell=cell, inputs=3, hidden=5, outputs=2, bidirectional=True, dtype="float64")
    ours, reference = sessions(name, "numpy", spec=spec)
    x, y = batch(spec)
    there = np.arange(6)[None, :, None] < LENGTHS[:, None, None]
    (_, found), (_, wanted) = (
        ours.gradients(np.where(there, x, np.nan), y, LENGTHS),
        reference.gradients(x, y, LENGTHS),
    )
    assert max(error(found[n], value) for n, value in wanted.items()) < 1e-9


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("name", EAGER)
def test_token_by_token_as_all_at_once(name: str, cell: str) -> None:
    spec = ModelSpec(cell=cell, inputs=3, hidden=5, outputs=2, layers=2, readout="every",
                     dtype="float64")  # fmt: skip
    (session,) = sessions(name, spec=spec)
    x, _ = batch(spec)
    state, parts = None, []
    for t in range(x.shape[1]):
        part, state = session.advance(x[:, t : t + 1], state)
        parts.append(part)
    assert error(np.concatenate(parts, axis=1), session.predict(x)) < 1e-12


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "feedforward"])
@pytest.mark.parametrize("name", EAGER)
def test_the_path_is_the_one_expected(name: str, cell: str) -> None:
    spec = ModelSpec(cell=cell, inputs=3, hidden=5, outputs=2)
    (session,) = sessions(name, spec=spec)
    session.step(*batch(spec))
    assert session.executed_path() == backends.load(name).expected_path(spec, "cpu")


@pytest.mark.filterwarnings("ignore:TF32 acceleration on top of oneDNN:UserWarning")
def test_onednn_switched_off_is_noticed() -> None:
    import torch

    spec = ModelSpec(cell="lstm", inputs=3, hidden=5, outputs=2)
    (session,) = sessions("torch", spec=spec)
    with torch.backends.mkldnn.flags(enabled=False):
        session.step(*batch(spec))
        assert session.executed_path() == "aten"
    assert session.executed_path() == backends.load("torch").expected_path(spec, "cpu") == "onednn"


def test_packed_sequences_leave_onednn_and_are_noticed() -> None:
    spec = ModelSpec(cell="lstm", inputs=3, hidden=5, outputs=2)
    (session,) = sessions("torch", spec=spec)
    session.step(*batch(spec), LENGTHS)
    assert session.executed_path() == "aten"


@pytest.mark.parametrize("clip_norm", [None, 1e-3])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_second_bias_stays_zero(cell: str, clip_norm: float | None) -> None:
    spec = ModelSpec(cell=cell, inputs=3, hidden=5, outputs=2, dtype="float64")
    given = {"learning_rate": 0.1, "clip_norm": clip_norm}
    ours, reference = sessions("torch", "numpy", spec=spec, **given)
    for _ in range(3):
        for session in (ours, reference):
            session.step(*batch(spec))
    second = ours.encoder.layer.bias_hh_l0.detach().numpy()
    assert not second[: 10 if cell == "gru" else None].any()
    params = ours.params()
    for name, value in reference.params().items():
        assert error(params[name], value) < 1e-9


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "feedforward"])
@pytest.mark.parametrize("name", EAGER)
def test_bfloat16_is_near_the_truth_and_no_nearer_than_eight_bits(name: str, cell: str) -> None:
    sizes = {"inputs": 3, "hidden": 16, "outputs": 2, "layers": 2}
    (ours,) = sessions(name, spec=ModelSpec(cell=cell, dtype="bfloat16", **sizes))
    exact = ModelSpec(cell=cell, dtype="float64", **sizes)
    (reference,) = sessions("numpy", spec=exact)
    x, y = batch(exact)
    assert 2**-14 < error(ours.predict(x), reference.predict(x)) < 2**-4
    assert gradient_error(ours, reference, x, y) < 2**-3
    _, gradients = ours.gradients(x, y)
    assert {value.dtype for value in gradients.values()} == {np.dtype("float32")}


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_passes_in_flight_have_buffers_of_their_own(cell: str) -> None:
    """torch-scan uses buffers again: not before the backward pass that needs them is over."""
    spec = ModelSpec(cell=cell, inputs=3, hidden=5, outputs=2, dtype="float64")
    ours, reference = sessions("torch-scan", "numpy", spec=spec)
    x, y = batch(spec)
    pairs = [(x, y), (2 * x, -y), (x[::-1] + 1, y)]
    for _ in range(2):  # the second time the buffers of the first are there
        losses = [ours._loss(*map(ours.put, pair)) for pair in pairs]
        for number in (1, 0, 2):
            grads = torch_grad(ours, losses[number])
            _, wanted = reference.gradients(*pairs[number])
            assert error(grads["layers.0.forward.u"], wanted["layers.0.forward.u"]) < 1e-9
            assert error(grads["layers.0.forward.w"], wanted["layers.0.forward.w"]) < 1e-9


def test_buffers_of_lengths_that_no_longer_come_are_let_go() -> None:
    import gc
    import weakref

    import torch

    space = backends.load("torch-scan").Space()
    given = []
    for length in range(1, 40):
        for width in (4, 4, 1):
            buffer = space.take(torch.zeros(()), length, 2, width)
            given.append(weakref.ref(buffer))
            space.give(buffer)
    del buffer
    gc.collect()
    kept = [ref() for ref in given]
    assert kept[-1] is not None
    assert space.take(torch.zeros(()), 39, 2, 4) is kept[-2]
    assert len({id(buffer) for buffer in kept if buffer is not None}) == space.SHAPES


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_second_backward_pass_over_a_used_tape_is_an_error(cell: str) -> None:
    spec = ModelSpec(cell=cell, inputs=3, hidden=5, outputs=2, dtype="float64")
    (ours,) = sessions("torch-scan", spec=spec)
    loss = ours._loss(*map(ours.put, batch(spec)))
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="inplace operation"):
        loss.backward()


def torch_grad(session: Any, loss: Any) -> dict[str, Any]:
    import torch

    grads = dict(zip(session.trained, torch.autograd.grad(loss, session.trained), strict=True))
    return {name: grads[p][part].numpy() for name, p, part in session.slots if name}


def test_the_loop_has_the_gru_that_resets_before() -> None:
    spec = ModelSpec(cell="gru", inputs=3, hidden=5, outputs=2, dtype="float64", gru="reset_before")
    ours, reference = sessions("torch-loop", "numpy", spec=spec)
    assert gradient_error(ours, reference, *batch(spec), LENGTHS) < 1e-9


@pytest.mark.parametrize("how", ["disabled", "stance"])
def test_a_compiled_loop_that_runs_eagerly_is_noticed(how: str) -> None:
    import torch

    spec = ModelSpec(cell="lstm", inputs=3, hidden=5, outputs=2, dtype="float64")
    ours, reference = sessions("torch-compile", "numpy", spec=spec)
    # What TORCH_COMPILE_DISABLE=1 sets, and PyTorch's own switch back to eager mode.
    off = torch._dynamo.config.patch(disable=True)
    with off if how == "disabled" else torch.compiler.set_stance("force_eager"):
        assert gradient_error(ours, reference, *batch(spec)) < 1e-9
        assert ours.executed_path() == "python-loop"


def test_the_compiled_loop_in_parts_and_what_is_left_over(monkeypatch: pytest.MonkeyPatch) -> None:
    module = backends.load("torch-compile")
    monkeypatch.setattr(module, "STEPS", 4)
    spec = ModelSpec(cell="gru", inputs=3, hidden=5, outputs=2, dtype="float64")
    ours, reference = sessions("torch-compile", "numpy", spec=spec)
    x, y = batch(spec)
    assert float(ours.step(x, y)) == pytest.approx(reference.step(x, y))
    assert ours.executed_path() == module.expected_path(spec, "cpu") == "inductor"
    params = ours.params()
    assert max(error(params[n], value) for n, value in reference.params().items()) < 1e-9


@pytest.mark.parametrize(("variants", "path"), [(64, "inductor"), (1, "python-loop")])
def test_versions_that_know_no_limit_of_one_function_compile_many_shapes(
    variants: int, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    module = backends.load("torch-compile")
    monkeypatch.setattr(module, "signature", lambda _: signature(lambda model: model))
    monkeypatch.setattr(module, "VARIANTS", variants)
    spec = ModelSpec(cell="rnn", inputs=2, hidden=3, outputs=2)
    torch.compiler.reset()
    with torch._dynamo.config.patch(cache_size_limit=1):
        (session,) = sessions("torch-compile", spec=spec)
        for count in (1, 2, 3):
            session.predict(np.ones((count, 4, 2)))
        assert session.executed_path() == path
