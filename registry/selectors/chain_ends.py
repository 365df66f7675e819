"""Where a register's chain of anchors goes on, and whether somebody else has ended it there."""

from chain.transactions import Coin
from registry.models import Anchor, AnchorCoin, AnchorTransaction, Register
from registry.selectors.funds import get_continuation


def find_chain_end(register: Register) -> Coin:
    """Return the output that the next anchor in a block will spend: the last mined one's continuation."""
    mined = Anchor.objects.filter(batch__register=register, height__isnull=False).select_related("current")
    last = mined.order_by("-batch__seq").first()
    return get_continuation(register, last.current if last else None)


def find_foreign_spend(register: Register) -> str | None:
    """Return the transaction that ended a register's chain in a followed block, or None while it can go on.

    It spends the output that the next anchor needs, and is no version of an anchor.
    """
    end = find_chain_end(register)
    spent = AnchorCoin.objects.filter(network=register.network, txid=end.txid, vout=end.vout).exclude(spent_txid="")
    txid = spent.values_list("spent_txid", flat=True).first()
    return None if txid is None or AnchorTransaction.objects.filter(txid=txid).exists() else txid
