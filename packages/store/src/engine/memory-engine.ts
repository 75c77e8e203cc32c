/**
 * The engine in memory, for simulation: what is not synced is lost by a crash, but for a prefix of it.
 *
 *   platter ── what survives: the synced state, and the writes since (of which a crash keeps some, oldest first)
 *   engine  ── one life on a platter; after a crash its calls neither do anything nor return
 */
import type { Random } from "@skein/base";
import type { Engine, EngineReader, EngineSnapshot, EngineWrite, Family, KeyRange, Pair, ScanOptions } from "./engine.ts";

const families: readonly Family[] = ["default", "lock", "write", "local"];
const blockPairs = 64;

/** Ordered pairs that can be shared: a copy is made only when a shared one is written to. */
class OrderedMap {
  #keys: Uint8Array[] = [];
  #values: Uint8Array[] = [];
  #isShared = false;

  share(): OrderedMap {
    const copy = new OrderedMap();
    copy.#keys = this.#keys;
    copy.#values = this.#values;
    this.#isShared = true;
    copy.#isShared = true;
    return copy;
  }

  /** Where `key` is, or would be. */
  lowerBound(key: Uint8Array): number {
    let [from, to] = [0, this.#keys.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (Buffer.compare(this.#keys[middle] as Uint8Array, key) < 0) from = middle + 1;
      else to = middle;
    }
    return from;
  }
  endOf(range: KeyRange): number {
    return range.end.length === 0 ? this.#keys.length : Math.max(this.lowerBound(range.end), this.lowerBound(range.start));
  }
  keyAt(at: number): Uint8Array {
    return this.#keys[at] as Uint8Array;
  }
  valueAt(at: number): Uint8Array {
    return this.#values[at] as Uint8Array;
  }
  get(key: Uint8Array): Uint8Array | null {
    const at = this.lowerBound(key);
    const found = this.#keys[at];
    return found !== undefined && Buffer.compare(found, key) === 0 ? (this.#values[at] as Uint8Array) : null;
  }
  put(key: Uint8Array, value: Uint8Array): void {
    this.#own();
    const at = this.lowerBound(key);
    const found = this.#keys[at];
    if (found !== undefined && Buffer.compare(found, key) === 0) this.#values[at] = value.slice();
    else {
      this.#keys.splice(at, 0, key.slice());
      this.#values.splice(at, 0, value.slice());
    }
  }
  deleteRange(range: KeyRange): void {
    const [from, to] = [this.lowerBound(range.start), this.endOf(range)];
    if (from >= to) return;
    this.#own();
    this.#keys.splice(from, to - from);
    this.#values.splice(from, to - from);
  }
  delete(key: Uint8Array): void {
    if (this.get(key) === null) return;
    this.#own();
    const at = this.lowerBound(key);
    this.#keys.splice(at, 1);
    this.#values.splice(at, 1);
  }

  #own(): void {
    if (!this.#isShared) return;
    this.#keys = this.#keys.slice();
    this.#values = this.#values.slice();
    this.#isShared = false;
  }
}

type State = ReadonlyMap<Family, OrderedMap>;

function emptyState(): State {
  return new Map(families.map((family) => [family, new OrderedMap()]));
}

function share(state: State): State {
  return new Map([...state].map(([family, map]) => [family, map.share()]));
}

function applyTo(state: State, writes: readonly EngineWrite[]): void {
  for (const write of writes) {
    const map = state.get(write.family) as OrderedMap;
    if (write.kind === "put") map.put(write.key, write.value);
    else if (write.kind === "delete") map.delete(write.key);
    else map.deleteRange(write);
  }
}

/** The disk of a memory engine. */
export class MemoryPlatter {
  #state = emptyState();
  #durable = emptyState();
  #unsynced: (readonly EngineWrite[])[] = [];
  #life = 0;

  open(): Engine {
    const life = this.#life;
    return new MemoryEngine({
      isDead: () => this.#life !== life,
      state: () => this.#state,
      write: (writes) => {
        applyTo(this.#state, writes);
        this.#unsynced.push(writes);
      },
      sync: () => {
        this.#durable = share(this.#state);
        this.#unsynced = [];
      },
    });
  }

  /** Power is lost: the synced state stays, and a prefix of the writes since. */
  crash(random: Random): void {
    this.#life++;
    const kept = random.below(this.#unsynced.length + 1);
    for (const writes of this.#unsynced.slice(0, kept)) applyTo(this.#durable, writes);
    this.#unsynced = [];
    this.#state = share(this.#durable);
  }

  /** The process is killed and the machine lives on: everything written stays. */
  kill(): void {
    this.#life++;
  }
}

/** An engine that lives as long as this process. */
export function createMemoryEngine(): Engine {
  return new MemoryPlatter().open();
}

interface Backing {
  readonly isDead: () => boolean;
  readonly state: () => State;
  readonly write: (writes: readonly EngineWrite[]) => void;
  readonly sync: () => void;
}

class MemoryReader implements EngineReader {
  readonly #state: () => State;
  constructor(state: () => State) {
    this.#state = state;
  }

  get(family: Family, key: Uint8Array): Uint8Array | null {
    return (this.#state().get(family) as OrderedMap).get(key);
  }

  async *scan(family: Family, range: KeyRange, options: ScanOptions = {}): AsyncGenerator<readonly Pair[], void, void> {
    const map = (this.#state().get(family) as OrderedMap).share(); // what is written meanwhile is not seen
    const [from, to] = [map.lowerBound(range.start), map.endOf(range)];
    const count = Math.min(options.limit ?? Number.POSITIVE_INFINITY, to - from);
    for (let done = 0; done < count; done += blockPairs) {
      const block: Pair[] = [];
      for (let i = done; i < Math.min(count, done + blockPairs); i++) {
        const at = options.reverse === true ? to - 1 - i : from + i;
        block.push({ key: map.keyAt(at), value: options.keysOnly === true ? new Uint8Array(0) : map.valueAt(at) });
      }
      if (options.tally !== undefined) {
        options.tally.keys += block.length;
        for (const { key, value } of block) options.tally.bytes += key.length + value.length;
      }
      yield block;
    }
  }

  async heads(family: Family, ranges: readonly KeyRange[], limit: number): Promise<(readonly Pair[])[]> {
    const map = this.#state().get(family) as OrderedMap;
    return ranges.map((range) => {
      const [from, to] = [map.lowerBound(range.start), map.endOf(range)];
      const count = Math.max(0, Math.min(limit, to - from));
      return Array.from({ length: count }, (_, i) => ({ key: map.keyAt(from + i), value: map.valueAt(from + i) }));
    });
  }
}

class MemorySnapshot extends MemoryReader implements EngineSnapshot {
  [Symbol.dispose](): void {}
}

class MemoryEngine extends MemoryReader implements Engine {
  readonly #backing: Backing;
  constructor(backing: Backing) {
    super(backing.state);
    this.#backing = backing;
  }

  async write(writes: readonly EngineWrite[], options: { readonly sync?: boolean } = {}): Promise<void> {
    if (this.#backing.isDead()) return new Promise(() => {});
    this.#backing.write(writes);
    if (options.sync === true) this.#backing.sync();
  }
  async sync(): Promise<void> {
    if (this.#backing.isDead()) return new Promise(() => {});
    this.#backing.sync();
  }
  snapshot(): EngineSnapshot {
    const state = share(this.#backing.state());
    return new MemorySnapshot(() => state);
  }
  async clear(family: Family, range: KeyRange): Promise<void> {
    await this.write([{ kind: "deleteRange", family, start: range.start, end: range.end }]);
  }
  async approximateSize(family: Family, range: KeyRange): Promise<number> {
    let bytes = 0;
    for await (const block of this.scan(family, range)) for (const { key, value } of block) bytes += key.length + value.length;
    return bytes;
  }
  async [Symbol.asyncDispose](): Promise<void> {}
}
