import re


def test_it_prints_the_share_of_a_training_step(command):
    done = command("benchmark_augmentation", "--size", 64, "--batch_size", 2, "--rounds", 1, "--p", 1)
    assert done.returncode == 0, done.stderr
    times = [float(value) for value in re.findall(r"([\d.]+) ms an image", done.stdout)]
    share = float(re.search(r"takes (-?[\d.]+) of the training step \(64 px, p = 1.0", done.stdout)[1])
    assert len(times) == 3 and times[1] > times[0]
    assert abs(share - (times[1] - times[0]) / times[2]) < 0.02 * max(1, share)
