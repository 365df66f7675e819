"""The Bitcoin networks that this system can run on, with their constants from Bitcoin Core's chainparams."""

from dataclasses import dataclass

from chain.errors import NetworkError


@dataclass(frozen=True)
class Network:
    """One network's name (as `getblockchaininfo` says it), prefixes and genesis block (display order,
    hex)."""

    name: str
    bech32_hrp: str
    p2pkh: int
    p2sh: int
    wif: int
    xpub: bytes
    xprv: bytes
    genesis_hash: str


_TEST_XPUB = bytes.fromhex("043587cf")
_TEST_XPRV = bytes.fromhex("04358394")

MAIN = Network(
    name="main",
    bech32_hrp="bc",
    p2pkh=0,
    p2sh=5,
    wif=128,
    xpub=bytes.fromhex("0488b21e"),
    xprv=bytes.fromhex("0488ade4"),
    genesis_hash="000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f",
)


def _test_network(name: str, hrp: str, genesis_hash: str) -> Network:
    """Build a test network: all of them share their Base58 prefixes."""
    return Network(
        name=name,
        bech32_hrp=hrp,
        p2pkh=111,
        p2sh=196,
        wif=239,
        xpub=_TEST_XPUB,
        xprv=_TEST_XPRV,
        genesis_hash=genesis_hash,
    )


TESTNET4 = _test_network("testnet4", "tb", "00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043")
SIGNET = _test_network("signet", "tb", "00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6")
REGTEST = _test_network("regtest", "bcrt", "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206")

SIGNET_CHALLENGE = (
    "512103ad5e0edad18cb1f0fc0d28a3d4f1f3e445640337489abb10404f2d1e086be430"
    "210359ef5021964fe22d6f8e05b2463c9540ce96883fe3b278760f048f5189f2e6c452ae"
)
"""The script (hex) that the blocks of the public signet satisfy (BIP 325). Every signet has the same genesis block."""

_NETWORKS = {network.name: network for network in (MAIN, TESTNET4, SIGNET, REGTEST)}


def get_network(name: str) -> Network:
    """Return the network of this name.

    Raises NetworkError if there is none.
    """
    try:
        return _NETWORKS[name]
    except KeyError:
        known = ", ".join(sorted(_NETWORKS))
        raise NetworkError(f"unknown network {name!r}; known are {known}") from None
