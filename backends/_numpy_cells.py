"""Recurrent cells and backpropagation through time, written out in NumPy.

Sequences run `(T, features, B)`: the block of a gate at one step is contiguous, and products
read as in the papers, W x + U h. `forward` takes `a = W x + b` for all steps and leaves only the
product with the state inside the loop. `backward` splits the derivative of each pre-activation
into what comes from later steps and a factor that does not depend on it; the factors are made
for many steps at once. The derivatives are collected as columns `(rows, T, B)`, so that each
weight gradient is one product over all steps (Werbos 1990).

`ended` `(T, 1, B)` is true where a sequence is over and its state held; None where all are full.
`d_hidden` `(T + 1, H, B)` begins with the initial state's derivative and holds what comes from
above; `backward` adds what comes from later steps, so that it ends as the total dL/dh_t. `d_cell`
`(H, B)` is dL/dc of the last step, which becomes that of the initial state; None without a c.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import numpy as np

from bench.spec import Array

FACTORS = 1 << 17
"""Elements of the factors made at once: about as many as a processor's own cache holds."""
MULTIPLES = (1.0, 1.25, 1.5, 1.75)
"""Of equal terms what is lost depends on where they lie between two powers of two."""
NARROW = 16
"""Of a product over all steps with at most so many rows or columns, the bias' among them, one term
may be added after another. MKL does so with up to 11 (PyTorch 2.13, AMD EPYC), of wider ones it
adds up blocks."""
WAYS = (1, -1)
"""Forwards, and backwards as a backward pass does. Where small terms follow large ones more is
lost."""
TERMS = 256
"""So many are made at once."""


class Workspace:
    """Arrays by name that live as long as the session: fresh memory costs a page fault for every
    4 KiB. Whoever asks for a name again overwrites what it held."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self._flat: dict[str, Array] = {}

    def __call__(self, name: str, *shape: int) -> Array:
        flat, size = self._flat.get(name), prod(shape)
        if flat is None or flat.size < size:
            flat = self._flat[name] = np.empty(size, self.dtype)
        return flat[:size].reshape(shape)

    def copy(self, name: str, array: Array) -> Array:
        own = self(name, *array.shape)
        np.copyto(own, array)
        return own

    def states(self, name: str, time: int, initial: Array) -> Array:
        """`(T + 1, H, B)`, beginning with the initial state `(H, B)`."""
        states = self(name, time + 1, *initial.shape)
        states[0] = initial
        return states

    def columns(self, name: str, sequence: Array) -> Array:
        """`(T, N, B)` as `(N, T·B)`, an operand of a product over all steps; copied only where
        it does not lie so already."""
        time, size, batch = sequence.shape
        if sequence.strides[0] == batch * sequence.strides[2]:
            return flat(sequence.swapaxes(0, 1))
        columns = self(name, size, time, batch)
        for t, at in enumerate(sequence):
            columns[:, t] = at
        return flat(columns)


@dataclass(frozen=True)
class Direction:
    """One direction of one layer: its cell, weights and their gradients by name. `w`
    `(G·H, D + 1)` has the bias as its last column. `space` is its own, `scratch` everyone's.
    Its parameters' names begin with `prefix`."""

    prefix: str
    cell: Any
    reverse: bool
    weights: Mapping[str, Array]
    grads: Mapping[str, Array]
    space: Workspace
    scratch: Workspace


class Tape(NamedTuple):
    """What `forward` leaves for `backward`, which uses it up: `gates` `(T, G, H, B)`, activated;
    `hidden` and `cells` `(T + 1, H, B)`; `extra` `(T, H, B)`, each cell's own."""

    gates: Array
    hidden: Array
    cells: Array | None = None
    extra: Array | None = None

    @property
    def final(self) -> tuple[Array, ...]:
        """The last state: h, and c where the cell has one."""
        return (self.hidden[-1],) if self.cells is None else (self.hidden[-1], self.cells[-1])


class Product(NamedTuple):
    """The gradient of some rows of a weight array: Σ over all columns of `derivatives`
    `(rows, T, B)` times `inputs` `(T, N, B)` transposed. Without inputs, as for a bias, it is the
    sum of the derivatives. The array is called `name` in `Direction.grads`."""

    name: str
    derivatives: Array
    inputs: Array | None
    rows: slice = slice(None)


class Derivatives(NamedTuple):
    """What `backward` returns: the derivatives of the preactivations of the input side
    `(G·H, T, B)`, and the weight gradients that the recurrence adds, still to be multiplied."""

    preactivations: Array
    products: tuple[Product, ...] = ()


class Rnn:
    """h' = tanh(a + U h) (Elman 1990)."""

    @staticmethod
    def forward(p: Direction, a: Array, state: Any, ended: Any) -> Tape:
        h, u = p.space.states("hidden", len(a), state[0]), p.weights["u"]
        product = p.scratch("product", *a[0].shape)
        for t, at in enumerate(a):
            at += np.matmul(u, h[t], out=product)
            np.tanh(at, out=h[t + 1])
            _hold(h, t, ended)
        return Tape(a, h)

    @staticmethod
    def backward(p: Direction, tape: Tape, d_hidden: Array, d_cell: Any, ended: Any) -> Derivatives:
        h, (time, size, batch) = tape.hidden, tape.hidden[1:].shape
        ut, da = p.scratch.copy("ut", p.weights["u"].T), p.scratch("da", size, time, batch)
        at, product = p.scratch("at", size, batch), p.scratch("product", size, batch)
        for steps in _backwards(time, size * batch):
            factors = _one_minus_square(h[1:][steps], p.scratch("factors", *h[1:][steps].shape))
            _zero(factors, steps, ended)
            for t, factor in _reversed(steps, factors):
                np.multiply(d_hidden[t + 1], factor, out=at)
                da[:, t] = at
                d_hidden[t] += np.matmul(ut, at, out=product)
                _pass_by(d_hidden, t, ended)
        return Derivatives(da, (Product("u", da, h[:-1]),))


class Feedforward:
    """h' = tanh(a): the rnn with no recurrence."""

    @staticmethod
    def forward(p: Direction, a: Array, state: Any, ended: Any) -> Tape:
        h = p.space.states("hidden", len(a), state[0])
        np.tanh(a, out=h[1:])
        for t in range(len(a)):
            _hold(h, t, ended)
        return Tape(a, h)

    @staticmethod
    def backward(p: Direction, tape: Tape, d_hidden: Array, d_cell: Any, ended: Any) -> Derivatives:
        for t in reversed(range(len(tape.gates))):
            _pass_by(d_hidden, t, ended)
        a = _one_minus_square(tape.hidden[1:], tape.gates)
        a *= d_hidden[1:]
        _zero(a, slice(None), ended)
        return Derivatives(p.scratch.copy("da", a.swapaxes(0, 1)))


class Lstm:
    """c' = f∘c + i∘g, h' = o∘tanh(c') (Hochreiter & Schmidhuber 1997; Gers et al. 2000).

    The gates lie in the order o, i, f, g: o, i and f are alike on the way forward; the
    derivatives of i, f and g are multiples of dL/dc.
    """

    @staticmethod
    def forward(p: Direction, a: Array, state: Any, ended: Any) -> Tape:
        time, (size, batch), u = len(a), state[0].shape, p.weights["u"]
        h, c = p.space.states("hidden", time, state[0]), p.space.states("cells", time, state[1])
        gates, squashed = a.reshape(time, 4, size, batch), p.space("extra", time, size, batch)
        product, ig = p.scratch("product", *a[0].shape), p.scratch("ig", size, batch)
        for t, at in enumerate(a):
            at += np.matmul(u, h[t], out=product)
            _sigmoid(at[: 3 * size])
            o, i, f, g = gates[t]
            np.tanh(g, out=g)
            np.multiply(f, c[t], out=c[t + 1])
            c[t + 1] += np.multiply(i, g, out=ig)
            _hold(c, t, ended)
            np.tanh(c[t + 1], out=squashed[t])
            np.multiply(o, squashed[t], out=h[t + 1])
            _hold(h, t, ended)
        return Tape(gates, h, c, squashed)

    @staticmethod
    def backward(
        p: Direction, tape: Tape, d_hidden: Array, d_cell: Array, ended: Any
    ) -> Derivatives:
        time, _, size, batch = tape.gates.shape
        ut, da = p.scratch.copy("ut", p.weights["u"].T), p.scratch("da", 4 * size, time, batch)
        at, product = p.scratch("at", 5, size, batch), p.scratch("product", size, batch)
        rows = at[1:].reshape(4 * size, batch)
        for steps in _backwards(time, 5 * size * batch):
            for t, factor in _reversed(steps, Lstm.factors(p, tape, steps, ended)):
                np.multiply(d_hidden[t + 1], factor[:2], out=at[:2])
                d_cell += at[0]
                np.multiply(d_cell, factor[2:], out=at[2:])
                d_cell *= tape.gates[t, 2]
                da[:, t] = rows
                d_hidden[t] += np.matmul(ut, rows, out=product)
                _pass_by(d_hidden, t, ended)
        return Derivatives(da, (Product("u", da, tape.hidden[:-1]),))

    @staticmethod
    def factors(p: Direction, tape: Tape, steps: slice, ended: Any) -> Array:
        """`(n, 5, H, B)`: of dL/dh in dL/dc and dL/da_o; of dL/dc in dL/da_i, a_f and a_g."""
        gates, squashed = tape.gates[steps], tape.extra[steps]
        o, i, f, g = gates.swapaxes(0, 1)
        factors = p.scratch("factors", len(gates), 5, *o.shape[1:])
        dc, do, di, df, dg = factors.swapaxes(0, 1)
        _one_minus_square(squashed, dc)
        dc *= o
        _slope(gates[:, :3], factors[:, 1:4])
        do *= squashed
        di *= g
        df *= tape.cells[steps]
        _one_minus_square(g, dg)
        dg *= i
        if ended is not None:
            _zero(factors, steps, ended)
            np.copyto(f, 1, where=ended[steps])
        return factors


class Gru:
    """n = tanh(a_n + r∘(U_n h + b_hn)), h' = (1 − z)∘n + z∘h (reset_after).

    The rows of `w` lie in the order n, r, z and those of `u` in r, z, n: so derivatives in the
    order n, r, z, U_n h + b_hn hold both in one piece.
    """

    @staticmethod
    def forward(p: Direction, a: Array, state: Any, ended: Any) -> Tape:
        time, (size, batch), u = len(a), state[0].shape, p.weights["u"]
        h, gates = p.space.states("hidden", time, state[0]), a.reshape(time, 3, size, batch)
        product, inner = p.scratch("product", *a[0].shape), p.space("extra", time, size, batch)
        b_hn = p.scratch.copy("b_hn", np.broadcast_to(p.weights["b_hn"][:, None], state[0].shape))
        of_gates, of_new = product[: 2 * size], product[2 * size :]
        for t, at in enumerate(a):
            np.matmul(u, h[t], out=product)
            np.add(of_new, b_hn, out=inner[t])
            rz = at[size:]
            rz += of_gates
            _sigmoid(rz)
            n, r, z = gates[t]
            n += np.multiply(r, inner[t], out=of_new)
            np.tanh(n, out=n)
            _mix(h, t, z, n)
            _hold(h, t, ended)
        return Tape(gates, h, None, inner)

    @staticmethod
    def backward(p: Direction, tape: Tape, d_hidden: Array, d_cell: Any, ended: Any) -> Derivatives:
        time, _, size, batch = tape.gates.shape
        ut, da = p.scratch.copy("ut", p.weights["u"].T), p.scratch("da", 4 * size, time, batch)
        at, product = p.scratch("at", 5, size, batch), p.scratch("product", size, batch)
        rows = at[1:].reshape(4 * size, batch)
        for steps in _backwards(time, 5 * size * batch):
            for t, factor in _reversed(steps, Gru.factors(p, tape, steps, ended)):
                np.multiply(d_hidden[t + 1], factor, out=at)
                da[:, t] = rows
                d_hidden[t] += at[0]
                d_hidden[t] += np.matmul(ut, rows[size:], out=product)
        recurrent = Product("u", da[size:], tape.hidden[:-1])
        return Derivatives(da[: 3 * size], (recurrent, Product("b_hn", da[3 * size :], None)))

    @staticmethod
    def factors(p: Direction, tape: Tape, steps: slice, ended: Any) -> Array:
        """`(n, 5, H, B)`: of dL/dh' in dL/dh, dL/da_n, a_r, a_z and dL/d(U_n h + b_hn)."""
        gates, inner, h = tape.gates[steps], tape.extra[steps], tape.hidden[:-1][steps]
        n, r, z = gates.swapaxes(0, 1)
        factors = p.scratch("factors", len(gates), 5, *n.shape[1:])
        dh, dn, dr, dz, dm = factors.swapaxes(0, 1)
        _update_factors(h, n, z, dh, dn, dz)
        _slope(r, dr)
        dr *= inner
        dr *= dn
        np.multiply(dn, r, out=dm)
        _held(factors, steps, ended)
        return factors


class GruResetBefore:
    """n = tanh(a_n + U_n (r∘h)), h' = (1 − z)∘n + z∘h (Cho et al. 2014)."""

    @staticmethod
    def forward(p: Direction, a: Array, state: Any, ended: Any) -> Tape:
        time, (size, batch), u = len(a), state[0].shape, p.weights["u"]
        h, gates = p.space.states("hidden", time, state[0]), a.reshape(time, 3, size, batch)
        reset, product = p.space("extra", time, size, batch), p.scratch("product", *a[0].shape)
        of_gates, of_new = product[: 2 * size], product[2 * size :]
        for t, at in enumerate(a):
            rz = at[: 2 * size]
            rz += np.matmul(u[: 2 * size], h[t], out=of_gates)
            _sigmoid(rz)
            r, z, n = gates[t]
            np.multiply(r, h[t], out=reset[t])
            n += np.matmul(u[2 * size :], reset[t], out=of_new)
            np.tanh(n, out=n)
            _mix(h, t, z, n)
            _hold(h, t, ended)
        return Tape(gates, h, None, reset)

    @staticmethod
    def backward(p: Direction, tape: Tape, d_hidden: Array, d_cell: Any, ended: Any) -> Derivatives:
        time, _, size, batch = tape.gates.shape
        ut, da = p.scratch.copy("ut", p.weights["u"].T), p.scratch("da", 3 * size, time, batch)
        at, product = p.scratch("at", 4, size, batch), p.scratch("product", size, batch)
        rows = at[1:].reshape(3 * size, batch)
        for steps in _backwards(time, 4 * size * batch):
            for t, factor in _reversed(steps, GruResetBefore.factors(p, tape, steps, ended)):
                np.multiply(d_hidden[t + 1], factor, out=at)
                d_reset = np.matmul(ut[:, 2 * size :], at[3], out=product)
                at[1] = d_reset * factor[1]
                da[:, t] = rows
                d_hidden[t] += at[0]
                d_hidden[t] += d_reset * tape.gates[t, 0]
                d_hidden[t] += np.matmul(ut[:, : 2 * size], rows[: 2 * size], out=product)
        gates, new = slice(2 * size), slice(2 * size, None)
        of_gates = Product("u", da[gates], tape.hidden[:-1], gates)
        return Derivatives(da, (of_gates, Product("u", da[new], tape.extra, new)))

    @staticmethod
    def factors(p: Direction, tape: Tape, steps: slice, ended: Any) -> Array:
        """`(n, 4, H, B)`: of dL/dh' in dL/dh, past U; of dL/d(r∘h) in dL/da_r; of dL/dh' in
        dL/da_z and a_n."""
        gates, h = tape.gates[steps], tape.hidden[:-1][steps]
        r, z, n = gates.swapaxes(0, 1)
        factors = p.scratch("factors", len(gates), 4, *r.shape[1:])
        dh, dr, dz, dn = factors.swapaxes(0, 1)
        _update_factors(h, n, z, dh, dn, dz)
        _slope(r, dr)
        dr *= h
        _held(factors, steps, ended)
        return factors


CELLS: Mapping[str, Any] = {
    "rnn": Rnn,
    "feedforward": Feedforward,
    "lstm": Lstm,
    "gru": Gru,
    "gru_reset_before": GruResetBefore,
}


# ---- a step forward -------------------------------------------------------------------------


def _sigmoid(v: Array) -> None:
    """σ(v) = 1 / (1 + exp(−v)), in place; for large −v it is 1 / ∞ = 0."""
    np.negative(v, out=v)
    np.exp(v, out=v)
    v += 1
    np.reciprocal(v, out=v)


def _mix(h: Array, t: int, z: Array, n: Array) -> None:
    """h' = (1 − z)∘n + z∘h, as n + z∘(h − n)."""
    after = np.subtract(h[t], n, out=h[t + 1])
    after *= z
    after += n


def _hold(states: Array, t: int, ended: Array | None) -> None:
    if ended is not None:
        np.copyto(states[t + 1], states[t], where=ended[t])


# ---- steps backward -------------------------------------------------------------------------


def _backwards(time: int, elements: int) -> Iterator[slice]:
    """Runs of steps from the last to the first, of so many elements a step."""
    length = max(1, FACTORS // elements)
    for stop in range(time, 0, -length):
        yield slice(max(0, stop - length), stop)


def _reversed(steps: slice, factors: Array) -> Iterator[tuple[int, Array]]:
    return zip(range(steps.stop - 1, steps.start - 1, -1), factors[::-1], strict=True)


def _one_minus_square(tanh: Array, out: Array) -> Array:
    """tanh' = 1 − tanh²."""
    np.multiply(tanh, tanh, out=out)
    return np.subtract(1, out, out=out)


def _slope(sigmoid: Array, out: Array) -> Array:
    """σ' = σ − σ²."""
    np.multiply(sigmoid, sigmoid, out=out)
    return np.subtract(sigmoid, out, out=out)


def _update_factors(h: Array, n: Array, z: Array, dh: Array, dn: Array, dz: Array) -> None:
    """Of dL/dh' in dL/dh, dL/da_n and dL/da_z, where h' = (1 − z)∘n + z∘h."""
    np.subtract(h, n, out=dh)
    _slope(z, dz)
    dz *= dh
    _one_minus_square(n, dn)
    np.subtract(1, z, out=dh)
    dn *= dh
    np.copyto(dh, z)


def _zero(factors: Array, steps: slice, ended: Array | None) -> None:
    """Nothing flows into a cell whose sequence is over."""
    if ended is not None:
        over = ended[steps]
        np.copyto(factors, 0, where=over if factors.ndim == 3 else over[:, None])


def _held(factors: Array, steps: slice, ended: Array | None) -> None:
    """A state that was held hands on its derivative, the first factor, and nothing else."""
    if ended is not None:
        _zero(factors, steps, ended)
        np.copyto(factors[:, 0], 1, where=ended[steps])


def _pass_by(d_hidden: Array, t: int, ended: Array | None) -> None:
    """A state that was held hands its derivative on to the one before."""
    if ended is not None:
        np.add(d_hidden[t], d_hidden[t + 1], out=d_hidden[t], where=ended[t])


# ---- products over all steps ----------------------------------------------------------------


def flat(columns: Array) -> Array:
    """`(N, T, B)` as `(N, T·B)`."""
    return columns.reshape(len(columns), -1)


def outer(d: Array, x: Array, out: Array, in_order: bool = False) -> None:
    """Σ d xᵀ over all columns of d `(rows, T, B)` and x `(N, T·B)`; `in_order`: one step after
    another, where `out` is narrow one column after another."""
    np.matmul(flat(d), x.T, out=out)
    if not in_order:
        return
    if min(out.shape) > NARROW:
        out[:] = _farthest([_by_steps(d, x, way) for way in WAYS], out)
    elif len(x) > len(d):
        out[:] = [one_by_one(x, row) for row in flat(d)]
    else:
        out[:] = np.transpose([one_by_one(flat(d), row) for row in x])


def one_by_one(rows: Array, factors: Array | None = None) -> Array:
    """The sums of rows, times factors `(n)` if any, one term added after another, forwards or
    backwards and of one of the `MULTIPLES`, divided by it again: of each row the sum that loses
    most."""
    factors = np.ones(rows.shape[1], rows.dtype) if factors is None else factors
    columns, each = np.ascontiguousarray(rows.T), factors[:, None]
    sums = [_by_terms(columns[::way], each[::way] * k) / k for way in WAYS for k in MULTIPLES]
    return _farthest(sums, np.einsum("ij,j->i", rows, factors, dtype=np.float64))


def _by_terms(columns: Array, factors: Array) -> Array:
    """Σ column · factor. A spare element keeps NumPy from adding up single ones by halves."""
    terms = np.zeros((TERMS + 1, columns.shape[1] + 1), columns.dtype)
    for start in range(0, len(columns), TERMS):
        part = columns[start : start + TERMS]
        end = len(part) + 1
        np.multiply(part, factors[start : start + TERMS], out=terms[1:end, :-1])
        terms[0] = terms[:end].sum(axis=0)
    return terms[0, :-1]


def _by_steps(d: Array, x: Array, way: int) -> Array:
    steps = list(zip(d.swapaxes(0, 1), np.split(x, d.shape[1], axis=1), strict=True))
    total = np.zeros((len(d), len(x)), d.dtype)
    for at, before in steps[::way]:
        total += at @ before.T
    return total


def _farthest(sums: Sequence[Array], exact: Array) -> Array:
    """Of each element the one that is farthest from what it should be."""
    made = np.stack(sums)
    farthest = np.abs(made - exact).argmax(axis=0)
    return np.take_along_axis(made, farthest[None], axis=0)[0]
