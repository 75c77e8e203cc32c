/** One key of a key-value store as a model, and the check of a history key by key: linearizability is local. */
import { checkLinearizable, type Model, type Operation, type Verdict } from "./linearizability.ts";

export type RegisterInput =
  | { readonly kind: "get" }
  | { readonly kind: "put"; readonly value: string }
  | { readonly kind: "delete" }
  /** Writes `next` when the value is `expected`; null is "no value". */
  | { readonly kind: "swap"; readonly expected: string | null; readonly next: string };

/** The value that a get saw, or that was there before a swap; null: none. Puts and deletes answer with null. */
export interface RegisterOutput {
  readonly value: string | null;
  /** Of a swap. */
  readonly swapped?: boolean;
}

export interface KeyOperation extends Operation<RegisterInput, RegisterOutput> {
  readonly key: string;
}

export const registerModel: Model<string | null, RegisterInput, RegisterOutput> = {
  initial: null,
  step: (state, input, output) => {
    switch (input.kind) {
      case "get":
        return output === undefined || output.value === state ? { state } : null;
      case "put":
        return { state: input.value };
      case "delete":
        return { state: null };
      case "swap": {
        const swaps = state === input.expected;
        if (output !== undefined && (output.swapped !== swaps || output.value !== state)) return null;
        return { state: swaps ? input.next : state };
      }
    }
  },
  isRead: (input, output) => input.kind === "get" || (input.kind === "swap" && output.swapped === false),
  stateText: (state) => (state === null ? "-" : `=${state}`),
};

export interface KeyVerdict {
  readonly key: string;
  readonly verdict: Exclude<Verdict<RegisterInput, RegisterOutput>, { kind: "linearizable" }>;
}

/** The keys whose history is not that of one register; empty when all is well. */
export function checkRegisters(history: readonly KeyOperation[], options: { readonly stepsMax?: number } = {}): KeyVerdict[] {
  const byKey = new Map<string, KeyOperation[]>();
  const seen = new Set<string>();
  for (const { key, input, output } of history) {
    if (output !== undefined && output.value !== null) seen.add(`${key}\0${output.value}`);
    if (input.kind === "swap" && input.expected !== null) seen.add(`${key}\0${input.expected}`);
  }
  for (const operation of history) {
    if (operation.output === undefined) {
      // a get without an answer says nothing, and neither does a write without one that nobody saw: it may never have happened
      if (operation.input.kind === "get") continue;
      const written =
        operation.input.kind === "put" ? operation.input.value : operation.input.kind === "swap" ? operation.input.next : null;
      if (written !== null && !seen.has(`${operation.key}\0${written}`)) continue;
    }
    const operations = byKey.get(operation.key);
    if (operations === undefined) byKey.set(operation.key, [operation]);
    else operations.push(operation);
  }
  const bad: KeyVerdict[] = [];
  for (const [key, operations] of [...byKey].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const verdict = checkLinearizable(registerModel, operations, options);
    if (verdict.kind !== "linearizable") bad.push({ key, verdict });
  }
  return bad;
}

/** For a failure's message. */
export function describeKeyVerdict({ key, verdict }: KeyVerdict): string {
  if (verdict.kind === "undecided") return `${key}: not decided within ${verdict.steps} steps`;
  const lines = verdict.stuck.map(
    ({ process, input, output, callMs, returnMs }) =>
      `  process ${process} ${JSON.stringify(input)} → ${output === undefined ? "not known" : JSON.stringify(output)} [${callMs.toFixed(1)}, ${output === undefined ? "…" : returnMs.toFixed(1)}]`,
  );
  return `${key}: after ${verdict.taken} operations the state is ${verdict.state}, and none of these fits:\n${lines.join("\n")}`;
}
