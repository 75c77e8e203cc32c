/** Rows of one key range from both sides → what differs. */
import type { ComparedColumn } from "./comparison-sql.ts";

export interface RowDifference {
  readonly kind: "missing in the target" | "not in the source" | "different";
  /** `id=7`; the whole row for a table without a key. */
  readonly row: string;
  /** For a different row: the columns with both values, cut short. */
  readonly columns: readonly { readonly name: string; readonly source: string | null; readonly target: string | null }[];
}

export type TextRow = readonly (string | null)[];

export function diffRows(
  columns: readonly ComparedColumn[],
  keyIndexes: readonly number[],
  source: readonly TextRow[],
  target: readonly TextRow[],
): RowDifference[] {
  const identity = keyIndexes.length === 0 ? columns.map((_, i) => i) : keyIndexes;
  const identityOf = (row: TextRow) => JSON.stringify(identity.map((i) => row[i] ?? null));
  const nameOf = (row: TextRow) => identity.map((i) => `${columns[i]?.name}=${short(row[i] ?? null)}`).join(", ");
  const left = new Map<string, TextRow[]>(); // a table without a key may hold a row several times
  for (const row of target) {
    const id = identityOf(row);
    const rows = left.get(id);
    if (rows === undefined) left.set(id, [row]);
    else rows.push(row);
  }
  const differences: RowDifference[] = [];
  for (const row of source) {
    const other = left.get(identityOf(row))?.pop();
    if (other === undefined) {
      differences.push({ kind: "missing in the target", row: nameOf(row), columns: [] });
      continue;
    }
    const changed = columns.flatMap((column, i) => {
      const [a, b] = [row[i] ?? null, other[i] ?? null];
      return isSame(column, a, b)
        ? []
        : [{ name: column.name, source: a === null ? null : short(a), target: b === null ? null : short(b) }];
    });
    if (changed.length > 0) differences.push({ kind: "different", row: nameOf(row), columns: changed });
  }
  for (const rows of left.values()) for (const row of rows) differences.push({ kind: "not in the source", row: nameOf(row), columns: [] });
  return differences;
}

/** MariaDB keeps JSON as it was written, MySQL in an order and spacing of its own. */
function isSame(column: ComparedColumn, a: string | null, b: string | null): boolean {
  if (a === b) return true;
  if (column.dataType !== "json" || a === null || b === null) return false;
  try {
    return canonicalJson(a) === canonicalJson(b);
  } catch {
    return false;
  }
}

function canonicalJson(text: string): string {
  return JSON.stringify(JSON.parse(text), (_name, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

const short = (text: string | null) => (text === null ? "NULL" : text.length > 80 ? `${text.slice(0, 77)}…` : text);
