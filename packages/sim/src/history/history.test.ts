import { seededRandom } from "@skein/base";
import { describe, expect, test } from "vitest";
import { checkLinearizable, type Model } from "./linearizability.ts";
import { checkRegisters, describeKeyVerdict, type KeyOperation, type RegisterInput, type RegisterOutput } from "./register.ts";
import { checkSnapshotIsolation, findLongFork, type RecordedTransaction } from "./snapshot-isolation.ts";

/** `get 1`, `get -`, `put 1`, `delete`, `swap 1 2 ok`, `swap 1 2 no 5`; `?` at the end: no answer. */
function operation(process: number, text: string, callMs: number, returnMs: number, key = "k"): KeyOperation {
  const isUnknown = text.endsWith("?");
  const [kind = "", first = "", second = "", how = "", found = ""] = text.replace(/ ?\?$/, "").split(" ");
  const value = (part: string) => (part === "-" ? null : part);
  let input: RegisterInput;
  let output: RegisterOutput = { value: null };
  if (kind === "get") {
    input = { kind };
    output = { value: value(first) };
  } else if (kind === "put") input = { kind, value: first };
  else if (kind === "delete") input = { kind };
  else {
    input = { kind: "swap", expected: value(first), next: second };
    output = { value: how === "ok" ? value(first) : value(found), swapped: how === "ok" };
  }
  return { process, key, input, output: isUnknown ? undefined : output, callMs, returnMs };
}

describe("linearizability of a key: known histories", () => {
  const good: Record<string, KeyOperation[]> = {
    "one after the other": [
      operation(1, "put 1", 0, 1),
      operation(2, "get 1", 2, 3),
      operation(1, "put 2", 4, 5),
      operation(2, "get 2", 6, 7),
    ],
    "a read beside a write sees the old or the new": [
      operation(1, "put 1", 0, 1),
      operation(1, "put 2", 2, 10),
      operation(2, "get 1", 3, 4),
      operation(3, "get 2", 5, 6),
    ],
    "a write without an answer takes effect late": [
      operation(1, "put 1", 0, 1),
      operation(2, "put 2 ?", 2, 2),
      operation(3, "get 1", 3, 4),
      operation(3, "get 1", 50, 51),
      operation(3, "get 2", 60, 61),
    ],
    "or never": [operation(1, "put 1", 0, 1), operation(2, "put 2 ?", 2, 2), operation(3, "get 1", 50, 51)],
    swaps: [
      operation(1, "swap - 1 ok", 0, 10),
      operation(2, "swap 1 2 ok", 0, 10),
      operation(3, "swap 1 3 no 2", 0, 10),
      operation(4, "get 2", 11, 12),
    ],
    "a swap without an answer": [operation(1, "put 1", 0, 1), operation(2, "swap 1 2 ?", 2, 2), operation(3, "get 2", 3, 4)],
    "calls at the same time count as concurrent": [operation(1, "put 1", 0, 1), operation(2, "get -", 1, 2)],
    "a deletion": [operation(1, "put 1", 0, 1), operation(1, "delete", 2, 3), operation(2, "get -", 4, 5)],
    "all at once (Herlihy and Wing, H1)": [
      operation(1, "put 1", 0, 9),
      operation(2, "put 2", 1, 8),
      operation(3, "get 2", 2, 3),
      operation(3, "get 1", 4, 5),
    ],
  };
  const bad: Record<string, KeyOperation[]> = {
    "a stale read": [operation(1, "put 1", 0, 1), operation(1, "put 2", 2, 3), operation(2, "get 1", 4, 5)],
    "a lost write": [operation(1, "put 1", 0, 1), operation(2, "get -", 2, 3)],
    "back and forth": [operation(1, "put 1", 0, 1), operation(1, "put 2", 2, 10), operation(2, "get 2", 3, 4), operation(3, "get 1", 5, 6)],
    "a value from nowhere": [operation(1, "put 1", 0, 1), operation(2, "get 7", 2, 3)],
    "a read before the write": [operation(2, "get 1", 0, 1), operation(1, "put 1", 2, 3)],
    "two swaps of one value": [operation(1, "put 1", 0, 1), operation(2, "swap 1 2 ok", 2, 9), operation(3, "swap 1 3 ok", 2, 9)],
    "an unanswered write that comes and goes": [
      operation(1, "put 1", 0, 1),
      operation(2, "put 2 ?", 2, 2),
      operation(3, "get 2", 3, 4),
      operation(3, "get 1", 5, 6),
    ],
    "an acknowledged deletion that did not happen": [
      operation(1, "put 1", 0, 1),
      operation(1, "delete", 2, 3),
      operation(2, "get 1", 4, 5),
    ],
  };
  test.each(Object.entries(good))("good: %s", (_, history) => {
    expect(checkRegisters(history).map(describeKeyVerdict)).toEqual([]);
  });
  test.each(Object.entries(bad))("bad: %s", (_, history) => {
    const [verdict] = checkRegisters(history);
    expect(verdict?.verdict.kind).toBe("violation");
    expect(verdict === undefined ? "" : describeKeyVerdict(verdict)).toContain("k: after");
  });

  test("keys do not disturb each other, and a search has a limit", () => {
    const history = [operation(1, "put 1", 0, 1, "a"), operation(1, "get -", 2, 3, "b"), operation(1, "get 9", 2, 3, "c")];
    expect(checkRegisters(history).map(({ key }) => key)).toEqual(["c"]);
    expect(checkRegisters(history, { stepsMax: 0 }).map(({ verdict }) => verdict.kind)).toContain("undecided");
  });
});

/** A store that is linearizable by construction; `flaw` breaks it at one point. */
function madeHistory(seed: number, flaw: "none" | "stale read"): KeyOperation[] {
  const random = seededRandom(seed, "history");
  const processes = Array.from({ length: 6 }, (_, process) => ({ process, freeMs: random.below(5) }));
  const effects: { readonly effectMs: number; readonly make: (now: number) => void }[] = [];
  const history: KeyOperation[] = [];
  let state: string | null = null;
  let older: string | null = null;
  let written = 0;
  let flawed = flaw === "none";
  for (let i = 0; i < 400; i++) {
    const one = random.pick(processes);
    const callMs = one.freeMs + random.below(4);
    const effectMs = callMs + random.below(5);
    const returnMs = effectMs + random.below(5);
    const isUnknown = random.chance(0.05);
    one.freeMs = returnMs + 1;
    const kind = random.pick(["get", "get", "put", "swap", "delete"] as const);
    effects.push({
      effectMs,
      make: () => {
        const before = state;
        let input: RegisterInput = { kind: "get" };
        let output: RegisterOutput = { value: null };
        const change = (next: string | null) => {
          older = state;
          state = next;
        };
        if (kind === "get") {
          const isStale = !flawed && flaw === "stale read" && i > 200 && !isUnknown && older !== state;
          if (isStale) flawed = true;
          output = { value: isStale ? "stale" : state };
        } else if (kind === "put") {
          input = { kind, value: `v${written++}` };
          change(input.value);
        } else if (kind === "delete") {
          input = { kind };
          change(null);
        } else {
          const expected = random.chance(0.7) ? before : "other";
          input = { kind: "swap", expected, next: `v${written++}` };
          output = { value: before, swapped: expected === before };
          if (expected === before) change(input.next);
        }
        history.push({ process: one.process, key: "k", input, output: isUnknown ? undefined : output, callMs, returnMs });
      },
    });
  }
  effects.sort((a, b) => a.effectMs - b.effectMs).forEach(({ make, effectMs }) => make(effectMs));
  return history;
}

describe("linearizability of made histories", () => {
  test.each([1, 2, 3, 4, 5, 6, 7, 8])("seed %i: a right store passes, a store that reads a wrong value does not", (seed) => {
    expect(checkRegisters(madeHistory(seed, "none")).map(describeKeyVerdict)).toEqual([]);
    expect(checkRegisters(madeHistory(seed, "stale read")).length).toBe(1);
  });

  test("the memory bites: 60 concurrent writes and a read of each are decided quickly", () => {
    const history = Array.from({ length: 60 }, (_, i) => operation(i, `put ${i}`, 0, 100));
    for (let i = 0; i < 12; i++) history.push(operation(100 + i, `get ${i}`, 10 + i * 2, 11 + i * 2));
    expect(checkRegisters(history)).toEqual([]);
  });

  test("another model: a counter", () => {
    const counter: Model<number, "add", number> = {
      initial: 0,
      step: (state, _, output) => (output === undefined || output === state ? { state: state + 1 } : null),
      isRead: () => false,
      stateText: String,
    };
    const add = (process: number, output: number, callMs: number, returnMs: number) => ({
      process,
      input: "add" as const,
      output,
      callMs,
      returnMs,
    });
    expect(checkLinearizable(counter, [add(1, 1, 0, 5), add(2, 0, 0, 5), add(3, 2, 6, 7)])).toEqual({ kind: "linearizable" });
    expect(checkLinearizable(counter, [add(1, 0, 0, 5), add(2, 0, 0, 5)]).kind).toBe("violation");
  });
});

describe("snapshot isolation", () => {
  type Short = {
    start: number;
    commit?: number;
    outcome?: "aborted" | "unknown";
    reads?: Record<string, string | null>;
    writes?: Record<string, string | null>;
    began?: number;
    ended?: number;
  };
  const made = (name: string, short: Short): RecordedTransaction => ({
    name,
    startTs: BigInt(short.start),
    outcome: short.outcome ?? "committed",
    commitTs: short.commit === undefined ? null : BigInt(short.commit),
    reads: Object.entries(short.reads ?? {}).map(([key, value]) => ({ key, value, ts: BigInt(short.start) })),
    writes: Object.entries(short.writes ?? {}).map(([key, value]) => ({ key, value, baseTs: BigInt(short.start) })),
    beganMs: short.began ?? 0,
    endedMs: short.ended ?? 1_000,
  });
  const check = (history: Record<string, Short>) =>
    checkSnapshotIsolation(Object.entries(history).map(([name, short]) => made(name, short)));

  test("good: one after the other, side by side, write skew, and a commit without an answer", () => {
    expect(
      check({
        first: { start: 1, commit: 2, writes: { a: "a1", b: "b1" } },
        reader: { start: 3, reads: { a: "a1", b: "b1", c: null } },
        early: { start: 1, reads: { a: null } },
        skew1: { start: 4, commit: 6, reads: { a: "a1", b: "b1" }, writes: { a: "a2" } },
        skew2: { start: 5, commit: 7, reads: { a: "a1", b: "b1" }, writes: { b: "b2" } },
        gone: { start: 8, outcome: "aborted", writes: { a: "a3" } },
        who: { start: 9, outcome: "unknown", writes: { a: "a4", b: "b4" } },
        sees: { start: 12, reads: { a: "a4", b: "b4" } },
        before: { start: 10, reads: { a: "a2", b: "b2" } },
      }),
    ).toEqual([]);
  });
  const bad: Record<string, [Record<string, Short>, string]> = {
    "a dirty read": [{ w: { start: 1, outcome: "aborted", writes: { a: "x" } }, r: { start: 3, reads: { a: "x" } } }, "rolled back"],
    "a value from nowhere": [{ r: { start: 3, reads: { a: "x" } } }, "nobody wrote"],
    "a read of the future": [
      { w: { start: 1, commit: 9, writes: { a: "x" } }, r: { start: 3, reads: { a: "x" } } },
      "newest version is null",
    ],
    "a stale read": [
      {
        w: { start: 1, commit: 2, writes: { a: "x" } },
        v: { start: 3, commit: 4, writes: { a: "y" } },
        r: { start: 5, reads: { a: "x" } },
      },
      "newest version is y",
    ],
    "a missed write": [{ w: { start: 1, commit: 2, writes: { a: "x" } }, r: { start: 5, reads: { a: null } } }, "newest version is x"],
    "a lost update": [{ w: { start: 1, commit: 4, writes: { a: "x" } }, v: { start: 2, commit: 5, writes: { a: "y" } } }, "a lost update"],
    "half of a commit without an answer": [
      {
        w: { start: 1, outcome: "unknown", writes: { a: "x", b: "y" } },
        r: { start: 5, reads: { a: "x" } },
        s: { start: 6, reads: { b: null } },
      },
      "did not see w",
    ],
    "a timestamp of the past": [
      { w: { start: 8, commit: 9, writes: { a: "x" }, began: 0, ended: 10 }, r: { start: 7, reads: { a: null }, began: 20, ended: 30 } },
      "was acknowledged with commit ts 9",
    ],
  };
  test.each(Object.entries(bad))("bad: %s", (_, [history, text]) => {
    expect(check(history).join("\n")).toContain(text);
  });

  test("a long fork is found", () => {
    const read = (seen: string) => new Map(["a", "b", "c"].map((key) => [key, seen.includes(key) ? "1" : null] as const));
    expect(findLongFork([read(""), read("a"), read("ab"), read("abc"), read("a")])).toBeNull();
    expect(findLongFork([read("a"), read("b")])).not.toBeNull();
    expect(findLongFork([read("ab"), read("abc"), read("ac")])).not.toBeNull();
  });
});
