/**
 * How far old versions may be collected: one safe point, and those of services that hold it back for a time.
 *
 * `gc_worker` is the service of collection itself: it never ends, and starts at 0 as soon as anyone asks.
 */
import { pdErrors } from "../errors.ts";
import type { Metadata } from "./services.ts";

export interface ServiceSafePoint {
  readonly serviceId: string;
  /** Seconds since 1970; `forever` never ends. */
  readonly expiredAtS: number;
  readonly safePoint: bigint;
}

/** Larger than all times; what the field calls the largest int64. */
export const forever = Number.MAX_SAFE_INTEGER;
const largestInt64 = 9_223_372_036_854_775_807n;
const gcWorker = "gc_worker";
const safePointKey = "gc/safe_point";
const servicePrefix = "gc/safe_point/service/";

export class GcStates {
  readonly #metadata: Metadata;
  readonly #nowMs: () => number;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(metadata: Metadata, nowMs: () => number) {
    this.#metadata = metadata;
    this.#nowMs = nowMs;
  }

  async safePoint(): Promise<bigint> {
    const value = await this.#metadata.get(safePointKey);
    if (value === null) return 0n;
    const text = new TextDecoder().decode(value);
    if (!/^[0-9a-f]{1,16}$/.test(text)) throw pdErrors.malformedRecord([this.#metadata.keyOf(safePointKey)]);
    return BigInt(`0x${text}`);
  }

  /** Never goes back; the one that holds. */
  advance(safePoint: bigint): Promise<bigint> {
    return this.#inTurn(async () => {
      const before = await this.safePoint();
      if (safePoint <= before) return before;
      await this.#metadata.put(safePointKey, safePoint.toString(16));
      return safePoint;
    });
  }

  async services(): Promise<readonly ServiceSafePoint[]> {
    const items = await this.#metadata.list(servicePrefix);
    return items.map(({ key, value }) => serviceOf(this.#metadata.keyOf(key), value));
  }

  /** Sets a service's safe point, or takes it away when `ttlS` ≤ 0. The one with the least that holds then. */
  update(serviceId: string, ttlS: number, safePoint: bigint): Promise<ServiceSafePoint> {
    return this.#inTurn(async () => {
      const nowS = Math.floor(this.#nowMs() / 1000);
      if (ttlS <= 0) {
        if (serviceId !== gcWorker) await this.#metadata.delete(servicePrefix + serviceId);
        return this.#least(nowS);
      }
      const before = await this.#least(nowS);
      if (safePoint < before.safePoint || serviceId === "") return before;
      const expiredAtS = ttlS >= forever - nowS || serviceId === gcWorker ? forever : nowS + ttlS;
      await this.#keep({ serviceId, expiredAtS, safePoint });
      return this.#least(nowS);
    });
  }

  /** Throws for the collection's own. */
  async remove(serviceId: string): Promise<void> {
    await this.#inTurn(() => this.#metadata.delete(servicePrefix + serviceId));
  }

  async #least(nowS: number): Promise<ServiceSafePoint> {
    const all = await this.services();
    const over = all.filter(({ expiredAtS }) => expiredAtS < nowS);
    for (const { serviceId } of over) await this.#metadata.delete(servicePrefix + serviceId);
    let least: ServiceSafePoint | null = null;
    let hasWorker = false;
    for (const service of all) {
      if (service.expiredAtS < nowS) continue;
      if (service.serviceId === gcWorker) hasWorker = true;
      if (least === null || service.safePoint < least.safePoint) least = service;
    }
    if (hasWorker && least !== null) return least;
    // Old versions of everything are kept until the collection says otherwise.
    const worker: ServiceSafePoint = { serviceId: gcWorker, expiredAtS: forever, safePoint: least?.safePoint ?? 0n };
    await this.#keep(worker);
    return worker;
  }

  async #keep({ serviceId, expiredAtS, safePoint }: ServiceSafePoint): Promise<void> {
    const expiredAt = expiredAtS === forever ? largestInt64 : BigInt(expiredAtS);
    await this.#metadata.put(
      servicePrefix + serviceId,
      `{"service_id":${JSON.stringify(serviceId)},"expired_at":${expiredAt},"safe_point":${safePoint}}`,
    );
  }

  #inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(run);
    this.#queue = result.catch(() => {});
    return result;
  }
}

function serviceOf(key: string, value: Uint8Array): ServiceSafePoint {
  const text = new TextDecoder().decode(value);
  const match = /^\{"service_id":("(?:[^"\\]|\\.)*"),"expired_at":(\d+),"safe_point":(\d+)\}$/.exec(text);
  if (match === null) throw pdErrors.malformedRecord([key]);
  const [, id = '""', expired = "0", point = "0"] = match;
  const expiredAt = BigInt(expired);
  return {
    serviceId: JSON.parse(id) as string,
    expiredAtS: expiredAt > BigInt(forever) ? forever : Number(expiredAt),
    safePoint: BigInt(point),
  };
}
