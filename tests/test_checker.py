"""The conformance checker accepts correct adapters. It rejects an adapter with one fault by the
arrays that the fault reaches, and by no others."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, NamedTuple

import conformance
import definition
import faulty_definition
import numpy as np
import pytest
from conformance import Problem, check, problem
from faulty_definition import with_changed_weights, with_gradients_of, with_methods, with_rules
from test_conformance import Combination, decoders, matrix

from backends import numpy_backend
from bench.spec import Limit, ModelSpec, Supports, Unsupported
from studies import faulty_backends

REFERENCE = [c for c in (*matrix(), *decoders()) if c.spec.dtype == "float64"]


@pytest.mark.parametrize("combination", REFERENCE, ids=lambda combination: combination.name)
def test_reference_equals_the_definition(combination: Combination) -> None:
    """The two share no code, and the definition has no backward pass that could be wrong."""
    p = problem(replace(combination.spec, layers=min(combination.spec.layers, 2)), batch=3, time=4)
    verdict = conformance.assert_conforms(definition, p)
    assert len(verdict.differences) > 30


class Fault(NamedTuple):
    """An adapter with one fault: `rejected` arrays must be rejected, `accepted` ones must not be,
    because the fault does not reach them. `model` holds fields of the model."""

    adapter: Any
    rejected: tuple[str, ...]
    accepted: tuple[str, ...] = ()
    model: dict[str, Any] = {}  # noqa: RUF012


GRU, BOTH, TWO = {"cell": "gru"}, {"bidirectional": True}, {"layers": 2}
EVERY = {"readout": "every", "loss": "cross_entropy"}
WRITES = EVERY | {"decoder": 3}
OUTPUT = ("output", "hidden states", "loss", "d hidden states", "output in pieces")
RAGGED = ("output, ragged", "hidden states, ragged", "loss, ragged")
STATES = ("output from given states", "hidden states from given states")
TRAINED = ("losses", "readout.w trained")
W, U, B = (f"d layers.0.forward.{name}" for name in "wub")

FAULTS = {
    "the first two gates swapped": Fault(
        with_changed_weights(faulty_definition.first_two_gates_swapped),
        (*OUTPUT, *RAGGED, *STATES, W, U, B, "d x"),
        ("layers.0.forward.w as given",),
    ),
    "the gates of the gru swapped": Fault(
        with_changed_weights(faulty_definition.first_two_gates_swapped), (*OUTPUT, W, U, B), (), GRU
    ),
    "the update gate the other way round": Fault(
        with_rules(cell=faulty_definition.update_gate_reversed), (*OUTPUT, W, U, B), (), GRU
    ),
    "recurrent weights transposed": Fault(
        with_changed_weights(faulty_definition.recurrence_transposed), (*OUTPUT, W, U, B)
    ),
    "no bias": Fault(with_changed_weights(faulty_definition.without("b")), (*OUTPUT, B)),
    "no recurrent bias b_hn": Fault(
        with_changed_weights(faulty_definition.without("b_hn")),
        (*OUTPUT, "d layers.0.forward.b_hn"),
        (),
        GRU,
    ),
    "reset before in place of after": Fault(
        with_rules(cell=faulty_definition.other_gru_variant),
        (*OUTPUT, U, "d layers.0.forward.b_hn"),
        (),
        GRU,
    ),
    "reset after in place of before": Fault(
        with_rules(cell=faulty_definition.other_gru_variant),
        (*OUTPUT, U),
        (),
        GRU | {"gru": "reset_before"},
    ),
    "the state not held beyond the end": Fault(
        with_rules(hold=faulty_definition.state_never_held), (*RAGGED, f"{W}, ragged"), OUTPUT
    ),
    "one step read beyond the end": Fault(
        with_rules(is_real=faulty_definition.one_step_too_far), RAGGED, (*OUTPUT, *STATES)
    ),
    "the backward direction started at the padded end": Fault(
        with_rules(is_real=faulty_definition.backward_from_the_padded_end),
        (*RAGGED, "d layers.0.backward.w, ragged"),
        (*OUTPUT[:4], "d layers.0.backward.w"),
        BOTH,
    ),
    "only the lstm's h held": Fault(
        with_rules(hold=faulty_definition.only_h_held), ("output, ragged",), ("output",), WRITES
    ),
    "the decoder started at the padded end": Fault(
        with_rules(hold=faulty_definition.state_never_held),
        ("output, ragged", "loss, ragged", "d decoder.layers.0.forward.w, ragged"),
        ("output", "loss"),
        WRITES,
    ),
    "given states ignored": Fault(
        with_rules(start=faulty_definition.states_ignored),
        (*STATES, "output, ragged, from given states", "output of advance from given states"),
        ("output", "loss", *RAGGED),
    ),
    "given states by direction first": Fault(
        with_rules(start=faulty_definition.states_by_direction_first),
        STATES,
        (*OUTPUT[:4], *RAGGED),
        BOTH | TWO,
    ),
    "the directions handed to the second layer in the wrong order": Fault(
        with_rules(below=faulty_definition.backward_direction_first),
        (*OUTPUT[:4], "d layers.1.forward.w"),
        (),
        BOTH | TWO,
    ),
    "the backward state read at the wrong end": Fault(
        with_rules(final=faulty_definition.last_step_for_both_directions),
        ("output", "loss", "d readout.w", "d hidden states", "output, ragged"),
        ("hidden states", "hidden states, ragged"),
        BOTH,
    ),
    "gradients that come from padding": Fault(
        with_gradients_of(hold=faulty_definition.state_never_held),
        (f"{W}, ragged", f"{U}, ragged", "d x, ragged"),
        ("loss, ragged", "output, ragged", W, U, "d x"),
    ),
    "no begin token": Fault(
        with_rules(begin_flag=lambda t: 0.0),
        ("output", "loss", "d decoder.layers.0.forward.w"),
        ("hidden states",),
        WRITES,
    ),
    "a begin token at every step": Fault(
        with_rules(begin_flag=lambda t: 1.0), ("output", "loss"), ("hidden states",), WRITES
    ),
    "a decoder fed its own outputs in training": Fault(
        with_rules(feed=lambda target, output: output),
        ("loss", "d decoder.layers.0.forward.w", "d hidden states", "losses"),
        ("output", "output, ragged"),
        WRITES,
    ),
    "numbers fed back in training": Fault(
        with_rules(feed=lambda target, output: output),
        ("loss", "d readout.w"),
        ("output",),
        WRITES | {"loss": "mse"},
    ),
    "a missing label fed as the last class": Fault(
        with_rules(teacher_forcing=faulty_definition.missing_label_is_last_class),
        ("loss", "d decoder.layers.0.forward.w"),
        ("output",),
        WRITES,
    ),
    "a mean over what is missing too": Fault(
        with_rules(loss=faulty_definition.mean_includes_missing_targets),
        ("loss", "d readout.w", "d hidden states"),
        ("output", "hidden states"),
        EVERY,
    ),
    "a mean over missing numbers too": Fault(
        with_rules(loss=faulty_definition.mean_includes_missing_targets),
        ("loss", "d readout.w"),
        ("output",),
        EVERY | {"loss": "mse"},
    ),
    "the hidden gradients of the readout alone": Fault(
        with_methods(hidden_gradients=faulty_definition.last_step_only),
        ("d hidden states",),
        ("d x", U),
    ),
    "dL/dh_t one step late": Fault(
        faulty_backends.shifted_hidden_gradients(), ("d hidden states",), ("loss", W)
    ),
    "a gradient off by a millionth": Fault(
        with_methods(gradients=faulty_definition.off_by_a_millionth), (U,), (W, "d x", "loss")
    ),
    "ε inside the root": Fault(
        with_rules(adam=faulty_definition.epsilon_inside_the_root), TRAINED, ("loss", W)
    ),
    "ε inside the bias correction": Fault(
        with_rules(adam=faulty_definition.epsilon_inside_the_correction), TRAINED, ("loss", W)
    ),
    "a second trained bias": Fault(
        with_rules(adam=faulty_definition.biases_learn_twice_as_fast),
        ("losses", "layers.0.forward.b trained"),
        ("loss", B),
    ),
    "clipping by value": Fault(
        with_rules(clip=faulty_definition.clipped_by_value), TRAINED, ("loss", W)
    ),
    "clipping each array by its own norm": Fault(
        with_rules(clip=faulty_definition.clipped_by_each_norm), TRAINED, ("loss", W)
    ),
    "clipping by the norm and a millionth": Fault(
        with_rules(clip=faulty_definition.clipped_by_norm_plus_epsilon), TRAINED, ("loss", W)
    ),
    "no clipping": Fault(with_rules(clip=lambda g, limit: g), TRAINED, ("loss", W)),
    "outputs rounded to float32": Fault(
        with_methods(predict=np.float32), ("output", "output, ragged"), ("hidden states", "loss")
    ),
    "outputs that are not numbers": Fault(
        with_methods(predict=lambda output: output * np.nan), ("output",), ("hidden states",)
    ),
    "outputs of another shape": Fault(
        with_methods(predict=lambda output: output[None]), ("output",), ("hidden states",)
    ),
    "dL/dx missing": Fault(
        with_methods(gradients=lambda f: (f[0], {k: v for k, v in f[1].items() if k != "x"})),
        ("d x",),
        (W,),
    ),
    "a gradient of its own": Fault(
        with_methods(gradients=lambda f: (f[0], f[1] | {"b_hh": f[1]["x"]})), ("d b_hh",), (W,)
    ),
    "weights that come back transposed": Fault(
        with_methods(params=lambda params: {k: v[::-1] for k, v in params.items()}),
        ("layers.0.forward.w as given", "layers.0.forward.w trained"),
        ("output",),
    ),
    "a state that advance forgets": Fault(
        with_methods(advance=lambda result: (result[0], None)),
        ("output in pieces",),
        ("output", "output of advance from given states"),
    ),
    "an advance with the weights before training": Fault(
        faulty_backends.stale_advance(),
        ("output of single steps after an update",),
        ("output", "losses", "output of single steps"),
    ),
}


FAULTY_MODELS = [
    dict(model) for model in dict.fromkeys(tuple(f.model.items()) for f in FAULTS.values())
]


def problem_of(model: dict[str, Any]) -> Problem:
    sizes = {"inputs": 2, "hidden": 3, "outputs": 5, "dtype": "float64"}
    return problem(ModelSpec(**{"cell": "lstm"} | sizes | model), batch=4, time=4)


@pytest.mark.parametrize("name", FAULTS)
def test_fault_is_rejected_by_the_arrays_that_it_reaches(name: str) -> None:
    fault = FAULTS[name]
    verdict = check(fault.adapter, problem_of(fault.model))
    rejected, compared = {d.array for d in verdict.rejected}, {d.array for d in verdict.differences}
    assert not verdict.conforms
    assert set(fault.rejected) <= rejected
    assert set(fault.accepted) <= compared - rejected


@pytest.mark.parametrize("model", FAULTY_MODELS, ids=str)
def test_definition_without_a_fault_conforms(model: dict[str, Any]) -> None:
    """Every model that a fault is tried on."""
    assert check(definition, problem_of(model)).conforms


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_swapped_gates_are_rejected_at_lower_precision(dtype: str) -> None:
    """The reference in float32 stands for an adapter that computes in either."""
    p = problem(ModelSpec(cell="lstm", inputs=2, hidden=3, outputs=5, dtype=dtype))
    correct = in_float32(lambda spec, params: params)
    swapped = in_float32(faulty_backends.swapped_gates)
    assert check(correct, p).rejected == []
    assert {"output", "hidden states", U} <= {d.array for d in check(swapped, p).rejected}


def in_float32(change: faulty_backends.ChangeWeights) -> Any:
    def open_session(spec: ModelSpec, params: Any, device: str, training: Any) -> Any:
        narrow = replace(spec, dtype="float32")
        weights = change(spec, dict(params))
        return numpy_backend.open_session(narrow, weights, device, training)

    supports = replace(numpy_backend.SUPPORTS, dtypes=("bfloat16", "float32"), limits={})
    return SimpleNamespace(SUPPORTS=supports, open_session=open_session)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_errors_below_the_precision_of_the_dtype_are_rejected(dtype: str) -> None:
    def open_session(spec: ModelSpec, *arguments: Any) -> Any:
        wide = replace(spec, dtype="float64")
        return numpy_backend.open_session(wide, *arguments)

    wide = SimpleNamespace(
        SUPPORTS=Supports(dtypes=("bfloat16", "float32", "float64"), generation=True),
        open_session=open_session,
    )
    verdict = check(
        wide, problem(ModelSpec(cell="gru", inputs=2, hidden=3, outputs=5, dtype=dtype))
    )
    assert f"not computed in {dtype}" in str(verdict)


LIMIT = Limit("theirs", "so they say")


@pytest.mark.parametrize(
    ("changed", "model"),
    [
        ({"cells": ("rnn",), "limits": {"lstm": LIMIT}}, {}),
        (
            {"gru": ("reset_after",), "limits": {"reset_before": LIMIT}},
            GRU | {"gru": "reset_before"},
        ),
        ({"dtypes": ("float64",), "limits": {"float32": LIMIT}}, {"dtype": "float32"}),
        ({"layers": LIMIT}, TWO),
        ({"bidirectional": LIMIT}, BOTH),
        ({"decoder": LIMIT}, WRITES),
        ({"lengths": LIMIT}, {}),
        ({"initial_state": LIMIT}, {}),
        ({"training": LIMIT}, {}),
        ({"hidden_gradients": LIMIT}, {}),
        ({"generation": LIMIT}, {}),
    ],
)
def test_false_limit_is_found(changed: dict[str, Any], model: dict[str, Any]) -> None:
    """The reference declares that it cannot do what it does."""
    supports = replace(numpy_backend.SUPPORTS, **changed)
    modest = SimpleNamespace(SUPPORTS=supports, open_session=numpy_backend.open_session)
    verdict = check(modest, problem_of(model))
    assert not verdict.conforms
    assert "a limit that is not true" in str(verdict)
    assert "so they say (theirs)" in str(verdict)


def test_true_limit_is_reported() -> None:
    p = problem_of({"dtype": "float32"})
    verdict = check(definition, p)
    assert verdict.conforms
    assert verdict.limits == ["no float32: the definition is evaluated in float64 (ours)"]


def test_undeclared_refusal_is_found() -> None:
    def refuse(states: Any) -> Any:
        raise Unsupported("not today")

    verdict = check(with_methods(hidden_states=refuse), problem_of({}))
    assert not verdict.conforms
    assert "predictions: refused, though no limit is declared: not today" in verdict.broken


def test_failure_names_the_array_the_error_and_the_sizes() -> None:
    p = problem_of({})
    with pytest.raises(
        AssertionError, match=r"output differs by 0\.5 \(tolerance 1e-09\)"
    ) as raised:
        conformance.assert_conforms(with_methods(predict=lambda array: array * 1.5), p)
    assert "cell='lstm'" in str(raised.value)
    assert "batch 4, time 4" in str(raised.value)
