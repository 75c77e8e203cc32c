/**
 * Linearizability of registers from a recorded history (Wing and Gong's search, one key at a time). Values are unique, so a read
 * says exactly which write it saw.
 */
export interface Operation {
  readonly client: number;
  readonly key: string;
  readonly kind: "write" | "read";
  /** Written, or read; null: there was nothing. */
  value: string | null;
  readonly invokedAt: number;
  /** Infinite: it is not known whether (or when) it took effect. */
  returnedAt: number;
}

export class History {
  #now = 0;
  readonly operations: Operation[] = [];

  begin(operation: Pick<Operation, "client" | "key" | "kind" | "value">): Operation {
    const begun: Operation = { ...operation, invokedAt: ++this.#now, returnedAt: Number.POSITIVE_INFINITY };
    this.operations.push(begun);
    return begun;
  }
  end(operation: Operation): void {
    operation.returnedAt = ++this.#now;
  }
  /** It is known that it never took effect, or it says nothing. */
  drop(operation: Operation): void {
    this.operations.splice(this.operations.lastIndexOf(operation), 1);
  }

  /** Null when each key's operations can be put in an order that explains all that was read; else a text of the first that cannot. */
  check(): string | null {
    const keys = Map.groupBy(this.operations, ({ key }) => key);
    for (const [key, operations] of keys) {
      const text = checkRegister(operations);
      if (text !== null) return `key ${key}: ${text}`;
    }
    return null;
  }
}

export function checkRegister(all: readonly Operation[]): string | null {
  // Reads that were never answered say nothing.
  const operations = all
    .filter(({ kind, returnedAt }) => kind === "write" || Number.isFinite(returnedAt))
    .sort((a, b) => a.invokedAt - b.invokedAt);
  const count = operations.length;
  const isDone = new Uint8Array(count);
  const seen = new Set<string>();
  let deepest = 0;
  const search = (from: number, done: number, value: string | null): boolean => {
    while (from < count && isDone[from] === 1) from++;
    deepest = Math.max(deepest, from);
    // What is left may never have happened.
    let isComplete = true;
    let firstReturn = Number.POSITIVE_INFINITY;
    for (let i = from; i < count; i++) {
      if (isDone[i] === 1) continue;
      const { returnedAt, invokedAt } = operations[i] as Operation;
      if (invokedAt > firstReturn) break;
      if (Number.isFinite(returnedAt)) isComplete = false;
      firstReturn = Math.min(firstReturn, returnedAt);
    }
    if (isComplete && firstReturn === Number.POSITIVE_INFINITY) return true;
    const open: number[] = [];
    for (let i = from; i < count; i++) {
      const { invokedAt } = operations[i] as Operation;
      if (invokedAt > firstReturn) break;
      if (isDone[i] === 0) open.push(i);
    }
    const state = `${from}:${open.join()}:${value}`;
    if (seen.has(state)) return false;
    seen.add(state);
    for (const i of open) {
      const operation = operations[i] as Operation;
      if (operation.kind === "read" && operation.value !== value) continue;
      isDone[i] = 1;
      if (search(from, done + 1, operation.kind === "write" ? operation.value : value)) return true;
      isDone[i] = 0;
    }
    return false;
  };
  if (search(0, 0, null)) return null;
  const around = operations
    .slice(Math.max(0, deepest - 6), deepest + 6)
    .map(({ client, kind, value, invokedAt, returnedAt }) => `client ${client} ${kind} ${value} [${invokedAt}, ${returnedAt}]`);
  return `no order explains\n  ${around.join("\n  ")}`;
}
