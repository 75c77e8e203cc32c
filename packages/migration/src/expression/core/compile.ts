/**
 * SQL expressions → functions of a row, in the grammar of MySQL's operators, with three-valued logic.
 *
 * lowest  OR ||  ·  XOR  ·  AND &&  ·  NOT  ·  = <=> >= > <= < <> != IS LIKE REGEXP IN BETWEEN  ·  |  ·  &  ·  << >>
 *         + -  ·  * / DIV % MOD  ·  ^  ·  unary - ~  ·  !  ·  COLLATE   highest
 */
import { createLexer, type Row, type SqlToken, type TableDefinition } from "@skein/mysql";
import { safeRegExp } from "../../filter/core/name-pattern.ts";
import { functions } from "./functions.ts";
import { arithmetic, bitwise, invert, like, negate, toDecimal, toWhole } from "./operators.ts";
import {
  columnReader,
  commonCollation,
  compareScalars,
  fullDatetime,
  isBinaryCollation,
  parseDecimal,
  type Scalar,
  Text,
  toNumber,
  toText,
  truth,
} from "./values.ts";

export type Expression = (row: Row) => Scalar;

/** What is wrong with an expression: unknown column or function, or grammar. */
export class ExpressionError extends Error {
  override readonly name = "ExpressionError";
}

interface Node {
  readonly run: Expression;
  /** Set for a column that only IS NULL takes. */
  readonly opaque?: string;
  /** Known before any row. */
  readonly constant?: boolean;
}

const textLengthMax = 16_384;
const depthMax = 200;

const fromBoolean = (value: boolean | null): Scalar => (value === null ? null : value ? 1n : 0n);

/** With `table` null, any column name is taken: for checks before the table is known. Throws ExpressionError. */
export function compileExpression(text: string, table: TableDefinition | null, localTime: (utc: string) => string): Expression {
  if (text.length > textLengthMax) throw new ExpressionError(`${text.length} characters are over the limit of ${textLengthMax}`);
  return new Compiler(text, table, localTime).compile();
}

class Compiler {
  readonly #tokens: SqlToken[] = [];
  readonly #table: TableDefinition | null;
  readonly #localTime: (utc: string) => string;
  #at = 0;
  #depth = 0;

  constructor(text: string, table: TableDefinition | null, localTime: (utc: string) => string) {
    this.#table = table;
    this.#localTime = localTime;
    try {
      const lexer = createLexer(text, { flavor: "mysql" });
      for (let token = lexer.next(); ; token = lexer.next()) {
        this.#tokens.push(token);
        if (token.kind === "end") break;
      }
    } catch (error) {
      throw new ExpressionError((error as Error).message);
    }
  }

  compile(): Expression {
    const node = this.#plain(this.#or());
    if (this.#token.kind !== "end") throw this.#unexpected();
    return node.run;
  }

  get #token(): SqlToken {
    return this.#tokens[this.#at] as SqlToken;
  }
  get #next(): SqlToken | undefined {
    return this.#tokens[this.#at + 1];
  }

  #unexpected(): ExpressionError {
    const token = this.#token;
    return new ExpressionError(token.kind === "end" ? "it ends too early" : `\`${token.text}\` is not expected here`);
  }

  /** Takes the token when it is one of these words or operators. */
  #take(...keywords: string[]): string | null {
    const { keyword } = this.#token;
    if (keyword === "" || !keywords.includes(keyword)) return null;
    this.#at += 1;
    return keyword;
  }
  #expect(keyword: string): void {
    if (this.#take(keyword) === null) throw this.#unexpected();
  }

  #plain(node: Node): Node {
    if (node.opaque !== undefined) throw new ExpressionError(`column \`${node.opaque}\` has a type that only IS NULL takes`);
    return node;
  }

  #node(parts: readonly Node[], run: (...values: Scalar[]) => Scalar): Node {
    for (const part of parts) this.#plain(part);
    const [first, second] = parts as [Node, Node];
    const constant = parts.every((part) => part.constant === true);
    if (parts.length === 1) return { run: (row) => run(first.run(row)), constant };
    if (parts.length === 2) return { run: (row) => run(first.run(row), second.run(row)), constant };
    return { run: (row) => run(...parts.map((part) => part.run(row))), constant };
  }

  #left(parse: () => Node, operators: readonly string[], apply: (operator: string, a: Scalar, b: Scalar) => Scalar): Node {
    let node = parse();
    for (let operator = this.#take(...operators); operator !== null; operator = this.#take(...operators)) {
      const name = operator;
      node = this.#node([node, parse()], (a = null, b = null) => apply(name, a, b));
    }
    return node;
  }

  #or(): Node {
    this.#depth += 1;
    if (this.#depth > depthMax) throw new ExpressionError(`it is nested deeper than ${depthMax} levels`);
    const node = this.#left(
      () => this.#xor(),
      ["OR", "||"],
      (_, a, b) => {
        const [x, y] = [truth(a), truth(b)];
        return fromBoolean(x === true || y === true ? true : x === null || y === null ? null : false);
      },
    );
    this.#depth -= 1;
    return node;
  }

  #xor(): Node {
    return this.#left(
      () => this.#and(),
      ["XOR"],
      (_, a, b) => {
        const [x, y] = [truth(a), truth(b)];
        return fromBoolean(x === null || y === null ? null : x !== y);
      },
    );
  }

  #and(): Node {
    return this.#left(
      () => this.#not(),
      ["AND", "&&"],
      (_, a, b) => {
        const [x, y] = [truth(a), truth(b)];
        return fromBoolean(x === false || y === false ? false : x === null || y === null ? null : true);
      },
    );
  }

  #not(): Node {
    let count = 0;
    while (this.#take("NOT") !== null) count += 1;
    const node = this.#predicate();
    if (count === 0) return node;
    return this.#node([node], (value = null) => {
      const is = truth(value);
      return fromBoolean(is === null ? null : count % 2 === 1 ? !is : is);
    });
  }

  #predicate(): Node {
    let node = this.#bits();
    for (;;) {
      if (this.#take("IS") !== null) {
        node = this.#is(node);
        continue;
      }
      const comparison = this.#take("=", "<=>", ">=", ">", "<=", "<", "<>", "!=");
      if (comparison !== null) {
        node = this.#node([node, this.#bits()], (a = null, b = null) => compareBy(comparison, a, b));
        continue;
      }
      const isNegated = this.#token.keyword === "NOT" && ["LIKE", "IN", "BETWEEN", "REGEXP", "RLIKE"].includes(this.#next?.keyword ?? "");
      if (isNegated) this.#at += 1;
      const kind = this.#take("LIKE", "IN", "BETWEEN", "REGEXP", "RLIKE");
      if (kind === null) return node;
      const made =
        kind === "LIKE" ? this.#like(node) : kind === "IN" ? this.#in(node) : kind === "BETWEEN" ? this.#between(node) : this.#regexp(node);
      node = isNegated
        ? this.#node([made], (value = null) => {
            const is = truth(value);
            return fromBoolean(is === null ? null : !is);
          })
        : made;
    }
  }

  #is(node: Node): Node {
    const isNegated = this.#take("NOT") !== null;
    const what = this.#take("NULL", "TRUE", "FALSE", "UNKNOWN");
    if (what === null) throw this.#unexpected();
    if (what === "NULL") return { run: (row) => fromBoolean((node.run(row) === null) !== isNegated) };
    const wanted = what === "UNKNOWN" ? null : what === "TRUE";
    return this.#node([node], (value = null) => fromBoolean((truth(value) === wanted) !== isNegated));
  }

  #like(node: Node): Node {
    const pattern = this.#bits();
    let escape = "\\";
    if (this.#take("ESCAPE") !== null) {
      if (this.#token.kind !== "string" || Array.from(this.#token.text).length > 1) throw this.#unexpected();
      escape = this.#token.text;
      this.#at += 1;
    }
    return this.#node([node, pattern], (value = null, by = null) => fromBoolean(like(value, by, escape)));
  }

  #in(node: Node): Node {
    const items = this.#list();
    return this.#node([node, ...items], (value = null, ...candidates) => {
      let hasNull = value === null;
      for (const candidate of candidates) {
        const order = compareScalars(value, candidate);
        if (order === 0) return 1n;
        if (order === null) hasNull = true;
      }
      return hasNull ? null : 0n;
    });
  }

  #between(node: Node): Node {
    const low = this.#bits();
    this.#expect("AND");
    const high = this.#bits();
    return this.#node([node, low, high], (value = null, from = null, to = null) => {
      const [a, b] = [compareScalars(value, from), compareScalars(value, to)];
      if ((a !== null && a < 0) || (b !== null && b > 0)) return 0n;
      return a === null || b === null ? null : 1n;
    });
  }

  #regexp(node: Node): Node {
    const pattern = this.#bits();
    if (pattern.constant !== true) throw new ExpressionError("the pattern of REGEXP must be a literal");
    const literal = pattern.run([]);
    if (literal === null) return { run: () => null, constant: true };
    let exact: RegExp;
    let folded: RegExp;
    try {
      exact = safeRegExp(toText(literal), "u");
      folded = safeRegExp(toText(literal), "iu");
    } catch (error) {
      throw new ExpressionError((error as Error).message);
    }
    return this.#node([node], (value = null) => {
      if (value === null) return null;
      const isBinary = value instanceof Text && isBinaryCollation(commonCollation(value, new Text("")));
      return fromBoolean((isBinary ? exact : folded).test(toText(value)));
    });
  }

  #bits(): Node {
    return this.#left(
      () =>
        this.#left(
          () => this.#shift(),
          ["&"],
          (_, a, b) => bitwise("&", a, b),
        ),
      ["|"],
      (_, a, b) => bitwise("|", a, b),
    );
  }

  #shift(): Node {
    return this.#left(
      () => this.#sum(),
      ["<<", ">>"],
      (operator, a, b) => bitwise(operator as "<<" | ">>", a, b),
    );
  }

  #sum(): Node {
    return this.#left(
      () => this.#product(),
      ["+", "-"],
      (operator, a, b) => arithmetic(operator as "+" | "-", a, b),
    );
  }

  #product(): Node {
    return this.#left(
      () => this.#power(),
      ["*", "/", "DIV", "%", "MOD"],
      (operator, a, b) => arithmetic(operator === "MOD" ? "%" : (operator as "*" | "/" | "DIV" | "%"), a, b),
    );
  }

  #power(): Node {
    return this.#left(
      () => this.#unary(),
      ["^"],
      (_, a, b) => bitwise("^", a, b),
    );
  }

  #unary(): Node {
    const operators: string[] = [];
    for (let operator = this.#take("-", "+", "~", "!", "BINARY"); operator !== null; operator = this.#take("-", "+", "~", "!", "BINARY")) {
      operators.push(operator);
      if (operators.length > depthMax) throw new ExpressionError(`it is nested deeper than ${depthMax} levels`);
    }
    let node = this.#primary();
    while (this.#take("COLLATE") !== null) {
      const collation = this.#token.text.toLowerCase();
      if (this.#token.kind === "end") throw this.#unexpected();
      this.#at += 1;
      node = this.#node([node], (value = null) => (value === null ? null : new Text(toText(value), collation)));
    }
    for (const operator of operators.reverse()) {
      node = this.#node([node], (value = null) => {
        if (operator === "-") return negate(value);
        if (operator === "~") return invert(value);
        if (operator === "!") return fromBoolean(value === null ? null : truth(value) === false);
        return operator === "BINARY" && value !== null ? binaryText(value) : value;
      });
    }
    return node;
  }

  #primary(): Node {
    const token = this.#token;
    switch (token.kind) {
      case "number": {
        this.#at += 1;
        const exact = /e/i.test(token.text) ? null : parseDecimal(token.text);
        return literal(exact === null ? Number(token.text) : exact.scale === 0 ? exact.unscaled : exact);
      }
      case "string": {
        let text = "";
        for (; this.#token.kind === "string"; this.#at += 1) text += this.#token.text;
        return literal(new Text(text));
      }
      case "bits":
        this.#at += 1;
        return literal(bitsLiteral(token.text));
      case "operator":
        if (token.text === "(") {
          this.#at += 1;
          const node = this.#or();
          this.#expect(")");
          return node;
        }
        throw this.#unexpected();
      case "name":
        return this.#column();
      case "word":
        return this.#word(token);
      case "variable":
      case "end":
        throw this.#unexpected();
      default:
        return token.kind satisfies never;
    }
  }

  #word(token: SqlToken): Node {
    const following = this.#next;
    switch (token.keyword) {
      case "NULL":
        this.#at += 1;
        return literal(null);
      case "TRUE":
      case "FALSE":
        this.#at += 1;
        return literal(fromBoolean(token.keyword === "TRUE"));
      case "CASE":
        return this.#case();
      case "CAST":
        if (following?.text === "(") return this.#cast();
        break;
      case "DATE":
      case "TIMESTAMP":
        if (following?.kind === "string") {
          this.#at += 2;
          const full = fullDatetime(following.text);
          if (full === null) throw new ExpressionError(`'${following.text}' is no ${token.keyword.toLowerCase()}`);
          return literal(token.keyword === "DATE" ? new Text(full.slice(0, 10), null, "date") : new Text(full, null, "datetime"));
        }
        break;
      case "TIME":
        if (following?.kind === "string") {
          this.#at += 2;
          return literal(new Text(following.text, null, "time"));
        }
        break;
      default:
    }
    if (following?.kind === "operator" && following.text === "(") return this.#call(token);
    return this.#column();
  }

  #call(token: SqlToken): Node {
    const definition = Object.hasOwn(functions, token.keyword) ? functions[token.keyword] : undefined;
    if (definition === undefined) throw new ExpressionError(`function ${token.text} is not supported`);
    this.#at += 1;
    const values = this.#list();
    if (values.length < definition.argumentsMin || values.length > definition.argumentsMax) {
      throw new ExpressionError(`function ${token.text} does not take ${values.length} arguments`);
    }
    return this.#node(values, (...given) => definition.run(given));
  }

  /** `(a, b, …)` */
  #list(): Node[] {
    this.#expect("(");
    const items = [this.#or()];
    while (this.#take(",") !== null) items.push(this.#or());
    this.#expect(")");
    return items;
  }

  #case(): Node {
    this.#expect("CASE");
    const subject = this.#token.keyword === "WHEN" ? null : this.#or();
    const branches: { readonly when: Node; readonly result: Node }[] = [];
    while (this.#take("WHEN") !== null) {
      const when = this.#plain(this.#or());
      this.#expect("THEN");
      branches.push({ when, result: this.#plain(this.#or()) });
    }
    const otherwise = this.#take("ELSE") === null ? literal(null) : this.#plain(this.#or());
    this.#expect("END");
    if (branches.length === 0) throw this.#unexpected();
    if (subject !== null) this.#plain(subject);
    return {
      run: (row) => {
        const value = subject?.run(row) ?? null;
        const branch = branches.find(({ when }) =>
          subject === null ? truth(when.run(row)) === true : compareScalars(value, when.run(row)) === 0,
        );
        return (branch?.result ?? otherwise).run(row);
      },
    };
  }

  #cast(): Node {
    this.#at += 2;
    const value = this.#or();
    this.#expect("AS");
    const type = this.#take("SIGNED", "UNSIGNED", "CHAR", "BINARY", "DECIMAL", "DOUBLE", "REAL", "FLOAT", "DATE", "DATETIME");
    if (type === null) throw new ExpressionError(`CAST to ${this.#token.text} is not supported`);
    if (type === "SIGNED" || type === "UNSIGNED") this.#take("INTEGER", "INT");
    const sizes: number[] = [];
    if (this.#take("(") !== null) {
      do {
        sizes.push(Number(this.#token.text));
        this.#at += 1;
      } while (this.#take(",") !== null);
      this.#expect(")");
    }
    this.#expect(")");
    return this.#node([value], (from = null) => (from === null ? null : castTo(type, from, sizes)));
  }

  /** `column`, `table`.`column` or `schema`.`table`.`column` */
  #column(): Node {
    let name = this.#token.text;
    this.#at += 1;
    while (this.#take(".") !== null) {
      const part = this.#token;
      if (part.kind !== "word" && part.kind !== "name") throw this.#unexpected();
      name = part.text;
      this.#at += 1;
    }
    if (this.#table === null) return { run: () => null };
    const wanted = name.toLowerCase();
    const index = this.#table.columns.findIndex((column) => column.name.toLowerCase() === wanted);
    const column = this.#table.columns[index];
    if (column === undefined) throw new ExpressionError(`unknown column \`${name}\``);
    const read = columnReader(column, this.#localTime);
    // An opaque column is only ever asked whether it is NULL.
    if (read === null) return { run: (row) => ((row[index] ?? null) === null ? null : 1n), opaque: column.name };
    return { run: (row) => read(row[index] ?? null) };
  }
}

function literal(value: Scalar): Node {
  return { run: () => value, constant: true };
}

/** `0x41`, `b'1'`: bytes among text; a number would be as right, but these are written for bytes. */
function bitsLiteral(text: string): Scalar {
  const hex = /^0x([0-9a-f]*)$/i.exec(text)?.[1];
  if (hex !== undefined) return new Text(Buffer.from(hex.length % 2 === 1 ? `0${hex}` : hex, "hex").toString("latin1"), "binary");
  const binary = /^(?:b'|0b)([01]*)'?$/i.exec(text)?.[1] ?? "";
  return BigInt(`0b${binary === "" ? "0" : binary}`);
}

function binaryText(value: Exclude<Scalar, null>): Text {
  if (value instanceof Text && value.collation === "binary") return value;
  return new Text(toText(value), "utf8mb4_bin");
}

function compareBy(operator: string, a: Scalar, b: Scalar): Scalar {
  const order = compareScalars(a, b);
  if (operator === "<=>") return fromBoolean(order === null ? a === null && b === null : order === 0);
  if (order === null) return null;
  switch (operator) {
    case "=":
      return fromBoolean(order === 0);
    case ">":
      return fromBoolean(order > 0);
    case ">=":
      return fromBoolean(order >= 0);
    case "<":
      return fromBoolean(order < 0);
    case "<=":
      return fromBoolean(order <= 0);
    default:
      return fromBoolean(order !== 0);
  }
}

function castTo(type: string, value: Exclude<Scalar, null>, sizes: readonly number[]): Scalar {
  switch (type) {
    case "SIGNED":
      return BigInt.asIntN(64, toWhole(value));
    case "UNSIGNED":
      return BigInt.asUintN(64, toWhole(value));
    case "DECIMAL":
      return toDecimal(value, sizes[1] ?? 0);
    case "DOUBLE":
    case "REAL":
    case "FLOAT":
      return toNumber(value);
    case "DATE":
    case "DATETIME": {
      const full = fullDatetime(toText(value));
      if (full === null) return null;
      return type === "DATE" ? new Text(full.slice(0, 10), null, "date") : new Text(full, null, "datetime");
    }
    default: {
      const text = type === "BINARY" ? binaryText(value) : value instanceof Text ? value : new Text(toText(value));
      const [size] = sizes;
      return new Text(size === undefined ? text.text : Array.from(text.text).slice(0, size).join(""), text.collation);
    }
  }
}
