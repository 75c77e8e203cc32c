/** What the dumper's `extra-args` ask for. Refuses what is neither known nor harmless. */

export type Consistency = "none" | "flush" | "lock" | "snapshot" | "auto";

export interface DumperArguments {
  /** Null: not asked for; tables are copied in chunks. */
  readonly consistency: Consistency | null;
  readonly where: string;
  readonly statementBytes: number | null;
  readonly fileBytes: number | null;
  readonly rows: number | null;
  readonly threads: number | null;
  readonly databases: readonly string[];
  /** `schema.table` */
  readonly tables: readonly string[];
  readonly filters: readonly string[];
}

/** Words of a command line: quotes hold spaces together. */
function splitArguments(text: string): string[] {
  const words: string[] = [];
  for (const [, single, double, bare] of text.matchAll(/'([^']*)'|"([^"]*)"|((?:[^\s'"]|=?(?:'[^']*'|"[^"]*"))+)/g)) {
    const word = single ?? double ?? bare ?? "";
    words.push(bare === undefined ? word : word.replaceAll(/'([^']*)'|"([^"]*)"/g, (_, a?: string, b?: string) => a ?? b ?? ""));
  }
  return words;
}

/** `64`, `64M`, `64MiB`: bytes; a bare number counts `unit` bytes. */
export function parseSize(text: string, unit: number): number | null {
  const found = /^(\d+)\s*([kmg]?)(?:i?b)?$/i.exec(text.trim());
  if (found === null) return null;
  const scale = { "": unit, k: 1024, m: 1024 ** 2, g: 1024 ** 3 }[(found[2] ?? "").toLowerCase()] ?? unit;
  return Number(found[1]) * scale;
}

/** Throws a RangeError that names the argument. */
export function parseExtraArguments(text: string): DumperArguments {
  const words = splitArguments(text);
  const result = {
    consistency: null as Consistency | null,
    where: "",
    statementBytes: null as number | null,
    fileBytes: null as number | null,
    rows: null as number | null,
    threads: null as number | null,
    databases: [] as string[],
    tables: [] as string[],
    filters: [] as string[],
  };
  for (let index = 0; index < words.length; index++) {
    const word = words[index] as string;
    const equals = word.startsWith("--") ? word.indexOf("=") : -1;
    const name = equals === -1 ? word : word.slice(0, equals);
    const value = (): string => {
      if (equals !== -1) return word.slice(equals + 1);
      const next = words[++index];
      if (next === undefined) throw new RangeError(`extra-args: ${name} needs a value`);
      return next;
    };
    const size = (unit: number): number => {
      const given = value();
      const bytes = parseSize(given, unit);
      if (bytes === null) throw new RangeError(`extra-args: ${name}: ${given} is not a size`);
      return bytes;
    };
    switch (name) {
      case "--consistency": {
        const given = value();
        if (!["none", "flush", "lock", "snapshot", "auto"].includes(given))
          throw new RangeError(`extra-args: --consistency: ${given} is not known`);
        result.consistency = given as Consistency;
        break;
      }
      case "--no-locks":
        result.consistency = "none";
        if (equals !== -1 && value() === "false") result.consistency = "auto";
        break;
      case "--transactional-consistency":
        if (equals === -1 || value() !== "false") result.consistency ??= "auto";
        break;
      case "--where":
        result.where = value();
        break;
      case "-s":
      case "--statement-size":
        result.statementBytes = size(1);
        break;
      case "-F":
      case "--filesize":
        result.fileBytes = size(1024 ** 2);
        break;
      case "-r":
      case "--rows":
        result.rows = size(1);
        break;
      case "-t":
      case "--threads":
        result.threads = size(1);
        break;
      case "-B":
      case "--database":
        result.databases.push(...value().split(","));
        break;
      case "-T":
      case "--tables-list":
        result.tables.push(...value().split(","));
        break;
      case "-f":
      case "--filter":
        result.filters.push(value());
        break;
      case "-W":
      case "--no-views":
      case "--escape-backslash":
        if (equals !== -1) value();
        break;
      case "--ca":
      case "--cert":
      case "--key":
      case "--snapshot":
        throw new RangeError(`extra-args: ${name} is not taken here: the source's own configuration says how to connect`);
      default:
        throw new RangeError(`extra-args: ${word} is not known`);
    }
  }
  return result;
}
