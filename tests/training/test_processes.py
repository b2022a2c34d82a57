import subprocess
import sys

from styleadapt.training.processes import process_state


def test_one_process_knows_its_device():
    assert process_state().num_processes == 1 and process_state().is_main_process
    assert process_state().device == process_state().device


def test_the_environment_chooses_the_cpu():
    code = "from styleadapt.training.processes import process_state; print(process_state().device)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"ACCELERATE_USE_CPU": "true", "PATH": ""}, cwd="."
    )
    assert done.stdout.strip() == "cpu", done.stderr
