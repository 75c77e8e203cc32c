/** Statements out of a stream of bytes, and what is rewritten in an INSERT of a dump. Byte by byte, in linear time. */

const quotes = new Set([0x27, 0x22, 0x60]);

export class SqlSplitter {
  #pending: Buffer = Buffer.alloc(0);
  #scanned = 0;
  #quote = 0;
  #comment: "" | "block" | "line" = "";
  readonly #statementBytesMax: number;
  #consumed = 0;

  constructor(options: { readonly statementBytesMax: number }) {
    this.#statementBytesMax = options.statementBytesMax;
  }

  /** Statements that end in these bytes, without their `;`, and the offset right behind each, counted from the first byte fed. */
  feed(bytes: Uint8Array): { readonly statement: Buffer; readonly endOffset: number }[] {
    const found: { statement: Buffer; endOffset: number }[] = [];
    const all = this.#pending.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.#pending, bytes]);
    let start = 0;
    let at = this.#scanned;
    // The last two bytes wait for more: a backslash or a comment may begin there.
    for (; at < all.length - 1; at++) {
      const byte = all[at] as number;
      if (this.#comment === "block") {
        if (byte === 0x2a && all[at + 1] === 0x2f) {
          this.#comment = "";
          at++;
        }
      } else if (this.#comment === "line") {
        if (byte === 0x0a) this.#comment = "";
      } else if (this.#quote !== 0) {
        if (byte === 0x5c && this.#quote !== 0x60) at++;
        else if (byte === this.#quote) this.#quote = 0; // a doubled quote opens again at once
      } else if (quotes.has(byte)) this.#quote = byte;
      else if (byte === 0x2f && all[at + 1] === 0x2a) {
        this.#comment = "block";
        at++;
      } else if (byte === 0x23 || (byte === 0x2d && all[at + 1] === 0x2d)) this.#comment = "line";
      else if (byte === 0x3b) {
        found.push({ statement: all.subarray(start, at), endOffset: this.#consumed + at + 1 });
        start = at + 1;
      }
    }
    this.#pending = all.subarray(start);
    this.#scanned = at - start;
    this.#consumed += start;
    if (this.#pending.length > this.#statementBytesMax) throw new RangeError(`a statement is larger than ${this.#statementBytesMax} bytes`);
    return found;
  }

  /** What is left when no more bytes come. */
  end(): { readonly statement: Buffer; readonly endOffset: number }[] {
    const found = this.feed(Buffer.from("\n\n"));
    const rest = this.#pending.toString("latin1").trim();
    if (this.#quote !== 0 || this.#comment === "block") throw new RangeError("the file ends inside of a statement");
    if (rest !== "" && !rest.startsWith("--")) throw new RangeError("the file's last statement has no end");
    return found;
  }
}

/**
 * An INSERT of a dump for another table: its head is replaced, and literals of further columns are put at the end of every row.
 * Null when the statement is no INSERT. `statement` is a ByteString.
 */
export function rewriteInsert(
  statement: string,
  to: { readonly verb: string; readonly name: string; readonly extraNames: readonly string[]; readonly extraLiterals: readonly string[] },
): string | null {
  const head =
    /^\s*(?:INSERT(?:\s+IGNORE)?|REPLACE)\s+INTO\s+(?:`(?:[^`]|``)+`\s*\.\s*)?(?:`(?:[^`]|``)+`|[\w$\x80-\xff]+)\s*(\((?:\s*(?:`(?:[^`]|``)+`|[\w$\x80-\xff]+)\s*,?)+\))?\s*VALUES\s*/i.exec(
      statement,
    );
  if (head === null) return null;
  let columns = head[1] ?? "";
  const rows = statement.slice(head[0].length);
  if (to.extraNames.length === 0) return `${to.verb} INTO ${to.name} ${columns} VALUES ${rows}`;
  if (columns === "") return null;
  columns = `${columns.slice(0, -1)},${to.extraNames.join(",")})`;
  const extra = `,${to.extraLiterals.join(",")}`;
  let out = "";
  let from = 0;
  let depth = 0;
  let quote = "";
  for (let at = 0; at < rows.length; at++) {
    const character = rows[at] as string;
    if (quote !== "") {
      if (character === "\\" && quote !== "`") at++;
      else if (character === quote) quote = "";
    } else if (character === "'" || character === '"' || character === "`") quote = character;
    else if (character === "(") depth++;
    else if (character === ")" && --depth === 0) {
      out += rows.slice(from, at) + extra;
      from = at;
    }
  }
  return `${to.verb} INTO ${to.name} ${columns} VALUES ${out}${rows.slice(from)}`;
}
