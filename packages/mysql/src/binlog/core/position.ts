/**
 * Where a reader of a binlog stands: file, offset, and the GTIDs of all transactions before it, when they are known.
 *
 * A file may carry the suffix of a relay directory before its number: `mysql-bin|000001.000003`.
 */
import { type GtidSet, gtidSetContains } from "../../gtid/gtid-set.ts";

export interface Position {
  readonly file: string;
  /** Bytes from the start of the file; not limited to 32 bits. */
  readonly offset: number;
  readonly gtidSet: GtidSet | null;
}

/** Where the events of a file begin. */
export const firstOffset = 4;

export interface BinlogFileName {
  readonly base: string;
  /** Of a relay directory; 0 when there is none. */
  readonly suffix: number;
  readonly sequence: number;
}

const fileForm = /^(.*?)(?:\|(\d{6,15}))?\.(\d{1,15})$/s;

export function parseBinlogFileName(file: string): BinlogFileName | null {
  const match = fileForm.exec(file);
  if (match === null || match[1] === "") return null;
  return { base: match[1] as string, suffix: match[2] === undefined ? 0 : Number(match[2]), sequence: Number(match[3]) };
}

/** By relay suffix, base name, number (`.999999` before `.1000000`), then offset; a file without a name is before all others. */
export function comparePositions(a: Position, b: Position): number {
  return compareBinlogFiles(a.file, b.file) || a.offset - b.offset;
}

export function compareBinlogFiles(a: string, b: string): number {
  if (a === b) return 0;
  const left = parseBinlogFileName(a);
  const right = parseBinlogFileName(b);
  if (left === null || right === null) {
    if (left === null && right === null) return a < b ? -1 : 1;
    return left === null ? -1 : 1;
  }
  if (left.suffix !== right.suffix) return left.suffix - right.suffix;
  if (left.base !== right.base) return left.base < right.base ? -1 : 1;
  return left.sequence - right.sequence;
}

/**
 * With GTIDs on both sides, by containment: -1 when `b` holds more, 1 when `a` does, 0 when equal, null when each holds what
 * the other lacks. Without, by file and offset.
 */
export function comparePositionsByGtid(a: Position, b: Position): number | null {
  if (a.gtidSet === null || b.gtidSet === null) return comparePositions(a, b);
  const aHasB = gtidSetContains(a.gtidSet, b.gtidSet);
  const bHasA = gtidSetContains(b.gtidSet, a.gtidSet);
  if (aHasB && bHasA) return 0;
  if (aHasB) return 1;
  return bHasA ? -1 : null;
}

/** `(mysql-bin.000001, 1234)`; the GTID set is shown beside it, never in it. */
export function formatPosition(position: Position): string {
  return `(${position.file}, ${position.offset})`;
}

/** Reads `(file, offset)` and `file:offset`. Throws a RangeError on anything else. */
export function parsePosition(text: string): Position {
  const match = /^\s*\(\s*(.*?)\s*,\s*(\d{1,16})\s*\)\s*$/.exec(text) ?? /^\s*(\S+):(\d{1,16})\s*$/.exec(text);
  const offset = Number(match?.[2]);
  if (match === null || !Number.isSafeInteger(offset)) throw new RangeError(`no binlog position: ${text.slice(0, 200)}`);
  return { file: match[1] as string, offset, gtidSet: null };
}
