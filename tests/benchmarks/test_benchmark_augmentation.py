import re


def test_it_prints_the_share_of_a_training_step(command):
    done = command("benchmark_augmentation", "--size", 64, "--batch_size", 4, "--rounds", 1, "--p", 1)
    assert done.returncode == 0, done.stderr
    loading, singly, batched, step = (float(value) for value in re.findall(r"([\d.]+) ms an image", done.stdout))
    shares = [float(value) for value in re.findall(r"adds ([\d.]+) of", done.stdout)]
    assert min(singly, batched) > loading and "64 px, p = 1.0" in done.stdout
    for share, time in zip(shares, (singly, batched), strict=True):
        assert abs(share - (time - loading) / step) < 0.05 * max(1, share)
