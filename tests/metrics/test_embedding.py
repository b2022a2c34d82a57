from PIL import Image

from styleadapt.metrics.distribution import kernel_distance
from styleadapt.metrics.embedding import embed, feature_maps, load_embedded_network
from styleadapt.metrics.perceptual import perceptual_distance

from ..conftest import smooth_noise, stripes


def test_the_embedded_network_tells_textures_apart_and_knows_a_slight_change():
    network = load_embedded_network()
    clouds = [smooth_noise((64, 64), seed) for seed in range(16)]
    lines = [stripes(64, 4 + 2 * i) for i in range(8)]
    rows = embed(network, clouds), embed(network, lines)
    assert rows[0].shape == (16, 1920) and rows[0].isfinite().all()
    assert kernel_distance(rows[1], rows[0][:8]) > 5 * abs(kernel_distance(rows[0][8:], rows[0][:8]))
    paler = Image.blend(clouds[0], Image.new("RGB", (64, 64), "white"), 0.1)
    to_paler, to_other = (
        float(perceptual_distance(feature_maps(network, clouds[0]), feature_maps(network, image))) for image in (paler, clouds[1])
    )
    assert 0 < to_paler < 0.5 * to_other
