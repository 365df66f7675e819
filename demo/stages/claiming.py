"""Stage C: a publisher claims a work, an admin approves it in Django admin, and a new split policy is in force."""

import secrets
from typing import Any

from demo.admin import Admin
from demo.people import Person
from demo.report import Report
from demo.stages.registering import Upload
from demo.system import System
from demo.wallet import Wallet

SHARE_PPM = 600_000
ADMIN = "admin"


class Claiming:
    """Runs stage C."""

    def __init__(self, *, system: System, report: Report, uploads: list[Upload]) -> None:
        self._system = system
        self._report = report
        self._uploads = uploads
        self.alice = Person("alice", folder=system.data / "people", server_url=system.url)
        # What she is paid goes to a key of her own.
        self.payee = Wallet(system.node, secrets.token_bytes(32))

    def run(self) -> None:
        """Go through the stage's steps."""
        self._report.stage("C", "claim, and review in the admin")
        with self._report.step("Alice signs up as a publisher and claims the works"):
            self.alice.sign_up("rights:write", "account:read", "payments:write", "storage:write")
            holder = self._post("holders", {"name": "Alice's Archive", "payout_address": self.payee.address})
            claims = [self._claim(upload, holder["id"]) for upload in self._uploads]
            self._report.value("claims", f"{len(claims)} in state {claims[0]['state']}, each {SHARE_PPM:,} ppm")
        with self._report.step("An admin reads each claim in Django admin and approves it by its form"):
            password = secrets.token_urlsafe(16)
            self._system.create_admin(ADMIN, password)
            admin = Admin(self._system.url)
            admin.sign_in(ADMIN, password)
            for claim in claims:
                self._approve(admin, claim["id"])
        with self._report.step("The new split policies are in force"):
            for line in self._show_policy(claims[0]["work"]):
                self._report.value(*line)

    def _post(self, name: str, body: dict[str, Any]) -> Any:
        return self._system.post(f"/api/v1/{name}", body, token=self.alice.token)

    def _claim(self, upload: Upload, holder_id: str) -> Any:
        return self._post(
            "claims",
            {
                "record": upload.record_id,
                "holder": holder_id,
                "title": upload.path.name,
                "share_ppm": SHARE_PPM,
                "basis": "CREATOR",
                "evidence": f"SHA-256 of my original: {upload.sha256}",
            },
        )

    def _approve(self, admin: Admin, claim_id: str) -> None:
        page = f"/admin/registry/claim/{claim_id}/change/"
        action = f"/admin/registry/claim/{claim_id}/decide/"
        admin.submit(page, action, {"decision": "approve", "reason": "The original's digest agrees."})
        state = self._system.get(f"/api/v1/claims/{claim_id}", token=self.alice.token)["state"]
        if state != "APPROVED":
            raise RuntimeError(f"the claim is {state} after its approval")

    def _show_policy(self, work_id: str) -> list[tuple[str, str]]:
        """Return the lines of the policy in force. Raises RuntimeError if it is not the one that was approved."""
        policies = self._system.get(f"/api/v1/works/{work_id}")["policies"]
        [current] = [policy for policy in policies if policy["valid_to"] is None]
        shares = {line["payee"]: line.get("share_ppm") or line.get("fee_bp") for line in current["lines"]}
        if (current["version"], shares["HOLDER"]) != (1, SHARE_PPM):
            raise RuntimeError(f"the policy in force is {current}")
        return [
            (line["name"], f"{line['fee_bp']} bp" if "fee_bp" in line else f"{line['share_ppm']:,} ppm")
            for line in current["lines"]
        ]
