/** What a transaction may hold, and when its comparisons hold. */
import { metastoreErrors } from "../errors.ts";
import type { CompareOperator, Comparison, KeyValue, Operation, Transaction } from "../metastore.ts";
import { boundsOf, contains } from "./selection.ts";

export interface TransactionLimits {
  readonly operationsMax: number;
  readonly requestBytesMax: number;
}

/** DM's own limits of its metadata (`max-txn-ops`, `max-request-bytes`). */
export const defaultLimits: TransactionLimits = { operationsMax: 2048, requestBytesMax: 1.5 * 1024 * 1024 };

/** Throws what a store refuses before it looks at its state. */
export function checkTransaction(transaction: Transaction, limits: TransactionLimits): void {
  let bytes = 0;
  for (const comparison of transaction.compare ?? []) {
    checkKey(comparison.key);
    bytes += comparison.key.length + (comparison.target === "value" ? comparison.value.length : 8);
  }
  for (const side of [transaction.success ?? [], transaction.failure ?? []]) {
    const count = Math.max(side.length, transaction.compare?.length ?? 0);
    if (count > limits.operationsMax) throw metastoreErrors.tooManyOperations([count, limits.operationsMax]);
    checkSide(side);
    for (const operation of side) if (operation.op === "put") bytes += operation.key.length + operation.value.length;
  }
  if (bytes > limits.requestBytesMax) throw metastoreErrors.requestTooLarge([bytes, limits.requestBytesMax]);
}

/** A key may be changed once in a side, so that a revision has one event a key. */
function checkSide(side: readonly Operation[]): void {
  const put = new Set<string>();
  for (const operation of side) {
    if (operation.op !== "put") continue;
    checkKey(operation.key);
    if (put.has(operation.key)) throw metastoreErrors.duplicateKey([operation.key]);
    put.add(operation.key);
  }
  for (const operation of side) {
    if (operation.op !== "delete") continue;
    const bounds = boundsOf(operation.select);
    for (const key of put) if (contains(bounds, key)) throw metastoreErrors.duplicateKey([key]);
  }
}

function checkKey(key: string): void {
  if (key === "") throw metastoreErrors.invalidRequest(["a key must not be empty"]);
}

export function holds(comparison: Comparison, item: KeyValue | null): boolean {
  if (comparison.target === "value") {
    // A value that is not there equals nothing, not even the empty value.
    return item !== null && compares(comparison.is, Buffer.compare(item.value, bytesOf(comparison.value)));
  }
  if (comparison.target === "lease") {
    const lease = item?.lease ?? 0n;
    return compares(comparison.is, lease < comparison.value ? -1 : lease > comparison.value ? 1 : 0);
  }
  return compares(comparison.is, (item?.[comparison.target] ?? 0) - comparison.value);
}

function compares(operator: CompareOperator, order: number): boolean {
  switch (operator) {
    case "=":
      return order === 0;
    case "!=":
      return order !== 0;
    case "<":
      return order < 0;
    case ">":
      return order > 0;
  }
}

export function bytesOf(value: Uint8Array | string): Uint8Array {
  return typeof value === "string" ? new TextEncoder().encode(value) : value;
}
