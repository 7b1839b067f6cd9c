"""N-gram models of a sequence of symbols, smoothed after Witten & Bell 1991, The zero-frequency
problem (method C)."""

import numpy as np

from bench.spec import Array


def bits_per_symbol(symbols: Array, count: int, order: int, train: int, test: range) -> float:
    """Bits a symbol of `symbols[test]` by the n-gram model of this order.

    The model is fitted to `symbols[:train]`; symbols are integers below `count`.
    """
    probability = np.full(len(test), 1 / count)
    for n in range(order):
        probability = _interpolated(probability, symbols, count, n, train, test)
    return -float(np.log2(probability).mean())


def _interpolated(
    shorter: Array, symbols: Array, count: int, n: int, train: int, test: range
) -> Array:
    """The probability of each test symbol after the n symbols before it, `(test,)`.

    With `shorter`, the probability after n − 1 symbols, it is
    (occurrences + followers × shorter) / (total + followers), where total counts the context and
    followers the different symbols that follow it; `shorter` where the context never occurs.
    """
    fitted = _contexts(symbols, count, np.arange(n, train), n) * count + symbols[n:train]
    ngrams, occurrences = np.unique(fitted, return_counts=True)
    contexts, index = np.unique(ngrams // count, return_inverse=True)
    totals, followers = np.bincount(index, occurrences), np.bincount(index)
    steps = np.asarray(test)
    context = _contexts(symbols, count, steps, n)
    total = _look_up(contexts, totals, context)
    different = _look_up(contexts, followers, context)
    occurred = _look_up(ngrams, occurrences, context * count + symbols[steps])
    mixed = (occurred + different * shorter) / np.where(total > 0, total + different, 1)
    return np.where(total > 0, mixed, shorter)


def _contexts(symbols: Array, count: int, steps: Array, n: int) -> Array:
    """The n symbols before each step as one integer, `(steps,)`."""
    code = np.zeros(len(steps), dtype=np.int64)
    for distance in range(n, 0, -1):
        code = code * count + symbols[steps - distance]
    return code


def _look_up(keys: Array, values: Array, queries: Array) -> Array:
    """The value of the key equal to each query, 0 where none of the sorted keys is."""
    index = np.minimum(np.searchsorted(keys, queries), len(keys) - 1)
    return np.where(keys[index] == queries, values[index], 0)
