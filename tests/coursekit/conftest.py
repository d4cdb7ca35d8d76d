"""A real kernel to talk to, as a front end does."""

from collections.abc import Callable, Iterator
from queue import Empty

import pytest
from jupyter_client.manager import start_new_kernel

Output = dict[str, object]
PATIENCE = 600  # seconds; a kernel that imports torch on a busy machine takes more than a minute


@pytest.fixture(scope="session")
def kernel() -> Iterator[Callable[..., list[Output]]]:
    """A function that runs code in one kernel and returns its outputs.

    `live` says whether the front end offers to answer `input()`, as those with a person before them do.
    """
    manager, client = start_new_kernel(startup_timeout=PATIENCE, kernel_name="python3")

    def run(code: str, *, live: bool) -> list[Output]:
        request = client.execute(code, allow_stdin=live)
        outputs: list[Output] = []
        printed: Output | None = None  # what a cell prints comes in as many pieces as the machine is busy
        while True:
            try:
                message = client.get_iopub_msg(timeout=PATIENCE)
            except Empty:
                raise AssertionError(f"no answer from the kernel to {code!r}") from None
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            if message["msg_type"] == "error":
                raise AssertionError("\n".join(content["traceback"]))
            if message["msg_type"] in ("display_data", "execute_result"):
                outputs.append(content["data"])
            if message["msg_type"] == "stream" and content["name"] == "stdout":
                if printed is None:
                    outputs.append(printed := {"text/plain": ""})
                printed["text/plain"] = f"{printed['text/plain']}{content['text']}"
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                return outputs

    yield run
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    manager.context.term()
