/**
 * The files of a dump folder, as the documents lay them out:
 *
 *   metadata                           where the source's log stood
 *   {db}-schema-create.sql             CREATE DATABASE
 *   {db}.{table}-schema.sql            CREATE TABLE
 *   {db}.{table}.{9 digits}{4}.sql     INSERT statements: number of the chunk, and of the file in it
 */
import { type GtidSet, type Position, parseGtidSet } from "@skein/mysql";

export type DumpFile =
  | { readonly kind: "metadata" }
  | { readonly kind: "schema"; readonly schema: string }
  | { readonly kind: "table"; readonly schema: string; readonly table: string }
  | { readonly kind: "data"; readonly schema: string; readonly table: string; readonly number: string };

// Reserved in file systems, or by this layout.
const reserved = new Set('%/\\.:*?"<>|');

function escapeFileName(name: string): string {
  return Array.from(name, (character) => {
    const code = character.charCodeAt(0);
    return reserved.has(character) || code < 32 ? `%${code.toString(16).toUpperCase().padStart(2, "0")}` : character;
  }).join("");
}

function unescapeFileName(text: string): string {
  return text.replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

export function dumpFileName(file: DumpFile): string {
  switch (file.kind) {
    case "metadata":
      return "metadata";
    case "schema":
      return `${escapeFileName(file.schema)}-schema-create.sql`;
    case "table":
      return `${escapeFileName(file.schema)}.${escapeFileName(file.table)}-schema.sql`;
    case "data":
      return `${escapeFileName(file.schema)}.${escapeFileName(file.table)}.${file.number}.sql`;
  }
}

/** Null for files that are none of a dump's (views, triggers, what others left). */
export function parseDumpFileName(name: string): DumpFile | null {
  if (name === "metadata") return { kind: "metadata" };
  if (!name.endsWith(".sql")) return null;
  const stem = name.slice(0, -4);
  if (stem.endsWith("-schema-create")) return { kind: "schema", schema: unescapeFileName(stem.slice(0, -14)) };
  const table = /^([^.]+)\.([^.]+)-schema$/.exec(stem);
  if (table !== null) return { kind: "table", schema: unescapeFileName(table[1] as string), table: unescapeFileName(table[2] as string) };
  const data = /^([^.]+)\.([^.]+?)(?:\.(\d+))?$/.exec(stem);
  if (data === null || /-schema-(?:view|post|triggers)$/.test(stem)) return null;
  return { kind: "data", schema: unescapeFileName(data[1] as string), table: unescapeFileName(data[2] as string), number: data[3] ?? "" };
}

export interface DumpMetadata {
  readonly position: Position;
  /** When the dump was of no single point: rows may be as new as this. */
  readonly after: Position | null;
}

function statusBlock(title: string, { file, offset, gtidSet }: Position): string {
  return `${title}\n\tLog: ${file}\n\tPos: ${offset}\n\tGTID:${gtidSet?.toString() ?? ""}\n`;
}

/** Times as `2024-01-31 23:59:59`. */
export function formatMetadata(started: string, finished: string, { position, after }: DumpMetadata): string {
  const second = after === null ? "" : `\n${statusBlock("SHOW MASTER STATUS: /* AFTER CONNECTION POOL ESTABLISHED */", after)}`;
  return `Started dump at: ${started}\n${statusBlock("SHOW MASTER STATUS:", position)}${second}\nFinished dump at: ${finished}\n`;
}

/** Null when no location is in it. Throws a RangeError when it is no metadata at all. */
export function parseMetadata(text: string, flavor: "mysql" | "mariadb"): DumpMetadata | null {
  const blocks: Position[] = [];
  const titles: string[] = [];
  const lines = text.split(/\r?\n/);
  for (let index = 0; index < lines.length; index++) {
    const title = lines[index] as string;
    if (!/^SHOW (?:MASTER|BINARY LOG) STATUS:/.test(title)) continue;
    let file = "";
    let offset = Number.NaN;
    let gtid = "";
    let last = "";
    while (index + 1 < lines.length && !/^(?:SHOW |Finished dump at|\S.*dump at)/.test(lines[index + 1] as string)) {
      const line = (lines[++index] as string).trim();
      const field = /^(Log|Pos|GTID):\s*(.*)$/.exec(line);
      if (field !== null) {
        last = field[1] as string;
        if (last === "Log") file = field[2] as string;
        else if (last === "Pos") offset = Number(field[2]);
        else gtid = field[2] as string;
      } else if (last === "GTID" && line !== "") gtid += line;
    }
    if (file === "" || !Number.isSafeInteger(offset)) continue;
    let gtidSet: GtidSet | null = null;
    if (gtid !== "") gtidSet = parseGtidSet(gtid, flavor);
    blocks.push({ file, offset, gtidSet });
    titles.push(title);
  }
  if (blocks.length === 0 && !text.includes("dump at:")) throw new RangeError("neither a time nor a location is in it");
  const [position, second] = blocks;
  if (position === undefined) return null;
  return { position, after: second !== undefined && (titles[1] as string).includes("AFTER CONNECTION POOL") ? second : null };
}
