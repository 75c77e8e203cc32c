/** Source text as far as the house rules need it: code without comments and strings, and what a file imports. */

/** The same text with comments, and the insides of strings and regular expressions, turned to blanks; lines stay where they are. */
export function codeOnly(text: string): string {
  const out = text.split("");
  const blank = (from: number, to: number) => {
    for (let i = from; i < to; i++) if (out[i] !== "\n") out[i] = " ";
  };
  const units = text;
  const templateDepths: number[] = [];
  let depth = 0;
  let lastCode = "";
  const endOfString = (from: number, quote: string) => {
    let i = from;
    while (i < units.length && units[i] !== quote && units[i] !== "\n") i += units[i] === "\\" ? 2 : 1;
    return i;
  };
  const template = (from: number): number => {
    let i = from;
    while (i < units.length) {
      if (units[i] === "\\") i += 2;
      else if (units[i] === "`") {
        blank(from, i);
        return i + 1;
      } else if (units[i] === "$" && units[i + 1] === "{") {
        blank(from, i);
        templateDepths.push(depth++);
        return i + 2;
      } else i++;
    }
    return i;
  };
  for (let i = 0; i < units.length; ) {
    const char = units[i] as string;
    const next = units[i + 1];
    if (char === "/" && next === "/") {
      const end = units.indexOf("\n", i);
      blank(i, end === -1 ? units.length : end);
      i = end === -1 ? units.length : end;
    } else if (char === "/" && next === "*") {
      const end = units.indexOf("*/", i + 2);
      blank(i, end === -1 ? units.length : end + 2);
      i = end === -1 ? units.length : end + 2;
    } else if (char === '"' || char === "'") {
      const end = endOfString(i + 1, char);
      blank(i + 1, end);
      i = end + 1;
      lastCode = char;
    } else if (char === "`") {
      i = template(i + 1);
      lastCode = "`";
    } else if (char === "/" && (lastCode === "" || /[(,=:[!&|?{};+\-*%<>~^]/.test(lastCode))) {
      let inClass = false;
      let end = i + 1;
      for (; end < units.length && units[end] !== "\n"; end++) {
        if (units[end] === "\\") end++;
        else if (units[end] === "[") inClass = true;
        else if (units[end] === "]") inClass = false;
        else if (units[end] === "/" && !inClass) break;
      }
      blank(i + 1, end);
      i = end + 1;
      lastCode = "/x";
    } else {
      if (char === "{") depth++;
      if (char === "}") {
        depth--;
        if (templateDepths.at(-1) === depth) {
          templateDepths.pop();
          i = template(i + 1);
          lastCode = "`";
          continue;
        }
      }
      if (!/\s/.test(char)) lastCode = char;
      i++;
    }
  }
  return out.join("");
}

export interface ImportFact {
  readonly specifier: string;
  readonly line: number;
  /** It is gone at run time. */
  readonly typeOnly: boolean;
}

/** Static imports, re-exports, and `import("…")` with a literal. */
export function importsOf(text: string): ImportFact[] {
  const code = codeOnly(text);
  const facts: ImportFact[] = [];
  for (const match of code.matchAll(/\b(import|export)\b([^;"'`()]*?\bfrom\s*|\s*)(["'])|\bimport\s*\(\s*(["'])/g)) {
    const quote = match[3] ?? match[4] ?? '"';
    const start = match.index + match[0].length;
    const end = text.indexOf(quote, start);
    if (match[1] === "export" && !/\bfrom\s*$/.test(match[2] ?? "")) continue;
    facts.push({
      specifier: text.slice(start, end),
      line: text.slice(0, match.index).split("\n").length,
      typeOnly: /^\s+type\b/.test(match[2] ?? ""),
    });
  }
  return facts;
}
