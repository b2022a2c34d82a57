"""State dicts as the authors' StyleGAN2-ADA and stylegan2-pytorch name them, what those networks compute, in straight functions,
and pickles as the former writes them."""

import math
import sys
import types

import torch
import torch.nn.functional as F

TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0])
FILTER = torch.outer(TAPS, TAPS) / 64


def upfirdn(x, up, down, before, after, gain):
    batch, channels, height, width = x.shape
    sparse = torch.zeros(batch, channels, height * up, width * up)
    sparse[:, :, ::up, ::up] = x
    padded = F.pad(sparse, (before, after, before, after)).reshape(batch * channels, 1, height * up + before + after, -1)
    y = F.conv2d(padded, (FILTER * gain)[None, None])
    return y.view(batch, channels, *y.shape[2:])[:, :, ::down, ::down]


def dense(x, weight, bias, lr=1.0, activate=False):
    y = x @ (weight * (lr / math.sqrt(weight.shape[1]))).T + bias * lr
    return F.leaky_relu(y, 0.2) * math.sqrt(2) if activate else y


def normalized(x):
    return x / (x.square().mean(1, keepdim=True) + 1e-8).sqrt()


def styled(x, layer, w, up=False, clamp=None, gain=1.0):
    """One image after the other, each with weights of its own."""
    style = dense(w, layer["affine.weight"], layer["affine.bias"])
    images = []
    for image, scales in zip(x, style):
        weight = layer["weight"] * scales[None, :, None, None]
        weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if up:
            y = F.conv_transpose2d(image[None], weight.transpose(0, 1), stride=2)
            images.append(upfirdn(y, 1, 1, 1, 1, 4.0))
        else:
            images.append(F.conv2d(image[None], weight, padding=1))
    y = torch.cat(images) + layer["noise_const"] * layer["noise_strength"] + layer["bias"].view(1, -1, 1, 1)
    y = F.leaky_relu(y, 0.2) * math.sqrt(2) * gain
    return y if clamp is None else y.clamp(-clamp * gain, clamp * gain)


def colors(x, layer, w, clamp=None):
    style = dense(w, layer["affine.weight"], layer["affine.bias"]) / math.sqrt(x.shape[1])
    y = torch.einsum("bchw,dc,bc->bdhw", x, layer["weight"][:, :, 0, 0], style) + layer["bias"].view(1, 3, 1, 1)
    return y if clamp is None else y.clamp(-clamp, clamp)


def synthesized(const, layers, pictures, skips, ws, clamp=None):
    """Pictures of codes `(B, L, D)`: `layers` are 1 and 2 a further resolution, `pictures` toRGB, `skips` 1x1 weights."""
    x = styled(const[None].expand(len(ws), -1, -1, -1), layers[0], ws[:, 0], clamp=clamp)
    picture = None if skips else colors(x, pictures[0], ws[:, 1], clamp)
    for n in range((len(layers) - 1) // 2):
        gain = math.sqrt(0.5) if skips else 1.0
        y = styled(x, layers[2 * n + 1], ws[:, 2 * n + 1], True, clamp)
        y = styled(y, layers[2 * n + 2], ws[:, 2 * n + 2], False, clamp, gain)
        if skips:
            weight = skips[n] / math.sqrt(skips[n].shape[1])
            y = y + upfirdn(F.conv2d(x, weight), 2, 1, 2, 1, 4.0) * gain
        x = y
        if not skips:
            picture = upfirdn(picture, 2, 1, 2, 1, 4.0) + colors(x, pictures[n + 1], ws[:, 2 * n + 3], clamp)
    return colors(x, pictures[0], ws[:, -1], clamp) if skips else picture


def judged(x, first, blocks, last, dense_layer, out, residual=True, clamp=None, group=4):
    """Logits: `first` and `last` are (weight, bias), `blocks` three of them (weight, bias) with the finest first."""

    def conv(x, pair, gain=1.0, down=False):
        weight, bias = pair
        scaled = weight / math.sqrt(weight[0].numel())
        if down:
            y = F.conv2d(upfirdn(x, 1, 1, 2, 2, 1.0), scaled, stride=2)
        else:
            y = F.conv2d(x, scaled, padding=weight.shape[-1] // 2)
        y = F.leaky_relu(y + bias.view(1, -1, 1, 1), 0.2) * math.sqrt(2) * gain
        return y if clamp is None else y.clamp(-clamp * gain, clamp * gain)

    x = conv(x, first)
    for conv0, conv1, skip in blocks:
        gain = math.sqrt(0.5) if residual else 1.0
        y = conv(conv(x, conv0), conv1, gain, down=True)
        if residual:
            y = y + F.conv2d(upfirdn(x, 1, 2, 1, 1, 1.0), skip / math.sqrt(skip.shape[1])) * gain
        x = y
    size = min(group, len(x))
    grouped = x.reshape(size, -1, *x.shape[1:])
    deviation = (grouped.var(0, unbiased=False) + 1e-8).sqrt().mean((1, 2, 3))
    x = torch.cat([x, deviation.repeat(size).view(-1, 1, 1, 1).expand(-1, 1, 4, 4)], 1)
    return dense(dense(conv(x, last).flatten(1), *dense_layer, activate=True), *out)


def official_generator_state(channels=(6, 6, 4), latent_dim=5, code_dim=7, mapping=3, residual=False, classes=0):
    state = {"mapping.w_avg": 0.3 * torch.randn(code_dim)}
    if classes:
        state["mapping.embed.weight"], state["mapping.embed.bias"] = torch.randn(code_dim, classes), torch.randn(code_dim)
    widths = [latent_dim + (code_dim if classes else 0), *[code_dim] * mapping]
    for n, (i, o) in enumerate(zip(widths, widths[1:])):
        state[f"mapping.fc{n}.weight"], state[f"mapping.fc{n}.bias"] = 100 * torch.randn(o, i), 10 * torch.randn(o)
    for n, width in enumerate(channels):
        block, resolution = f"synthesis.b{4 << n}", 4 << n
        state[f"{block}.resample_filter"] = FILTER
        before = channels[n - 1] if n else width
        if n == 0:
            state[f"{block}.const"] = torch.randn(width, 4, 4)
        for name, inside in (("conv0", before), ("conv1", width)):
            if n == 0 and name == "conv0":
                continue
            state[f"{block}.{name}.weight"] = torch.randn(width, inside, 3, 3)
            state[f"{block}.{name}.bias"] = 0.2 * torch.randn(width)
            state[f"{block}.{name}.noise_strength"] = 0.3 * torch.randn(())
            state[f"{block}.{name}.noise_const"] = torch.randn(resolution, resolution)
            state[f"{block}.{name}.resample_filter"] = FILTER
            state[f"{block}.{name}.affine.weight"] = torch.randn(inside, code_dim)
            state[f"{block}.{name}.affine.bias"] = torch.ones(inside) + 0.1 * torch.randn(inside)
        if residual and n:
            state[f"{block}.skip.weight"] = torch.randn(width, before, 1, 1)
            state[f"{block}.skip.resample_filter"] = FILTER
        if not residual or n == len(channels) - 1:
            state[f"{block}.torgb.weight"], state[f"{block}.torgb.bias"] = torch.randn(3, width, 1, 1), torch.randn(3)
            state[f"{block}.torgb.affine.weight"] = torch.randn(width, code_dim)
            state[f"{block}.torgb.affine.bias"] = torch.ones(width)
    return state


def official_codes(state, z, label=None, truncation=1.0):
    x = normalized(z)
    if label is not None:
        one_hot = F.one_hot(label, state["mapping.embed.weight"].shape[1]).float()
        x = torch.cat([x, normalized(dense(one_hot, state["mapping.embed.weight"], state["mapping.embed.bias"]))], 1)
    n = 0
    while f"mapping.fc{n}.weight" in state:
        x = dense(x, state[f"mapping.fc{n}.weight"], state[f"mapping.fc{n}.bias"], lr=0.01, activate=True)
        n += 1
    return state["mapping.w_avg"] + truncation * (x - state["mapping.w_avg"])


def part(state, prefix):
    return {key[len(prefix) + 1 :]: value for key, value in state.items() if key.startswith(f"{prefix}.")}


def official_pictures(state, z, label=None, truncation=1.0, clamp=None):
    w = official_codes(state, z, label, truncation)
    resolutions = sorted({int(key.split(".")[1][1:]) for key in state if key.startswith("synthesis.")})
    names = ["b4.conv1", *(f"b{r}.{name}" for r in resolutions[1:] for name in ("conv0", "conv1"))]
    layers = [part(state, f"synthesis.{name}") for name in names]
    pictures = [p for p in (part(state, f"synthesis.b{r}.torgb") for r in resolutions) if p]
    skips = [state[key] for r in resolutions[1:] if (key := f"synthesis.b{r}.skip.weight") in state]
    ws = w[:, None].expand(-1, len(layers) + 1, -1)
    return synthesized(state["synthesis.b4.const"], layers, pictures, skips, ws, clamp)


def official_discriminator_state(channels=(6, 6, 4), residual=True):
    state, widths = {}, channels[::-1]
    top = 4 << (len(channels) - 1)
    state[f"b{top}.fromrgb.weight"], state[f"b{top}.fromrgb.bias"] = torch.randn(widths[0], 3, 1, 1), torch.randn(widths[0])
    for n, (i, o) in enumerate(zip(widths, widths[1:])):
        block = f"b{top >> n}"
        for name, outside in (("conv0", i), ("conv1", o)):
            state[f"{block}.{name}.weight"], state[f"{block}.{name}.bias"] = torch.randn(outside, i, 3, 3), torch.randn(outside)
            state[f"{block}.{name}.resample_filter"] = FILTER
        if residual:
            state[f"{block}.skip.weight"] = torch.randn(o, i, 1, 1)
        state[f"{block}.resample_filter"] = FILTER
    last = widths[-1]
    state["b4.conv.weight"], state["b4.conv.bias"] = torch.randn(last, last + 1, 3, 3), torch.randn(last)
    state["b4.conv.resample_filter"] = FILTER
    state["b4.fc.weight"], state["b4.fc.bias"] = torch.randn(last, 16 * last), torch.randn(last)
    state["b4.out.weight"], state["b4.out.bias"] = torch.randn(1, last), torch.randn(1)
    return state


def official_logits(state, x, clamp=None, group=4):
    top = x.shape[-1]

    def pair(name):
        return state[f"{name}.weight"], state[f"{name}.bias"]

    blocks = []
    while top > 4:
        blocks.append((pair(f"b{top}.conv0"), pair(f"b{top}.conv1"), state.get(f"b{top}.skip.weight")))
        top //= 2
    residual = "b8.skip.weight" in state
    first = pair(f"b{x.shape[-1]}.fromrgb")
    return judged(x, first, blocks, pair("b4.conv"), pair("b4.fc"), pair("b4.out"), residual, clamp, group)


def rosinality_generator_state(channels=(6, 6, 4), code_dim=7, mapping=3):
    state = {"input.input": torch.randn(1, channels[0], 4, 4)}
    for n in range(mapping):
        state[f"style.{n + 1}.weight"] = 100 * torch.randn(code_dim, code_dim)
        state[f"style.{n + 1}.bias"] = torch.randn(code_dim)

    def conv(name, i, o, layer, resolution):
        state[f"{name}.conv.weight"] = torch.randn(1, o, i, 3, 3)
        state[f"{name}.conv.modulation.weight"], state[f"{name}.conv.modulation.bias"] = torch.randn(i, code_dim), torch.ones(i)
        state[f"{name}.noise.weight"], state[f"{name}.activate.bias"] = 0.3 * torch.randn(1), 0.2 * torch.randn(o)
        state[f"noises.noise_{layer}"] = torch.randn(1, 1, resolution, resolution)

    def rgb(name, i):
        state[f"{name}.conv.weight"], state[f"{name}.bias"] = torch.randn(1, 3, i, 1, 1), torch.randn(1, 3, 1, 1)
        state[f"{name}.conv.modulation.weight"], state[f"{name}.conv.modulation.bias"] = torch.randn(i, code_dim), torch.ones(i)

    conv("conv1", channels[0], channels[0], 0, 4)
    rgb("to_rgb1", channels[0])
    for n, (i, o) in enumerate(zip(channels, channels[1:])):
        conv(f"convs.{2 * n}", i, o, 2 * n + 1, 8 << n)
        state[f"convs.{2 * n}.conv.blur.kernel"] = state[f"to_rgbs.{n}.upsample.kernel"] = 4 * FILTER
        conv(f"convs.{2 * n + 1}", o, o, 2 * n + 2, 8 << n)
        rgb(f"to_rgbs.{n}", o)
    return state


def rosinality_pictures(state, z, mean=None, truncation=1.0):
    w = normalized(z)
    mapping = sum(key.startswith("style.") for key in state) // 2
    for n in range(1, mapping + 1):
        w = dense(w, state[f"style.{n}.weight"], state[f"style.{n}.bias"], lr=0.01, activate=True)
    if mean is not None:
        w = mean + truncation * (w - mean)

    def affine(name):
        return {"affine.weight": state[f"{name}.conv.modulation.weight"], "affine.bias": state[f"{name}.conv.modulation.bias"]}

    def conv(name, layer):
        noise = {"noise_const": state[f"noises.noise_{layer}"], "noise_strength": state[f"{name}.noise.weight"]}
        return {"weight": state[f"{name}.conv.weight"][0], "bias": state[f"{name}.activate.bias"], **noise, **affine(name)}

    def rgb(name):
        return {"weight": state[f"{name}.conv.weight"][0], "bias": state[f"{name}.bias"], **affine(name)}

    blocks = sum(key.startswith("to_rgbs.") and key.endswith(".bias") and "modulation" not in key for key in state)
    layers = [conv("conv1", 0), *(conv(f"convs.{n}", n + 1) for n in range(2 * blocks))]
    pictures = [rgb("to_rgb1"), *(rgb(f"to_rgbs.{n}") for n in range(blocks))]
    return synthesized(state["input.input"][0], layers, pictures, [], w[:, None].expand(-1, len(layers) + 1, -1))


def rosinality_discriminator_state(channels=(6, 6, 4)):
    widths = channels[::-1]
    state = {"convs.0.0.weight": torch.randn(widths[0], 3, 1, 1), "convs.0.1.bias": torch.randn(widths[0])}
    for n, (i, o) in enumerate(zip(widths, widths[1:]), 1):
        state[f"convs.{n}.conv1.0.weight"], state[f"convs.{n}.conv1.1.bias"] = torch.randn(i, i, 3, 3), torch.randn(i)
        state[f"convs.{n}.conv2.0.kernel"] = state[f"convs.{n}.skip.0.kernel"] = FILTER
        state[f"convs.{n}.conv2.1.weight"], state[f"convs.{n}.conv2.2.bias"] = torch.randn(o, i, 3, 3), torch.randn(o)
        state[f"convs.{n}.skip.1.weight"] = torch.randn(o, i, 1, 1)
    last = widths[-1]
    state["final_conv.0.weight"], state["final_conv.1.bias"] = torch.randn(last, last + 1, 3, 3), torch.randn(last)
    state["final_linear.0.weight"], state["final_linear.0.bias"] = torch.randn(last, 16 * last), torch.randn(last)
    state["final_linear.1.weight"], state["final_linear.1.bias"] = torch.randn(1, last), torch.randn(1)
    return state


def rosinality_logits(state, x):
    blocks, n = [], 1
    while f"convs.{n}.skip.1.weight" in state:
        first = state[f"convs.{n}.conv1.0.weight"], state[f"convs.{n}.conv1.1.bias"]
        second = state[f"convs.{n}.conv2.1.weight"], state[f"convs.{n}.conv2.2.bias"]
        blocks.append((first, second, state[f"convs.{n}.skip.1.weight"]))
        n += 1
    first = state["convs.0.0.weight"], state["convs.0.1.bias"]
    last = state["final_conv.0.weight"], state["final_conv.1.bias"]
    fc, out = ((state[f"final_linear.{n}.weight"], state[f"final_linear.{n}.bias"]) for n in (0, 1))
    return judged(x, first, blocks, last, fc, out)


class EasyDict(dict):
    """Named as the authors' dict in a pickle."""


def _reconstruct_persistent_obj(meta):
    raise AssertionError("the embedded source code would run here")


EasyDict.__module__, EasyDict.__qualname__ = "dnnlib.util", "EasyDict"
_reconstruct_persistent_obj.__module__ = "torch_utils.persistence"


class Persistent:
    """A module that is pickled with its source, as `torch_utils.persistence` does it."""

    def __init__(self, class_name, attributes):
        self.class_name, self.attributes = class_name, attributes

    def __reduce__(self):
        source = "import os\nos.abort()"
        meta = {"type": "class", "version": 6, "module_src": source, "class_name": self.class_name, "state": self.attributes}
        return _reconstruct_persistent_obj, (EasyDict(meta),)


def persistent(state, class_name="Generator", clamp=None, group=4):
    """A tree of persistent modules with the tensors of a state dict, as parameters or buffers."""
    root = Persistent(class_name, _attributes())
    for key, tensor in state.items():
        *path, name = key.split(".")
        module = root
        for step in path:
            modules = module.attributes["_modules"]
            module = modules.setdefault(step, Persistent("Layer", _attributes()))
        buffer = name in ("w_avg", "noise_const", "resample_filter")
        module.attributes["_buffers" if buffer else "_parameters"][name] = tensor if buffer else torch.nn.Parameter(tensor)
        if path:
            settings = {"activation": "lrelu", "conv_clamp": clamp, "weight_gain": torch.tensor(0.5).numpy()[()]}
            settings["bias_gain"] = 0.01 if path[-1].startswith("fc") and path[0] == "mapping" else 1
            module.attributes.update(settings)
    if class_name == "Discriminator":
        root.attributes["_modules"]["b4"].attributes["_modules"]["mbstd"] = Persistent(
            "MinibatchStdLayer", {**_attributes(), "group_size": group}
        )
    return root


def _attributes():
    from collections import OrderedDict

    groups = {name: OrderedDict() for name in ("_parameters", "_buffers", "_modules", "_backward_hooks")}
    return {"training": False, "_non_persistent_buffers_set": set(), "_init_args": (), "_init_kwargs": EasyDict(), **groups}


def with_authors_modules(monkeypatch):
    """While pickling, the authors' packages are there to be named."""
    for name, member in (("torch_utils.persistence", _reconstruct_persistent_obj), ("dnnlib.util", EasyDict)):
        package, _, _ = name.partition(".")
        module = types.ModuleType(name)
        setattr(module, member.__name__, member)
        monkeypatch.setitem(sys.modules, package, types.ModuleType(package))
        monkeypatch.setitem(sys.modules, name, module)
