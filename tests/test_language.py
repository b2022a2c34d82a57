"""Texts of the repository are in American English, and public parameters have one name everywhere."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXCLUDED = {"LICENSE", "tests/test_language.py"}  # a text of others, and the words themselves
QUOTED = ("CNNs are biased towards texture", "color colour col diffuse")  # a title; names of files that others make
BRITISH = re.compile(
    r"colour|grey(?!hound)|neighbour|favour|behaviour|honour|flavour|vapour|harbour|licence|centre|centring|theatre|fibre"
    r"|learnt|labell|modell(?=ed|ing)|cancell(?=ed|ing)|travell|signall(?=ed|ing)|artefact|catalogue|judgement|sceptic"
    r"|(?<![a-z])(?:towards|whilst|amongst|programmes?|cheques?|metres?|analys(?:ed?|ing))(?![a-z])"
    r"|(?:author|categor|character|custom|emphas|final|general|initial|local|maxim|memor|minim|normal|optim|organ|parametr"
    r"|penal|priorit|quant|random|real|recogn|regular|serial|special|stabil|standard|styl|summar|synchron|synthes|token|util"
    r"|vector|visual)is(?:e|ed|es|er|ers|ing|able|ations?)(?-i:(?![a-z]))",  # also before a capital letter
    re.IGNORECASE,
)


def british(text: str) -> list[str]:
    """The words of `text` that are spelled as in Britain, in parts of identifiers too."""
    return [match.group().lower() for match in BRITISH.finditer(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("stylised = keep_colours(grey)", ["stylised", "colour", "grey"]),
        ("OptimiserSettings, the Licence", ["optimiser", "licence"]),
        ("moves towards it, analysed", ["towards", "analysed"]),
        ("# initialisation of neighbours", ["initialisation", "neighbour"]),
        ("noise, otherwise, raises, stylistic, analyses, ModelLoadError, programmers, realistic, parameter", []),
        ("colors in gray, stylized toward a license", []),
    ],
)
def test_british_words_are_found_and_no_others(text, found):
    assert british(text) == found


def test_every_text_and_every_file_name_is_american():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False).stdout.decode().split("\0")
    paths = [path for path in listed if path and path not in EXCLUDED and (ROOT / path).is_file()]
    if not paths:
        pytest.skip("this is no checkout of git")
    wrong = {}
    for path in paths:
        data = (ROOT / path).read_bytes()
        if b"\0" in data:  # no text
            continue
        text = data.decode("utf-8")
        for quoted in QUOTED:
            text = text.replace(quoted, "")
        words = british(path) + british(text)
        if words:
            wrong[path] = sorted(set(words))
    assert not wrong


def test_web_functions_have_the_names_of_the_python_arguments():
    """What one may pass over HTTP is called as in `StyleTransferPipeline.__call__`, `adapt` and `stylize_video`."""
    import inspect

    from styleadapt import StyleTransferPipeline
    from styleadapt.pipelines.video import stylize_video
    from styleadapt.ui.blocks import build_app

    python = {
        "stylize": StyleTransferPipeline.__call__,
        "strip": StyleTransferPipeline.__call__,
        "regions": StyleTransferPipeline.__call__,
        "refine": StyleTransferPipeline.__call__,
        "adapt": StyleTransferPipeline.adapt,
        "video": stylize_video,
    }
    # what only a page has: where a style comes from, a session's adapter, the styles of regions, a time limit, a preview
    web_only = {"self", "source", "visitor", "adapter_weight", "inside", "outside", "clip"}
    extra = {"refine": {"max_seconds"}, "adapt": {"image"}}
    functions = {function.api_name: function.fn for function in build_app(load=lambda: None).fns.values()}
    for name, reference in python.items():
        given = set(inspect.signature(functions[name]).parameters) - web_only - extra.get(name, set())
        assert given <= set(inspect.signature(reference).parameters), name
