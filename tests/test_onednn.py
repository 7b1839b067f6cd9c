"""oneDNN beyond the conformance suite: its objects, its errors, and the order of sequences."""

import gc
import re
from collections import Counter
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends import numpy_backend, onednn_backend
from backends._onednn import network, package
from backends._onednn.library import Engine, Library, OnednnError, check
from backends._onednn.objects import Objects, aligned_zeros
from backends._onednn.order import Order
from backends._onednn.parameters import Parameters
from bench.plan.availability import why_unavailable
from bench.spec import Array, ModelSpec, Unsupported
from bench.weights import initial_weights

CELLS = [("rnn", "reset_after"), ("lstm", "reset_after"), ("gru", "reset_after")]
CELLS += [("gru", "reset_before")]


def model(cell: str = "gru", variant: str = "reset_after", **fields: Any) -> ModelSpec:
    return ModelSpec(cell=cell, gru=variant, **{"inputs": 3, "hidden": 5, "outputs": 2, **fields})


def weights(spec: ModelSpec, seed: int = 3) -> Any:
    return initial_weights(spec, np.random.default_rng(seed))


def open_session(spec: ModelSpec, seed: int = 3) -> Any:
    return onednn_backend.open_session(spec, weights(spec, seed), "cpu")


def batch(spec: ModelSpec, size: int = 4, time: int = 6, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    positions = (size,) if spec.readout == "last" else (size, time)
    x = rng.standard_normal((size, time, spec.inputs)).astype(np.float32)
    return x, rng.standard_normal((*positions, spec.outputs)).astype(np.float32)


# ---- against the reference ----------------------------------------------------------------------


@pytest.mark.parametrize(("cell", "variant"), CELLS)
@pytest.mark.parametrize("readout", ["last", "every"])
def test_long_wide_sequences_agree_with_the_reference(
    cell: str, variant: str, readout: str
) -> None:
    spec = model(cell, variant, inputs=20, hidden=64, layers=2, readout=readout)
    reference = numpy_backend.open_session(replace(spec, dtype="float64"), weights(spec), "cpu")
    x, y = batch(spec, 8, 100)
    loss, gradients = open_session(spec).gradients(x, y)
    expected_loss, expected = reference.gradients(x, y)
    assert loss == pytest.approx(expected_loss, rel=1e-5)
    assert gradients.keys() == expected.keys()
    for name, gradient in gradients.items():
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(gradient, expected[name], rtol=0, atol=2e-5 * scale)


def test_shapes_that_were_dropped_are_computed_anew_with_the_present_weights() -> None:
    spec = model("lstm")
    session, reference = open_session(spec), numpy_backend.open_session(spec, weights(spec), "cpu")
    for time in (*range(1, network.KEPT + 3), 1, 2):
        x, y = batch(spec, 3, time, seed=time)
        assert float(session.step(x, y)) == pytest.approx(reference.step(x, y), rel=1e-4)
        np.testing.assert_allclose(session.predict(x), reference.predict(x), atol=1e-5)


# ---- sessions -----------------------------------------------------------------------------------


def test_sessions_in_one_process_share_nothing() -> None:
    """Losses and weights are the same, bit for bit, whether or not another session runs between."""
    spec = model("lstm", layers=2)

    def trained(*seeds: int) -> list[list[Array]]:
        sessions = [open_session(spec, seed) for seed in seeds]
        batches = [batch(spec, seed=seed) for seed in seeds]
        pairs = [*zip(sessions, batches, strict=True)]
        losses = [[session.step(x, y) for session, (x, y) in pairs] for _ in range(3)]
        by_session = zip(sessions, zip(*losses, strict=True), strict=True)
        return [[np.array(own), *session.params().values()] for session, own in by_session]

    together, alone = trained(1, 2), [*trained(1), *trained(2)]
    for with_other, by_itself in zip(together, alone, strict=True):
        for one, other in zip(with_other, by_itself, strict=True):
            np.testing.assert_array_equal(one, other)


def test_results_are_not_overwritten_by_the_next_call() -> None:
    spec = model("lstm", readout="every", bidirectional=True)
    session = open_session(spec)
    first, second = (batch(spec, seed=seed)[0] for seed in (1, 2))
    results = [session.predict(first), session.hidden_states(first)]
    copies = [result.copy() for result in results]
    session.predict(second)
    session.hidden_states(second)
    for result, copy in zip(results, copies, strict=True):
        np.testing.assert_array_equal(result, copy)
        assert result.base is None or result.base.flags.owndata


def test_state_that_advance_returned_stays_as_it_was() -> None:
    spec = model("lstm")
    session = open_session(spec)
    x, _ = batch(spec, 1)
    _, state = session.advance(x[:, :2])
    copies = [array.copy() for array in state]
    once, _ = session.advance(x[:, 2:], state)
    again, _ = session.advance(x[:, 2:], state)
    np.testing.assert_array_equal(once, again)
    for array, copy in zip(state, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_every_object_is_destroyed_with_its_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects are destroyed as often as created, the engine after everything else."""
    calls, call = [], Library.call

    def recorded(library: Library, function: str, *arguments: Any) -> None:
        call(library, function, *arguments)
        calls.append(function)

    monkeypatch.setattr(Library, "call", recorded)
    spec = model("lstm", layers=2, bidirectional=True)
    session = open_session(spec)
    x, y = batch(spec)
    session.step(x, y)
    session.hidden_gradients(x, y)
    created = Counter(kind for function in calls if (kind := _created(function)))
    assert created["primitive"] > 4 and created["engine"] == 1
    del session
    gc.collect()
    destroyed = [
        name.removeprefix("dnnl_").removesuffix("_destroy")
        for name in calls
        if name.endswith("_destroy")
    ]
    assert Counter(destroyed) == created
    assert destroyed[-2:] == ["stream", "engine"]


def _created(function: str) -> str | None:
    """The kind of object that a function creates: `dnnl_lstm_forward_primitive_desc_create` and
    `dnnl_memory_desc_create_with_tag` create descriptors."""
    kinds = ("primitive_desc", "primitive", "memory_desc", "memory", "stream", "engine")
    if "_create" not in function:
        return None
    return next(kind for kind in kinds if f"_{kind}_create" in function)


def test_weights_come_back_unchanged_and_lie_in_the_order_of_onednn() -> None:
    spec = model("gru", layers=2, bidirectional=True)
    params = weights(spec)
    parameters = Parameters(spec, params)
    returned = parameters.canonical()
    assert set(returned) == set(params)
    for name, value in params.items():
        np.testing.assert_array_equal(returned[name], value.astype(np.float32))
    r, z, n = params["layers.0.forward.w"].astype(np.float32).reshape(3, spec.hidden, spec.inputs)
    w = parameters.arrays["layers.0.forward.w"]
    np.testing.assert_array_equal(w, np.stack([z.T, r.T, n.T], axis=1))


# ---- the kernel that ran, and errors ------------------------------------------------------------


@pytest.mark.parametrize(("cell", "variant"), CELLS)
def test_executed_path_is_what_onednn_says(
    cell: str, variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = model(cell, variant)
    code = r"\w+(:\w+)?"
    path = rf"onednn \(({code}|training {code}, inference {code})\)"
    session = open_session(spec)
    before = session.executed_path()
    assert re.fullmatch(path, before)
    session.predict(batch(spec)[0])
    session.step(*batch(spec))
    assert session.executed_path() == before
    names = iter(["forward", "backward", "inference", "other"])
    monkeypatch.setattr(Objects, "implementation", lambda *_: next(names))
    session = open_session(spec)
    assert session.executed_path() == "onednn (training backward+forward, inference inference)"
    session.predict(batch(spec)[0])
    assert session.executed_path().endswith("inference inference+other)")


def test_failed_call_names_the_function_and_the_status() -> None:
    engine = Engine(Library(package.library_path()))
    with pytest.raises(OnednnError, match=r"dnnl_stream_create failed: invalid arguments"):
        engine.scope.create("stream", "dnnl_stream_create", None, 1)
    with pytest.raises(MemoryError, match="dnnl_memory_create failed: out of memory"):
        check("dnnl_memory_create", 1)
    check("dnnl_memory_create", 0)


def test_array_of_another_dtype_or_layout_is_refused() -> None:
    objects = Objects(Engine(Library(package.library_path())))
    for array in (np.zeros((2, 3, 4)), aligned_zeros(2, 3, 4).swapaxes(0, 1)):
        with pytest.raises(ValueError, match="row-major array of float32"):
            objects.sequence(array)


def test_unsupported_models_and_devices_are_refused_with_whose_limit_it_is() -> None:
    limits = {"float64": "theirs", "bfloat16": "ours"}
    for dtype, whose in limits.items():
        spec = model(dtype=dtype)
        assert str(onednn_backend.SUPPORTS.limit(spec)).endswith(f"({whose})")
        with pytest.raises(Unsupported, match=dtype):
            open_session(spec)
    with pytest.raises(Unsupported, match="feedforward"):
        open_session(model("feedforward"))
    with pytest.raises(Unsupported, match="runs on cpu, not on cuda"):
        onednn_backend.open_session(model(), weights(model()), "cuda")


def test_limit_on_float64_is_true(monkeypatch: pytest.MonkeyPatch) -> None:
    """oneDNN has descriptors of float64 (7), but no primitive."""
    monkeypatch.setattr("backends._onednn.objects._FLOAT32", 7)
    with pytest.raises(OnednnError, match="forward_primitive_desc_create failed: unimplemented"):
        open_session(model()).predict(batch(model())[0])


def test_missing_package_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> Any:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(package.metadata, "files", missing)
    assert "pip install onednn-cpu-gomp" in str(onednn_backend.unavailable("cpu"))
    with pytest.raises(Unsupported, match="pip install onednn-cpu-gomp"):
        open_session(model())
    absent = type("Absent", (), {"REQUIRES": ("no-such-package",)})
    assert "pip install no-such-package" in str(why_unavailable(absent, "cpu"))


def test_package_without_its_library_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package.metadata, "files", lambda _: [])
    assert "libdnnl.so.3" in str(onednn_backend.unavailable("cpu"))


def test_file_that_is_no_library_is_refused(tmp_path: Path) -> None:
    (tmp_path / "libdnnl.so.3").write_text("no library")
    with pytest.raises(Unsupported, match="oneDNN does not load"):
        Library(tmp_path / "libdnnl.so.3")


def test_instruction_set_and_version_are_reported() -> None:
    assert onednn_backend.settings("cpu")["version"].startswith("3.")
    assert set(onednn_backend.instruction_sets()) == {"onednn"}


# ---- the order of sequences ---------------------------------------------------------------------

lengths_of_batches = st.lists(st.integers(1, 5), min_size=1, max_size=4)


@given(lengths_of_batches, st.booleans())
def test_order_reverses_the_real_steps_and_leaves_zeros_as_padding(
    lengths: list[int], reverse: bool
) -> None:
    sequence = np.random.default_rng(0).standard_normal((5, len(lengths), 2))
    read = np.full_like(sequence, np.nan)
    Order(reverse, 5, lengths).read(sequence, read)
    for b, length in enumerate(lengths):
        real = sequence[:length, b]
        np.testing.assert_array_equal(read[:length, b], real[::-1] if reverse else real)
        assert not read[length:, b].any()


@given(lengths_of_batches, st.booleans())
def test_states_beyond_the_end_are_held(lengths: list[int], reverse: bool) -> None:
    hidden = np.random.default_rng(0).standard_normal((5, len(lengths), 2))
    initial, written = np.ones((len(lengths), 2)), np.full_like(hidden, np.nan)
    order = Order(reverse, 5, lengths)
    order.write(hidden, initial, written)
    for b, length in enumerate(lengths):
        real = hidden[:length, b]
        np.testing.assert_array_equal(written[:length, b], real[::-1] if reverse else real)
        held = initial[b] if reverse else real[-1]
        np.testing.assert_array_equal(written[length:, b], np.tile(held, (5 - length, 1)))
        np.testing.assert_array_equal(order.last(hidden)[b], real[-1])


@given(lengths_of_batches, st.booleans(), st.booleans())
def test_derivative_of_what_was_written_is_the_adjoint(
    lengths: list[int], reverse: bool, full: bool
) -> None:
    """⟨write(h), d⟩ = ⟨h, derive_written(d)⟩ for every h and d, and in place too."""
    rng = np.random.default_rng(0)
    hidden, d_written = rng.standard_normal((2, 5, len(lengths), 2))
    order = Order(reverse, 5, None if full else lengths)
    written, d_hidden = np.empty_like(hidden), np.empty_like(hidden)
    order.write(hidden, 0.0, written)
    order.derive_written(d_written, d_hidden)
    assert np.vdot(written, d_written) == pytest.approx(np.vdot(hidden, d_hidden))
    if not reverse:
        order.derive_written(d_written, d_written)
        np.testing.assert_array_equal(d_written, d_hidden)
