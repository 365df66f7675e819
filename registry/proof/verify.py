"""The verifier. What is called verify_ or check_ returns nothing and raises: what does not raise is proved.

A proof document is verified in these steps; an .ots in steps 0, 1, 7, 8 and 9, for its operations are its
path.

(0) The bytes follow the format and its limits (documents, timestamps).
(1) The proof is about the file, or digest, at hand.
(2) Details shown in clear are those that the record commits to.
(3) The record follows the rules of its kind; its leaf is computed from it.
(4) The leaf leads to the batch's root, by sides that follow from (index, size).
(5) The batch's fields hash to the commitment.
(6) The transaction is an anchor and carries the commitment.
(7) The transaction leads to the Merkle root of the header, and nothing on the way is a known trick.
(8) The header meets its own target.
(9) The chain has that header at that height, deep enough.
(10) With the anchors file: the anchor is in its place in the registry's chain.

Steps 1 to 9 prove "existed before block N"; step 10 proves "canonical" in the registry that the anchors file
names. The caller vouches for the source of headers and, for step 10, for the registry's identity: anyone can
found a registry and write its anchors file.
"""

from dataclasses import dataclass
from typing import BinaryIO

from registry.proof.anchors import Registry, check_chain, get_checked_anchor, read_anchored_batches
from registry.proof.documents import ProofDocument
from registry.proof.errors import (
    AnchorChainError,
    BatchPathError,
    BlockPathError,
    DetailsMismatchError,
    HeaderDisagreementError,
    HeaderMismatchError,
    HeaderUnavailableError,
    InvalidProofError,
    RegistryMismatchError,
    RegistryNetworkError,
    SubjectMismatchError,
    UndecidedError,
)
from registry.proof.headers import Header, check_proof_of_work
from registry.proof.leaves import Kind, Record, details_hash, leaf_hash
from registry.proof.merkle import root_from_path
from registry.proof.networks import Network, find_network
from registry.proof.roots import Measured
from registry.proof.sources import HeaderSource
from registry.proof.timestamps import ETHEREUM, LITECOIN, PENDING, Attestation, Timestamp

Subject = Measured | bytes
"""What the caller holds: a measured file, or only a digest."""

_UNDECIDED_TAGS = {
    PENDING: "a calendar's promise, not yet a block",
    LITECOIN: "a block of Litecoin, which nothing here can look up",
    ETHEREUM: "a block of Ethereum, which nothing here can look up",
}


def verify_document(document: ProofDocument, *, subject: Subject, headers: HeaderSource) -> None:
    """Prove that the record of a subject existed before its block: steps 1 to 9.

    Raises an InvalidProofError that names the step, or UndecidedError if the headers do not reach.
    """
    anchored = document.anchored
    check_subject(document.record, subject)  # (1)
    if document.opened is not None:  # (2)
        opened = document.opened
        if details_hash(salt=opened.salt, details=opened.details) != document.record.details_hash:
            raise DetailsMismatchError
    leaf = leaf_hash(document.record)  # (3)
    batch = anchored.batch
    root = root_from_path(  # (4)
        leaf=leaf, position=document.index - batch.first_index, size=batch.size, path=document.path
    )
    if root != batch.root:
        raise BatchPathError
    get_checked_anchor(anchored)  # (5) to (8)
    if headers.get_header(anchored.block.height).raw != anchored.block.header:  # (9)
        raise HeaderMismatchError(f"the chain has another header at height {anchored.block.height}")


def verify_canonical(
    document: ProofDocument,
    *,
    registry: Registry,
    anchors: BinaryIO,
    headers: HeaderSource,
    known_outpoint: bytes | None = None,
    network: Network | None = None,
) -> None:
    """Prove, after verify_document, that the record's anchor is in a registry's chain: step 10.

    `anchors` is the anchors file after its first line, which read_registry has read. `known_outpoint` is the
    first outpoint of the registry that the caller knows (36 bytes); without it, the caller compares. `network` is
    the one that the registry must be of, None if only the headers tell.
    Raises RegistryMismatchError if that is another registry's, AnchorChainError or another InvalidProofError,
    RegistryNetworkError if it is of another network, or UndecidedError if the file ends before the anchor.
    """
    check_registry(registry, headers=headers, known_outpoint=known_outpoint, network=network)
    check_chain(registry=registry, anchors=read_anchored_batches(anchors), target=document.anchored)


def check_registry(
    registry: Registry, *, headers: HeaderSource, known_outpoint: bytes | None, network: Network | None
) -> None:
    """Check that a registry is the one that the caller knows, if any, and of the network that is wanted.

    `network` is that one, None if only the headers tell. The file alone cannot: it may name what it likes.
    Raises RegistryMismatchError or AnchorChainError if it is not, RegistryNetworkError if it is of another network
    that is known.
    """
    if network is not None:
        _check_network(registry, network)
    if known_outpoint not in {None, registry.first_outpoint}:
        raise RegistryMismatchError
    try:
        first_block_hash = headers.get_header(0).block_hash
    except HeaderUnavailableError:
        # Without the first header, the anchor's own header alone binds the network.
        first_block_hash = registry.genesis_block_hash
    if first_block_hash != registry.genesis_block_hash:
        raise AnchorChainError("the registry belongs to another network")


def verify_timestamp(timestamp: Timestamp, *, digest: bytes, headers: HeaderSource, hash_name: str = "sha256") -> None:
    """Prove by an .ots that a digest, by the hash of that name, existed before a block.

    One Bitcoin attestation that holds is enough. Raises SubjectMismatchError if the timestamp is about
    another digest, the error of an attestation that fails if none holds, and UndecidedError if none could be
    checked.
    """
    if timestamp.hash_name != hash_name:
        raise SubjectMismatchError(f"the timestamp is about a {timestamp.hash_name}, not a {hash_name}")
    if timestamp.digest != digest:
        raise SubjectMismatchError
    get_attested_block(timestamp, headers=headers)


def get_attested_block(timestamp: Timestamp, *, headers: HeaderSource) -> tuple[int, Header]:
    """Return height and header of the lowest block that attests a timestamp.

    Raises as verify_timestamp does.
    """
    judgements = judge_attestations(timestamp, headers=headers)
    proved = [judgement.block for judgement in judgements if judgement.block is not None]
    if proved:
        return min(proved, key=lambda block: block[0])
    errors = [judgement.error for judgement in judgements if judgement.error is not None]
    # One that failed says more than one that cannot be checked, and a missing header more than another chain's block.
    ranks = (InvalidProofError, HeaderUnavailableError, HeaderDisagreementError, UndecidedError)
    raise min(errors, key=lambda error: next(rank for rank, kind in enumerate(ranks) if isinstance(error, kind)))


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of one attestation: the block that it proves, or why it does not hold or cannot be checked."""

    attestation: Attestation
    block: tuple[int, Header] | None
    error: InvalidProofError | UndecidedError | None


def judge_attestations(timestamp: Timestamp, *, headers: HeaderSource) -> tuple[Judgement, ...]:
    """Check every attestation of a timestamp, in their order."""
    return tuple(_judge(attestation, headers) for attestation in timestamp.attestations)


def check_subject(record: Record, subject: Subject) -> None:
    """Check that a record is about a subject: step 1.

    Raises SubjectMismatchError if it is not.
    """
    if isinstance(subject, bytes):
        if record.sha256 != subject:
            raise SubjectMismatchError
        return
    if record.sha256 != subject.sha256:
        raise SubjectMismatchError
    if record.kind != Kind.BARE_DIGEST and (record.length, record.root) != (subject.length, subject.root):
        raise SubjectMismatchError("the file's length or root is not the record's")


def find_lower_bound(document: ProofDocument, *, headers: HeaderSource) -> int | None:
    """Return the height of the block that the batch cites, so that the batch was made after it.

    None means that this bound is undecided: the block is not in the chain as far as the source can tell.
    """
    height = headers.find_height(document.anchored.batch.recent_block_hash)
    return height if height is not None and height < document.anchored.block.height else None


def _check_network(registry: Registry, network: Network) -> None:
    """Check that a registry is of a network."""
    if registry.genesis_block_hash == network.genesis_hash:
        return
    found = find_network(registry.genesis_block_hash)
    if found is None:
        raise AnchorChainError("the registry belongs to a network that is not known")
    raise RegistryNetworkError(
        f"the registry is of {found.name}, not of {network.name}: say --network {found.name} if that is what you want"
    )


def _judge(attestation: Attestation, headers: HeaderSource) -> Judgement:
    try:
        return Judgement(attestation, block=_get_attesting_block(attestation, headers), error=None)
    except (InvalidProofError, UndecidedError) as error:
        return Judgement(attestation, block=None, error=error)


def _get_attesting_block(attestation: Attestation, headers: HeaderSource) -> tuple[int, Header]:
    """Check one attestation and return its height and header: steps 7 to 9.

    An .ots does not bind its height by any hash, so the header is the one that the chain has at that height.
    """
    if attestation.height is None:
        raise UndecidedError(_UNDECIDED_TAGS.get(attestation.tag, "an attestation of an unknown kind"))
    header = headers.get_header(attestation.height)
    if attestation.message != header.merkle_root:
        raise BlockPathError(f"the timestamp does not lead to the Merkle root of block {attestation.height}")
    check_proof_of_work(header)
    return attestation.height, header
