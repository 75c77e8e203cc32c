/**
 * A real etcd beside this process: started, kept running, and stopped with it (design decision D3).
 *
 * etcd runs under a small shell that waits for the end of our pipe, so that a killed parent leaves no etcd behind that would hold
 * its ports and its data-dir. Its log goes to `<data-dir>/etcd.log`.
 */
import { Backoff, type Child, TaskGroup, type World } from "@skein/base";
import { metastoreErrors } from "../errors.ts";
import { EtcdConnection } from "./etcd-connection.ts";
import { maintenanceService } from "./schema.ts";

/** An etcd as a child of this process. */
export interface EtcdMemberOptions {
  /** Default `etcd`, found on the PATH. */
  readonly binary?: string;
  readonly name: string;
  readonly dataDir: string;
  /** `http://host:port` */
  readonly peerUrls: readonly string[];
  readonly advertisePeerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly advertiseClientUrls?: readonly string[];
  /** `n1=url1,n2=url2`; not given to a member that has data. */
  readonly initialCluster: string;
  readonly initialClusterState: "new" | "existing";
  /** Further flags without dashes, for example `{"max-txn-ops": "2048", "quota-backend-bytes": "2147483648"}`. */
  readonly flags?: Readonly<Record<string, string>>;
  /** Paths, for both ports. `serverName` is what the certificate is for when `clientUrls` name another host. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string; readonly serverName?: string };
}

export interface EtcdMember extends AsyncDisposable {
  /** Where clients on this host reach it. */
  readonly endpoints: readonly string[];
  /** Of the etcd that runs now; null between two of them. */
  readonly pid: number | null;
  /** Times that it was started again. */
  readonly restartCount: number;
  /** Resolves when the member serves and knows a leader. Rejects with `memberFailed` after `timeoutMs`. */
  waitHealthy(options: { readonly timeoutMs: number; readonly signal?: AbortSignal }): Promise<void>;
  /** Ends etcd: asks it to, and kills it after `graceMs` (default: half a second). */
  stop(graceMs?: number): Promise<void>;
}

/**
 * Handing its lead over takes etcd milliseconds, and five seconds and more when those who should take it are ending, too. Killing it
 * loses nothing.
 */
const stopGraceMs = 500;

/**
 * `$1` is the log, the rest is the command. Prints etcd's process id first; ends etcd when standard input ends. One whose peers were
 * killed with it may never end by itself.
 */
const guardScript = `
exec 3<&0
log=$1; shift
"$@" >>"$log" 2>&1 </dev/null 3<&- &
etcd=$!
echo "$etcd"
trap 'kill "$etcd" 2>/dev/null' TERM INT
{ cat <&3 >/dev/null; kill "$etcd"; sleep 0.5; kill -9 "$etcd"; } >/dev/null 2>&1 &
guard=$!
exec 3<&-
wait "$etcd"; code=$?
while kill -0 "$etcd" 2>/dev/null; do wait "$etcd"; code=$?; done
kill "$guard" 2>/dev/null
exit "$code"
`;

/** Starts etcd and returns; `waitHealthy` tells when it serves. An etcd that ends is started again, after 0.2 s up to 10 s. */
export async function startEtcdMember(world: World, options: EtcdMemberOptions): Promise<EtcdMember> {
  await world.disk.makeFolder(options.dataDir);
  const log = world.log.with({ component: "etcd-member", member: options.name });
  const logFile = `${options.dataDir}/etcd.log`;
  const backoff = new Backoff({ minMs: 200, maxMs: 10_000 }, () => world.random.float());
  const group = new TaskGroup();
  let child: Child | null = null;
  let pid: number | null = null;
  let restartCount = 0;
  let lastExit = "it was just started";

  group.spawn(async (signal) => {
    while (!signal.aborted) {
      const startedMs = world.clock.monotonicMs();
      child = world.processes.spawn("sh", ["-c", guardScript, "sh", logFile, options.binary ?? "etcd", ...etcdArguments(options)]);
      pid = await firstNumber(child);
      const exit = await child.exited.catch((error: unknown) => ({ code: null, signal: String(error) }));
      child = null;
      pid = null;
      if (signal.aborted) return;
      lastExit = `it ended with ${exit.signal ?? `code ${exit.code}`}`;
      log.warn("etcd ended, starting it again", { code: exit.code, signal: exit.signal });
      if (world.clock.monotonicMs() - startedMs > 10 * backoff.currentMs) backoff.reset(); // it was well in between
      await world.clock.sleep(backoff.next(), signal).catch(() => {});
      if (!signal.aborted) restartCount++;
    }
  });

  let stopping: Promise<void> | undefined;
  const stop = (graceMs = stopGraceMs) =>
    (stopping ??= (async () => {
      group.abort(new DOMException("etcd is being stopped", "AbortError"));
      const running = child;
      if (running !== null) {
        running.kill("SIGTERM");
        const patience = new AbortController();
        const isEnded = await Promise.race([
          running.exited.then(() => true),
          world.clock.sleep(graceMs, patience.signal).then(
            () => false,
            () => true,
          ),
        ]);
        patience.abort();
        if (!isEnded && pid !== null) await world.processes.run("kill", ["-KILL", String(pid)]);
      }
      await group[Symbol.asyncDispose]();
    })());

  return {
    endpoints: options.clientUrls,
    get pid() {
      return pid;
    },
    get restartCount() {
      return restartCount;
    },
    waitHealthy: async ({ timeoutMs, signal }) => {
      const endMs = world.clock.monotonicMs() + timeoutMs;
      const connection = new EtcdConnection(world, { endpoints: options.clientUrls, deadlineMs: 1000, ...(await tlsOf(world, options)) });
      try {
        for (;;) {
          signal?.throwIfAborted();
          const status = await connection.call({ service: maintenanceService, method: "Status", isRepeatable: true }, {}).catch(() => null); // what it waits for is told by `lastExit`
          if (status !== null && String(status["leader"]) !== "0") return;
          if (status !== null) lastExit = "no leader is elected";
          if (world.clock.monotonicMs() > endMs) throw metastoreErrors.memberFailed([lastExit]);
          await world.clock.sleep(50, signal);
        }
      } finally {
        connection.close();
      }
    },
    stop,
    [Symbol.asyncDispose]: () => stop(),
  };
}

function etcdArguments(options: EtcdMemberOptions): string[] {
  const flags: Record<string, string> = {
    name: options.name,
    "data-dir": options.dataDir,
    "listen-peer-urls": options.peerUrls.join(","),
    "initial-advertise-peer-urls": options.advertisePeerUrls.join(","),
    "listen-client-urls": options.clientUrls.join(","),
    "advertise-client-urls": (options.advertiseClientUrls ?? options.clientUrls).join(","),
    "initial-cluster": options.initialCluster,
    "initial-cluster-state": options.initialClusterState,
    "strict-reconfig-check": "true",
    ...options.flags,
  };
  if (options.tls !== undefined) {
    for (const side of ["", "peer-"]) {
      flags[`${side}trusted-ca-file`] = options.tls.ca;
      flags[`${side}cert-file`] = options.tls.cert;
      flags[`${side}key-file`] = options.tls.key;
      flags[`${side}client-cert-auth`] = "true";
    }
  }
  return Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
}

async function tlsOf(world: World, options: EtcdMemberOptions) {
  if (options.tls === undefined) return {};
  const [ca, cert, key] = await Promise.all([options.tls.ca, options.tls.cert, options.tls.key].map((path) => world.disk.readFile(path)));
  const { serverName } = options.tls;
  return {
    tls: { ca: ca as Uint8Array, cert: cert as Uint8Array, key: key as Uint8Array, ...(serverName === undefined ? {} : { serverName }) },
  };
}

/** The guard's first line; null when it ended without one. */
async function firstNumber(child: Child): Promise<number | null> {
  let text = "";
  for await (const chunk of child.stdout ?? []) {
    text += String(chunk);
    if (text.includes("\n")) break;
  }
  const pid = Number.parseInt(text, 10);
  return Number.isInteger(pid) ? pid : null;
}
