/**
 * Secondary indexes are built faster from all rows at once than row by row, so a table that the copy makes gets them at its end.
 * Only those that nothing depends on meanwhile: keys that are not unique, of a table without foreign keys, and not the one that an
 * AUTO_INCREMENT column needs. A copy that is cut off finds them missing and builds them then.
 */
import { definitionToStatement, type IndexDefinition, printStatement, type TableDefinition } from "@skein/mysql";

export function lateIndexes(table: TableDefinition): readonly IndexDefinition[] {
  if (table.foreignKeys.length > 0) return [];
  const counter = table.columns.find(({ autoIncrement }) => autoIncrement === true)?.name.toLowerCase();
  const isFirstOf = (index: IndexDefinition) => index.parts[0]?.column?.toLowerCase() === counter;
  const isCounterKept = counter === undefined || table.indexes.some((index) => index.kind !== "index" && isFirstOf(index));
  return table.indexes.filter(
    (index) => index.kind === "index" && (isCounterKept || !index.parts.some((part) => part.column?.toLowerCase() === counter)),
  );
}

export function withoutIndexes(table: TableDefinition, indexes: readonly IndexDefinition[]): TableDefinition {
  return { ...table, indexes: table.indexes.filter((index) => !indexes.includes(index)) };
}

/** One ALTER TABLE that adds what is missing of them in the target; null when nothing is. */
export function addIndexes(
  name: { readonly schema: string; readonly name: string },
  source: TableDefinition,
  target: TableDefinition,
  dialect: "mysql" | "mariadb" | "tidb",
): string | null {
  const there = new Set(target.indexes.map((index) => index.name.toLowerCase()));
  const missing = lateIndexes(source).filter((index) => !there.has(index.name.toLowerCase()));
  if (missing.length === 0) return null;
  const { indexes } = definitionToStatement({ ...source, indexes: missing });
  return printStatement({ kind: "alterTable", table: name, changes: indexes.map((index) => ({ kind: "addIndex", index })) }, { dialect });
}
