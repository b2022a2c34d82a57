"""Network pickles are read without running what is in them; hostile ones are refused."""

import builtins
import io
import os
import pickle
import struct

import pytest
import torch

from styleadapt.errors import ModelFileNotFoundError, ModelLoadError
from styleadapt.models import network_pickle
from styleadapt.models.network_pickle import read_network_pickle, scan, unpickled

from . import stylegan2_reference as reference


@pytest.fixture
def network(monkeypatch):
    """The bytes of an honest pickle, and the tensors in it."""
    reference.with_authors_modules(monkeypatch)
    torch.manual_seed(0)
    state = reference.official_generator_state()
    return pickle.dumps({"G": None, "G_ema": reference.persistent(state, clamp=256)}, protocol=4), state


class Runs:
    """Unpickled by pickle, it makes a folder."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def refusal(data, message):
    with pytest.raises(pickle.UnpicklingError, match=message):
        unpickled(io.BytesIO(data))


def test_tensors_and_settings_come_out_and_the_source_is_not_run(network, tmp_path):
    data, state = network
    path = tmp_path / "network.pkl"
    path.write_bytes(data)
    networks = read_network_pickle(path)
    assert list(networks) == ["G_ema"]
    found = networks["G_ema"]
    assert found.state.keys() == state.keys() and all(torch.equal(found.state[key], state[key]) for key in state)
    assert found.settings["synthesis.b4.conv1"]["conv_clamp"] == 256 and found.settings[""]["class_name"] == "Generator"


def test_a_hostile_file_is_refused_by_the_process_that_reads_it(tmp_path):
    path = tmp_path / "hostile.pkl"
    path.write_bytes(pickle.dumps({"G_ema": Runs(os.mkdir, str(tmp_path / "made"))}))
    with pytest.raises(ModelLoadError, match=r"mkdir.*could run code") as caught:
        read_network_pickle(path)
    assert "\n" not in str(caught.value) and not (tmp_path / "made").exists()


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", ["system", "mkdir", "eval", "getattr", "exec"])
def test_functions_are_refused_in_every_protocol(tmp_path, protocol, name):
    function = getattr(os, name, None) or getattr(builtins, name)
    made = str(tmp_path / "made")
    arguments = {"mkdir": (made,), "system": (f"mkdir {made}",), "getattr": ("text", "join")}
    arguments = arguments.get(name, (f"open({made!r}, 'w')",))
    refusal(pickle.dumps({"G_ema": Runs(function, *arguments)}, protocol=protocol), "could run code|opcode")
    assert not os.path.exists(made)


def test_a_bomb_deep_inside_an_honest_network_is_refused(network, tmp_path):
    made = str(tmp_path / "made")
    tree = reference.persistent(reference.official_generator_state())
    inside = tree.attributes["_modules"]["synthesis"].attributes["_modules"]["b8"].attributes
    inside["_init_args"] = [{"deep": (Runs(os.mkdir, made),)}]
    refusal(pickle.dumps({"G_ema": tree}, protocol=4), "mkdir")
    assert not os.path.exists(made)


def text(value):
    return b"\x8c" + bytes([len(value)]) + value.encode()


def test_names_that_the_scan_cannot_follow_are_refused():
    """STACK_GLOBAL with a tuple as a name, and with texts that come out of the memo."""
    refusal(b"\x80\x04" + text("os") + b")\x93.", "other than texts")
    memoized = b"\x80\x04" + text("os") + b"\x940" + text("system") + b"\x940h\x00h\x01\x93" + text("true") + b"\x85R."
    refusal(memoized, "os.system")


def test_the_unpickler_refuses_what_the_scan_does_not_see(monkeypatch):
    """Opcodes that take from the stack mislead a scan: os and system are below, and the list's names above them are popped."""
    seen = text("collections") + text("OrderedDict") + b"00"
    data = b"\x80\x04" + text("os") + text("system") + seen + b"\x93" + text("true") + b"\x85R."
    with pytest.raises(pickle.UnpicklingError):
        unpickled(io.BytesIO(data))
    monkeypatch.setattr(network_pickle, "scan", lambda file: None)
    refusal(data, "os.system")


@pytest.mark.parametrize(
    "data, message",
    [
        (b"\x80\x04P1\n.", "PERSID"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"(ios\nsystem\n.", "INST"),
        (pickle.dumps({}), "no `G_ema`"),
        (pickle.dumps([1]), "no `G_ema`"),
        (pickle.dumps({"G_ema": {"state": 1}}), "no `G_ema`"),
    ],
)
def test_other_pickles_are_refused(data, message):
    refusal(data, message)


def persistent_of(attributes):
    return pickle.dumps({"G_ema": reference.Persistent("Generator", attributes)}, protocol=4)


def test_modules_that_are_no_modules_are_refused(network):
    refusal(persistent_of([1]), "no state")
    refusal(persistent_of({"_buffers": 3}), "no dict")
    loop = reference.Persistent("Layer", {})
    for _ in range(20):
        loop = reference.Persistent("Layer", {"_modules": {"a": loop}})
    refusal(pickle.dumps({"G_ema": loop}, protocol=4), "too deep")


@pytest.mark.filterwarnings("ignore:TypedStorage")
def test_a_tensor_stays_within_its_data():
    storage = torch.zeros(4).storage()
    assert torch.equal(network_pickle._tensor(storage, 1, (2,), (1,)), torch.zeros(2))
    with pytest.raises(RuntimeError, match="out of bounds"):
        network_pickle._tensor(storage, 1, (4,), (1,))
    with pytest.raises(pickle.UnpicklingError, match="larger than its data"):
        network_pickle._tensor(storage, 0, (2**40,), (0,))
    for thing in (b"", [1.0], None):
        with pytest.raises(pickle.UnpicklingError, match="no storage"):
            network_pickle._tensor(thing, 0, (1,), (1,))
    buffer = io.BytesIO()
    torch.save({"a": 1}, buffer)
    with pytest.raises(pickle.UnpicklingError, match="no storage"):
        network_pickle._storage(buffer.getvalue())
    buffer = io.BytesIO()
    torch.save(Runs(os.mkdir, "made"), buffer)
    with pytest.raises(pickle.UnpicklingError, match="[Ww]eights"):
        network_pickle._storage(buffer.getvalue())
    assert not os.path.exists("made")


def test_files_that_are_too_large_or_absent_are_not_opened(tmp_path):
    path = tmp_path / "large.pkl"
    path.write_bytes(b"\x80")
    os.truncate(path, network_pickle.MAX_BYTES + 1)
    with pytest.raises(ModelLoadError, match="GiB"):
        read_network_pickle(path)
    with pytest.raises(ModelFileNotFoundError):
        read_network_pickle(tmp_path / "absent.pkl")


def test_a_claim_of_much_memory_ends_the_process_that_reads_it(tmp_path):
    path = tmp_path / "claim.pkl"
    path.write_bytes(b"\x80\x04\x8e" + struct.pack("<Q", 2**45) + b"x")
    with pytest.raises(ModelLoadError, match="damaged"):
        read_network_pickle(path)


def test_the_scan_lets_an_honest_pickle_pass(network):
    scan(io.BytesIO(network[0]))
