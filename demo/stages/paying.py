"""Stage B: readers deposit on chain and pay for transfers; settlement, statements, a payout, the closing account."""

import secrets
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from demo.chain_side import MSAT_PER_SAT, get_transaction, read_chain_side, to_sat
from demo.people import Person
from demo.report import Report
from demo.stages.registering import Upload
from demo.system import System
from demo.wallet import Wallet

READERS = 10
DEPOSIT_SAT = 20_000
AT_ONCE = 3
CONFIRMATIONS = 6
SETTLE_SECONDS_MAX = 240


class Paying:
    """Runs stage B: every reader takes every upload once."""

    def __init__(
        self,
        *,
        system: System,
        report: Report,
        uploads: list[Upload],
        payees: dict[str, Person],
        holders_address: str,
    ) -> None:
        self._system = system
        self._report = report
        self._payees = payees
        self._deposit_txid = ""
        self._deposit_addresses: list[str] = []
        self._payout_txids: list[str] = []
        self._uploads = uploads
        folder = system.data / "people"
        self._readers = [Person(f"reader{number}", folder=folder, server_url=system.url) for number in range(READERS)]
        # Bob is paid to a key of his own; Alice's address is her rights holder's.
        self._uploaders_wallet = Wallet(system.node, secrets.token_bytes(32))
        self._addresses = dict(zip(payees, (holders_address, self._uploaders_wallet.address), strict=True))
        self._total_msat = READERS * sum(upload.price_msat for upload in uploads)

    def run(self) -> None:
        """Go through the stage's steps."""
        transfers = READERS * len(self._uploads)
        self._report.stage("B", f"deposit, {transfers} paid gets, settlement, statement, payout, closing account")
        with self._report.step(f"{READERS} readers sign up and deposit on chain"):
            self._deposit()
        with self._report.step("A reader without funds is refused, and nothing is charged"):
            self._refuse_without_funds()
        with self._report.step(f"{transfers} transfers are paid through `cadastre get`, and the bytes compared"):
            self._get_everything()
        with self._report.step("The same blob is decrypted by Debian's age"):
            self._decrypt_with_age()
        with self._report.step("Celery settles the window and makes statements"):
            self._await_settlement()
        with self._report.step("One transaction pays rights holders and uploaders; it confirms"):
            self._await_payout()
        with self._report.step("The closing account: where every deposited millisatoshi is"):
            self._show_closing_account()

    def _deposit(self) -> None:
        payments = {}
        for reader in self._readers:
            reader.sign_up()
            payments[reader.cadastre("deposit")["address"]] = DEPOSIT_SAT
        self._deposit_addresses = list(payments)
        self._deposit_txid = self._system.wallet.pay(payments)
        self._report.value("deposits", f"{READERS} x {DEPOSIT_SAT:,} sat in {self._deposit_txid}")
        self._system.wallet.mine(CONFIRMATIONS - 1)
        wait = self._system.processes.wait
        wait("the blocks to be followed", self._are_blocks_followed)
        before = self._balances()
        if before != {0}:
            raise RuntimeError(f"deposits were credited before their last confirmation: {before}")
        self._system.wallet.mine(1)
        wait("the credits", lambda: self._balances() == {DEPOSIT_SAT * MSAT_PER_SAT})
        self._report.value("balances", f"0 msat before the last confirmation, then {DEPOSIT_SAT * MSAT_PER_SAT:,} each")

    def _are_blocks_followed(self) -> bool:
        followers = {follower["name"]: follower["height"] for follower in self._system.get_status()["followers"]}
        return bool(followers["payouts"] == self._system.node.call("getblockcount"))

    def _balances(self) -> set[int]:
        answers = [self._system.get("/api/v1/balance", token=reader.token) for reader in self._readers]
        return {answer["balance"]["amount_msat"] for answer in answers}

    def _refuse_without_funds(self) -> None:
        carol = Person("carol", folder=self._system.data / "people", server_url=self._system.url)
        carol.sign_up()
        upload = self._uploads[0]
        target = self._system.data / "files" / "unpaid"
        answer = carol.cadastre(
            "get", upload.link, "-o", str(target), "--price-max-msat", str(upload.price_msat), expected=4
        )
        if target.exists():
            raise RuntimeError("an unpaid transfer was served")
        self._report.value("cadastre get", (answer or {}).get("detail", "exit code 4: payment required"))

    def _get_everything(self) -> None:
        done = 0
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in pool.map(self._get, [(reader, item) for item in self._uploads for reader in self._readers]):
                done += 1
                if done % 25 == 0:
                    self._report.progress(done, READERS * len(self._uploads), "transfers")
        spent = DEPOSIT_SAT * MSAT_PER_SAT - self._total_msat // READERS
        if self._balances() != {spent}:
            raise RuntimeError(f"the readers' balances are {self._balances()}, not {spent}")
        self._report.value("charged", f"{self._total_msat:,} msat; each reader has {spent:,} msat left")

    def _get(self, job: tuple[Person, Upload]) -> None:
        reader, upload = job
        target = reader.folder / upload.path.name
        answer = reader.cadastre("get", upload.link, "-o", str(target), "--price-max-msat", str(upload.price_msat))
        if answer["charged"]["amount_msat"] != upload.price_msat:
            raise RuntimeError(f"{reader.name} was charged {answer['charged']}")
        if target.read_bytes() != upload.path.read_bytes():
            raise RuntimeError(f"{target} differs from the original")

    def _decrypt_with_age(self) -> None:
        age = shutil.which("age")
        if age is None:
            self._report.value("skipped", "Debian's age is not installed (apt-get install age)")
            return
        upload = self._uploads[0]
        reader = self._readers[0]
        folder = self._system.data / "files"
        blob, identity = folder / "paid.age", folder / "identity.txt"
        reader.cadastre("get", upload.link, "-o", str(folder / "again"), "--keep-ciphertext", str(blob),
                        "--price-max-msat", str(upload.price_msat))  # fmt: skip
        identity.write_text(reader.cadastre("key", upload.link)["identity"] + "\n")
        identity.chmod(0o600)
        plain = subprocess.run([age, "-d", "-i", str(identity), str(blob)], capture_output=True, check=True).stdout
        if plain != Path(upload.path).read_bytes():
            raise RuntimeError("age decrypts other bytes")
        self._report.value("age -d", f"{len(plain):,} bytes, equal to {upload.path.name}; the repeat was free")

    def _await_settlement(self) -> None:
        address = {"address": self._uploaders_wallet.address}
        bob = self._payees["Bob, the uploader"]
        self._system.post("/api/v1/payout-address", address, token=bob.token, method="PUT")
        # It would close by itself an hour after it opened; the operator does not wait for that.
        self._report.value("operator", self._system.manage("close_window"))
        self._system.processes.wait("the settlement", self._is_settled, seconds_max=SETTLE_SECONDS_MAX)
        for window in self._settled():
            self._report.value(
                f"window {window['number']}",
                f"{window['transfers']['count']} transfers, {window['transfers']['sum']['amount_msat']:,} msat",
            )
            self._report.value("  root", window["transfers"]["root"])
        self._system.processes.wait("the statements", self._are_stated)
        for name, payee in self._payees.items():
            for statement in self._list("statements", payee):
                self._report.value("statement", f"{statement['total']['amount_msat']:,} msat to {name}")

    def _settled(self) -> list[Any]:
        return list(self._system.get("/api/v1/settlements")["results"])

    def _is_settled(self) -> bool:
        settled_msat: int = sum(window["transfers"]["sum"]["amount_msat"] for window in self._settled())
        return settled_msat == self._total_msat

    def _list(self, what: str, person: Person) -> list[Any]:
        return list(self._system.get(f"/api/v1/{what}", token=person.token)["results"])

    def _are_stated(self) -> bool:
        return all(self._list("statements", payee) for payee in self._payees.values())

    def _await_payout(self) -> None:
        wait = self._system.processes.wait
        wait("the payout", lambda: self._are_paid("BROADCAST"), seconds_max=SETTLE_SECONDS_MAX)
        self._system.wallet.mine(CONFIRMATIONS)
        wait("the payout's confirmations", lambda: self._are_paid("PAID"))
        for name, payee in self._payees.items():
            for payout in self._list("payouts", payee):
                self._check_payout(name, payout)
        if len(self._payout_txids) != 1:
            raise RuntimeError(f"everybody was to be paid in one transaction, not in {self._payout_txids}")

    def _check_payout(self, name: str, payout: dict[str, Any]) -> None:
        """Find a payout in the chain. Raises RuntimeError if it pays another amount or another address."""
        amount_sat, txid = payout["amount"]["amount_msat"] // MSAT_PER_SAT, payout["txid"]
        outputs = get_transaction(self._system.node, txid)["vout"]
        paid = [(output["scriptPubKey"].get("address"), to_sat(output)) for output in outputs]
        if (self._addresses[name], amount_sat) not in paid:
            raise RuntimeError(f"the chain pays {paid} in {txid}, not {amount_sat} sat to {name}")
        if txid not in self._payout_txids:
            self._payout_txids.append(txid)
        self._report.value("paid", f"{amount_sat:,} sat to {name}, in {txid}")

    def _are_paid(self, state: str) -> bool:
        """Return whether every payee has a payout in this state."""
        return all(
            state in {payout["state"] for payout in self._list("payouts", payee)} for payee in self._payees.values()
        )

    def _show_closing_account(self) -> None:
        account = self._system.get("/api/v1/closing-account")
        totals = set()
        for name in ("chain", "ledger"):
            deposited, lines = account[name]["deposits"]["amount_msat"], account[name]["lines"]
            total = sum(line["amount_msat"] for line in lines)
            totals |= {deposited, total}
            self._report.value(f"from the {name}", f"{deposited:>15,} msat deposited")
            for line in lines:
                self._report.value(f"  {line['name'].lower()}", f"{line['amount_msat']:>15,}")
            self._report.value("  sum", f"{total:>15,}")
        if totals != {READERS * DEPOSIT_SAT * MSAT_PER_SAT} or not account["is_balanced"]:
            raise RuntimeError(f"the closing account does not close: {totals}")
        self._report.value("difference", "0 msat")
        self._compare_with_the_node({line["name"]: line["amount_msat"] for line in account["chain"]["lines"]})

    def _compare_with_the_node(self, lines: dict[str, int]) -> None:
        """Count the chain's side anew from the node's own answers. Raises RuntimeError if the server says otherwise."""
        counted = read_chain_side(
            self._system.node,
            deposit_txid=self._deposit_txid,
            deposit_addresses=self._deposit_addresses,
            payout_txids=self._payout_txids,
            payees=set(self._addresses.values()),
        )
        theirs = (counted.coins_msat, counted.payout_outputs_msat, counted.miner_fees_msat)
        if (lines["COINS"], lines["PAYOUT_OUTPUTS"], lines["MINER_FEES"]) != theirs:
            raise RuntimeError(f"the node counts {counted}, the server {lines}")
        self._report.value("from the node", f"{counted.deposits_msat:>15,} msat deposited, and every line the same")
