import torch

from styleadapt.losses.style import (
    discriminator_style_loss,
    gram_loss,
    gram_matrix,
    mean_std_loss,
    sliced_color_loss,
    style_statistics,
)


def test_gram_matrix_of_known_features():
    features = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    torch.testing.assert_close(gram_matrix(features), torch.tensor([[[2.5, 5.5], [5.5, 12.5]]]))


def test_gram_matrix_forgets_where_things_are():
    features = torch.randn(1, 5, 6, 6)
    shuffled = features.flatten(2)[..., torch.randperm(36)].view_as(features)
    torch.testing.assert_close(gram_matrix(features), gram_matrix(shuffled))


def test_statistics_are_means_and_deviations():
    features = torch.randn(2, 3, 20, 20) + 2
    statistics = style_statistics({"a": features})
    torch.testing.assert_close(statistics.mean["a"], features.mean((2, 3)))
    torch.testing.assert_close(statistics.std["a"], features.std((2, 3), correction=0), atol=1e-4, rtol=1e-4)


def test_gram_loss_by_hand():
    """Constant maps 1 and 3: Gram 1 and 9, difference 8, squared norms 1 and 81, so 64 / 41."""
    ours, style = (style_statistics({"a": torch.full((1, 1, 4, 4), v)}) for v in (1.0, 3.0))
    torch.testing.assert_close(gram_loss(ours, style), torch.tensor([64 / 41]))


def test_gram_loss_is_the_same_for_a_pale_style():
    a, b = torch.rand(1, 4, 8, 8), torch.rand(1, 4, 8, 8)
    losses = [gram_loss(style_statistics({"x": a * k}), style_statistics({"x": b * k})) for k in (1.0, 0.1)]
    torch.testing.assert_close(*losses)


def test_mean_std_loss_by_hand():
    """Means 1 against 2: (1)^2 / 4. Deviations equal. Half of the sum."""
    base = torch.tensor([-1.0, 1.0]).repeat(8).view(1, 1, 4, 4)
    ours, style = (style_statistics({"a": base + m}) for m in (1.0, 2.0))
    torch.testing.assert_close(mean_std_loss(ours, style), torch.tensor([0.125]), atol=1e-4, rtol=1e-3)


def test_one_style_serves_a_batch():
    ours = style_statistics({"a": torch.rand(3, 4, 8, 8)})
    style = style_statistics({"a": torch.rand(1, 4, 5, 5)})
    assert gram_loss(ours, style).shape == mean_std_loss(ours, style).shape == (3,)


def test_color_loss_of_shifted_colors_is_the_squared_shift():
    x = torch.rand(1, 3, 16, 16)
    shift = torch.tensor([0.5, 0.0, 0.0]).view(1, 3, 1, 1)
    torch.testing.assert_close(sliced_color_loss(x + shift, x, torch.eye(3)), torch.tensor([0.25 / 3]))


def test_color_loss_takes_other_sizes_and_moves_colors():
    x = torch.rand(1, 3, 40, 30, requires_grad=True)
    loss = sliced_color_loss(x, torch.rand(1, 3, 64, 64), torch.eye(3), count=500).sum()
    loss.backward()
    assert loss > 0 and x.grad.abs().sum() > 0


def test_losses_pull_toward_the_style():
    torch.manual_seed(0)
    style = style_statistics({"a": torch.rand(1, 4, 8, 8)})
    x = torch.zeros(1, 4, 8, 8, requires_grad=True)
    optimizer = torch.optim.Adam([x], 0.05)
    first = None
    for _ in range(100):
        statistics = style_statistics({"a": x})
        loss = (gram_loss(statistics, style) + mean_std_loss(statistics, style)).sum()
        first = first or float(loss.detach())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.2 * first


def test_discriminator_style_loss_compares_with_the_average_of_all_crops():
    ones = torch.ones(1, 1, 4, 4)
    style = {"local0": torch.cat([ones, 3**0.5 * ones])}  # Gram matrices 1 and 3, on average 2
    loss = discriminator_style_loss({"local0": torch.cat([2**0.5 * ones, ones])}, style)
    torch.testing.assert_close(loss, torch.tensor([0.0, (1 - 2) ** 2 / ((1 + 4) / 2)]))


def test_discriminator_style_loss_moves_the_generated_image_alone():
    generated, style = (torch.rand(2, 3, 8, 8, requires_grad=True) for _ in range(2))
    discriminator_style_loss({"a": generated}, {"a": style}).sum().backward()
    assert generated.grad.abs().sum() > 0 and style.grad is None


def test_moments_have_the_gradients_of_their_definition():
    x = torch.rand(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)

    def figures(features):
        s = style_statistics({"a": features})
        return s.gram["a"], s.mean["a"], s.std["a"]

    def plain(features):
        flat = features.flatten(2)
        gram, mean = flat @ flat.transpose(1, 2) / 20, flat.mean(2)
        return gram, mean, torch.sqrt(flat.var(2, correction=0) + 1e-5)

    weights = [torch.rand_like(t) for t in plain(x)]
    ours, theirs = (torch.autograd.grad(sum((w * t).sum() for w, t in zip(weights, f(x))), x)[0] for f in (figures, plain))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_bfloat16_features_give_the_same_statistics_and_gradients_but_for_rounding():
    torch.manual_seed(0)
    features = torch.rand(2, 32, 16, 16, requires_grad=True)
    half = features.detach().bfloat16().requires_grad_()
    target = style_statistics({"a": torch.rand(2, 32, 16, 16)})
    for f in (features, half):
        gram_loss(style_statistics({"a": f}), target).sum().backward()
    assert style_statistics({"a": half}).gram["a"].dtype == torch.float32
    torch.testing.assert_close(gram_matrix(half), gram_matrix(features), rtol=1e-2, atol=1e-3)
    difference = (half.grad.float() - features.grad).norm() / features.grad.norm()
    assert difference < 0.05
