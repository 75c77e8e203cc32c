/**
 * Names and values as SQL text. Sessions of this package never have NO_BACKSLASH_ESCAPES (see `openConnection`), so a
 * backslash is always an escape; names are always in backquotes, so ANSI_QUOTES does not matter.
 */
import type { ByteString } from "./value.ts";

/** A name in backquotes; a backquote inside is doubled. Throws on U+0000, which no name can hold. */
export function quoteIdentifier(name: string): string {
  if (name.includes("\0")) throw new RangeError("a name cannot hold the character U+0000");
  return name.includes("`") ? `\`${name.replaceAll("`", "``")}\`` : `\`${name}\``;
}

/** `schema`.`table` */
export function quoteTable(schema: string, table: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(table)}`;
}

/** A string literal for connections in "text" mode. */
export function quoteText(text: string): string {
  return quoteCharacters(text);
}

/** A string literal for connections in "bytes" mode; the result is a ByteString too. */
export function quoteByteString(bytes: ByteString): ByteString {
  return quoteCharacters(bytes);
}

const special = /['\\\0]/;
const everySpecial = /['\\\0]/g;
const escapes: Record<string, string> = { "'": "''", "\\": "\\\\", "\0": "\\0" };

function quoteCharacters(text: string): string {
  if (!special.test(text)) return `'${text}'`;
  return `'${text.replace(everySpecial, (character) => escapes[character] as string)}'`;
}
