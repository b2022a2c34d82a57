"""Reading, smoothing and writing of clips."""

import gc
import os

if hasattr(os, "register_at_fork"):
    # The end of a decoder waits for its threads, which a forked process does not have. A clip that nobody holds any more must
    # therefore not be collected there; torch's data loaders and ZeroGPU fork.
    os.register_at_fork(after_in_child=gc.freeze)
