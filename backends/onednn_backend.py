"""oneDNN's recurrent primitives, called through its C interface without a framework around them."""

from backends import _onednn
from bench.spec import Limit, ModelSpec, Params, Session, Supports, Training, Unsupported

REQUIRES = _onednn.REQUIRES
SUPPORTS = Supports(
    cells=("rnn", "lstm", "gru"),
    dtypes=("float32",),
    generation=True,
    limits={
        "feedforward": Limit("ours", "the adapter calls oneDNN's recurrent primitives only"),
        "float64": Limit("theirs", "oneDNN's recurrent primitives have no float64"),
        "bfloat16": Limit("ours", "the adapter calls the primitives in float32 only"),
    },
)

devices, unavailable = _onednn.devices, _onednn.unavailable
settings, instruction_sets = _onednn.settings, _onednn.instruction_sets


def open_session(
    spec: ModelSpec, params: Params, device: str, training: Training = Training()
) -> Session:
    SUPPORTS.check(spec)
    if reason := unavailable(device):
        raise Unsupported(reason)
    from backends._onednn.session import OnednnSession

    return OnednnSession(spec, params, training)
