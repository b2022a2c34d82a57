import pytest
import torch

from styleadapt.adaptation.adapt import AdaptationConfig, _Adaptation, adapt
from styleadapt.adaptation.health import Advice, health, lost_variety
from styleadapt.losses.content import instance_normalize

from ..conftest import smooth_noise, stripes

ADVICE = Advice(style="s!", content="c!", memorization="m!")
SOUND = {"style_before": 0.1, "style_after": 0.07, "content_before": 0.8, "content_after": 0.82, "memorization": 0.02}


def verdicts(**changed):
    return {finding.figure: finding.verdict for finding in health({**SOUND, **changed}, ADVICE)}


def test_a_sound_adaptation_is_good_throughout_and_asks_for_nothing():
    findings = health(SOUND, ADVICE)
    assert [f.verdict for f in findings] == ["good"] * 3 and [f.suggestion for f in findings] == [None] * 3
    assert [round(f.value, 3) for f in findings] == [0.3, 0.983, 0.02]
    assert [f.sentence for f in findings] == [
        "The results are 30% nearer to the style than before the adaptation.",
        "The results keep 98% as much of the photo's structure as before the adaptation.",
        "Results of different photos are 98% as different from one another as the photos.",
    ]


@pytest.mark.parametrize(
    ("figure", "score", "fair", "bad", "suggestion"),
    [
        ("Style gained", "style_after", 0.094, 0.099, "s!"),
        ("Content kept", "content_after", 0.92, 1.19, "c!"),
        ("Memorization", "memorization", 0.2, 0.37, "m!"),
    ],
)
def test_each_figure_is_graded_and_a_bad_one_alone_has_its_suggestion(figure, score, fair, bad, suggestion):
    assert verdicts(**{score: fair}) == {**verdicts(), figure: "fair"}
    assert verdicts(**{score: bad}) == {**verdicts(), figure: "bad"}
    assert [f.suggestion for f in health({**SOUND, score: bad}, ADVICE) if f.suggestion] == [suggestion]
    assert not any(f.suggestion for f in health({**SOUND, score: fair}, ADVICE))


def test_a_style_that_was_lost_is_said_to_be_farther():
    [style, *_] = health({**SOUND, "style_after": 0.12}, ADVICE)
    assert "20% farther from the style" in style.sentence and str(style).endswith("s!")


@pytest.mark.parametrize(
    ("scores", "figures"),
    [
        ({k: v for k, v in SOUND.items() if k != "memorization"}, ["Style gained", "Content kept"]),
        ({"style_before": 0.1, "style_after": 0.07}, ["Style gained"]),
        ({**SOUND, "style_before": 0.0, "content_before": 2.1}, ["Memorization"]),
        ({}, []),
    ],
)
def test_scores_that_say_nothing_are_left_out(scores, figures):
    assert [finding.figure for finding in health(scores, ADVICE)] == figures


def maps(count, seed):
    noise = torch.randn(count, 1, 8, 6, 6, generator=torch.Generator().manual_seed(seed))
    return [{"deep": instance_normalize(m), "deeper": torch.zeros(1, 4, 3, 3)} for m in noise]


def mixed(photo, other, share):
    return {**photo, "deep": instance_normalize((1 - share) * photo["deep"] + share * other["deep"])}


def test_the_more_of_one_picture_is_in_all_results_the_more_variety_is_lost():
    photos, [copied] = maps(4, 0), maps(1, 1)
    lost = [lost_variety([mixed(p, copied, share) for p in photos], photos) for share in (0, 0.3, 0.5, 0.7, 1)]
    assert lost[0] == pytest.approx(0, abs=1e-3) and lost[-1] == 1
    assert lost == sorted(lost) and lost[2] == pytest.approx(0.5, abs=0.1)


def test_texture_strength_and_color_are_no_loss_of_variety():
    photos = maps(3, 0)
    stronger = [{**p, "deep": instance_normalize(5 * p["deep"] + 2)} for p in photos]
    assert lost_variety(stronger, photos) < 1e-3


def test_photos_that_are_all_alike_have_no_variety_to_lose():
    assert lost_variety(maps(1, 0) * 3, maps(1, 0) * 3) == 0


@pytest.mark.parametrize(("drawn", "lost"), [("the photo", 0), ("the same every time", 1)])
def test_an_adaptation_measures_it_on_what_its_generator_draws(tiny_models, monkeypatch, drawn, lost):
    generate, first = _Adaptation._generate, []

    def draw(self, photo, state):
        first.append(generate(self, photo, state))
        return 0 * first[-1] + (photo if drawn == "the photo" else first[0])

    monkeypatch.setattr(_Adaptation, "_generate", draw)
    photos = [smooth_noise((80, 72), seed=i) for i in range(4)]
    config = AdaptationConfig(rank=2, crop_size=64, pool_size=2)
    adapter = adapt(**tiny_models, styles=[stripes(72)], photos=photos, base="b", steps=1, config=config)
    assert adapter.scores["memorization"] == pytest.approx(lost, abs=1e-4)
