"""An application on a free port of this machine, in a thread: `with Served(app) as served: served.port`."""

from __future__ import annotations

import threading
import time
from typing import Any

import uvicorn

from lab_lib.serve.http.app import listen_on


class Served:
    """A server for as long as the `with` lasts."""

    def __init__(self, app: Any) -> None:
        self.socket = listen_on("127.0.0.1", 0)
        self.port = self.socket.getsockname()[1]
        self.server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],), daemon=True)

    def __enter__(self) -> Served:
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *error: object) -> None:
        self.server.should_exit = True
        self.thread.join()
        self.socket.close()
