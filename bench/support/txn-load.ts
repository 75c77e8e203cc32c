/**
 * A load of transactions over our own client, in a process of its own so that the processor time of client and stores can be told
 * apart. Prints what it did as one line of JSON.
 *
 * Each of the clients under way writes keys of its own, so that no transaction waits for another or repeats: what is measured is
 * the path, not the luck of conflicts.
 */
import { fileURLToPath } from "node:url";
import { nodeWorld, type World } from "@skein/base";
import { createKvClient, type KvClient, type TransactOptions } from "@skein/kvclient";

export interface TxnLoadOptions {
  readonly endpoints: readonly string[];
  readonly keysOfTxn: number;
  readonly isPessimistic: boolean;
  readonly clients: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly valueBytes: number;
  /** Different keys in all, shared out among the clients. */
  readonly keys: number;
}

export interface TxnLoadResult {
  readonly count: number;
  readonly perSecond: number;
  readonly p50us: number;
  readonly p99us: number;
  /** Of this process, while it measured. */
  readonly cpuSeconds: number;
  readonly repeats: number;
}

const self = fileURLToPath(import.meta.url);

export const txnKey = (index: number) => Buffer.from(`txn/${String(index).padStart(8, "0")}`);

export async function runTxnLoad(
  world: World,
  options: TxnLoadOptions,
  signal: AbortSignal,
  phase: (begins: boolean) => Promise<void>,
): Promise<TxnLoadResult> {
  const child = world.processes.spawn(process.execPath, [self, JSON.stringify(options)], {});
  const stop = () => child.kill("SIGKILL");
  signal.addEventListener("abort", stop, { once: true });
  try {
    let text = "";
    for await (const chunk of child.stdout ?? []) {
      text += Buffer.from(chunk).toString("utf8");
      if (text === "begin\n") await phase(true);
      if (text.endsWith("}\n")) await phase(false);
    }
    const { code } = await child.exited;
    if (!text.startsWith("begin\n")) throw new Error("no transaction began after the warming up");
    if (code !== 0) throw new Error(`the load of transactions ended with ${code}`);
    return JSON.parse(text.slice("begin\n".length)) as TxnLoadResult;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function work(world: World, options: TxnLoadOptions): Promise<TxnLoadResult> {
  const { clients, keys, keysOfTxn, valueBytes } = options;
  await using client: KvClient = createKvClient(world, { endpoints: options.endpoints });
  const { clock, random } = world;
  const times: number[] = [];
  let repeats = 0;
  const beginMs = clock.monotonicMs() + options.warmUpSeconds * 1000;
  const endMs = beginMs + options.seconds * 1000;
  let beganAt: ReturnType<typeof process.cpuUsage> | null = null;
  const own = Math.max(Math.floor(keys / clients), keysOfTxn);
  const transact: TransactOptions = { isPessimistic: options.isPessimistic };
  const one = async (at: number) => {
    const draws = random.fork(`client ${at}`);
    const value = Buffer.from(draws.bytes(valueBytes));
    for (let round = 0; clock.monotonicMs() < endMs; round++) {
      value.writeUInt32LE(round, 0);
      // Of each client's keys every `clients`th is its own, so that a transaction of several keys is spread over the regions.
      const first = draws.below(own);
      const chosen = Array.from({ length: keysOfTxn }, (_, n) =>
        txnKey(((first + Math.floor((n * own) / keysOfTxn)) % own) * clients + at),
      );
      const startedMs = clock.monotonicMs();
      if (startedMs >= beginMs && beganAt === null) {
        beganAt = process.cpuUsage();
        process.stdout.write("begin\n");
      }
      let tries = 0;
      await client.transact(async (transaction) => {
        tries++;
        if (options.isPessimistic) await transaction.lock(chosen);
        for (const key of chosen) transaction.put(key, value);
      }, transact);
      repeats += tries - 1;
      if (startedMs >= beginMs) times.push(clock.monotonicMs() - startedMs);
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, at) => one(at)));
  const tookSeconds = (clock.monotonicMs() - beginMs) / 1000;
  const { user, system } = process.cpuUsage(beganAt ?? undefined);
  times.sort((a, b) => a - b);
  const share = (part: number) => Math.round((times[Math.floor(part * (times.length - 1))] ?? 0) * 1000);
  return {
    count: times.length,
    perSecond: times.length / tookSeconds,
    p50us: share(0.5),
    p99us: share(0.99),
    cpuSeconds: (user + system) / 1e6,
    repeats,
  };
}

if (process.argv[1] === self) {
  const result = await work(nodeWorld(), JSON.parse(process.argv[2] ?? "{}") as TxnLoadOptions);
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
