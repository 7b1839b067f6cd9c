"""Optax's optimisers."""

import optax

from bench.spec import Training


def optimiser(training: Training) -> optax.GradientTransformation:
    """The update rule of `Training`, on any pytree of weights."""
    rate, betas = training.learning_rate, {"b1": training.beta1, "b2": training.beta2}
    sgd = training.optimiser == "sgd"
    rule = optax.sgd(rate) if sgd else optax.adam(rate, **betas, eps=training.epsilon)
    if training.clip_norm is None:
        return rule
    return optax.chain(optax.clip_by_global_norm(training.clip_norm), rule)
