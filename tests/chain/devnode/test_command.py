"""`manage.py devnode`: the same node, with the same options, as `python -m chain.devnode`."""

import signal
import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from tests.nodes import ROOT, DevnodeProcess, running_devnode

MANAGE_ENTRY = (sys.executable, str(ROOT / "manage.py"), "devnode")


def test_the_command_serves_until_sigterm(tmp_path: Path):
    with running_devnode(tmp_path, entry=MANAGE_ENTRY) as node:
        assert node.client.get_block_count() == 0
        assert node.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"user": "cadastre"}, "--user and --password go together"),
        ({"password": "cadastre"}, "--user and --password go together"),
        ({"user": "cadastre", "password": "cadastre", "cookie": True}, "--cookie takes the place of"),
    ],
)
def test_options_that_contradict_each_other_are_refused(tmp_path: Path, options: dict[str, object], message: str):
    with pytest.raises(CommandError, match=message):
        call_command("devnode", data=tmp_path / "node", **options)
    assert not (tmp_path / "node").exists()


def test_the_commands_exit_code_is_the_servers(devnode: DevnodeProcess):
    with pytest.raises(SystemExit) as ended:
        call_command("devnode", data=devnode.directory, port=0)
    assert ended.value.code == 1
