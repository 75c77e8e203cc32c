/**
 * Commands as data, and the command line that they make: flags may stand anywhere, `-s a,b -s c`, `--flag=value`, `-xvalue`; what follows
 * a flag that takes a value is that value and no command. Messages and help have the layout of the originals, which scripts and eyes know.
 */
export interface Flag {
  /** Without dashes. */
  readonly name: string;
  readonly short?: string;
  readonly kind: "bool" | "string" | "int" | "float" | "strings";
  readonly about: string;
  readonly fallback?: string;
  readonly isHidden?: boolean;
}

/** What parsing and help need of a command; programs add what their commands get. */
export interface CommandShape {
  /** As it is typed after the parent's name: `check-task <config-file> [--error count]`. */
  readonly usage: string;
  readonly about: string;
  /** Whole lines, as somebody would type them; shown by `--help`. */
  readonly examples?: readonly string[];
  readonly aliases?: readonly string[];
  /** What to use instead; such a command is in no list. */
  readonly deprecated?: string;
  readonly isHidden?: boolean;
  readonly flags?: readonly Flag[];
  /** Flags for all commands below, too. */
  readonly persistentFlags?: readonly Flag[];
  readonly subcommands?: readonly CommandShape[];
  /** Without one, it is a group and prints its help. */
  readonly run?: (context: never) => Promise<void>;
}

export type FlagValues = ReadonlyMap<string, string | readonly string[]>;

/** A mistake in the line itself. */
export class CommandLineError extends Error {
  override readonly name = "CommandLineError";
  /** The command whose usage helps, from the root on; empty where none does. */
  readonly path: readonly CommandShape[];
  constructor(text: string, path: readonly CommandShape[] = []) {
    super(text);
    this.path = path;
  }
}

export interface ParsedLine<Command extends CommandShape> {
  /** From the root on; the last one is meant. */
  readonly path: readonly Command[];
  readonly args: readonly string[];
  readonly flags: FlagValues;
  readonly isHelp: boolean;
}

/** Throws `CommandLineError`. A word that no command has is an argument. */
export function parseLine<Command extends CommandShape>(root: Command, argv: readonly string[]): ParsedLine<Command> {
  const path: Command[] = [root];
  const args: string[] = [];
  const flags = new Map<string, string | readonly string[]>();
  let isHelp = false;
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] as string;
    if (word === "--") {
      args.push(...argv.slice(at + 1));
      break;
    }
    if (word.length < 2 || !word.startsWith("-")) {
      const below = path.at(-1)?.subcommands as readonly Command[] | undefined;
      const next = args.length > 0 ? undefined : below?.find((each) => nameOf(each) === word || each.aliases?.includes(word) === true);
      if (next !== undefined) path.push(next);
      else args.push(word);
      continue;
    }
    const { flag, value, shown } = flagOf(path, word);
    if (flag.name === "help") {
      isHelp = true;
      continue;
    }
    let text = value;
    if (flag.kind === "bool") text ??= "true";
    else if (text === undefined) {
      if (at + 1 >= argv.length) throw new CommandLineError(`flag needs an argument: ${shown}`, path);
      text = argv[++at] as string;
    }
    const syntax = syntaxOf[flag.kind];
    if (syntax !== undefined && !syntax.pattern.test(text)) {
      const both = flag.short === undefined ? `--${flag.name}` : `-${flag.short}, --${flag.name}`;
      const given = JSON.stringify(text);
      throw new CommandLineError(
        `invalid argument ${given} for "${both}" flag: strconv.${syntax.parser}: parsing ${given}: invalid syntax`,
        path,
      );
    }
    if (flag.kind === "strings") flags.set(flag.name, [...flagList(flags, flag.name), ...text.split(",").filter((each) => each !== "")]);
    else flags.set(flag.name, flag.kind === "bool" ? String(/^(true|1|t)$/i.test(text)) : text);
  }
  return { path, args, flags, isHelp };
}

/** The names of the originals' parsers are in their messages. */
const syntaxOf: Partial<Record<Flag["kind"], { readonly pattern: RegExp; readonly parser: string }>> = {
  bool: { pattern: /^(true|false|1|0|t|f)$/i, parser: "ParseBool" },
  int: { pattern: /^[+-]?\d{1,15}$/, parser: "ParseInt" },
  float: { pattern: /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i, parser: "ParseFloat" },
};

export function nameOf(command: CommandShape): string {
  return command.usage.split(" ")[0] as string;
}

/** The flag's value, else the fallback that the command of `path` knows, else "". */
export function flagText(flags: FlagValues, path: readonly CommandShape[], name: string): string {
  const value = flags.get(name);
  return typeof value === "string" ? value : (flagsOf(path).find((flag) => flag.name === name)?.fallback ?? "");
}

/** The values of a flag of kind `strings`. */
export function flagList(flags: FlagValues, name: string): readonly string[] {
  const value = flags.get(name) ?? [];
  return typeof value === "string" ? [value] : value;
}

/** All flags that a command takes: its own, and the persistent ones of all above. */
function flagsOf(path: readonly CommandShape[]): readonly Flag[] {
  return [...(path.at(-1)?.flags ?? []), ...path.flatMap((each) => each.persistentFlags ?? []), helpFlag("")];
}

function helpFlag(name: string): Flag {
  return { name: "help", short: "h", kind: "bool", about: `help for ${name}` };
}

function flagOf(
  path: readonly CommandShape[],
  word: string,
): { readonly flag: Flag; readonly value: string | undefined; readonly shown: string } {
  const flags = flagsOf(path);
  if (word.startsWith("--")) {
    const equals = word.indexOf("=");
    const name = word.slice(2, equals === -1 ? undefined : equals);
    const flag = flags.find((each) => each.name === name);
    if (flag === undefined) throw new CommandLineError(`unknown flag: --${name}`, path);
    return { flag, value: equals === -1 ? undefined : word.slice(equals + 1), shown: `--${name}` };
  }
  const letter = word[1] as string;
  const flag = flags.find((each) => each.short === letter);
  if (flag === undefined) throw new CommandLineError(`unknown shorthand flag: '${letter}' in ${word}`, path);
  const tail = word.slice(2);
  if (flag.kind === "bool" && tail !== "" && !tail.startsWith("="))
    throw new CommandLineError(`unknown shorthand flag: '${tail[0]}' in ${word}`, path);
  return { flag, value: tail === "" ? undefined : tail.replace(/^=/, ""), shown: `'${letter}' in ${word}` };
}

/** Usage and flags, as printed after a wrong line; ends with a newline. */
export function usageText(path: readonly CommandShape[]): string {
  const command = path.at(-1) as CommandShape;
  const above = path.slice(0, -1);
  const line = [...above.map(nameOf), command.usage].join(" ");
  const name = path.map(nameOf).join(" ");
  const below = (command.subcommands ?? []).filter((each) => each.isHidden !== true && each.deprecated === undefined);
  const parts = ["Usage:"];
  if (command.run !== undefined) parts.push(`  ${line}${line.endsWith("[flags]") ? "" : " [flags]"}`);
  if (below.length > 0) parts.push(`  ${name} [command]`);
  if (command.aliases !== undefined) parts.push("", "Aliases:", `  ${[nameOf(command), ...command.aliases].join(", ")}`);
  if (below.length > 0) {
    const width = Math.max(11, ...below.map((each) => nameOf(each).length));
    parts.push("", "Available Commands:");
    for (const each of below.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)))
      parts.push(`  ${nameOf(each).padEnd(width)} ${each.about}`);
  }
  parts.push("", "Flags:", ...flagLines([...(command.flags ?? []), ...(command.persistentFlags ?? []), helpFlag(nameOf(command))]));
  const inherited = above.flatMap((each) => each.persistentFlags ?? []);
  if (inherited.length > 0) parts.push("", "Global Flags:", ...flagLines(inherited));
  if (below.length > 0) parts.push("", `Use "${name} [command] --help" for more information about a command.`);
  return `${parts.join("\n")}\n`;
}

/** What `--help` prints, and a group without a command, which shows no examples. */
export function helpText(path: readonly CommandShape[], withExamples = true): string {
  const { about, examples } = path.at(-1) as CommandShape;
  const shown = withExamples && examples !== undefined ? `\nExamples:\n${examples.map((line) => `  ${line}`).join("\n")}\n` : "";
  return `${about}\n\n${usageText(path)}${shown}`;
}

function flagLines(flags: readonly Flag[]): string[] {
  const shown = flags
    .filter((flag) => flag.isHidden !== true)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((flag) => ({
      left: `  ${flag.short === undefined ? "    " : `-${flag.short}, `}--${flag.name}${flag.kind === "bool" ? "" : ` ${flag.kind}`}`,
      right: flag.about + fallbackText(flag),
    }));
  const width = Math.max(...shown.map(({ left }) => left.length));
  return shown.map(({ left, right }) => `${left.padEnd(width)}   ${right}`);
}

function fallbackText(flag: Flag): string {
  if (flag.fallback === undefined || flag.fallback === "false" || flag.fallback === "") return "";
  return flag.kind === "string" ? ` (default "${flag.fallback}")` : ` (default ${flag.fallback})`;
}
