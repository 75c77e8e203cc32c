/**
 * The command line of pd-ctl: flags may stand anywhere, `--flag=value`, `-xvalue`; a value that begins with a dash is taken for a flag, as
 * the original does. Usage and errors have its layout, which scripts and eyes know.
 */
import type { Command, Flag } from "./command.ts";

export type FlagValues = ReadonlyMap<string, string | readonly string[]>;

/** A mistake in the line itself: usage and text are printed, the exit code is 1. */
export class CommandLineError extends Error {
  override readonly name = "CommandLineError";
  readonly path: readonly Command[];
  /** Whether the usage is printed before the text. */
  readonly withUsage: boolean;
  constructor(text: string, path: readonly Command[], withUsage = true) {
    super(text);
    this.path = path;
    this.withUsage = withUsage;
  }
}

export interface ParsedLine {
  /** From the root on; the last one is meant. */
  readonly path: readonly Command[];
  readonly args: readonly string[];
  readonly flags: FlagValues;
  readonly isHelp: boolean;
}

export function nameOf(command: Command): string {
  return command.usage.split(" ")[0] as string;
}

export function parseLine(root: Command, argv: readonly string[]): ParsedLine {
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
      const next = args.length > 0 ? undefined : path.at(-1)?.subcommands?.find((each) => isNamed(each, word));
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
    const both = flag.short === undefined ? `--${flag.name}` : `-${flag.short}, --${flag.name}`;
    const wrong = (parser: string) =>
      new CommandLineError(
        `invalid argument ${JSON.stringify(text)} for "${both}" flag: strconv.${parser}: parsing ${JSON.stringify(text)}: invalid syntax`,
        path,
      );
    if (flag.kind === "bool" && !/^(true|false|1|0|t|f)$/i.test(text)) throw wrong("ParseBool");
    if (flag.kind === "float" && !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) throw wrong("ParseFloat");
    if (flag.kind === "strings") {
      const before = (flags.get(flag.name) ?? []) as readonly string[];
      flags.set(flag.name, [...before, ...text.split(",").filter((each) => each !== "")]);
    } else flags.set(flag.name, flag.kind === "bool" ? String(/^(true|1|t)$/i.test(text)) : text);
  }
  if (path.length === 1 && args.length > 0 && !isHelp)
    throw new CommandLineError(`unknown command ${JSON.stringify(args[0])} for "${nameOf(root)}"`, path, false);
  return { path, args, flags, isHelp };
}

function helpFlag(command: Command): Flag {
  return { name: "help", short: "h", kind: "bool", about: `help for ${nameOf(command)}` };
}

/** Its own, those of the root, and help. */
export function flagsOf(path: readonly Command[]): readonly Flag[] {
  const command = path.at(-1) as Command;
  const root = path[0] as Command;
  return [...(command.flags ?? []), ...(command === root ? [] : globalFlags(root)), helpFlag(command)];
}

/** What the root takes for all: not what only the root itself knows. */
function globalFlags(root: Command): readonly Flag[] {
  return (root.flags ?? []).filter((flag) => globalNames.includes(flag.name));
}

const globalNames = ["pd", "cacert", "cert", "key"];

function isNamed(command: Command, word: string): boolean {
  return nameOf(command) === word || command.aliases?.includes(word) === true;
}

function flagOf(
  path: readonly Command[],
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
  const value = tail === "" ? undefined : tail.startsWith("=") ? tail.slice(1) : tail;
  return { flag, value, shown: `'${letter}' in ${word}` };
}

/** As printed after a wrong line; ends with a newline. */
export function usageText(path: readonly Command[]): string {
  const command = path.at(-1) as Command;
  const parents = path.slice(0, -1).map(nameOf).join(" ");
  const line = `${parents === "" ? "" : `${parents} `}${command.usage}`;
  const name = path.map(nameOf).join(" ");
  const visible = (command.subcommands ?? []).filter((each) => each.isHidden !== true && each.deprecated === undefined);
  const parts: string[] = ["Usage:"];
  if (command.run !== undefined) parts.push(`  ${line}${line.endsWith("[flags]") ? "" : " [flags]"}`);
  if (visible.length > 0) {
    parts.push(`  ${name} [command]`);
    const width = Math.max(11, ...visible.map((each) => nameOf(each).length));
    parts.push("", "Available Commands:");
    for (const each of visible.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)))
      parts.push(`  ${nameOf(each).padEnd(width)} ${each.about}`);
  }
  const root = path[0] as Command;
  const own = [...(command.flags ?? []), helpFlag(command)];
  parts.push("", "Flags:", ...flagLines(own));
  if (command !== root) parts.push("", "Global Flags:", ...flagLines(globalFlags(root)));
  if (visible.length > 0) parts.push("", `Use "${name} [command] --help" for more information about a command.`);
  return `${parts.join("\n")}\n`;
}

/** What `--help` prints, and groups without a command: with examples. */
export function helpText(path: readonly Command[], withExamples = true): string {
  const command = path.at(-1) as Command;
  const examples =
    withExamples && command.examples !== undefined ? `\nExamples:\n${command.examples.map((line) => `  ${line}`).join("\n")}\n` : "";
  return `${command.about}\n\n${usageText(path)}${examples}`;
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

/** Splits as a shell does: quotes, backslashes; no variables, no globs. Null when a quote is not closed. */
export function splitWords(line: string): string[] | null {
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
  if (quote !== "") return null;
  if (isOpen) words.push(word);
  return words;
}
