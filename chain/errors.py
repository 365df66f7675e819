"""Everything that can go wrong between this system and Bitcoin."""


class ChainError(Exception):
    """Bitcoin could not be read or written."""

    needs_operator = False
    """Whether waiting will not help: a person must look at the node, or decide."""

    def __init__(self, message: str = "") -> None:
        """Take the class's docstring as the message when none is given."""
        super().__init__(message or (type(self).__doc__ or "").strip())


class NodeUnavailableError(ChainError):
    """The Bitcoin node does not answer now; the same call may succeed later."""


class NodeBehindError(NodeUnavailableError):
    """The Bitcoin node is catching up with the blocks that were already followed."""


class NodeChainMovedError(NodeUnavailableError):
    """The Bitcoin node's chain changed while it was looked at; the next look sees it whole."""


class NodeAuthenticationError(ChainError):
    """The Bitcoin node refuses the user name and password."""

    needs_operator = True


class NodeProtocolError(ChainError):
    """The Bitcoin node's answer is not the JSON-RPC that was expected."""


class NodeInconsistentError(ChainError):
    """The Bitcoin node's answers contradict each other."""

    needs_operator = True


class NodeRejectedError(ChainError):
    """The Bitcoin node refused a call."""

    def __init__(self, code: int, message: str) -> None:
        """Keep the node's error code (Bitcoin Core's protocol.h) beside its message."""
        super().__init__(f"{message} (code {code})")
        self.code = code
        self.node_message = message


class TransactionRejectedError(NodeRejectedError):
    """The node's consensus or relay rules refuse this transaction."""


class TransactionMissingInputsError(TransactionRejectedError):
    """The transaction spends outputs that do not exist or are spent."""


class TransactionAlreadyKnownError(TransactionRejectedError):
    """The transaction is in the chain already."""


class AddressError(ChainError):
    """This is not an address of the network."""


class KeyFormatError(ChainError):
    """This is not a private or extended key of the network."""


class TransactionFormatError(ChainError):
    """These bytes are not one transaction or one block."""


class SigningError(ChainError):
    """The transaction could not be signed with the keys at hand."""


class NetworkError(ChainError):
    """The network is unknown, or the node runs another one."""

    needs_operator = True


class BlockPrunedError(ChainError):
    """The Bitcoin node has pruned a block that is still to be followed."""

    needs_operator = True


class ReorganisationTooDeepError(ChainError):
    """The Bitcoin node's chain leaves the followed one deeper than is undone without an operator's decision."""

    needs_operator = True


class FollowedChainBrokenError(ChainError):
    """The followed blocks in the database are not one linked chain: rows are missing, or were changed."""

    needs_operator = True


class ReorganisationMissingError(ChainError):
    """The Bitcoin node shows no reorganisation that would have to be allowed."""


class StaleEventError(ChainError):
    """Another worker has followed the chain past this event."""


class BlockNotFollowedError(ChainError):
    """The consumer has not followed a block at that height."""
