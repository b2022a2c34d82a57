"""Makes models with spectral normalization picklable, which torch's parametrized layers are not."""

import copy
import re
from typing import Any, cast

import torch
from torch import nn
from torch.nn.utils import parametrize

# What `training.parameters` trains beside a layer's weight; spectral normalization has parametrizations too, which belong.
LOW_RANK = re.compile(r"\.parametrizations\.\w+\.\d+\.(lora|hada)_")


class PicklesByState:
    """For a diffusers model: one with spectral normalization is pickled as its config and state, and built anew from them.

    So a pipeline can be sent to another process. Low-rank changes while they train are not known to the constructor, and torch's
    own error stands.
    """

    def __reduce_ex__(self, protocol: Any) -> Any:
        model = cast(Any, self)
        state = model.state_dict()
        if not any(map(parametrize.is_parametrized, model.modules())) or any(map(LOW_RANK.search, state)):
            return super().__reduce_ex__(protocol)
        trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        return _rebuilt, (type(self), dict(model.config), state, trained, model.training)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        # A copy within the process keeps everything, such as hooks and gradient checkpointing.
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        copied.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return copied


def _rebuilt(cls: type, config: dict[str, Any], state: dict[str, torch.Tensor], trained: list[str], training: bool) -> Any:
    with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
        model = cls(**{key: value for key, value in config.items() if not key.startswith("_")})
        example = next(iter(state.values()))
        nn.Module.to(model, example.device, example.dtype)
        model.load_state_dict(state, assign=True)
    model.register_to_config(**{key: value for key, value in config.items() if key.startswith("_")})
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in trained)
    return model.train(training)
