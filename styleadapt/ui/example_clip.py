"""Makes an example clip, in which the camera moves over one of the packaged photos."""

from pathlib import Path

from PIL import Image

from styleadapt.images.images import open_image

SIZE, FRAMES, RATE = (480, 320), 48, 24
VIEW = 0.6


def write_example_clip(photo: Path, target: Path) -> None:
    """Write two seconds of H.264 to `target`, an MP4 file: from the top left of `photo` to its bottom right."""
    import av

    image = open_image(photo)
    scale = VIEW * min(image.width / SIZE[0], image.height / SIZE[1])
    width, height = SIZE[0] * scale, SIZE[1] * scale
    with av.open(str(target), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for n in range(FRAMES):
            x, y = (image.width - width) * n / (FRAMES - 1), (image.height - height) * n / (FRAMES - 1)
            view = image.resize(SIZE, Image.Resampling.BICUBIC, box=(x, y, x + width, y + height))
            container.mux(stream.encode(av.VideoFrame.from_image(view)))
        container.mux(stream.encode())
