/** The load of `bench/peers/kvload`: built once into the cache, and run against a store. */
import { join } from "node:path";
import type { World } from "@skein/base";
import { checkoutFolder, findProgram } from "@skein/servers";

export interface LoadOptions {
  readonly kind: "etcd" | "tikv";
  /** `127.0.0.1:2379` */
  readonly endpoints: readonly string[];
  /** `txn`: a put on the condition that nobody has put since; etcd only. */
  readonly op: "put" | "get" | "txn";
  readonly clients: number;
  readonly seconds: number;
  readonly valueBytes: number;
  readonly keys: number;
}

const cache = join(checkoutFolder, ".cache", "clients");
const program = join(cache, "bin", "kvload");

/** Null when it is built; else why it cannot be. */
export async function buildLoad(world: World): Promise<string | null> {
  const installed = await findProgram(world, "go");
  const usual = "/usr/local/go/bin/go";
  const command = installed?.command ?? ((await world.disk.stat(usual)) === null ? null : usual);
  if (command === null) return "Go 1.19 or newer is not installed (go)";
  const { code, stdout, stderr } = await world.processes.run(command, ["build", "-mod=readonly", "-o", program, "."], {
    cwd: join(checkoutFolder, "bench", "peers", "kvload"),
    env: { GOCACHE: join(cache, "go-cache"), GOMODCACHE: join(cache, "go-modules"), GOTOOLCHAIN: "local" },
  });
  return code === 0 ? null : `kvload could not be built: ${stdout}${stderr}`;
}

export async function runLoad(
  world: World,
  options: LoadOptions,
  signal: AbortSignal,
): Promise<{ readonly perSecond: number; readonly p50us: number; readonly p99us: number }> {
  const { kind, endpoints, op, clients, seconds, valueBytes, keys } = options;
  const { code, stdout, stderr } = await world.processes.run(
    program,
    [
      ["-kind", kind],
      ["-endpoints", endpoints.join()],
      ["-op", op],
      ["-clients", String(clients)],
      ["-seconds", String(seconds)],
      ["-value", String(valueBytes)],
      ["-keys", String(keys)],
    ].flat(),
    { signal },
  );
  if (code !== 0) throw new Error(`kvload ended with ${code}: ${stderr.slice(-2000)}`);
  return JSON.parse(stdout) as { perSecond: number; p50us: number; p99us: number };
}
