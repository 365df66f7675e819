"""Bitcoin Core's consensus code, by libbitcoinkernel: validates blocks and scripts and chooses the best
chain.

Its databases are in memory and its block files scratch: the block log is what lasts.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pbk
from pbk.capi import bindings
from pbk.script import PrecomputedTransactionData

from chain.transactions import Output

# The kernel gives no reason as text; these are Core's words (BIP 22) for the results that it does give.
_REASONS = {
    pbk.BlockValidationResult.CONSENSUS: "rejected",
    pbk.BlockValidationResult.CACHED_INVALID: "duplicate-invalid",
    pbk.BlockValidationResult.INVALID_HEADER: "high-hash",
    pbk.BlockValidationResult.MUTATED: "bad-txnmrklroot",
    pbk.BlockValidationResult.MISSING_PREV: "prev-blk-not-found",
    pbk.BlockValidationResult.INVALID_PREV: "bad-prevblk",
    pbk.BlockValidationResult.TIME_FUTURE: "time-too-new",
}


def silence_kernel_log() -> None:
    """Drop the kernel's own log, which would otherwise be kept in memory until someone reads it."""
    bindings.btck_logging_disable()


@dataclass(frozen=True)
class Verdict:
    """The kernel's judgement of a block: stored or not, checked against the chain or not, and why it
    is refused."""

    is_stored: bool
    is_checked: bool
    reason: str | None


class Kernel:
    """One regtest chainstate. Must be closed; must not be shared with a forked child."""

    def __init__(self, directory: Path) -> None:
        """Start from the genesis block with `directory`, which is emptied, for scratch files."""
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        self._directory = directory
        self._results: dict[bytes, tuple[bool, str]] = {}
        callbacks = pbk.ValidationInterfaceCallbacks(block_checked=self._note_checked)
        context = pbk.make_context(pbk.ChainType.REGTEST, callbacks)
        options = pbk.ChainstateManagerOptions(context, str(directory), str(directory / "blocks"))
        options.update_block_tree_db_in_memory(True)  # noqa: FBT003  the binding takes it by position
        options.update_chainstate_db_in_memory(True)  # noqa: FBT003  the binding takes it by position
        options.set_worker_threads_num(0)
        self._chainstate = pbk.ChainstateManager(options)

    @property
    def tip_hash(self) -> str:
        """The best chain's last block."""
        chain = self._chainstate.get_active_chain()
        return str(chain.block_tree_entries[chain.height].block_hash)

    def read_genesis(self) -> bytes:
        """Return the genesis block's serialisation."""
        entry = self._chainstate.get_active_chain().block_tree_entries[0]
        return bytes(self._chainstate.blocks[entry])

    def submit(self, raw: bytes) -> Verdict:
        """Offer a block. Whether it joined the best chain, `tip_hash` tells afterwards."""
        self._results.clear()
        try:
            block = pbk.Block(raw)
        except RuntimeError:
            return Verdict(is_stored=False, is_checked=False, reason="rejected")
        try:
            is_stored = self._chainstate.process_block(block)
        except pbk.ProcessBlockException:
            is_stored = False
        result = self._results.get(bytes(block.block_hash))
        if result is None:
            return Verdict(is_stored, is_checked=False, reason=None)
        is_valid, reason = result
        return Verdict(is_stored and is_valid, is_checked=True, reason=None if is_valid else reason)

    def close(self) -> None:
        """Release the chainstate and remove its scratch files."""
        self._chainstate.__exit__(None, None, None)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _note_checked(self, _user_data: object, block: pbk.Block, state: pbk.BlockValidationState) -> None:
        """Keep the result that `process_block` itself does not return."""
        is_valid = state.validation_mode == pbk.ValidationMode.VALID
        reason = _REASONS.get(state.block_validation_result, "rejected")
        self._results[bytes(block.block_hash)] = (is_valid, reason)


def verify_scripts(raw: bytes, spent: list[Output]) -> int | None:
    """Run every input's script against the outputs that they spend, all soft forks in force.

    Returns None if all succeed, else the index of the first input that does not.
    """
    transaction = pbk.Transaction(raw)
    outputs = [pbk.TransactionOutput(pbk.ScriptPubkey(item.script), item.value_sat) for item in spent]
    precomputed = PrecomputedTransactionData(transaction, outputs)
    flags = pbk.ScriptVerificationFlags.ALL
    for index, output in enumerate(outputs):
        if not output.script_pubkey.verify(output.amount, transaction, precomputed, index, flags):
            return index
    return None
