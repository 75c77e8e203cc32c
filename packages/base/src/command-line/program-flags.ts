/**
 * Flags as Go programs take them: `-x v`, `-x=v`, `--x v`, `--x=v`; booleans as `-x`, `-x=false`. One table a program; help is made
 * from it.
 */
export interface FlagDefinition {
  readonly name: string;
  readonly kind: "text" | "boolean" | "number" | "list";
  readonly help: string;
  /** Shown in help, when there is one. */
  readonly defaultText?: string;
}

export interface ParsedFlags {
  readonly values: ReadonlyMap<string, string | boolean | number | readonly string[]>;
  /** What is left over, in order. */
  readonly rest: readonly string[];
}

/** Thrown for a flag that is not known or has no good value. */
export class FlagError extends Error {
  override readonly name = "FlagError";
}

export function parseFlags(definitions: readonly FlagDefinition[], argv: readonly string[]): ParsedFlags {
  const byName = new Map(definitions.map((definition) => [definition.name, definition]));
  const values = new Map<string, string | boolean | number | readonly string[]>();
  let at = 0;
  for (; at < argv.length; at++) {
    const argument = argv[at] as string;
    if (argument === "--") {
      at++;
      break;
    }
    if (!argument.startsWith("-") || argument === "-") break;
    const match = /^--?([^=]+)(?:=(.*))?$/s.exec(argument);
    const name = match?.[1] ?? "";
    const definition = byName.get(name);
    if (definition === undefined) throw new FlagError(`flag provided but not defined: -${name}`);
    let value = match?.[2];
    if (definition.kind === "boolean") {
      if (value !== undefined && !/^(1|0|t|f|true|false)$/i.test(value))
        throw new FlagError(`invalid boolean value "${value}" for -${name}`);
      values.set(name, value === undefined || /^(1|t|true)$/i.test(value));
      continue;
    }
    if (value === undefined) {
      at++;
      value = argv[at];
      if (value === undefined) throw new FlagError(`flag needs an argument: -${name}`);
    }
    if (definition.kind === "number") {
      if (!/^-?\d+$/.test(value)) throw new FlagError(`invalid value "${value}" for flag -${name}: it is not a whole number`);
      values.set(name, Number(value));
    } else if (definition.kind === "list") {
      const before = (values.get(name) as readonly string[] | undefined) ?? [];
      values.set(name, [...before, ...value.split(",").filter((item) => item !== "")]);
    } else values.set(name, value);
  }
  return { values, rest: argv.slice(at) };
}

export function flagHelp(program: string, about: string, definitions: readonly FlagDefinition[], examples: readonly string[]): string {
  const lines = definitions.map(({ name, kind, help, defaultText }) => {
    const head = `  -${name}${kind === "boolean" ? "" : ` <${kind}>`}`;
    return `${head.padEnd(36)}${help}${defaultText === undefined ? "" : ` (default ${defaultText})`}`;
  });
  return [
    `${program}: ${about}`,
    "",
    "Usage:",
    `  ${program} [flags]`,
    "",
    "Flags:",
    ...lines,
    "",
    "Examples:",
    ...examples.map((example) => `  ${example}`),
    "",
  ].join("\n");
}
