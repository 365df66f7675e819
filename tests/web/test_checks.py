"""The commands that pages print give the hashes that pages print, and each hash stands in the next step's bytes."""

import shlex
import shutil
import subprocess
from itertools import pairwise

import pytest

from registry.models import Anchor, AnchorTransaction, Record
from registry.proof.errors import BatchPathError
from tests.factories.registry import make_anchor, make_document_record, make_record
from tests.factories.users import NOW
from users.models import User
from web.checks import Check, check_path
from web.selectors.checks import WayChecks
from web.selectors.records import get_record_view

pytestmark = pytest.mark.django_db

needs_xxd = pytest.mark.skipif(shutil.which("xxd") is None, reason="xxd is not installed")


@pytest.fixture
def record(bob: User) -> Record:
    """A record in the middle of a batch of seven, whose anchor is final."""
    for _ in range(4):
        make_document_record()
    record = make_record(bob, price_msat=1_500)
    for _ in range(2):
        make_document_record()
    make_anchor(state=Anchor.State.FINAL)
    record.refresh_from_db()
    return record


def list_groups(checks: WayChecks) -> list[tuple[Check, ...]]:
    """Return the checks of a whole way, stage by stage."""
    stages = (checks.leaf, checks.path, checks.commitment, checks.transaction, checks.block_path, checks.header)
    return [stage.checks for stage in stages if stage is not None]


def list_way(record: Record) -> list[Check]:
    """Return every check of a record's way in order."""
    return [check for group in list_groups(get_record_view(record.id, now=NOW).checks) for check in group]


def run(command: str) -> str:
    """Return what a command of the shell prints."""
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout


@needs_xxd
def test_every_shell_command_prints_the_hash_beside_it(record: Record):
    way = list_way(record)

    printed = run("\n".join(check.shell_command for check in way)).splitlines()

    assert [line.split()[0] for line in printed] == [check.result.hex() for check in way]


def test_every_python_command_prints_the_hash_as_it_is_shown(record: Record):
    way = list_way(record)

    printed = run("\n".join(check.python_command for check in way)).splitlines()

    assert printed == [check.shown for check in way]
    assert shlex.split(way[0].python_command)[:2] == ["python3", "-c"]


def test_each_result_stands_marked_in_the_next_steps_bytes(record: Record):
    way = list_way(record)

    for before, after in pairwise(way):
        assert [part.data for part in after.parts if part.is_carried] == [before.result], after.name


def test_the_way_ends_in_the_block_that_holds_the_anchor(record: Record):
    anchor = Anchor.objects.select_related("current", "batch").get()
    assert anchor.current is not None
    way = {check.name: check for check in list_way(record)}

    assert way["Leaf"].result == bytes(record.leaf)
    assert way["Batch root"].result == bytes(anchor.batch.root)
    assert way["Commitment"].result == bytes(anchor.batch.commitment)
    assert way["Txid"].shown == anchor.current.txid
    assert way["Block hash"].shown == anchor.block_hash


def test_the_parts_of_a_transaction_are_told_apart(record: Record):
    parts = {part.name: part for check in list_way(record) if check.name == "Txid" for part in check.parts}

    assert parts["inputs"].value == f"1, of which the first spends {'11' * 32}:0"
    assert parts["number of outputs"].data == b"\x02"
    assert parts["output 0, which the next anchor spends"].data[8:11] == b"\x16\x00\x14"
    assert (
        parts["output 1: value, script's length, OP_RETURN, push of 36 bytes, CDS1"].data
        == bytes(8) + b"\x26\x6a\x24CDS1"
    )
    raw = bytes(AnchorTransaction.objects.get().raw)
    assert parts["lock time"].value == str(int.from_bytes(raw[-4:], "little"))


def test_a_batch_of_one_leaf_has_no_steps():
    assert check_path(leaf=bytes(32), position=0, size=1, path=()).checks == ()


def test_a_path_of_another_length_is_refused():
    with pytest.raises(ValueError, match="zip"):
        check_path(leaf=bytes(32), position=0, size=2, path=())
    with pytest.raises(BatchPathError):
        check_path(leaf=bytes(32), position=2, size=2, path=(bytes(32),))
