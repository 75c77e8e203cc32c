/**
 * Work on raw keys whose every call is sent once and recorded. The clients of the field repeat a put whose answer was lost, and
 * a put that takes effect twice is linearizable for no store; here a lost answer is an outcome that is not known.
 */
import type { Random, World } from "@skein/base";
import { createPdClient, type PdClient } from "@skein/placement/client";
import { createRpcClient, isRpcError, type RpcClient } from "@skein/rpc";
import type { KeyOperation, RegisterInput, RegisterOutput } from "@skein/sim";
import { type errorpb, tikvpb } from "@skein/store/wire";

interface Route {
  readonly context: {
    readonly region_id: number;
    readonly region_epoch: { readonly conf_ver: number; readonly version: number };
    readonly peer: { readonly id: number; readonly store_id: number };
  };
  readonly storeId: number;
  /** The other peers, to be asked when this one does not lead. */
  readonly others: readonly { readonly id: number; readonly storeId: number }[];
}

type Attempt = { readonly kind: "done"; readonly output: RegisterOutput } | { readonly kind: "unknown" } | { readonly kind: "refused" };

const callMs = 3_000;
const pauseMs = 20;

export interface RegisterWork {
  /** Keys with the bytes that they are known by. */
  readonly keys: readonly string[];
  readonly workers: number;
}

/** Works until the signal; gives the history. */
export async function workOnRegisters(
  world: World,
  endpoints: readonly string[],
  random: Random,
  work: RegisterWork,
  signal: AbortSignal,
): Promise<KeyOperation[]> {
  const history: KeyOperation[] = [];
  await Promise.all(
    Array.from({ length: work.workers }, (_, process) =>
      one(world, endpoints, random.fork(`worker-${process}`), process, work.keys, history, signal),
    ),
  );
  return history;
}

async function one(
  world: World,
  endpoints: readonly string[],
  random: Random,
  process: number,
  keys: readonly string[],
  history: KeyOperation[],
  signal: AbortSignal,
): Promise<void> {
  using client = new SingleShot(world, endpoints);
  let last: string | null = null;
  for (let count = 0; !signal.aborted; count++) {
    const key = random.pick(keys);
    const next = `${process}.${count}`;
    const kind = random.pick(["get", "get", "put", "put", "swap", "delete"] as const);
    const input: RegisterInput =
      kind === "get" ? { kind } : kind === "put" ? { kind, value: next } : kind === "delete" ? { kind } : { kind, expected: last, next };
    const callMsAt = world.clock.monotonicMs();
    const attempt = await client.perform(key, input, signal);
    const returnMs = world.clock.monotonicMs();
    if (attempt.kind === "done") {
      if (kind === "get" || kind === "swap") last = attempt.output.value;
      history.push({ process, key, input, output: attempt.output, callMs: callMsAt, returnMs });
    } else if (attempt.kind === "unknown") history.push({ process, key, input, output: undefined, callMs: callMsAt, returnMs });
    // a process whose call hangs is a new one to the history: nothing more is needed, calls are matched by time alone
  }
}

class SingleShot implements Disposable {
  readonly #world: World;
  readonly #pd: PdClient;
  readonly #routes = new Map<string, Route>();
  readonly #clients = new Map<number, RpcClient>();

  constructor(world: World, endpoints: readonly string[]) {
    this.#world = world;
    this.#pd = createPdClient(world, { endpoints });
  }

  /** Until it is done, surely not done (then it is sent again), or not known. */
  async perform(key: string, input: RegisterInput, signal: AbortSignal): Promise<Attempt> {
    while (!signal.aborted) {
      const attempt = await this.#attempt(key, input);
      if (attempt.kind !== "refused") return attempt;
      await this.#world.clock.sleep(pauseMs); // elections take their time
    }
    return { kind: "refused" };
  }

  async #attempt(key: string, input: RegisterInput): Promise<Attempt> {
    let route: Route | null;
    let client: RpcClient | null;
    try {
      route = this.#routes.get(key) ?? (await this.#locate(key));
      if (route === null) return { kind: "refused" };
      client = await this.#client(route.storeId);
      if (client === null) return { kind: "refused" };
    } catch {
      return { kind: "refused" }; // the placement driver is away: nothing was sent
    }
    this.#routes.set(key, route);
    try {
      const { regionError, output } = await this.#send(client, route, Buffer.from(key), input);
      if (regionError === null) return output === null ? { kind: "unknown" } : { kind: "done", output };
      this.#learn(key, route, regionError);
      // a store says "stale" also of what it proposed and lost sight of
      return regionError.stale_command !== null && input.kind !== "get" ? { kind: "unknown" } : { kind: "refused" };
    } catch (error) {
      if (!isRpcError(error)) throw error;
      this.#routes.delete(key);
      const [other] = route.others;
      if (other !== undefined) this.#routes.set(key, turn(route, other));
      const isUnsent = error.status === "unavailable" && /ECONNREFUSED|no connection established/i.test(error.text);
      return input.kind === "get" || isUnsent ? { kind: "refused" } : { kind: "unknown" };
    }
  }

  async #send(
    client: RpcClient,
    { context }: Route,
    key: Uint8Array,
    input: RegisterInput,
  ): Promise<{ readonly regionError: errorpb.Error | null; readonly output: RegisterOutput | null }> {
    const { methods } = tikvpb.tikv;
    const options = { deadlineMs: callMs };
    const text = (value: Uint8Array) => Buffer.from(value).toString("utf8");
    switch (input.kind) {
      case "get": {
        const answer = await client.request(methods.RawGet, { context, key }, options);
        return { regionError: answer.region_error, output: ok(answer, { value: answer.not_found ? null : text(answer.value) }) };
      }
      case "put": {
        const request = { context, key, value: Buffer.from(input.value), for_cas: true };
        const answer = await client.request(methods.RawPut, request, options);
        return { regionError: answer.region_error, output: ok(answer, { value: null }) };
      }
      case "delete": {
        const answer = await client.request(methods.RawDelete, { context, key, for_cas: true }, options);
        return { regionError: answer.region_error, output: ok(answer, { value: null }) };
      }
      case "swap": {
        const expected = input.expected === null ? { previous_not_exist: true } : { previous_value: Buffer.from(input.expected) };
        const answer = await client.request(
          methods.RawCompareAndSwap,
          { context, key, value: Buffer.from(input.next), ...expected },
          options,
        );
        const value = answer.previous_not_exist ? null : text(answer.previous_value);
        return { regionError: answer.region_error, output: ok(answer, { value, swapped: answer.succeed }) };
      }
    }
  }

  #learn(key: string, route: Route, error: errorpb.Error): void {
    const leader = error.not_leader?.leader ?? null;
    this.#routes.delete(key);
    if (leader !== null) this.#routes.set(key, turn(route, { id: leader.id, storeId: leader.store_id }));
  }

  async #locate(key: string): Promise<Route | null> {
    const region = await this.#pd.getRegion(Buffer.from(key));
    const leader = region?.leader ?? region?.meta.peers[0];
    if (region === null || leader === undefined) return null;
    const { meta } = region;
    return {
      context: {
        region_id: meta.id,
        region_epoch: { conf_ver: meta.epoch.confVer, version: meta.epoch.version },
        peer: { id: leader.id, store_id: leader.storeId },
      },
      storeId: leader.storeId,
      others: meta.peers.filter(({ id }) => id !== leader.id).map(({ id, storeId }) => ({ id, storeId })),
    };
  }

  async #client(storeId: number): Promise<RpcClient | null> {
    const known = this.#clients.get(storeId);
    if (known !== undefined) return known;
    const store = await this.#pd.getStore(storeId);
    if (store === null) return null;
    const client = createRpcClient(this.#world, store.address);
    this.#clients.set(storeId, client);
    return client;
  }

  [Symbol.dispose](): void {
    for (const client of this.#clients.values()) client.close();
    this.#pd.close();
  }
}

/** Null when the store says that it does not know what it did. */
function ok(answer: { readonly error?: string }, output: RegisterOutput): RegisterOutput | null {
  return answer.error === undefined || answer.error === "" ? output : null;
}

/** The same region at another peer; when that does not lead either, the placement driver is asked. */
function turn(route: Route, to: { readonly id: number; readonly storeId: number }): Route {
  return {
    context: { ...route.context, peer: { id: to.id, store_id: to.storeId } },
    storeId: to.storeId,
    others: route.others.filter(({ id }) => id !== to.id),
  };
}
