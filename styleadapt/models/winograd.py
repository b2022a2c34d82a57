"""Frozen 3x3 convolutions by minimal filtering, which on CPUs without bfloat16 take half of the usual time.

Winograd's algorithm F(4x4, 3x3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", arXiv 1509.09308, section
4.3) takes 36 products for 16 outputs where the definition takes 144. Tiles of the input and kernels are transformed by small
constant matrices, multiplied element by element as one matrix product for each of the 36 positions, and transformed back. A
frozen kernel is transformed once, and its gradient toward the input is a convolution of the same kind.
"""

import torch
import torch.nn as nn

_OUT, _IN = 4, 6  # sides of a tile of the output, and of the part of the input that it sees
# of section 4.1's form Y = A^T [(G g G^T) * (B^T d B)] A, for the points 0, 1, -1, 2, -2
_INPUT = torch.tensor(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    dtype=torch.float32,
)
_KERNEL = torch.tensor([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]], dtype=torch.float32) / 24
_OUTPUT = torch.tensor([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], dtype=torch.float32)
_ROWS = 160  # tiles that are transformed together: enough for a matrix product, few enough for a processor's cache


class FrozenConv2d(nn.Conv2d):
    """A 3x3 convolution with padding 1 whose weights do not train: `(B, C, H, W)` -> `(B, O, H, W)`.

    In float32 on a CPU it computes by minimal filtering, which changes results by some 1e-5 of their deviation; elsewhere, and
    with weights that need a gradient, it is `torch.nn.Conv2d`.

    Args:
        in_channels (int): of the input, C.
        out_channels (int): of the output, O.

    >>> FrozenConv2d(8, 16)(torch.zeros(1, 8, 5, 7)).shape
    torch.Size([1, 16, 5, 7])
    """

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__(in_channels, out_channels, 3, padding=1)
        self.requires_grad_(False)
        self._transformed: dict[bool, tuple[tuple[int, int], torch.Tensor]] = {}

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.device.type != "cpu" or x.dtype != torch.float32 or self.weight.requires_grad or torch.compiler.is_compiling():
            return super().forward(x)
        return _MinimalFiltering.apply(x, self)

    def transformed(self, toward_input: bool) -> torch.Tensor:
        """The kernels after their transform, `(36, C, O)`, or those of the gradient toward the input, `(36, O, C)`."""
        # what was loaded in inference mode has no count of its changes
        state = (self.weight.data_ptr(), 0 if self.weight.is_inference() else self.weight._version)
        kept = self._transformed.get(toward_input)
        if kept is None or kept[0] != state:
            weight = self.weight.flip(2, 3) if toward_input else self.weight.transpose(0, 1)
            columns_first = weight.permute(3, 2, 0, 1)
            matrices = torch.kron(_KERNEL, _KERNEL) @ columns_first.reshape(9, -1)
            kept = self._transformed[toward_input] = state, matrices.view(-1, *columns_first.shape[2:])
        return kept[1]


class _MinimalFiltering(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: torch.Tensor, layer: FrozenConv2d) -> torch.Tensor:
        ctx.layer = layer
        return _filter(x, layer.transformed(toward_input=False), layer.bias)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return _filter(gradient, ctx.layer.transformed(toward_input=True)), None


def _filter(x: torch.Tensor, kernels: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """Filters `(B, C, H, W)` with transformed kernels `(36, C, O)`: `(B, O, H, W)` in channels_last."""
    batch, channels, height, width = x.shape
    down, across = -(-height // _OUT), -(-width // _OUT)
    padded = x.new_zeros(batch, down * _OUT + 2, across * _OUT + 2, channels)
    padded[:, 1 : height + 1, 1 : width + 1] = x.permute(0, 2, 3, 1)
    size = (batch, kernels.shape[2], down * _OUT, across * _OUT)
    filtered = torch.empty(size, dtype=x.dtype, memory_format=torch.channels_last)
    band = max(1, -(-_ROWS // across))
    for image, result in zip(padded, filtered.permute(0, 2, 3, 1).view(batch, down, _OUT, across, _OUT, -1)):
        for top in range(0, down, band):
            rows = image[top * _OUT : (top + band) * _OUT + 2]
            _filter_band(rows, kernels, bias, result[top : top + band])
    if filtered.shape[2:] == x.shape[2:]:
        return filtered
    return filtered[..., :height, :width].clone(memory_format=torch.channels_last)


def _filter_band(rows: torch.Tensor, kernels: torch.Tensor, bias: torch.Tensor | None, out: torch.Tensor) -> None:
    """Filters the padded rows `(4 R + 2, 4 T + 2, C)` of R x T tiles into `out`, `(R, 4, T, 4, O)`."""
    down, across, channels = out.shape[0], out.shape[2], rows.shape[2]
    line = rows.shape[1] * channels
    # tiles overlap by two: the first transform takes six rows of each, the second six columns
    tiles = rows.as_strided((_IN, down, line), (line, _OUT * line, 1)).reshape(_IN, -1)
    tiles = _INPUT @ tiles  # (row of the tile, R * W * C)
    by_column = (channels, down * line, line, _OUT * channels, 1)
    tiles = tiles.as_strided((_IN, _IN, down, across, channels), by_column).reshape(_IN, -1)
    tiles = (_INPUT @ tiles).view(_IN * _IN, down * across, channels)
    products = torch.bmm(tiles, kernels)
    products = (_OUTPUT @ products.view(_IN, -1)).view(_OUT, _IN, -1).transpose(0, 1).reshape(_IN, -1)
    filtered = (_OUTPUT @ products).view(_OUT, _OUT, down, across, -1).permute(2, 0, 3, 1, 4)
    if bias is None:
        out.copy_(filtered)
    else:
        torch.add(filtered, bias, out=out)
