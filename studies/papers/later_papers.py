"""Experiments of papers from 2013 to 2020."""

from dataclasses import replace

from studies.experiment import SCORE, SOLVED, Experiment, PublishedFigure, single_value
from tasks import adding, classification, memory, temporal_order

PASCANU = "Pascanu, Mikolov & Bengio 2013"
BAI = "Bai, Kolter & Koltun 2018"
MNIST1D = "Greydanus & Kobak 2020"
SOURCES = {
    BAI: "An empirical evaluation of generic convolutional and recurrent networks, "
    "arXiv 1803.01271, table 1",
    PASCANU: "On the difficulty of training recurrent neural networks, arXiv 1211.5063",
    MNIST1D: "Scaling down deep learning with MNIST-1D, arXiv 2011.14439",
}
ADDING_IS_SHORTER = (
    "A model that always answers 1 scores 0.167. Our training ends after 4,000 updates, each with "
    "32 new sequences. The authors' script passes ten times over 50,000 sequences, about 15,600 "
    "updates."
)
COPYING_IS_SHORTER = (
    "A model that remembers nothing scores 0.0204. Our training ends after 1,000 updates by Adam, "
    "each with 32 new sequences; symbols are one-hot, and there is one delimiter. The authors' "
    "script passes fifty times over 10,000 sequences, about 15,600 updates by RMSprop; a symbol "
    "is one number, and the delimiter stays until the end."
)
ADDING = replace(
    adding.PROFILES["standard"],
    marks="anywhere",
    batch=32,
    hidden=130,
    clip_norm=5.0,
    learning_rate=0.001,
    steps=4000,
)
COPYING = replace(
    memory.PROFILES["standard"],
    lag=1000,
    batch=32,
    hidden=50,
    clip_norm=1.0,
    learning_rate=0.0005,
    steps=1000,
    held_out=200,
)

EXPERIMENTS = (
    Experiment(
        name="temporal order, length 50",
        group=PASCANU,
        task_name="temporal-order",
        task=temporal_order.PROFILES["standard"],
        published=(PublishedFigure("rnn", SOLVED, 1.0, 1.0, 1.0),),
        differences=(
            "The paper trains by gradient descent with clipping and a regulariser; we train by "
            "Adam with clipping, from orthogonal recurrent weights. The paper judges 10,000 "
            "sequences, we judge 2,000.",
        ),
    ),
    Experiment(
        name="adding, T = 200",
        group=BAI,
        task_name="adding",
        task=replace(ADDING, length=200),
        seeds=5,
        differences=(ADDING_IS_SHORTER,),
    ),
    Experiment(
        name="adding, T = 600",
        group=BAI,
        task_name="adding",
        task=replace(ADDING, length=600),
        seeds=5,
        other_cells={"numpy": ("gru",), "torch": ("gru",)},
        published=(
            single_value("lstm", SCORE, 0.164),
            single_value("gru", SCORE, 5.3e-5),
            single_value("rnn", SCORE, 0.177),
        ),
        differences=(ADDING_IS_SHORTER,),
    ),
    Experiment(
        name="copy, T = 1000",
        group=BAI,
        task_name="memory",
        task=COPYING,
        seeds=5,
        published=(
            single_value("lstm", SCORE, 0.0204),
            single_value("gru", SCORE, 0.0197),
            single_value("rnn", SCORE, 0.0202),
        ),
        differences=(COPYING_IS_SHORTER,),
    ),
    Experiment(
        name="MNIST-1D, error",
        group=MNIST1D,
        task_name="classification",
        task=classification.PROFILES["standard"],
        cells=("gru",),
        seeds=5,
        published=(single_value("gru", SCORE, 0.09),),
        differences=(
            "The network of the paper has 6 units in each direction and reads all 40 states; ours "
            "has 64 units in one direction and reads the last state.",
        ),
    ),
)
