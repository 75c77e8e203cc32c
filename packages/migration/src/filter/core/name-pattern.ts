/**
 * Patterns of schema and table names in block-allow lists, routes and filters.
 *
 *   `~^ord_\d+$`  a regular expression          `ord_*`  anything after the prefix (only at the end)
 *   `ord_?`       one character                 `ord_[0-4]`, `ord_[!5-9]`  one character of a range, or outside of it
 *
 * The empty pattern of a schema matches every name. Regular expressions are bounded: look-around and back references are
 * refused (the original's engine, RE2, has none), and so is nested repetition, which can take exponential time here.
 */
export interface NamePattern {
  readonly text: string;
  matches(name: string): boolean;
}

/** Thrown when a pattern cannot be used; the caller names the rule. */
export class PatternError extends Error {
  override readonly name = "PatternError";
}

const nameLengthMax = 256;

export function compilePattern(text: string, caseSensitive: boolean): NamePattern {
  const fold = caseSensitive ? (name: string) => name : (name: string) => name.toLowerCase();
  if (text.startsWith("~")) {
    const regexp = safeRegExp(text.slice(1), caseSensitive ? "u" : "iu");
    return { text, matches: (name) => name.length <= nameLengthMax && regexp.test(name) };
  }
  const folded = fold(text);
  if (!/[*?[]/.test(folded)) return { text, matches: (name) => fold(name) === folded };
  const regexp = new RegExp(`^${wildcardSource(folded)}$`, "su");
  return { text, matches: (name) => name.length <= nameLengthMax && regexp.test(fold(name)) };
}

function wildcardSource(text: string): string {
  const characters = Array.from(text);
  let source = "";
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] as string;
    if (character === "*") {
      if (at !== characters.length - 1) throw new PatternError(`\`*\` may stand only at the end: ${text}`);
      source += ".*";
    } else if (character === "?") source += ".";
    else if (character === "[") {
      const close = characters.indexOf("]", at + 1);
      if (close === -1) source += "\\[";
      else {
        const inner = characters.slice(at + 1, close).join("");
        const isNegated = inner.startsWith("!");
        const body = (isNegated ? inner.slice(1) : inner).replace(/[\\\]^[]/g, "\\$&");
        source += body === "" ? "" : `[${isNegated ? "^" : ""}${body}]`;
        at = close;
      }
    } else source += character.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  }
  return source;
}

/** A regular expression that runs in time linear to its input, give or take: what could explode is refused. */
export function safeRegExp(source: string, flags: string): RegExp {
  if (source.length > 1_024) throw new PatternError(`a regular expression of ${source.length} characters is over the limit of 1024`);
  if (/\(\?<?[=!]/.test(source)) throw new PatternError(`look-around is not supported: ${source}`);
  if (/\\[1-9]|\\k</.test(source)) throw new PatternError(`back references are not supported: ${source}`);
  if (hasNestedRepetition(source)) throw new PatternError(`a repetition inside a repetition can take for ever: ${source}`);
  try {
    return new RegExp(source, flags);
  } catch (error) {
    throw new PatternError((error as Error).message);
  }
}

/** `(a+)+`, `(a*b?)*`, `(.*){5}`: a group that is repeated and holds an unbounded repetition. */
function hasNestedRepetition(source: string): boolean {
  const holdsRepetition: boolean[] = [];
  let inClass = false;
  for (let at = 0; at < source.length; at++) {
    const character = source[at];
    if (character === "\\") {
      at++;
      continue;
    }
    if (inClass) {
      if (character === "]") inClass = false;
      continue;
    }
    if (character === "[") inClass = true;
    else if (character === "(") holdsRepetition.push(false);
    else if (character === ")") {
      const inner = holdsRepetition.pop() ?? false;
      const isRepeated = /^(\*|\+|\{\d+,?\d*\})/.test(source.slice(at + 1)) && !/^\{[01]\}/.test(source.slice(at + 1));
      if (inner && isRepeated) return true;
      if ((inner || isRepeated) && holdsRepetition.length > 0) holdsRepetition[holdsRepetition.length - 1] = true;
    } else if ((character === "*" || character === "+" || /^\{\d+,\}/.test(source.slice(at))) && holdsRepetition.length > 0) {
      holdsRepetition[holdsRepetition.length - 1] = true;
    }
  }
  return false;
}
