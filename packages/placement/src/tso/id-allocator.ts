import { pdErrors } from "../errors.ts";
import { u64Bytes, u64Of } from "../server/metadata.ts";
import type { IdAllocator, Metadata } from "../server/services.ts";
import { IdWindow } from "./core/id-window.ts";

const key = "alloc_id";

export interface ResettableIds extends IdAllocator {
  /** Nothing of the window is given any more: another has led, or will. */
  drop(): void;
  /** Ids from here on are larger than `base`. Throws when that many are given already. */
  raise(base: number): Promise<void>;
}

/** Waiters share one write of a window's end. */
export function createIdAllocator(metadata: Metadata): ResettableIds {
  let window = new IdWindow();
  let queue: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(run: () => Promise<T>): Promise<T> => {
    const result = queue.then(run);
    queue = result.catch(() => {});
    return result;
  };
  const extend = async (count: number, from?: number) => {
    const own = window;
    const persisted = Number(u64Of(metadata.keyOf(key), await metadata.get(key)));
    const start = Math.max(persisted, from ?? 0);
    const end = own.endFor(count, start);
    await metadata.put(key, u64Bytes(BigInt(end)));
    // Another term began meanwhile: its window is not this one.
    if (own !== window) throw pdErrors.notLeader([]);
    window.saved(start, end);
  };
  const allocMany = (count: number) =>
    inTurn(async () => {
      if (window.remaining < count) await extend(count);
      return window.take(count);
    });
  return {
    alloc: () => allocMany(1),
    allocMany,
    drop: () => {
      window = new IdWindow();
    },
    raise: (base) => inTurn(() => extend(1, base)),
  };
}
