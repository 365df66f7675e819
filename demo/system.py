"""The whole system on its embedded engines: node, database, web server, worker and beat, on loopback."""

import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from demo.node import Node
from demo.processes import Processes, ProcessFailedError, pick_port
from demo.wallet import Wallet

FOUNDING_CONFIRMATIONS = 100
NODE_LOGIN = "cadastre:cadastre"
WEB_THREADS = 8


class System:
    """Starts and stops every process, below one data directory."""

    def __init__(
        self, *, data: Path, web_port: int | None = None, node_port: int | None = None, settings: Mapping[str, str]
    ) -> None:
        self.data = data
        self.web_port = web_port or pick_port()
        self.node_port = node_port or pick_port()
        self.url = f"http://127.0.0.1:{self.web_port}"
        self.node_url = f"http://{NODE_LOGIN}@127.0.0.1:{self.node_port}"
        self.node = Node(self.node_url)
        self.processes = Processes(
            log_folder=data / "logs",
            environment={
                "CADASTRE_ENVIRONMENT": "development",
                "CADASTRE_VAR_DIR": str(data),
                "CADASTRE_NODE_URL": self.node_url,
                "CADASTRE_PUBLIC_URL": self.url,
                **settings,
            },
        )
        self.wallet = Wallet(self.node, self._load_wallet_secret())
        self.first_outpoint = ""

    def _load_wallet_secret(self) -> bytes:
        """Return the demo wallet's secret, the same for one data directory."""
        path = self.data / "demo-wallet"
        if not path.exists():
            self.data.mkdir(parents=True, exist_ok=True)
            path.write_text(secrets.token_hex(32))
            path.chmod(0o600)
        return bytes.fromhex(path.read_text())

    def manage(self, *arguments: str, extra: Mapping[str, str] | None = None) -> str:
        """Run a management command and return what it printed."""
        return self.processes.run(f"manage.py {arguments[0]}", ["manage.py", *arguments], extra)

    def start_node(self) -> None:
        """Start the development node."""
        user, _, password = NODE_LOGIN.partition(":")
        self.processes.start(
            "node",
            [
                *("-m", "chain.devnode", "--data", str(self.data / "node"), "--port", str(self.node_port)),
                *("--user", user, "--password", password),
            ],
        )
        self.processes.wait("the development node", self.node.is_up)

    def prepare(self) -> None:
        """Make keys and tables, or bring them up to date."""
        self.manage("init_keys")
        self.manage("migrate", "--verbosity", "0")

    def found_register(self) -> str:
        """Mine funds to the anchor key, bury them 100 deep, and found the register on them."""
        address = self.manage("show_anchor_address")
        self.node.call("generatetoaddress", 1, address)
        self.wallet.mine(FOUNDING_CONFIRMATIONS)
        founded = self.manage("found_register")
        # It prints the network, the register's first outpoint as TXID:VOUT, and its value.
        self.first_outpoint = founded.split()[0].partition(":")[2]
        return founded

    def create_admin(self, name: str, password: str) -> None:
        """Make an administrator unless there is one of this name."""
        login = {"DJANGO_SUPERUSER_PASSWORD": password, "DJANGO_SUPERUSER_EMAIL": f"{name}@localhost"}
        try:
            self.manage("createsuperuser", "--noinput", "--username", name, extra=login)
        except ProcessFailedError as error:
            if "already taken" not in str(error):
                raise

    def start_server(self) -> None:
        """Start the web server, the worker and beat."""
        self.processes.start(
            "web",
            [
                *("-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{self.web_port}"),
                *("--worker-class", "gthread", "--workers", "2", "--threads", str(WEB_THREADS)),
                *("--timeout", "120", "--graceful-timeout", "5"),
            ],
        )
        self.processes.start(
            "worker",
            [
                *("-m", "celery", "--app", "config", "worker", "--pool", "threads", "--concurrency", "4"),
                *("--loglevel", "INFO", "--without-mingle", "--without-gossip"),
            ],
        )
        self.processes.start(
            "beat", ["-m", "celery", "--app", "config", "beat", "--schedule", str(self.data / "beat"), "--pidfile="]
        )
        self.processes.wait("the web server", self._is_web_up)

    def _is_web_up(self) -> bool:
        try:
            self.get_status()
        except OSError:
            return False
        return True

    def get_status(self) -> Any:
        """Return what the server says of its own health, also where it says that it is ill."""
        try:
            return self.get("/api/v1/status")
        except urllib.error.HTTPError as error:
            return json.load(error)

    def list_all(self, path: str) -> list[Any]:
        """Return the rows of every page of a list."""
        rows, address = [], self.url + path
        while address:
            page = self.get(address.removeprefix(self.url))
            rows += page["results"]
            address = page["next"]
        return rows

    def get(self, path: str, *, token: str | None = None) -> Any:
        """Return what the API answers to a GET."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        request = urllib.request.Request(self.url + path, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def post(self, path: str, body: object, *, token: str, method: str = "POST") -> Any:
        """Return what the API answers to a POST (or PUT) under a new Idempotency-Key."""
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Idempotency-Key": secrets.token_hex(16),
        }
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.read().decode(errors='replace')}") from error
