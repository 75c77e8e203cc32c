/**
 * Commands as data, and the command line that they make: flags may stand anywhere, `-s a,b -s c`, `--flag=value`, `-xvalue`.
 * Messages and help have the layout of the original, which scripts and eyes know.
 */
export interface Flag {
  /** Without dashes. */
  readonly name: string;
  readonly short?: string;
  readonly kind: "bool" | "string" | "int" | "strings";
  readonly about: string;
  readonly fallback?: string;
  readonly isHidden?: boolean;
}

export interface CommandShape {
  /** As it is typed after the parent's name: `check-task <config-file> [--error count]`. */
  readonly usage: string;
  readonly about: string;
  readonly aliases?: readonly string[];
  readonly isHidden?: boolean;
  readonly flags?: readonly Flag[];
  /** Flags for all commands below, too. */
  readonly persistentFlags?: readonly Flag[];
  readonly subcommands?: readonly CommandShape[];
}

export type FlagValues = ReadonlyMap<string, string | readonly string[]>;

/** A mistake in the line itself: printed as `Error: …`. */
export class CommandLineError extends Error {
  override readonly name = "CommandLineError";
}

export interface ParsedLine<Command extends CommandShape> {
  /** From the root on; the last one is meant. */
  readonly path: readonly Command[];
  readonly args: readonly string[];
  readonly flags: FlagValues;
  readonly isHelp: boolean;
}

export function nameOf(command: CommandShape): string {
  return command.usage.split(" ")[0] as string;
}

export function parseLine<Command extends CommandShape>(root: Command, argv: readonly string[]): ParsedLine<Command> {
  const path: Command[] = [root];
  const args: string[] = [];
  const flags = new Map<string, string | readonly string[]>();
  let isHelp = false;
  // Commands first: what follows a flag that takes a value is that value and no command.
  const all = () => flagsOf(path);
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] as string;
    if (word === "--") {
      args.push(...argv.slice(at + 1));
      break;
    }
    if (word.length < 2 || !word.startsWith("-")) {
      const current = path.at(-1) as Command;
      const next =
        args.length > 0 ? undefined : (current.subcommands as readonly Command[] | undefined)?.find((each) => isNamed(each, word));
      if (next !== undefined) path.push(next);
      else args.push(word);
      continue;
    }
    const { flag, value, rest } = flagOf(all(), word);
    if (flag.name === "help") {
      isHelp = true;
      continue;
    }
    let text = value;
    if (flag.kind === "bool") text ??= "true";
    else if (text === undefined) {
      if (at + 1 >= argv.length) throw new CommandLineError(`flag needs an argument: ${rest}`);
      text = argv[++at] as string;
    }
    const shown = flag.short === undefined ? `--${flag.name}` : `-${flag.short}, --${flag.name}`;
    if (flag.kind === "bool" && !/^(true|false|1|0|t|f)$/i.test(text))
      throw new CommandLineError(`invalid argument "${text}" for "${shown}" flag: strconv.ParseBool: parsing "${text}": invalid syntax`);
    if (flag.kind === "int" && !/^[+-]?\d{1,15}$/.test(text))
      throw new CommandLineError(`invalid argument "${text}" for "${shown}" flag: strconv.ParseInt: parsing "${text}": invalid syntax`);
    if (flag.kind === "strings") {
      const before = (flags.get(flag.name) ?? []) as readonly string[];
      flags.set(flag.name, [...before, ...text.split(",").filter((each) => each !== "")]);
    } else flags.set(flag.name, flag.kind === "bool" ? String(/^(true|1|t)$/i.test(text)) : text);
  }
  return { path, args, flags, isHelp };
}

/** All flags that a command takes: its own, and the persistent ones of all above. */
function flagsOf(path: readonly CommandShape[]): readonly Flag[] {
  return [...(path.at(-1)?.flags ?? []), ...path.flatMap((each) => each.persistentFlags ?? []), helpFlag("")];
}

function helpFlag(name: string): Flag {
  return { name: "help", short: "h", kind: "bool", about: `help for ${name}` };
}

function isNamed(command: CommandShape, word: string): boolean {
  return nameOf(command) === word || command.aliases?.includes(word) === true;
}

function flagOf(flags: readonly Flag[], word: string): { readonly flag: Flag; readonly value: string | undefined; readonly rest: string } {
  if (word.startsWith("--")) {
    const equals = word.indexOf("=");
    const name = word.slice(2, equals === -1 ? undefined : equals);
    const flag = flags.find((each) => each.name === name);
    if (flag === undefined) throw new CommandLineError(`unknown flag: --${name}`);
    return { flag, value: equals === -1 ? undefined : word.slice(equals + 1), rest: `--${name}` };
  }
  const letter = word[1] as string;
  const flag = flags.find((each) => each.short === letter);
  if (flag === undefined) throw new CommandLineError(`unknown shorthand flag: '${letter}' in ${word}`);
  const tail = word.slice(2);
  const value = tail === "" ? undefined : tail.startsWith("=") ? tail.slice(1) : tail;
  if (flag.kind === "bool" && value !== undefined && !tail.startsWith("="))
    throw new CommandLineError(`unknown shorthand flag: '${tail[0]}' in ${word}`);
  return { flag, value, rest: `'${letter}' in ${word}` };
}

/** Usage and flags, as printed after a wrong line. */
export function usageText(path: readonly CommandShape[]): string {
  const command = path.at(-1) as CommandShape;
  const parents = path.slice(0, -1).map(nameOf).join(" ");
  const line = `${parents === "" ? "" : `${parents} `}${command.usage}`;
  const name = path.map(nameOf).join(" ");
  const parts: string[] = [];
  const visible = (command.subcommands ?? []).filter((each) => each.isHidden !== true);
  const isGroup = visible.length > 0;
  const runs = !isGroup || path.length === 1 || command.usage.includes("[");
  parts.push("Usage:");
  if (runs) parts.push(`  ${line}${line.endsWith("[flags]") ? "" : " [flags]"}`);
  if (isGroup) parts.push(`  ${name} [command]`);
  if (command.aliases !== undefined) parts.push("", "Aliases:", `  ${[nameOf(command), ...command.aliases].join(", ")}`);
  if (isGroup) {
    const width = Math.max(11, ...visible.map((each) => nameOf(each).length));
    parts.push("", "Available Commands:");
    for (const each of visible.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)))
      parts.push(`  ${nameOf(each).padEnd(width)} ${each.about}`);
  }
  const own = [...(command.flags ?? []), ...(command.persistentFlags ?? []), helpFlag(nameOf(command))];
  parts.push("", "Flags:", ...flagLines(own));
  const inherited = path.slice(0, -1).flatMap((each) => each.persistentFlags ?? []);
  if (inherited.length > 0) parts.push("", "Global Flags:", ...flagLines(inherited));
  if (isGroup) parts.push("", `Use "${name} [command] --help" for more information about a command.`);
  return `${parts.join("\n")}\n`;
}

export function helpText(path: readonly CommandShape[]): string {
  return `${(path.at(-1) as CommandShape).about}\n\n${usageText(path)}`;
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

/** Splits as a shell does: quotes, backslashes; no variables, no globs. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word = "";
  let isOpen = false;
  let quote = "";
  for (let at = 0; at < line.length; at++) {
    const letter = line[at] as string;
    if (quote === "'") {
      if (letter === "'") quote = "";
      else word += letter;
    } else if (letter === "\\" && at + 1 < line.length) {
      const next = line[++at] as string;
      word += quote === '"' && !'"\\$`'.includes(next) ? `\\${next}` : next;
      isOpen = true;
    } else if (quote === '"') {
      if (letter === '"') quote = "";
      else word += letter;
    } else if (letter === '"' || letter === "'") {
      quote = letter;
      isOpen = true;
    } else if (/\s/.test(letter)) {
      if (isOpen) words.push(word);
      word = "";
      isOpen = false;
    } else {
      word += letter;
      isOpen = true;
    }
  }
  if (quote !== "") throw new CommandLineError("a quote is not closed");
  if (isOpen) words.push(word);
  return words;
}
