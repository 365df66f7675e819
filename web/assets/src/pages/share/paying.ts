/** Asking before a transfer is charged: the price, the balance, and how to deposit if it is not enough. */

import { drawCode } from "../shared/codes.ts";
import { find } from "../shared/dom.ts";
import { makeApi } from "../shared/requests.ts";
import { writeMsat } from "../shared/sizes.ts";
import type { Words } from "../shared/words.ts";

interface Money {
  amount_msat: number;
}
interface BalanceAnswer {
  balance: Money;
  is_frozen: boolean;
}
interface DepositAnswer {
  address: string;
  confirmations: number;
  minimum: Money;
}

/** Return whether the transfer may be made: at once if it costs nothing, else if the person says so. */
export async function agreeToPrice(words: Words): Promise<boolean> {
  const { priceMsat, signedIn, owner } = find("share", HTMLElement).dataset;
  const price = BigInt(priceMsat ?? "0");
  if (price === 0n || owner === "yes") return true;
  const dialog = find("pay", HTMLDialogElement);
  dialog.returnValue = "";
  dialog.showModal();
  const closed = new Promise<void>((resolve) => {
    dialog.addEventListener("close", () => resolve(), { once: true });
  });
  if (signedIn === "yes") void showBalance(words, price);
  await closed;
  return dialog.returnValue === "pay";
}

async function showBalance(words: Words, price: bigint): Promise<void> {
  const place = find("balance", HTMLElement);
  try {
    const answer = (await makeApi().sendForJson("GET", "/api/v1/balance")) as BalanceAnswer;
    const balance = BigInt(answer.balance.amount_msat);
    const isEnough = balance >= price && !answer.is_frozen;
    place.textContent = answer.is_frozen ? words.say("error.balance-frozen") : writeMsat(balance);
    find("pay-enough", HTMLElement).hidden = !isEnough;
    find("pay-short", HTMLElement).hidden = isEnough;
    find("pay-button", HTMLButtonElement).disabled = !isEnough;
    find("deposit", HTMLButtonElement).onclick = () => void showDeposit(words);
  } catch (error) {
    place.textContent = words.explain(error);
  }
}

async function showDeposit(words: Words): Promise<void> {
  const said = find("deposit-words", HTMLElement);
  find("deposit-shown", HTMLElement).hidden = false;
  try {
    const headers = { "Idempotency-Key": crypto.randomUUID() };
    const answer = (await makeApi().sendForJson("POST", "/api/v1/deposit-addresses", { headers })) as DepositAnswer;
    find("deposit", HTMLButtonElement).hidden = true;
    find("deposit-address", HTMLElement).textContent = answer.address;
    const amount = writeMsat(BigInt(answer.minimum.amount_msat));
    said.textContent = words.say("deposit.words", { amount, count: answer.confirmations });
    find("deposit-code", HTMLElement).replaceChildren(drawCode(`bitcoin:${answer.address}`, words.say("qr.deposit")));
  } catch {
    said.textContent = words.say("deposit.failed");
  }
}
