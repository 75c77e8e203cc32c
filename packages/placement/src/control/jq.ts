/**
 * The part of jq that `--jq` takes: paths, pipes, commas, objects and lists, comparisons, arithmetic, `if`, `as $x`, `//`, and the
 * functions below. Values are JSON's; whole numbers beyond 2^53 are bigint and are printed as they came.
 */
export class JqError extends Error {
  override readonly name = "JqError";
}

type Value = unknown;
type Scope = ReadonlyMap<string, Value>;
type Filter = (input: Value, scope: Scope) => Iterable<Value>;

/** The results in order. Throws `JqError` for a mistake in the expression, or one that the data bring about. */
export function runJq(expression: string, input: Value): Value[] {
  const parser = new Parser(expression);
  const filter = parser.pipe();
  parser.end();
  return [...filter(input, new Map())];
}

interface Token {
  readonly kind: "name" | "field" | "number" | "string" | "variable" | "sign" | "end";
  readonly text: string;
}

function tokens(source: string): Token[] {
  const found: Token[] = [];
  const pattern =
    /\s+|\.([A-Za-z_]\w*)|([A-Za-z_]\w*)|\$([A-Za-z_]\w*)|(\d+\.?\d*(?:[eE][+-]?\d+)?)|"((?:[^"\\]|\\.)*)"|(\/\/|==|!=|<=|>=|\?|[.[\]{}()|,:;<>+\-*/%])/y;
  while (pattern.lastIndex < source.length) {
    const at = pattern.lastIndex;
    const match = pattern.exec(source);
    if (match === null) throw new JqError(`unexpected ${JSON.stringify(source[at])} at ${at + 1} in ${JSON.stringify(source)}`);
    const [, field, name, variable, number, string, sign] = match;
    if (field !== undefined) found.push({ kind: "field", text: field });
    else if (name !== undefined) found.push({ kind: "name", text: name });
    else if (variable !== undefined) found.push({ kind: "variable", text: variable });
    else if (number !== undefined) found.push({ kind: "number", text: number });
    else if (string !== undefined) found.push({ kind: "string", text: JSON.parse(`"${string}"`) as string });
    else if (sign !== undefined) found.push({ kind: "sign", text: sign });
  }
  return found;
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    this.#tokens = tokens(source);
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? { kind: "end", text: "the end" };
  }

  #take(text: string): boolean {
    const token = this.#peek();
    if (token.kind !== "sign" || token.text !== text) return false;
    this.#at += 1;
    return true;
  }

  #takeName(text: string): boolean {
    const token = this.#peek();
    if (token.kind !== "name" || token.text !== text) return false;
    this.#at += 1;
    return true;
  }

  #need(text: string): void {
    if (!this.#take(text)) throw new JqError(`${JSON.stringify(text)} is expected before ${this.#peek().text}`);
  }

  end(): void {
    if (this.#peek().kind !== "end") throw new JqError(`unexpected ${this.#peek().text}`);
  }

  pipe(): Filter {
    if (++this.#depth > 200) throw new JqError("the expression is nested too deeply");
    const left = this.#comma();
    let made = left;
    if (this.#takeName("as")) {
      const variable = this.#peek();
      if (variable.kind !== "variable") throw new JqError("a variable is expected after as");
      this.#at += 1;
      this.#need("|");
      const body = this.pipe();
      made = function* (input, scope) {
        for (const value of left(input, scope)) yield* body(input, new Map([...scope, [variable.text, value]]));
      };
    } else if (this.#take("|")) {
      const right = this.pipe();
      made = function* (input, scope) {
        for (const value of left(input, scope)) yield* right(value, scope);
      };
    }
    this.#depth -= 1;
    return made;
  }

  #comma(): Filter {
    const parts = [this.#alternative()];
    while (this.#take(",")) parts.push(this.#alternative());
    if (parts.length === 1) return parts[0] as Filter;
    return function* (input, scope) {
      for (const part of parts) yield* part(input, scope);
    };
  }

  #alternative(): Filter {
    const left = this.#or();
    if (!this.#take("//")) return left;
    const right = this.#alternative();
    return function* (input, scope) {
      const good = [...left(input, scope)].filter(isTrue);
      yield* good.length > 0 ? good : right(input, scope);
    };
  }

  #or(): Filter {
    let left = this.#and();
    while (this.#takeName("or")) left = each(left, this.#and(), (a, b) => isTrue(a) || isTrue(b));
    return left;
  }

  #and(): Filter {
    let left = this.#compare();
    while (this.#takeName("and")) left = each(left, this.#compare(), (a, b) => isTrue(a) && isTrue(b));
    return left;
  }

  #compare(): Filter {
    const left = this.#sum();
    const sign = this.#peek();
    const compare = sign.kind === "sign" ? comparisons[sign.text] : undefined;
    if (compare === undefined) return left;
    this.#at += 1;
    return each(left, this.#sum(), (a, b) => compare(order(a, b)));
  }

  #sum(): Filter {
    let left = this.#product();
    for (;;) {
      if (this.#take("+")) left = each(left, this.#product(), add);
      else if (this.#take("-")) left = each(left, this.#product(), subtract);
      else return left;
    }
  }

  #product(): Filter {
    let left = this.#postfix();
    for (;;) {
      if (this.#take("*")) left = each(left, this.#postfix(), (a, b) => number(a) * number(b));
      else if (this.#take("/")) left = each(left, this.#postfix(), divide);
      else if (this.#take("%")) left = each(left, this.#postfix(), (a, b) => Math.trunc(number(a)) % Math.trunc(number(b)));
      else return left;
    }
  }

  #postfix(): Filter {
    let filter = this.#term();
    for (;;) {
      const token = this.#peek();
      if (token.kind === "field") {
        this.#at += 1;
        filter = fieldOf(filter, () => [token.text]);
      } else if (this.#take("?")) filter = quiet(filter);
      else if (token.kind === "sign" && token.text === "[") filter = this.#index(filter);
      else if (token.kind === "sign" && token.text === "." && this.#tokens[this.#at + 1]?.kind === "string") {
        const name = (this.#tokens[this.#at + 1] as Token).text;
        this.#at += 2;
        filter = fieldOf(filter, () => [name]);
      } else return filter;
    }
  }

  #index(base: Filter): Filter {
    this.#need("[");
    if (this.#take("]"))
      return function* (input, scope) {
        for (const value of base(input, scope)) yield* items(value);
      };
    const key = this.#peek().text === ":" ? null : this.pipe();
    if (this.#take(":")) {
      const to = this.#peek().text === "]" ? null : this.pipe();
      this.#need("]");
      return function* (input, scope) {
        for (const value of base(input, scope)) {
          const start = key === null ? 0 : number([...key(input, scope)][0]);
          const end = to === null ? undefined : number([...to(input, scope)][0]);
          if (!Array.isArray(value) && typeof value !== "string") throw new JqError(`cannot take a part of ${typeName(value)}`);
          yield value.slice(start, end);
        }
      };
    }
    this.#need("]");
    return fieldOf(base, key as Filter);
  }

  #term(): Filter {
    const token = this.#peek();
    this.#at += 1;
    switch (token.kind) {
      case "field":
        return fieldOf(
          (input) => [input],
          () => [token.text],
        );
      case "number":
        return () => [Number(token.text)];
      case "string":
        return () => [token.text];
      case "variable":
        return (_input, scope) => {
          if (!scope.has(token.text)) throw new JqError(`$${token.text} is not defined`);
          return [scope.get(token.text)];
        };
      case "name":
        return token.text === "if" ? this.#condition() : this.#call(token.text);
      case "sign":
        break;
      case "end":
        throw new JqError("the expression ends too soon");
    }
    switch (token.text) {
      case ".":
        if (this.#peek().kind === "string") {
          const name = this.#peek().text;
          this.#at += 1;
          return fieldOf(
            (input) => [input],
            () => [name],
          );
        }
        return (input) => [input];
      case "(": {
        const inner = this.pipe();
        this.#need(")");
        return inner;
      }
      case "[": {
        if (this.#take("]")) return () => [[]];
        const inner = this.pipe();
        this.#need("]");
        return (input, scope) => [[...inner(input, scope)]];
      }
      case "{":
        return this.#object();
      case "-": {
        const inner = this.#postfix();
        return function* (input, scope) {
          for (const value of inner(input, scope)) yield -number(value);
        };
      }
      default:
        throw new JqError(`unexpected ${token.text}`);
    }
  }

  #object(): Filter {
    const members: { readonly key: Filter; readonly value: Filter }[] = [];
    while (!this.#take("}")) {
      const token = this.#peek();
      this.#at += 1;
      let key: Filter;
      let value: Filter;
      if (token.kind === "name" || token.kind === "string") {
        key = () => [token.text];
        value = fieldOf(
          (input) => [input],
          () => [token.text],
        );
      } else if (token.kind === "variable") {
        key = () => [token.text];
        value = (_input, scope) => [scope.get(token.text)];
      } else if (token.kind === "sign" && token.text === "(") {
        key = this.pipe();
        this.#need(")");
        value = key;
      } else throw new JqError(`a name is expected before ${token.text}`);
      if (this.#take(":")) value = this.#member();
      members.push({ key, value });
      if (!this.#take(",") && this.#peek().text !== "}") throw new JqError(`"," or "}" is expected before ${this.#peek().text}`);
    }
    return function* build(input, scope): Iterable<Value> {
      let made: Record<string, Value>[] = [{}];
      for (const { key, value } of members) {
        const next: Record<string, Value>[] = [];
        for (const before of made)
          for (const name of key(input, scope)) {
            if (typeof name !== "string") throw new JqError("names of members must be texts");
            for (const each of value(input, scope)) next.push({ ...before, [name]: each });
          }
        made = next;
      }
      yield* made;
    };
  }

  /** A member's value ends at a comma, but may have pipes. */
  #member(): Filter {
    const left = this.#alternative();
    if (this.#takeName("as")) {
      this.#at -= 1;
      throw new JqError("put parentheses around `as` in an object");
    }
    if (!this.#take("|")) return left;
    const right = this.#member();
    return function* (input, scope) {
      for (const value of left(input, scope)) yield* right(value, scope);
    };
  }

  #condition(): Filter {
    const test = this.pipe();
    if (!this.#takeName("then")) throw new JqError("then is expected");
    const yes = this.pipe();
    let no: Filter = (input) => [input];
    if (this.#takeName("elif")) no = this.#condition();
    else {
      if (this.#takeName("else")) no = this.pipe();
      if (!this.#takeName("end")) throw new JqError("end is expected");
    }
    return function* (input, scope) {
      for (const value of test(input, scope)) yield* (isTrue(value) ? yes : no)(input, scope);
    };
  }

  #call(name: string): Filter {
    const args: Filter[] = [];
    if (this.#take("(")) {
      do args.push(this.pipe());
      while (this.#take(";"));
      this.#need(")");
    }
    const make = functions[`${name}/${args.length}`];
    if (make === undefined) throw new JqError(`${name}/${args.length} is not defined`);
    return make(...args);
  }
}

const comparisons: Readonly<Record<string, (order: number) => boolean>> = {
  "==": (o) => o === 0,
  "!=": (o) => o !== 0,
  "<": (o) => o < 0,
  "<=": (o) => o <= 0,
  ">": (o) => o > 0,
  ">=": (o) => o >= 0,
};

function each(left: Filter, right: Filter, run: (a: Value, b: Value) => Value): Filter {
  return function* (input, scope) {
    for (const b of right(input, scope)) for (const a of left(input, scope)) yield run(a, b);
  };
}

const one =
  (run: (input: Value) => Value): (() => Filter) =>
  () =>
  (input) => [run(input)];

const functions: Readonly<Record<string, (...args: Filter[]) => Filter>> = {
  "empty/0": () => () => [],
  "not/0": one((input) => !isTrue(input)),
  "true/0": one(() => true),
  "false/0": one(() => false),
  "null/0": one(() => null),
  "length/0": one((input) => {
    if (input === null || input === undefined) return 0;
    if (typeof input === "string") return Array.from(input).length;
    if (Array.isArray(input)) return input.length;
    if (typeof input === "object") return Object.keys(input).length;
    return Math.abs(number(input));
  }),
  "keys/0": one((input) => (Array.isArray(input) ? [...input.keys()] : Object.keys(object(input)).sort())),
  "values/0": () => (input) => (input === null ? [] : [input]),
  "add/0": one((input) => list(input).reduce((sum: Value, value) => (sum === null ? value : add(sum, value)), null)),
  "any/0": one((input) => list(input).some(isTrue)),
  "all/0": one((input) => list(input).every(isTrue)),
  "any/1": (test) => (input, scope) => [list(input).some((value) => [...test(value, scope)].some(isTrue))],
  "all/1": (test) => (input, scope) => [list(input).every((value) => [...test(value, scope)].every(isTrue))],
  "map/1": (run) => (input, scope) => [list(input).flatMap((value) => [...run(value, scope)])],
  "select/1": (test) =>
    function* (input, scope) {
      for (const value of test(input, scope)) if (isTrue(value)) yield input;
    },
  "has/1": (key) => (input, scope) => {
    const [name] = [...key(input, scope)];
    return [Array.isArray(input) ? number(name) < input.length : Object.hasOwn(object(input), String(name))];
  },
  "contains/1": (other) => (input, scope) => [contains(input, [...other(input, scope)][0])],
  "test/1": (pattern) => (input, scope) => [regexp([...pattern(input, scope)][0]).test(text(input))],
  "startswith/1": (prefix) => (input, scope) => [text(input).startsWith(text([...prefix(input, scope)][0]))],
  "endswith/1": (suffix) => (input, scope) => [text(input).endsWith(text([...suffix(input, scope)][0]))],
  "sort/0": one((input) => [...list(input)].sort(order)),
  "sort_by/1": (key) => (input, scope) => [byKey(list(input), key, scope).map(({ value }) => value)],
  "group_by/1": (key) => (input, scope) => {
    const groups: Value[][] = [];
    let last: Value;
    for (const { value, rank } of byKey(list(input), key, scope)) {
      if (groups.length > 0 && order(last, rank) === 0) groups.at(-1)?.push(value);
      else groups.push([value]);
      last = rank;
    }
    return [groups];
  },
  "unique/0": one((input) => [...list(input)].sort(order).filter((value, index, all) => index === 0 || order(all[index - 1], value) !== 0)),
  "reverse/0": one((input) => [...list(input)].reverse()),
  "first/0": one((input) => list(input)[0] ?? null),
  "last/0": one((input) => list(input).at(-1) ?? null),
  "min/0": one((input) => [...list(input)].sort(order)[0] ?? null),
  "max/0": one((input) => [...list(input)].sort(order).at(-1) ?? null),
  "tostring/0": one((input) => (typeof input === "string" ? input : jqText(input))),
  "tonumber/0": one((input) => (typeof input === "string" ? Number(input) : number(input))),
  "type/0": one(typeName),
  "to_entries/0": one((input) => Object.entries(object(input)).map(([key, value]) => ({ key, value }))),
};

function byKey(values: readonly Value[], key: Filter, scope: Scope): { readonly value: Value; readonly rank: Value }[] {
  return values.map((value) => ({ value, rank: [...key(value, scope)] as Value })).sort((a, b) => order(a.rank, b.rank));
}

function fieldOf(base: Filter, key: Filter): Filter {
  return function* (input, scope) {
    for (const value of base(input, scope))
      for (const name of key(input, scope)) {
        if (value === null || value === undefined) yield null;
        else if (typeof name === "number" && Array.isArray(value)) yield value.at(Math.trunc(name)) ?? null;
        else if (typeof name === "string" && typeof value === "object" && !Array.isArray(value))
          yield Object.hasOwn(value, name) ? (value as Record<string, Value>)[name] : null;
        else throw new JqError(`cannot index ${typeName(value)} with ${jqText(name)}`);
      }
  };
}

function quiet(base: Filter): Filter {
  return function* (input, scope) {
    try {
      yield* base(input, scope);
    } catch (error) {
      if (!(error instanceof JqError)) throw error;
    }
  };
}

function* items(value: Value): Iterable<Value> {
  if (Array.isArray(value)) yield* value;
  else if (value !== null && typeof value === "object") yield* Object.values(value);
  else throw new JqError(`cannot iterate over ${typeName(value)}`);
}

function isTrue(value: Value): boolean {
  return value !== null && value !== undefined && value !== false;
}

function typeName(value: Value): string {
  if (value === null || value === undefined) return "null";
  if (Array.isArray(value)) return "array";
  return typeof value === "bigint" ? "number" : typeof value;
}

function number(value: Value): number {
  if (typeof value === "number") return value;
  if (typeof value === "bigint") return Number(value);
  throw new JqError(`${typeName(value)} is not a number`);
}

function list(value: Value): readonly Value[] {
  if (Array.isArray(value)) return value as readonly Value[];
  if (value !== null && typeof value === "object") return Object.values(value);
  throw new JqError(`cannot iterate over ${typeName(value)}`);
}

function object(value: Value): Readonly<Record<string, Value>> {
  if (value === null || typeof value !== "object") throw new JqError(`${typeName(value)} has no members`);
  return value as Readonly<Record<string, Value>>;
}

function text(value: Value): string {
  if (typeof value === "string") return value;
  throw new JqError(`${typeName(value)} is not a text`);
}

function regexp(value: Value): RegExp {
  try {
    return new RegExp(text(value));
  } catch (error) {
    throw new JqError(error instanceof Error ? error.message : String(error));
  }
}

const typeRank = ["null", "false", "true", "number", "string", "array", "object"];

function rank(value: Value): number {
  return typeRank.indexOf(typeof value === "boolean" ? String(value) : typeName(value));
}

function order(a: Value, b: Value): number {
  const difference = rank(a) - rank(b);
  if (difference !== 0) return difference;
  if ((typeof a === "number" || typeof a === "bigint") && (typeof b === "number" || typeof b === "bigint"))
    return a < b ? -1 : a > b ? 1 : 0;
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : a > b ? 1 : 0;
  if (Array.isArray(a) && Array.isArray(b)) {
    for (let i = 0; i < Math.min(a.length, b.length); i++) {
      const each = order(a[i], b[i]);
      if (each !== 0) return each;
    }
    return a.length - b.length;
  }
  if (typeof a === "object" && typeof b === "object" && a !== null && b !== null) {
    const names = (value: object) => Object.keys(value).sort();
    const byNames = order(names(a), names(b));
    if (byNames !== 0) return byNames;
    for (const name of names(a)) {
      const each = order((a as Record<string, Value>)[name], (b as Record<string, Value>)[name]);
      if (each !== 0) return each;
    }
  }
  return 0;
}

function add(a: Value, b: Value): Value {
  if (a === null) return b;
  if (b === null) return a;
  if (typeof a === "string" && typeof b === "string") return a + b;
  if (Array.isArray(a) && Array.isArray(b)) return [...(a as Value[]), ...(b as Value[])];
  if (typeof a === "object" && typeof b === "object") return { ...a, ...b };
  return number(a) + number(b);
}

function subtract(a: Value, b: Value): Value {
  if (Array.isArray(a) && Array.isArray(b)) return (a as Value[]).filter((value) => !b.some((other) => order(value, other) === 0));
  return number(a) - number(b);
}

function divide(a: Value, b: Value): Value {
  if (typeof a === "string" && typeof b === "string") return a.split(b);
  if (number(b) === 0) throw new JqError("a number cannot be divided by 0");
  return number(a) / number(b);
}

function contains(a: Value, b: Value): boolean {
  if (typeof a === "string" && typeof b === "string") return a.includes(b);
  if (Array.isArray(a) && Array.isArray(b)) return b.every((value) => a.some((each) => contains(each, value)));
  if (a !== null && b !== null && typeof a === "object" && typeof b === "object")
    return Object.entries(b).every(([name, value]) => Object.hasOwn(a, name) && contains((a as Record<string, Value>)[name], value));
  return order(a, b) === 0;
}

/** One line, as `jq -c` prints. */
export function jqText(value: Value): string {
  return JSON.stringify(value ?? null, (_key, each: unknown) =>
    typeof each === "bigint" ? (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(each.toString()) : each,
  );
}
