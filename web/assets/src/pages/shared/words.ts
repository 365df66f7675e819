/** The page's words: the server puts them there, in the page's language, so that templates and scripts share a catalogue. */

import { getErrorCode, RejectedError } from "../../core/errors.ts";
import { find } from "./dom.ts";

type Values = Readonly<Record<string, string | number>>;

/** Errors that a person cannot tell apart, and need not. */
const SAME_WORDS: Readonly<Record<string, string>> = {
  "age-header": "age-damaged",
  "age-key": "wrong-key",
  "age-mac": "age-damaged",
  "age-payload": "age-damaged",
  "age-trailing-data": "age-damaged",
  "checksum-mismatch": "server-unavailable",
  "files-needed": "files-differ",
  "not-canonical": "manifest",
  "offset-conflict": "upload-busy",
  protocol: "server-unavailable",
  "upload-offset": "upload-gone",
  "upload-unknown": "upload-gone",
};

export class Words {
  readonly language: string;
  private readonly sentences: Readonly<Record<string, string>>;
  private readonly plurals: Intl.PluralRules;

  constructor(sentences: Readonly<Record<string, string>>, language: string) {
    this.sentences = sentences;
    this.language = language;
    this.plurals = new Intl.PluralRules(language);
  }

  /** Return a sentence with its values filled in. */
  say(key: string, values: Values = {}): string {
    const sentence = this.sentences[key];
    if (sentence === undefined) throw new Error(`the page has no words for ${key}`);
    return sentence.replace(/\{(\w+)\}/g, (hole, name: string) => String(values[name] ?? hole));
  }

  /** Return the sentence for this many; `{count}` is the number as the language writes it. */
  count(key: string, count: number, values: Values = {}): string {
    const form = this.plurals.select(count) === "one" ? "one" : "other";
    return this.say(`${key}.${form}`, { count: this.number(count), ...values });
  }

  /** Return a number as the language writes it. */
  number(value: number, decimals = 0): string {
    return value.toLocaleString(this.language, { maximumFractionDigits: decimals });
  }

  /** Return a share of 1 in whole percent, rounded down: 100 is said only of what is done. */
  percent(share: number): string {
    return this.number(Math.floor(share * 100));
  }

  /** Return the words for an error, or for the code of one. */
  explain(error: unknown): string {
    const code = typeof error === "string" ? error : getErrorCode(error);
    const problem = error instanceof RejectedError ? error.problem : "";
    const keys = [`error.${problem}`, `error.${SAME_WORDS[code] ?? code}`];
    return this.say(keys.find((key) => key in this.sentences) ?? "error.unexpected");
  }
}

/** Return the words of this page. */
export function readWords(): Words {
  const sentences: Record<string, string> = JSON.parse(find("words", HTMLScriptElement).textContent ?? "{}");
  return new Words(sentences, document.documentElement.lang || "en");
}
