import { isCodedError, seededRandom } from "@skein/base";
import { describe, expect, test } from "vitest";
import { keys } from "../../wire/keys.ts";
import {
  type Decision,
  emptyState,
  repair,
  type SchedulerEvent,
  type SchedulerState,
  stateFrom,
  step,
  workerOf,
  workerStage,
} from "./scheduler.ts";

/** A store that holds what the operations wrote. */
function apply(store: Map<string, string>, decision: Decision): void {
  for (const operation of decision.operations) {
    if (operation.op === "put") store.set(operation.key, String(operation.value));
    else if (operation.op === "delete" && "key" in operation.select) store.delete(operation.select.key);
  }
}

function run(events: readonly SchedulerEvent[], state: SchedulerState = emptyState): SchedulerState {
  return events.reduce((present, event) => step(present, event).state, state);
}

const online = (name: string): SchedulerEvent[] => [
  { kind: "register", name, addr: `${name}:8262` },
  { kind: "online", worker: name },
];
const addSource = (source: string, worker = ""): SchedulerEvent => ({ kind: "addSource", source, toml: `id=${source}`, worker });
const addTask = (task: string, ...sources: string[]): SchedulerEvent => ({
  kind: "addSubtasks",
  subtasks: sources.map((source) => ({ source, task, toml: `task=${task}` })),
  stage: "Running",
  cliArgs: null,
});

function codeOf(act: () => unknown): number {
  try {
    act();
  } catch (error) {
    if (isCodedError(error)) return error.code;
    throw error;
  }
  return 0;
}

describe("scheduler", () => {
  test("S3: a source waits for a worker, and a worker for a source", () => {
    expect(workerOf(run([addSource("s1"), ...online("w1")]), "s1")).toBe("w1");
    expect(workerOf(run([...online("w1"), addSource("s1")]), "s1")).toBe("w1");
  });

  test("a worker that does not answer is evicted in one transaction: keepalive and bound go, a free worker takes the source", () => {
    const state = run([...online("w1"), ...online("w2"), addSource("s1")]);
    const decision = step(state, { kind: "offline", worker: "w1", evict: true });
    expect(workerOf(decision.state, "s1")).toBe("w2");
    expect(decision.operations).toEqual([
      { op: "delete", select: { key: keys.keepalive("w1") } },
      { op: "delete", select: { key: keys.bound("w1") } },
      { op: "put", key: keys.bound("w2"), value: '{"source":"s1","worker":"w2"}' },
      { op: "put", key: keys.lastBound("w2"), value: '{"source":"s1","worker":"w2"}' },
    ]);
    expect(decision.notes.map((note) => note.kind)).toEqual(["unbound", "bound"]);
  });

  test("a worker that comes back after the take-over is free; nothing moves back", () => {
    const state = run([...online("w1"), ...online("w2"), addSource("s1"), { kind: "offline", worker: "w1", evict: true }, ...online("w1")]);
    expect([workerOf(state, "s1"), workerStage(state, "w1")]).toEqual(["w2", "free"]);
  });

  test("a source goes to the free worker that had it last", () => {
    const lost: SchedulerEvent[] = [
      { kind: "offline", worker: "w2", evict: false },
      { kind: "offline", worker: "w1", evict: false },
    ];
    const state = run([...online("w1"), ...online("w2"), addSource("s1"), addSource("s2"), ...lost, ...online("w2")]);
    expect(workerOf(state, "s2")).toBe("w2");
  });

  test("a copy that cannot move pulls its source back to the worker with the files, and only then", () => {
    const loading: SchedulerEvent = { kind: "loadTask", source: "s1", task: "t", worker: "w1" };
    const away: SchedulerEvent = { kind: "offline", worker: "w1", evict: false };
    const before = run([...online("w1"), ...online("w2"), addSource("s1"), addTask("t", "s1"), loading, away]);
    expect(workerOf(before, "s1")).toBe("w2");
    expect(workerOf(run(online("w1"), before), "s1")).toBe("w1");
    const finished = run([{ kind: "loadTask", source: "s1", task: "t", worker: null }, ...online("w1")], before);
    expect(workerOf(finished, "s1")).toBe("w2");
  });

  test("refusals have their codes and change nothing", () => {
    const state = run([...online("w1"), addSource("s1"), addTask("t", "s1")]);
    expect(codeOf(() => step(state, { kind: "register", name: "w1", addr: "other:1" }))).toBe(46003);
    expect(codeOf(() => step(state, { kind: "removeWorker", worker: "w9" }))).toBe(46004);
    expect(codeOf(() => step(state, { kind: "removeWorker", worker: "w1" }))).toBe(46005);
    expect(codeOf(() => step(state, addSource("s1")))).toBe(46007);
    expect(codeOf(() => step(state, { kind: "removeSource", source: "s9" }))).toBe(46008);
    expect(codeOf(() => step(run([addSource("s2")], state), addTask("t2", "s2")))).toBe(46009);
    expect(codeOf(() => step(state, { kind: "removeSource", source: "s1" }))).toBe(46010);
    expect(codeOf(() => step(state, addTask("t", "s1")))).toBe(46014);
    expect(codeOf(() => step(state, { kind: "setStage", task: "x", sources: ["s1"], stage: "Paused" }))).toBe(46016);
    expect(codeOf(() => step(state, { kind: "setStage", task: "t", sources: ["s9"], stage: "Paused" }))).toBe(46017);
    expect(codeOf(() => step(state, addSource("s2", "w1")))).toBe(46033);
    expect(codeOf(() => step(state, { kind: "transfer", source: "s1", worker: "w9" }))).toBe(46004);
    const two = run([...online("w2"), addSource("s2")], state);
    expect(codeOf(() => step(two, { kind: "transfer", source: "s1", worker: "w2" }))).toBe(46006);
  });

  test("values in the store are the field's", () => {
    const store = new Map<string, string>();
    let state = emptyState;
    for (const event of [...online("w1"), addSource("src-1"), addTask("bench", "src-1")]) {
      const decision = step(state, event);
      apply(store, decision);
      state = decision.state;
    }
    expect(store.get("/dm-worker/r/7731")).toBe('{"name":"w1","addr":"w1:8262"}');
    expect(store.get("/dm-master/bound-worker/7731")).toBe('{"source":"src-1","worker":"w1"}');
    expect(store.get("/dm-master/stage/subtask/7372632d31/62656e6368")).toBe('{"expect":2,"source":"src-1","task":"bench"}');
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8])("S1 S2 S3 S4 hold after every step, and a new leader reads back the same state (seed %i)", (seed) => {
    const random = seededRandom(seed);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random.float() * items.length)] as T;
    const workers = ["w1", "w2", "w3", "w4"];
    const sources = ["s1", "s2", "s3"];
    const tasks = ["t1", "t2"];
    const draws: (() => SchedulerEvent)[] = [
      () => ({ kind: "register", name: pick(workers), addr: "a:1" }),
      () => ({ kind: "online", worker: pick(workers) }),
      () => ({ kind: "online", worker: pick(workers) }),
      () => ({ kind: "offline", worker: pick(workers), evict: random.float() < 0.5 }),
      () => ({ kind: "removeWorker", worker: pick(workers) }),
      () => addSource(pick(sources), random.float() < 0.2 ? pick(workers) : ""),
      () => ({ kind: "removeSource", source: pick(sources) }),
      () => addTask(pick(tasks), pick(sources)),
      () => ({ kind: "setStage", task: pick(tasks), sources: [pick(sources)], stage: "Paused" }),
      () => ({ kind: "removeSubtasks", task: pick(tasks), sources: [pick(sources)] }),
      () => ({ kind: "transfer", source: pick(sources), worker: pick(workers) }),
      () => ({ kind: "loadTask", source: pick(sources), task: pick(tasks), worker: random.float() < 0.5 ? pick(workers) : null }),
    ];
    const store = new Map<string, string>();
    let state = emptyState;
    for (let index = 0; index < 600; index++) {
      const event = pick(draws)();
      let decision: Decision;
      try {
        decision = step(state, event);
      } catch (error) {
        if (!isCodedError(error)) throw error;
        continue;
      }
      state = decision.state;
      apply(store, decision);
      if (event.kind === "loadTask" && event.worker !== null)
        store.set(keys.loadTask(event.task, event.source), JSON.stringify(event.worker));
      if (event.kind === "loadTask" && event.worker === null) store.delete(keys.loadTask(event.task, event.source));
      check(state);
      const again = stateFrom([...store].map(([key, text]) => ({ key, text })));
      expect(again.bounds).toEqual(state.bounds);
      const repaired = repair(again, new Set(workers.filter((worker) => state.workers.get(worker)?.isOnline === true)));
      check(repaired.state);
      // Dump files may give a new leader a better place for a source that no worker has.
      if (state.loadTasks.size === 0) expect(repaired.state).toEqual(state);
    }
  });
});

function check(state: SchedulerState): void {
  const sources = [...state.bounds.values()];
  expect(new Set(sources).size).toBe(sources.length);
  for (const [worker, source] of state.bounds) {
    expect(state.workers.get(worker)?.isOnline).toBe(true);
    expect(state.sources.has(source)).toBe(true);
  }
  const unbound = [...state.sources.keys()].filter((source) => !sources.includes(source));
  const free = [...state.workers.keys()].filter((worker) => workerStage(state, worker) === "free");
  expect(Math.min(unbound.length, free.length)).toBe(0);
}
