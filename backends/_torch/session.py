"""The session that all PyTorch backends share."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from backends._torch.executed import path_of_calls, profiled_calls
from backends._torch.loop import run_steps
from backends._torch.network import MakeLayers, Network
from backends._torch.optimiser import clip_gradients, make_optimiser
from backends._torch.stack import State, run_scans, weights_by_direction
from bench.spec import Array, ModelSpec, Params, Training, check_one_direction


class TorchSession:
    """See `bench.spec.Session`."""

    def __init__(
        self,
        spec: ModelSpec,
        make_layers: MakeLayers,
        params: Params,
        device: str,
        training: Training,
    ) -> None:
        # TF32 is on by default in cuDNN's recurrent layers: float32 would not be float32.
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        self.spec, self.device, self.training = spec, device, training
        self.dtype = getattr(torch, spec.storage)
        weights = {name: self.put(value) for name, value in params.items()}
        self.network = Network(spec, make_layers, weights)
        slots = [(name, p, index) for name, p, index in self.network.slots if p.requires_grad]
        self.trained = list(dict.fromkeys(p for _, p, _ in slots))
        self.frozen = [(p, index) for name, p, index in slots if not name]
        self.optimiser = make_optimiser(self.trained, training)
        self._last_batch: tuple[Any, ...] = (np.zeros((1, 2, spec.inputs)), None, None)

    def put(self, array: Any) -> Tensor:
        tensor = torch.as_tensor(np.ascontiguousarray(array))
        return tensor.to(self.device, self.dtype if tensor.is_floating_point() else torch.long)

    def predict(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        return self._numpy(self.forward(x, lengths, initial_state))

    def forward(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Tensor:
        with torch.no_grad():
            x, state = self._on_device(x), self._state(initial_state)
            self._last_batch = (x, None, lengths)
            return self.network.predict(x, lengths, state)

    def hidden_states(self, x: Any, lengths: Any = None, initial_state: Any = None) -> Array:
        with torch.no_grad():
            x, state = self._on_device(x), self._state(initial_state)
            return self._numpy(self.network.encode(x, lengths, state)[0])

    def advance(self, x: Any, state: Any = None) -> tuple[Array, Any]:
        check_one_direction(self.spec)
        with torch.inference_mode():
            states, final = self.network.encode(self._on_device(x), None, self._state(state))
            prediction = self.network.read_out(self.network.features(states, final))
        return self._numpy(prediction), final if self.spec.cell == "lstm" else final[0]

    def gradients(self, x: Any, y: Any, lengths: Any = None) -> tuple[float, dict[str, Array]]:
        x = self._on_device(x).detach().requires_grad_()
        loss = self.loss(x, y, lengths)
        d_x, *gradients = torch.autograd.grad(loss, [x, *self.trained])
        by_parameter = dict(zip(self.trained, gradients, strict=True))
        named = {
            name: self._numpy(by_parameter[p][index])
            for name, p, index in self.network.slots
            if name
        }
        return loss.item(), {**named, "x": self._numpy(d_x)}

    def backward(self, x: Any, y: Any, lengths: Any = None) -> Any:
        loss = self.loss(x, y, lengths)
        return loss, torch.autograd.grad(loss, self.trained)

    def hidden_gradients(self, x: Any, y: Any) -> Array:
        """Layers hide h_t, so the encoder's weights run step by step, where each h_t is a node of
        the graph."""
        x, y, passes = self._on_device(x), self._on_device(y), []

        def scan(*arguments: Any) -> tuple[Tensor, State]:
            states = list(run_steps(self.spec, *arguments))
            passes.append([state[0] for state in states])
            return torch.stack(passes[-1]), states[-1]

        weights = weights_by_direction(self.network.encoder.slots)
        states, final = run_scans(self.spec, scan, weights, x)
        top = passes[-self.spec.directions :]
        nodes = [h for direction in top for h in direction]
        loss = self.network.loss_of_states(states, final, y)
        gradients = torch.autograd.grad(loss, nodes, materialize_grads=True)
        directions = torch.stack(gradients, dim=1).unflatten(1, (len(top), -1)).unbind(1)
        in_time = [directions[0], *(backward.flip(1) for backward in directions[1:])]
        return self._numpy(torch.cat(in_time, dim=2))

    def loss(self, x: Any, y: Any, lengths: Any = None) -> Tensor:
        """The loss as a node of the graph that autograd differentiates."""
        x, y = self._on_device(x), self._on_device(y)
        self._last_batch = (x, y, lengths)
        return self.network.loss(x, y, lengths)

    def step(self, x: Any, y: Any, lengths: Any = None) -> Tensor:
        for parameter in self.trained:
            parameter.grad = None
        loss = self.loss(x, y, lengths)
        loss.backward()
        for parameter, index in self.frozen:
            parameter.grad[index] = 0
        if self.training.clip_norm is not None:
            clip_gradients(self.trained, self.training.clip_norm)
        self.optimiser.step()
        return loss.detach()

    def params(self) -> dict[str, Array]:
        return {
            name: self._numpy(p.detach()[index]) for name, p, index in self.network.slots if name
        }

    def wait(self) -> None:
        if self.device != "cpu":
            torch.cuda.synchronize(self.device)

    def executed_path(self) -> str:
        """The path of the last pass, which the profiler watches once more."""
        x, y, lengths = self._last_batch

        def repeat() -> None:
            self.forward(x, lengths) if y is None else self.backward(x, y, lengths)

        return path_of_calls(profiled_calls(repeat), self.spec)

    def _on_device(self, array: Any) -> Tensor:
        return array if torch.is_tensor(array) else self.put(array)

    def _state(self, state: Any) -> State | None:
        if state is None:
            return None
        arrays = state if isinstance(state, tuple | list) else (state,)
        return tuple(self._on_device(array) for array in arrays)

    def _numpy(self, tensor: Tensor) -> Array:
        return np.array(tensor.detach().to("cpu", self.dtype).numpy())
