"""The claims, each about two settings of the grids."""

from studies.experiment import SCORE, SOLVED, Claim

STATEMENTS = (
    Claim(
        statement="An LSTM learns sooner with a forget bias of 1 than of 0 (Jozefowicz 2015)",
        better=("adding, T = 50: forget bias 1, rate 0.003", "lstm"),
        worse=("adding, T = 50: forget bias 0, rate 0.003", "lstm"),
    ),
    Claim(
        statement="A long lag needs a forget bias far above 1 (Tallec & Ollivier 2018)",
        better=("2c, p = q = 50: forget bias 5, rate 0.003", "lstm"),
        worse=("2c, p = q = 50: forget bias 1, rate 0.003", "lstm"),
        criterion=SOLVED,
    ),
    Claim(
        statement="Identity weights let a plain rnn learn to add (Le 2015, there with ReLU)",
        better=("adding, T = 50: identity, rate 0.001", "rnn"),
        worse=("adding, T = 50: uniform, rate 0.001", "rnn"),
        criterion=SOLVED,
    ),
    Claim(
        statement="Orthogonal recurrent weights, with the other weights of that scheme, help a "
        "plain rnn over long lags (Saxe 2014)",
        better=("temporal order: orthogonal, rate 0.001", "rnn"),
        worse=("temporal order: uniform, rate 0.001", "rnn"),
    ),
    Claim(
        statement="Clipping lets a plain rnn learn temporal order (Pascanu 2013)",
        better=("clipped at 1, rate 0.005", "rnn"),
        worse=("not clipped, rate 0.005", "rnn"),
        criterion=SOLVED,
    ),
    Claim(
        statement="The GRU learns to add sooner than the LSTM with as many weights",
        better=("adding, T = 50: as many weights", "gru"),
        worse=("adding, T = 50: as many weights", "lstm"),
    ),
    Claim(
        statement="The LSTM learns to add sooner than a plain rnn with as many weights",
        better=("adding, T = 50: as many weights", "lstm"),
        worse=("adding, T = 50: as many weights", "rnn"),
    ),
    Claim(
        statement="After 1,000 updates the LSTM forecasts sunspots better than a plain rnn with as "
        "many weights",
        better=("sunspots: as many weights", "lstm"),
        worse=("sunspots: as many weights", "rnn"),
        criterion=SCORE,
    ),
    Claim(
        statement="Two layers learn to add sooner than one layer with as many weights",
        better=("2 layers", "lstm"),
        worse=("1 layer", "lstm"),
    ),
)
