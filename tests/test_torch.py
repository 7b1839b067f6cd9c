"""The PyTorch backends beyond the conformance tests, which hold for every backend."""

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


def error(actual: Any, expected: Any) -> float:
    """The largest difference, relative to the largest value expected."""
    assert np.shape(actual) == np.shape(expected)
    return float(np.abs(actual - expected).max() / np.abs(expected).max())


def gradient_error(session: Any, reference: Any, *batch: Any) -> float:
    """The largest error of a gradient."""
    _, actual = session.gradients(*batch)
    _, expected = reference.gradients(*batch)
    assert set(actual) == set(expected)
    return max(error(actual[name], value) for name, value in expected.items())


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru", "feedforward"])
@pytest.mark.parametrize("name", EAGER)
def test_executed_path_is_the_expected_one(name: str, cell: str) -> None:
    spec = ModelSpec(cell=cell, inputs=3, hidden=5, outputs=2)
    (session,) = sessions(name, spec=spec)
    session.step(*batch(spec))
    assert session.executed_path() == backends.load(name).expected_path(spec, "cpu")


@pytest.mark.filterwarnings("ignore:TF32 acceleration on top of oneDNN:UserWarning")
def test_executed_path_shows_that_onednn_is_switched_off() -> None:
    import torch

    spec = ModelSpec(cell="lstm", inputs=3, hidden=5, outputs=2)
    (session,) = sessions("torch", spec=spec)
    with torch.backends.mkldnn.flags(enabled=False):
        session.step(*batch(spec))
        assert session.executed_path() == "aten"
    assert session.executed_path() == backends.load("torch").expected_path(spec, "cpu") == "onednn"


def test_executed_path_shows_that_packed_sequences_leave_onednn() -> None:
    spec = ModelSpec(cell="lstm", inputs=3, hidden=5, outputs=2)
    (session,) = sessions("torch", spec=spec)
    session.step(*batch(spec), LENGTHS)
    assert session.executed_path() == "aten"


@pytest.mark.parametrize("clip_norm", [None, 1e-3])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_second_bias_stays_zero(cell: str, clip_norm: float | None) -> None:
    spec = ModelSpec(cell=cell, inputs=3, hidden=5, outputs=2, dtype="float64")
    training = {"learning_rate": 0.1, "clip_norm": clip_norm}
    session, reference = sessions("torch", "numpy", spec=spec, **training)
    for _ in range(3):
        session.step(*batch(spec))
        reference.step(*batch(spec))
    second_bias = session.network.encoder.layer.bias_hh_l0.detach().numpy()
    assert not second_bias[: 10 if cell == "gru" else None].any()
    params = session.params()
    for name, value in reference.params().items():
        assert error(params[name], value) < 1e-9


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_forward_passes_before_their_backward_passes_do_not_share_buffers(cell: str) -> None:
    """torch-scan uses a buffer again only after the backward pass that needs it."""
    spec = ModelSpec(cell=cell, inputs=3, hidden=5, outputs=2, dtype="float64")
    session, reference = sessions("torch-scan", "numpy", spec=spec)
    x, y = batch(spec)
    batches = [(x, y), (2 * x, -y), (x[::-1] + 1, y)]
    for _ in range(2):  # the second time, the pool has the buffers of the first
        losses = [session.loss(*pair) for pair in batches]
        for number in (1, 0, 2):
            gradients = torch_gradients(session, losses[number])
            _, expected = reference.gradients(*batches[number])
            for name in ("layers.0.forward.u", "layers.0.forward.w"):
                assert error(gradients[name], expected[name]) < 1e-9


def test_buffers_of_lengths_that_no_longer_occur_are_freed() -> None:
    import gc
    import weakref

    import torch

    from backends._torch.buffers import BufferPool

    pool = BufferPool()
    references = []
    for length in range(1, 40):
        for width in (4, 4, 1):
            buffer = pool.take(torch.zeros(()), length, 2, width)
            references.append(weakref.ref(buffer))
            pool.give_back(buffer)
    del buffer
    gc.collect()
    buffers = [reference() for reference in references]
    assert buffers[-1] is not None
    assert pool.take(torch.zeros(()), 39, 2, 4) is buffers[-2]
    assert len({id(buffer) for buffer in buffers if buffer is not None}) == pool.SHAPES


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_second_backward_pass_over_a_used_tape_is_an_error(cell: str) -> None:
    spec = ModelSpec(cell=cell, inputs=3, hidden=5, outputs=2, dtype="float64")
    (session,) = sessions("torch-scan", spec=spec)
    loss = session.loss(*batch(spec))
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="inplace operation"):
        loss.backward()


def torch_gradients(session: Any, loss: Any) -> dict[str, Any]:
    import torch

    gradients = torch.autograd.grad(loss, session.trained)
    by_parameter = dict(zip(session.trained, gradients, strict=True))
    slots = session.network.slots
    return {name: by_parameter[p][index].numpy() for name, p, index in slots if name}


@pytest.mark.parametrize("switch", ["disabled", "stance"])
def test_executed_path_shows_a_compiled_loop_that_runs_eagerly(switch: str) -> None:
    import torch

    spec = ModelSpec(cell="lstm", inputs=3, hidden=5, outputs=2, dtype="float64")
    session, reference = sessions("torch-compile", "numpy", spec=spec)
    # TORCH_COMPILE_DISABLE=1 sets the first; the second is PyTorch's own switch to eager mode.
    disabled = torch._dynamo.config.patch(disable=True)
    with disabled if switch == "disabled" else torch.compiler.set_stance("force_eager"):
        assert gradient_error(session, reference, *batch(spec)) < 1e-9
        assert session.executed_path() == "python-loop"


def test_compiled_parts_and_the_remaining_steps_equal_the_reference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from backends._torch import compiled

    monkeypatch.setattr(compiled, "STEPS", 2)
    spec = ModelSpec(cell="gru", inputs=3, hidden=5, outputs=2, dtype="float64")
    session, reference = sessions("torch-compile", "numpy", spec=spec)
    x, y = batch(spec)
    x = x[:, :3]
    assert float(session.step(x, y)) == pytest.approx(reference.step(x, y))
    expected = backends.load("torch-compile").expected_path(spec, "cpu")
    assert session.executed_path() == expected == "inductor"
    params = session.params()
    assert max(error(params[n], value) for n, value in reference.params().items()) < 1e-9


@pytest.mark.parametrize(("variants", "path"), [(64, "inductor"), (1, "python-loop")])
def test_versions_without_a_limit_for_each_function_compile_many_shapes(
    variants: int, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from backends._torch import compiled

    monkeypatch.setattr(compiled, "signature", lambda _: signature(lambda model: model))
    monkeypatch.setattr(compiled, "VARIANTS", variants)
    spec = ModelSpec(cell="rnn", inputs=2, hidden=3, outputs=2)
    torch.compiler.reset()
    with torch._dynamo.config.patch(cache_size_limit=1):
        (session,) = sessions("torch-compile", spec=spec)
        for count in (1, 2, 3):
            session.predict(np.ones((count, 4, 2)))
        assert session.executed_path() == path
