/** Flags as Go programs take them: `-x v`, `-x=v`, `--x v`, `--x=v`; booleans as `-x`, `-x=false`. Help is made from the table. */
export interface FlagDefinition {
  readonly name: string;
  readonly kind: "text" | "boolean";
  readonly help: string;
}

/** Thrown for a flag that is not known or has no good value. */
export class FlagError extends Error {
  override readonly name = "FlagError";
}

export function parseFlags(definitions: readonly FlagDefinition[], argv: readonly string[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at] as string;
    const match = /^--?([^=-][^=]*)(?:=(.*))?$/s.exec(argument);
    if (match === null) throw new FlagError(`${argument} is not defined flag`);
    const name = match[1] as string;
    const definition = definitions.find((each) => each.name === name);
    if (definition === undefined) throw new FlagError(`flag provided but not defined: -${name}`);
    let value = match[2];
    if (definition.kind === "boolean") {
      value ??= "true";
      if (!/^(1|0|t|f|true|false)$/i.test(value)) throw new FlagError(`invalid boolean value "${value}" for -${name}`);
      values.set(name, /^(1|t|true)$/i.test(value) ? "true" : "false");
      continue;
    }
    if (value === undefined) {
      at++;
      value = argv[at];
      if (value === undefined) throw new FlagError(`flag needs an argument: -${name}`);
    }
    values.set(name, value);
  }
  return values;
}

export function flagHelp(program: string, about: string, definitions: readonly FlagDefinition[], examples: readonly string[]): string {
  const lines = definitions.map(({ name, kind, help }) => `${`  -${name}${kind === "boolean" ? "" : " <text>"}`.padEnd(36)}${help}`);
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
