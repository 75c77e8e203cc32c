/** A placement driver in this process, on a free port and a folder of its own; and what tests say to it. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort, type LogLevel, nodeWorld, type World } from "@skein/base";

import type { RegionMeta, StoreMeta } from "../../core/model.ts";
import { storeMeta } from "../../core/testing/views.ts";
import { launchPd } from "../config/process-config.ts";
import { type PdServer, startPdServer } from "../pd-server.ts";
import type { PdComponent } from "../services.ts";

export interface TestPd extends AsyncDisposable {
  readonly world: World;
  readonly url: string;
  readonly folder: string;
  readonly server: PdServer;
  http(
    method: string,
    path: string,
    body?: string,
    headers?: Readonly<Record<string, string>>,
  ): Promise<{ readonly status: number; readonly type: string; readonly text: string }>;
  /** Stops it and starts it anew on the same folder and port. */
  restart(): Promise<void>;
}

export async function startTestPd(
  options: { readonly components?: () => readonly PdComponent[]; readonly toml?: string; readonly world?: World } = {},
): Promise<TestPd> {
  const world = options.world ?? nodeWorld();
  const folder = await mkdtemp(join(tmpdir(), "skein-pd-"));
  const port = await freePort(world);
  const url = `http://127.0.0.1:${port}`;
  const start = async () => {
    const launch = launchPd(["-name", "m", "-data-dir", join(folder, "pd"), "-client-urls", url, "-config", "pd.toml"], {
      hostname: "host",
      cwd: folder,
      readFile: () => options.toml ?? "",
    });
    if (launch.kind !== "run") throw new Error(JSON.stringify(launch));
    const log: { level: LogLevel } = { level: "info" };
    const server = await startPdServer(world, {
      config: launch.config,
      hostname: "host",
      deployPath: "/deploy",
      components: options.components?.() ?? [],
      log,
      residentBytes: () => 1,
    });
    while (!server.isLeader) await world.clock.sleep(5);
    return server;
  };
  let server = await start();
  return {
    world,
    url,
    folder,
    get server() {
      return server;
    },
    http: async (method, path, body, headers = {}) => {
      const answer = await fetch(`${url}/pd/api/v1${path}`, { method, ...(body === undefined ? {} : { body }), headers });
      return { status: answer.status, type: answer.headers.get("content-type") ?? "", text: await answer.text() };
    },
    restart: async () => {
      await server.close();
      server = await start();
    },
    [Symbol.asyncDispose]: async () => {
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export function testStore(id: number, change: Partial<StoreMeta> = {}): StoreMeta {
  return storeMeta(id, {
    address: `127.0.0.1:${20_160 + id}`,
    peerAddress: `127.0.0.1:${20_160 + id}`,
    statusAddress: `127.0.0.1:${20_180 + id}`,
    nodeState: "preparing",
    gitHash: "0000",
    deployPath: "/deploy/bin",
    startTimestampS: 1_700_000_000,
    ...change,
  });
}

export function testRegion(
  id: number,
  start: string,
  end: string,
  stores: readonly number[],
  change: Partial<RegionMeta> = {},
): RegionMeta {
  const encode = (text: string) => new TextEncoder().encode(text);
  return {
    id,
    startKey: encode(start),
    endKey: encode(end),
    epoch: { confVer: 1, version: 1 },
    peers: stores.map((storeId) => ({ id: id * 100 + storeId, storeId, role: "voter", isWitness: false })),
    ...change,
  };
}
