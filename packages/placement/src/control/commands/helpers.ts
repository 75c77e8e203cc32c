/** What commands share: numbers, keys in their three forms, answers that are filtered. */
import { goJson, parseGoJson } from "../../server/json.ts";
import { type CommandContext, failureText, type PdAnswer } from "../command.ts";
import { JqError, jqText, runJq } from "../jq.ts";

export const wholeNumber = /^\d+$/;

/** A GET whose failure reads `Failed to <what>: [404] "…"`. */
export async function getOr(context: CommandContext, path: string, what: string): Promise<void> {
  await context.get(path, (failure) => `Failed to ${what}: ${failure}`);
}

/** GET that is printed whole, or through `--jq` one value a line. */
export async function getFiltered(
  context: CommandContext,
  path: string,
  what: string,
  change: (value: unknown) => unknown = (value) => value,
): Promise<void> {
  const answer = await context.request("GET", path);
  if (answer.status !== 200) return context.print(`Failed to ${what}: ${failureText(answer)}`);
  const expression = context.flag("jq");
  if (expression === "") return context.print(answer.text);
  printFiltered(context, change(parseJson(answer)), expression);
}

export function printFiltered(context: CommandContext, value: unknown, expression: string): void {
  try {
    for (const each of runJq(expression, value)) context.print(jqText(each));
  } catch (error) {
    if (!(error instanceof JqError)) throw error;
    context.print(`Failed to filter: ${error.message}`);
  }
}

export function parseJson(answer: PdAnswer): unknown {
  return parseGoJson(new TextEncoder().encode(answer.text));
}

/** Two spaces, no newline at the end. */
export function prettyJson(value: unknown): string {
  return goJson(value).trimEnd();
}

/** DELETE and other changes of which only the fact is told: `Success!`, or `Failed to <what>: …`. */
export async function change(
  context: CommandContext,
  method: "DELETE" | "POST",
  path: string,
  failed: string,
  body?: unknown,
): Promise<void> {
  const answer = await context.request(method, path, body === undefined ? undefined : JSON.stringify(body));
  context.print(answer.status === 200 ? "Success!" : `${failed}${failureText(answer)}`);
}

/** A key as it was typed in one of the three formats; null: unknown format. Throws `KeyError` for a key that is none. */
export function keyBytes(text: string, format: string): Uint8Array | null {
  switch (format) {
    case "raw":
      return new TextEncoder().encode(text);
    case "encode":
      return unescapeKey(text);
    case "hex":
    case "": {
      if (text.length % 2 !== 0) throw new KeyError("encoding/hex: odd length hex string");
      const bad = Array.from(text).find((letter) => !/[0-9a-fA-F]/.test(letter));
      if (bad !== undefined)
        throw new KeyError(
          `encoding/hex: invalid byte: U+${(bad.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, "0")} '${bad}'`,
        );
      return Uint8Array.from({ length: text.length / 2 }, (_each, index) => Number.parseInt(text.slice(2 * index, 2 * index + 2), 16));
    }
    default:
      return null;
  }
}

export class KeyError extends Error {
  override readonly name = "KeyError";
}

/** `t\200\000a`: octal, hex and letter escapes as protocol dumps show keys. */
function unescapeKey(text: string): Uint8Array {
  const bytes: number[] = [];
  const plain = new TextEncoder();
  for (let at = 0; at < text.length; at++) {
    const rest = text.slice(at);
    const match = /^\\(?:([0-7]{3})|x([0-9a-fA-F]{2})|([abfnrtv\\'"?]))/.exec(rest);
    if (match === null) {
      bytes.push(...plain.encode(rest[0]));
      continue;
    }
    const letters: Readonly<Record<string, number>> = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11 };
    if (match[1] !== undefined) bytes.push(Number.parseInt(match[1], 8) & 0xff);
    else if (match[2] !== undefined) bytes.push(Number.parseInt(match[2], 16));
    else bytes.push(letters[match[3] as string] ?? (match[3] as string).charCodeAt(0));
    at += match[0].length - 1;
  }
  return Uint8Array.from(bytes);
}

/** Every byte that is not plain in a URL is escaped. */
export function escapeBytes(key: Uint8Array): string {
  return [...key]
    .map((byte) =>
      /[A-Za-z0-9_.~-]/.test(String.fromCharCode(byte))
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`,
    )
    .join("");
}
