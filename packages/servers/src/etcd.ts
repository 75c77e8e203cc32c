/** etcd as a child on the loopback. */
import { join } from "node:path";
import { freePort, type World } from "@skein/base";
import { serverErrors } from "./errors.ts";
import { makePrivateFolder } from "./folders.ts";
import { findProgram } from "./program.ts";
import { launchServer, type ServerProcess } from "./server-process.ts";

export interface EtcdServer extends ServerProcess {
  readonly name: string;
  /** `http://127.0.0.1:2379` */
  readonly clientUrl: string;
  readonly peerUrl: string;
}

export interface EtcdOptions {
  /** Kept at the end. Unless given: a temporary folder that is removed at the end. */
  readonly dataFolder?: string;
  readonly name?: string;
  readonly port?: number;
  /** More flags: `["--max-txn-ops=10240"]`. */
  readonly flags?: readonly string[];
}

/** Null when it can be started, else the reason why not. */
export async function whyNotEtcd(world: World): Promise<string | null> {
  return (await findProgram(world, "etcd")) === null ? serverErrors.programMissing(["etcd"]).detail : null;
}

export async function startEtcd(world: World, options: EtcdOptions = {}): Promise<EtcdServer> {
  const program = await findProgram(world, "etcd");
  if (program === null) throw serverErrors.programMissing(["etcd"]);
  const isPrivate = options.dataFolder === undefined;
  const dataFolder = options.dataFolder ?? join(await makePrivateFolder(world, "etcd"), "data");
  await world.disk.makeFolder(dataFolder);
  const name = options.name ?? "etcd";
  const peerUrl = `http://127.0.0.1:${await freePort(world)}`;
  const clientUrl = (port: number) => `http://127.0.0.1:${port}`;
  const server = await launchServer(world, {
    program,
    args: (port) => [
      "--name",
      name,
      "--data-dir",
      dataFolder,
      "--logger",
      "zap",
      "--log-level",
      "warn",
      "--listen-client-urls",
      clientUrl(port),
      "--advertise-client-urls",
      clientUrl(port),
      "--listen-peer-urls",
      peerUrl,
      "--initial-advertise-peer-urls",
      peerUrl,
      "--initial-cluster",
      `${name}=${peerUrl}`,
      ...(options.flags ?? []),
    ],
    port: options.port ?? null,
    dataFolder,
    logFile: `${dataFolder}.log`,
    readyTimeoutMs: 30_000,
    probe: (port) => isHealthy(world, port),
    cleanUp: async () => {
      if (isPrivate) await world.disk.remove(join(dataFolder, ".."), { recursive: true });
    },
  });
  return Object.assign(server, { name, clientUrl: clientUrl(server.port), peerUrl });
}

async function isHealthy(world: World, port: number): Promise<void> {
  const stream = await world.network.connect({ host: "127.0.0.1", port, timeoutMs: 1_000 });
  try {
    stream.write("GET /health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
    let answer = "";
    for await (const part of stream as AsyncIterable<Buffer>) answer += part.toString("latin1");
    if (!answer.includes('"true"')) throw new Error(answer);
  } finally {
    stream.destroy();
  }
}
