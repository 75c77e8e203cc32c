/** Reads tokens one by one with a look ahead, and takes the pieces that many statements share: names, strings, balanced text. */
import type { TableName } from "./ast.ts";
import { parseError } from "./errors.ts";
import { createLexer, type Lexer, type SqlDialectOptions, sqlModes, type Token, tokenSql, tokensSql } from "./lexer.ts";

export class TokenCursor {
  readonly text: string;
  readonly options: SqlDialectOptions;
  readonly #lexer: Lexer;
  readonly #ahead: Token[] = [];
  readonly #pipesAsConcat: boolean;

  constructor(text: string, options: SqlDialectOptions) {
    this.text = text;
    this.options = options;
    this.#lexer = createLexer(text, options);
    this.#pipesAsConcat = sqlModes(options.sqlMode ?? "").pipesAsConcat;
  }

  peek(distance = 0): Token {
    while (this.#ahead.length <= distance) this.#ahead.push(this.#lexer.next());
    return this.#ahead[distance] as Token;
  }

  take(): Token {
    return this.#ahead.length > 0 ? (this.#ahead.shift() as Token) : this.#lexer.next();
  }

  fail(why: string, token: Token = this.peek()): never {
    throw parseError(this.text, token.start, why);
  }

  /** Whether the next tokens are these keywords or operators. */
  at(...keywords: readonly string[]): boolean {
    for (let index = 0; index < keywords.length; index += 1) {
      const token = this.peek(index);
      if (token.keyword !== keywords[index] || token.kind === "string") return false;
    }
    return true;
  }

  /** Takes them when they are there. */
  eat(...keywords: readonly string[]): boolean {
    if (!this.at(...keywords)) return false;
    for (let index = 0; index < keywords.length; index += 1) this.take();
    return true;
  }

  eatOneOf(...keywords: readonly string[]): string | undefined {
    return keywords.find((keyword) => this.eat(keyword));
  }

  expect(...keywords: readonly string[]): void {
    for (const keyword of keywords) if (!this.eat(keyword)) this.fail(`expected ${keyword}`);
  }

  atEnd(): boolean {
    const token = this.peek();
    return token.kind === "end" || (token.kind === "operator" && token.text === ";");
  }

  atName(distance = 0): boolean {
    const { kind } = this.peek(distance);
    return kind === "word" || kind === "name";
  }

  name(what: string): string {
    const token = this.peek();
    if (token.kind !== "word" && token.kind !== "name") this.fail(`expected ${what}`);
    if (token.text === "") this.fail(`expected ${what}, and this name is empty`);
    this.take();
    return token.text;
  }

  /** `name`, `schema.name`, `.name` */
  tableName(): TableName {
    this.eat(".");
    const first = this.name("a table name");
    if (!this.eat(".")) return { name: first };
    return { schema: first, name: this.name("a table name") };
  }

  /** A column as `column`, `table.column` or `schema.table.column`; only the last part counts. */
  columnName(): string {
    let name = this.name("a column name");
    while (this.eat(".")) name = this.name("a column name");
    return name;
  }

  names(what: string): string[] {
    const result = [this.name(what)];
    while (this.eat(",")) result.push(this.name(what));
    return result;
  }

  /** Strings that stand side by side are one. */
  string(what: string): string {
    const token = this.peek();
    if (token.kind !== "string") this.fail(`expected ${what}, in quotes`);
    this.take();
    let { text } = token;
    while (this.peek().kind === "string") text += this.take().text;
    return text;
  }

  nameOrString(what: string): string {
    return this.peek().kind === "string" ? this.string(what) : this.name(what);
  }

  integer(what: string): number {
    const token = this.peek();
    const value =
      token.kind === "number" ? Number(token.text) : token.kind === "bits" && token.text.startsWith("0x") ? Number(token.text) : Number.NaN;
    if (!Number.isSafeInteger(value)) this.fail(`expected ${what}, a whole number`);
    this.take();
    return value;
  }

  /** `(` … `)` with all brackets closed; gives what is inside as text. No recursion: depth costs nothing. */
  parenthesised(what: string): string {
    return tokensSql(this.parenthesisedTokens(what));
  }

  parenthesisedTokens(what: string): Token[] {
    const open = this.peek();
    if (!this.eat("(")) this.fail(`expected ( and ${what}`);
    const tokens: Token[] = [];
    for (let depth = 1; ; ) {
      const token = this.take();
      if (token.kind === "end") this.fail("this bracket is not closed", open);
      if (token.kind === "operator") {
        if (token.text === "(") depth += 1;
        // Printed as it is, it would mean OR to the session that runs it.
        if (token.text === "||" && this.#pipesAsConcat) this.fail("|| joins strings under PIPES_AS_CONCAT; write it as CONCAT(…)", token);
        if (token.text === ")") {
          depth -= 1;
          if (depth === 0) return tokens;
        }
      }
      tokens.push(token);
    }
  }

  /** Everything up to the end of the statement or, outside of brackets, one of these keywords. */
  textUntil(...stops: readonly string[]): string {
    const tokens: Token[] = [];
    let depth = 0;
    for (;;) {
      const token = this.peek();
      if (token.kind === "end") break;
      if (token.kind === "operator") {
        if (token.text === "(") depth += 1;
        if (token.text === ")") depth -= 1;
        if (depth < 0 || (depth === 0 && token.text === ";")) break;
      }
      if (depth === 0 && token.kind !== "string" && stops.includes(token.keyword)) break;
      tokens.push(this.take());
    }
    return tokensSql(tokens);
  }

  /** One token as SQL text, with a sign before a number. */
  scalar(what: string): string {
    if (this.at("-") || this.at("+")) {
      const sign = this.take().text;
      const token = this.peek();
      if (token.kind !== "number" && token.kind !== "bits") this.fail(`expected ${what}`);
      return (sign === "-" ? "-" : "") + tokenSql(this.take());
    }
    const token = this.peek();
    if (token.kind === "end" || token.kind === "operator") this.fail(`expected ${what}`);
    return tokenSql(this.take());
  }
}
