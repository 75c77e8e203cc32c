/**
 * Regular expressions of operators, matched in time that grows with pattern times text: a pattern that is typed badly must not stop the
 * placement driver. What Go's expressions share with most: literals, `.`, classes, groups, `|`, `* + ?`, `{m,n}`, `^`, `$`, `\d \w \s`.
 */

/** The text says what is wrong, as Go does. */
export class PatternError extends Error {
  override readonly name = "PatternError";
}

type Test = (code: number) => boolean;
/** `split` goes on at both; `end` has matched. */
type Instruction =
  | { readonly kind: "one"; readonly test: Test; readonly next: number }
  | { readonly kind: "split"; readonly nexts: readonly number[] }
  | { readonly kind: "start" | "stop"; readonly next: number }
  | { readonly kind: "end" };

type Node =
  | { readonly kind: "one"; readonly test: Test }
  | { readonly kind: "start" | "stop" }
  | { readonly kind: "all"; readonly parts: readonly Node[] }
  | { readonly kind: "any"; readonly parts: readonly Node[] }
  | { readonly kind: "repeat"; readonly part: Node; readonly min: number; readonly max: number };

const repeatMax = 1000;
const instructionsMax = 20_000;
const depthMax = 200;

/** Whether the pattern is found anywhere in a text. Throws `PatternError`. */
export function compilePattern(pattern: string): (text: string) => boolean {
  const program = new Compiler().program(new Parser(pattern).parse());
  return (text) => run(program, text);
}

const isDigit: Test = (code) => code >= 48 && code <= 57;
const isWord: Test = (code) => isDigit(code) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95;
const isSpace: Test = (code) => code === 32 || (code >= 9 && code <= 13 && code !== 11);
const not =
  (test: Test): Test =>
  (code) =>
    !test(code);
const classes: Readonly<Record<string, Test>> = { d: isDigit, D: not(isDigit), w: isWord, W: not(isWord), s: isSpace, S: not(isSpace) };
const controls: Readonly<Record<string, number>> = { n: 10, t: 9, r: 13, f: 12, v: 11, a: 7 };

class Parser {
  readonly #pattern: string;
  readonly #letters: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(pattern: string) {
    this.#pattern = pattern;
    this.#letters = Array.from(pattern);
  }

  parse(): Node {
    const node = this.#alternatives();
    if (this.#at < this.#letters.length) throw this.#error("unexpected )", this.#pattern);
    return node;
  }

  #error(what: string, part: string): PatternError {
    return new PatternError(`error parsing regexp: ${what}: \`${part}\``);
  }

  get #now(): string {
    return this.#letters[this.#at] ?? "";
  }

  #rest(from: number): string {
    return this.#letters.slice(from).join("");
  }

  #alternatives(): Node {
    if (++this.#depth > depthMax) throw this.#error("expression nests too deeply", this.#pattern);
    const parts = [this.#sequence()];
    while (this.#now === "|") {
      this.#at++;
      parts.push(this.#sequence());
    }
    this.#depth--;
    return parts.length === 1 ? (parts[0] as Node) : { kind: "any", parts };
  }

  #sequence(): Node {
    const parts: Node[] = [];
    while (this.#at < this.#letters.length && this.#now !== "|" && this.#now !== ")") parts.push(this.#repeated());
    return { kind: "all", parts };
  }

  #repeated(): Node {
    const from = this.#at;
    if ("*+?".includes(this.#now)) throw this.#error("missing argument to repetition operator", this.#now);
    let node = this.#one();
    let isRepeated = false;
    for (;;) {
      const start = this.#at;
      const bounds = this.#bounds();
      if (bounds === null) return node;
      if (isRepeated) throw this.#error("invalid nested repetition operator", this.#letters.slice(from, this.#at).join(""));
      if (bounds.max < bounds.min || Math.max(bounds.min, bounds.max === Number.POSITIVE_INFINITY ? 0 : bounds.max) > repeatMax)
        throw this.#error("invalid repeat count", this.#letters.slice(start, this.#at).join(""));
      if (this.#now === "?") this.#at++; // as few as possible: the same when only a match is asked for
      isRepeated = true;
      node = { kind: "repeat", part: node, ...bounds };
    }
  }

  #bounds(): { readonly min: number; readonly max: number } | null {
    const infinite = Number.POSITIVE_INFINITY;
    switch (this.#now) {
      case "*":
        this.#at++;
        return { min: 0, max: infinite };
      case "+":
        this.#at++;
        return { min: 1, max: infinite };
      case "?":
        this.#at++;
        return { min: 0, max: 1 };
      case "{": {
        // Braces that hold no bounds stand for themselves.
        const match = /^\{(\d+)(,(\d*))?\}/.exec(this.#rest(this.#at));
        if (match === null) return null;
        this.#at += match[0].length;
        const min = Number(match[1]);
        return { min, max: match[2] === undefined ? min : match[3] === "" ? infinite : Number(match[3]) };
      }
      default:
        return null;
    }
  }

  #one(): Node {
    const letter = this.#now;
    const from = this.#at++;
    switch (letter) {
      case ".":
        return { kind: "one", test: (code) => code !== 10 };
      case "^":
        return { kind: "start" };
      case "$":
        return { kind: "stop" };
      case "(": {
        if (this.#now === "?") {
          if (this.#letters[this.#at + 1] !== ":")
            throw this.#error("invalid or unsupported Perl syntax", this.#letters.slice(from, from + 3).join(""));
          this.#at += 2;
        }
        const node = this.#alternatives();
        if (this.#now !== ")") throw this.#error("missing closing )", this.#pattern);
        this.#at++;
        return node;
      }
      case "[":
        return { kind: "one", test: this.#class(from) };
      case "\\":
        return { kind: "one", test: this.#escape() };
      default: {
        const code = letter.codePointAt(0) as number;
        return { kind: "one", test: (other) => other === code };
      }
    }
  }

  #escape(): Test {
    const letter = this.#now;
    if (letter === "") throw new PatternError("error parsing regexp: trailing backslash at end of expression: ``");
    this.#at++;
    const known = classes[letter];
    if (known !== undefined) return known;
    const control = controls[letter];
    if (control === undefined && /[A-Za-z0-9]/.test(letter)) throw this.#error("invalid escape sequence", `\\${letter}`);
    const code = control ?? letter.codePointAt(0);
    return (other) => other === code;
  }

  #class(from: number): Test {
    const isNegated = this.#now === "^";
    if (isNegated) this.#at++;
    const tests: Test[] = [];
    for (let isFirst = true; isFirst || this.#now !== "]"; isFirst = false) {
      if (this.#at >= this.#letters.length) throw this.#error("missing closing ]", this.#rest(from));
      const letter = this.#now;
      this.#at++;
      if (letter === "\\") {
        tests.push(this.#escape());
        continue;
      }
      const low = letter.codePointAt(0) as number;
      let high = low;
      const last = this.#letters[this.#at + 1];
      if (this.#now === "-" && last !== undefined && last !== "]") {
        this.#at += 2;
        high = last.codePointAt(0) as number;
        if (high < low) throw this.#error("invalid character class range", `${letter}-${last}`);
      }
      tests.push((code) => code >= low && code <= high);
    }
    this.#at++;
    const isIn: Test = (code) => tests.some((test) => test(code));
    return isNegated ? not(isIn) : isIn;
  }
}

/** Builds from the end to the front: each part knows where it goes on. */
class Compiler {
  readonly #instructions: Instruction[] = [];

  program(node: Node): { readonly instructions: readonly Instruction[]; readonly start: number } {
    const end = this.#add({ kind: "end" });
    const start = this.#compile(node, end);
    return { instructions: this.#instructions, start };
  }

  #add(instruction: Instruction): number {
    if (this.#instructions.length >= instructionsMax) throw new PatternError("error parsing regexp: expression too large");
    return this.#instructions.push(instruction) - 1;
  }

  #compile(node: Node, next: number): number {
    switch (node.kind) {
      case "one":
        return this.#add({ kind: "one", test: node.test, next });
      case "start":
      case "stop":
        return this.#add({ kind: node.kind, next });
      case "all": {
        let at = next;
        for (const part of [...node.parts].reverse()) at = this.#compile(part, at);
        return at;
      }
      case "any":
        return this.#add({ kind: "split", nexts: node.parts.map((part) => this.#compile(part, next)) });
      case "repeat": {
        let at = next;
        if (node.max === Number.POSITIVE_INFINITY) {
          const nexts = [next];
          at = this.#add({ kind: "split", nexts });
          nexts.push(this.#compile(node.part, at));
        } else for (let i = node.min; i < node.max; i++) at = this.#add({ kind: "split", nexts: [next, this.#compile(node.part, at)] });
        for (let i = 0; i < node.min; i++) at = this.#compile(node.part, at);
        return at;
      }
    }
  }
}

function run({ instructions, start }: { readonly instructions: readonly Instruction[]; readonly start: number }, text: string): boolean {
  const letters = Array.from(text);
  let states = new Set<number>();
  for (let at = 0; ; at++) {
    const reached = new Set<number>();
    const stack = [...states, start];
    while (stack.length > 0) {
      const state = stack.pop() as number;
      if (reached.has(state)) continue;
      reached.add(state);
      const instruction = instructions[state] as Instruction;
      if (instruction.kind === "end") return true;
      if (instruction.kind === "split") stack.push(...instruction.nexts);
      else if ((instruction.kind === "start" && at === 0) || (instruction.kind === "stop" && at === letters.length))
        stack.push(instruction.next);
    }
    if (at === letters.length) return false;
    const code = (letters[at] as string).codePointAt(0) as number;
    states = new Set();
    for (const state of reached) {
      const instruction = instructions[state] as Instruction;
      if (instruction.kind === "one" && instruction.test(code)) states.add(instruction.next);
    }
  }
}
