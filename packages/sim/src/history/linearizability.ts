/**
 * Is a history linearizable? Wing & Gong's search with Lowe's memory of the states that were tried ("Testing from
 * 'just right' histories", 2017): operations are taken in every order that their times allow, and a set of taken operations
 * that led to the same state before is not tried again.
 *
 *   call A ──────── return A             A takes effect somewhere between its call and its return;
 *        call B ─────────── return B     an operation whose answer never came may take effect at any time after its call, or never.
 */

export interface Operation<Input, Output> {
  readonly process: number;
  readonly input: Input;
  /** Undefined: the outcome is not known (time-out, lost connection). Operations that surely did nothing do not belong here. */
  readonly output: Output | undefined;
  readonly callMs: number;
  /** Ignored while the outcome is not known. */
  readonly returnMs: number;
}

export interface Model<State, Input, Output> {
  readonly initial: State;
  /** The state after it, or null when this output cannot come from this state. Every outcome fits when the output is undefined. */
  step(state: State, input: Input, output: Output | undefined): { readonly state: State } | null;
  /** With this output it changes no state whatever. */
  isRead(input: Input, output: Output): boolean;
  /** Equal states have equal texts. */
  stateText(state: State): string;
}

export type Verdict<Input, Output> =
  | { readonly kind: "linearizable" }
  /** `stuck`: what could be neither taken nor left out after the longest order that was found. */
  | { readonly kind: "violation"; readonly taken: number; readonly state: string; readonly stuck: readonly Operation<Input, Output>[] }
  /** The search was given up. */
  | { readonly kind: "undecided"; readonly steps: number };

interface Entry {
  readonly index: number;
  readonly isCall: boolean;
  /** The return of a call. */
  partner: Entry | null;
  previous: Entry | null;
  next: Entry | null;
}

export function checkLinearizable<State, Input, Output>(
  model: Model<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
  options: { readonly stepsMax?: number } = {},
): Verdict<Input, Output> {
  const stepsMax = options.stepsMax ?? 2_000_000;
  // by call: then the taken operations are a prefix and some bits, and the memory stays small
  const sorted = [...operations].sort((a, b) => a.callMs - b.callMs);
  const head = link(sorted);
  let waiting = sorted.reduce((count, { output }) => count + (output === undefined ? 0 : 1), 0);
  const taken = new TakenSet(sorted.length);
  const tried = new Set<string>();
  const path: { readonly entry: Entry; readonly state: State; readonly others: Entry[] }[] = [];
  let state = model.initial;
  let best: { taken: number; state: string; stuck: readonly Operation<Input, Output>[] } = { taken: -1, state: "", stuck: [] };

  /** What may be taken next, the most promising last. One alone when that one can do no harm. */
  const candidates = (): Entry[] => {
    const open: Entry[] = [];
    let due: Entry | null = head.next;
    for (; due?.isCall === true; due = due.next) open.push(due);
    const dueOperation = due === null ? undefined : sorted[due.index];
    const stateText = model.stateText(state);
    const ranked: { readonly entry: Entry; readonly rank: number }[] = [];
    for (const entry of open) {
      const operation = sorted[entry.index];
      if (operation === undefined) continue;
      const after = model.step(state, operation.input, operation.output);
      if (after === null) continue;
      // a read that fits may as well be taken now; what has no answer need not be taken where it would change nothing
      if (operation.output !== undefined && model.isRead(operation.input, operation.output)) return [entry];
      if (operation.output === undefined && model.stateText(after.state) === stateText) continue;
      const helps = dueOperation !== undefined && model.step(after.state, dueOperation.input, dueOperation.output) !== null;
      const rank = entry.index === due?.index ? 0 : helps ? 1 : operation.output !== undefined ? 2 : 3;
      ranked.push({ entry, rank });
    }
    return ranked.sort((a, b) => b.rank - a.rank || b.entry.index - a.entry.index).map(({ entry }) => entry);
  };

  let others = candidates();
  for (let steps = 0; waiting > 0; steps++) {
    if (steps >= stepsMax) return { kind: "undecided", steps };
    const entry = others.pop();
    if (entry === undefined) {
      // nothing fits before the next return: the last choice was wrong
      if (path.length > best.taken)
        best = {
          taken: path.length,
          state: model.stateText(state),
          stuck: openCalls(head).flatMap((index) => sorted[index] ?? []),
        };
      const last = path.pop();
      if (last === undefined) return { kind: "violation", ...best };
      relink(last.entry);
      taken.remove(last.entry.index);
      if (sorted[last.entry.index]?.output !== undefined) waiting++;
      state = last.state;
      others = last.others;
      continue;
    }
    const operation = sorted[entry.index];
    const after = operation === undefined ? null : model.step(state, operation.input, operation.output);
    if (operation === undefined || after === null) continue;
    taken.add(entry.index);
    const memory = `${taken.text()}|${model.stateText(after.state)}`;
    if (tried.has(memory)) {
      taken.remove(entry.index);
      continue;
    }
    tried.add(memory);
    path.push({ entry, state, others });
    state = after.state;
    if (operation.output !== undefined) waiting--;
    unlink(entry);
    others = candidates();
  }
  return { kind: "linearizable" };
}

/** The calls that are open at the first return of the list. */
function openCalls(head: Entry): number[] {
  const open: number[] = [];
  for (let entry = head.next; entry?.isCall === true; entry = entry.next) open.push(entry.index);
  return open;
}

function link(sorted: readonly Operation<unknown, unknown>[]): Entry {
  const events: { readonly ms: number; readonly entry: Entry }[] = [];
  sorted.forEach((operation, index) => {
    const call: Entry = { index, isCall: true, partner: null, previous: null, next: null };
    events.push({ ms: operation.callMs, entry: call });
    if (operation.output === undefined) return;
    call.partner = { index, isCall: false, partner: null, previous: null, next: null };
    events.push({ ms: operation.returnMs, entry: call.partner });
  });
  // calls first when times are equal: what cannot be told apart counts as concurrent
  events.sort((a, b) => a.ms - b.ms || Number(b.entry.isCall) - Number(a.entry.isCall));
  const head: Entry = { index: -1, isCall: false, partner: null, previous: null, next: null };
  let last = head;
  for (const { entry } of events) {
    last.next = entry;
    entry.previous = last;
    last = entry;
  }
  return head;
}

/** Takes a call and its return out; they keep their own links, so that they can come back. */
function unlink(call: Entry): void {
  for (const entry of [call, call.partner]) {
    if (entry === null) continue;
    if (entry.previous !== null) entry.previous.next = entry.next;
    if (entry.next !== null) entry.next.previous = entry.previous;
  }
}

function relink(call: Entry): void {
  for (const entry of [call.partner, call]) {
    if (entry === null) continue;
    if (entry.previous !== null) entry.previous.next = entry;
    if (entry.next !== null) entry.next.previous = entry;
  }
}

/** A set of operation numbers as text: how many are there from the start on, and the words of what is there beyond. */
class TakenSet {
  readonly #words: Uint32Array;

  constructor(size: number) {
    this.#words = new Uint32Array((size >> 5) + 1);
  }

  add(index: number): void {
    this.#words[index >> 5] = ((this.#words[index >> 5] ?? 0) | (1 << (index & 31))) >>> 0;
  }

  remove(index: number): void {
    this.#words[index >> 5] = ((this.#words[index >> 5] ?? 0) & ~(1 << (index & 31))) >>> 0;
  }

  text(): string {
    const words = this.#words;
    let from = 0;
    while (words[from] === 0xffffffff) from++;
    let to = words.length;
    while (to > from && words[to - 1] === 0) to--;
    let text = String(from);
    for (let i = from; i < to; i++) text += `,${(words[i] ?? 0).toString(36)}`;
    return text;
  }
}
