"""A small server on a real socket that speaks the part of the interface which the command uses.

It shares no code with the product. It can cut connections, lie and forget, which a correct server would not do.
"""

import time
from http.server import ThreadingHTTPServer
from threading import Thread

from tests.client.double_handlers import Handler
from tests.client.double_states import RECORD, TOKEN, DoubleState

__all__ = ["RECORD", "TOKEN", "Double"]

QUIET_LOOKS = 5


class Double(DoubleState):
    """The server; its state is what it inherits."""

    def start(self) -> None:
        """Serve on a free loopback port."""
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.double = self  # type: ignore[attr-defined]  # the standard library's way to reach a handler
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self._thread = Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        """Stop serving."""
        self.http.shutdown()
        self._thread.join()
        self.http.server_close()

    def wait_until_quiet(self) -> None:
        """Return when no connection is served: what a killed client had sent before is answered by then."""
        quiet = 0
        while quiet < QUIET_LOOKS:
            time.sleep(0.01)
            quiet = 0 if self.connections else quiet + 1
