/** A placement driver and a store as real processes: started, stopped, killed, and started where they do not belong. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { nodeWorld, type TlsFiles } from "@skein/base";
import { createPdClient } from "@skein/placement/client";
import { createRpcClient } from "@skein/rpc";
import { listeningPorts } from "@skein/servers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { peerPrefix } from "../raftstore/tcp-transport.ts";
import { tikvpb } from "../wire/index.ts";

const world = nodeWorld();
const bin = new URL("../../../../bin/", import.meta.url).pathname;
const { methods } = tikvpb.tikv;

let folder = "";
const children = new Set<ChildProcess>();

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  const ports: number[] = [];
  for (const server of servers) {
    if (!server.listening) await once(server, "listening");
    ports.push((server.address() as { port: number }).port);
  }
  for (const server of servers) server.close();
  return ports;
}

interface Running {
  readonly child: ChildProcess;
  output(): string;
  /** Its exit code; null: killed by a signal. */
  readonly ended: Promise<number | null>;
}

function run(program: string, args: readonly string[]): Running {
  const child = spawn(join(bin, program), args, { stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, "exit").then(([code]) => {
    children.delete(child);
    return code as number | null;
  });
  return { child, output: () => output, ended };
}

async function says(it: Running, text: string): Promise<void> {
  const found = new Promise<void>((resolve) => {
    const look = () => {
      if (it.output().includes(text)) resolve();
    };
    it.child.stdout?.on("data", look);
    it.child.stderr?.on("data", look);
    look();
  });
  const ended = it.ended.then((code) => {
    throw new Error(`ended with ${code} before it said "${text}":\n${it.output()}`);
  });
  await Promise.race([found, ended]);
}

async function startPd(name: string, args: readonly string[] = [], scheme = "http"): Promise<{ pd: Running; endpoint: string }> {
  const [client, peer] = (await freePorts(2)) as [number, number];
  const endpoint = `127.0.0.1:${client}`;
  const urls = ["--client-urls", `${scheme}://${endpoint}`, "--peer-urls", `${scheme}://127.0.0.1:${peer}`];
  const pd = run("pd-server", ["--name", name, "--data-dir", join(folder, name), ...urls, ...args]);
  await says(pd, "this member leads");
  return { pd, endpoint };
}

const storeArgs = (endpoint: string, name: string, [port, status]: readonly [number, number]) => [
  `--pd=${endpoint}`,
  `--addr=127.0.0.1:${port}`,
  `--status-addr=127.0.0.1:${status}`,
  `--data-dir=${join(folder, name)}`,
  "--labels=zone=east,host=h1",
];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "skein-"));
});
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

describe("a store's process", { timeout: 60_000 }, () => {
  test("keeps what it acknowledged over a stop and a kill, and serves its status pages", async () => {
    const { pd, endpoint } = await startPd("pd-a");
    const ports = (await freePorts(2)) as [number, number];
    const args = storeArgs(endpoint, "store-a", ports);
    const client = createRpcClient(world, `127.0.0.1:${ports[0]}`);
    const page = async (path: string) => (await fetch(`http://127.0.0.1:${ports[1]}${path}`)).text();

    let store = run("tikv-server", args);
    await says(store, "the store serves");
    expect(await page("/ready")).toBe("ok\n");
    expect(JSON.parse(await page("/config"))).toMatchObject({ server: { labels: { zone: "east", host: "h1" } } });
    const metrics = await page("/metrics");
    for (const line of [
      'tikv_raftstore_region_count{type="leader"} 1',
      "tikv_raftstore_leader_missing 0",
      'raft_engine_log_file_count{type="append"} ',
    ])
      expect(metrics).toContain(line);
    expect(metrics).toMatch(/tikv_store_size_bytes\{type="available"\} [1-9]/);
    const region = (JSON.parse(await page("/region/2")) ?? {}) as { epoch: { conf_ver: number; version: number }; role: string };
    expect(region.role).toBe("leader");
    const context = { region_id: 2, region_epoch: region.epoch };
    const put = (key: string) => client.request(methods.RawPut, { context, key: Buffer.from(key), value: Buffer.from(key) });
    const get = async (key: string) => {
      const answer = await client.request(methods.RawGet, { context, key: Buffer.from(key) });
      return answer.region_error === null ? Buffer.from(answer.value).toString() : answer.region_error.message;
    };
    for (let i = 0; i < 50; i++) expect((await put(`k${i}`)).region_error).toBeNull();

    store.child.kill("SIGTERM");
    expect(await store.ended).toBe(0);
    store = run("tikv-server", args);
    await says(store, "the store serves");
    await expect.poll(() => get("k49")).toBe("k49");

    for (let i = 50; i < 100; i++) await put(`k${i}`);
    store.child.kill("SIGKILL");
    await store.ended;
    store = run("tikv-server", args);
    await says(store, "the store serves");
    await expect.poll(() => get("k99")).toBe("k99");
    expect(await get("k0")).toBe("k0");

    // Without its placement driver a store still ends.
    pd.child.kill("SIGKILL");
    await pd.ended;
    store.child.kill("SIGTERM");
    expect(await store.ended).toBe(0);
    client[Symbol.dispose]();
  });

  test("ends with code 1 and a coded error where it does not belong", async () => {
    const [first, second] = await Promise.all([startPd("pd-b"), startPd("pd-c")]);
    const ports = (await freePorts(4)) as [number, number, number, number];
    const args = storeArgs(first.endpoint, "store-b", [ports[0], ports[1]]);
    const store = run("tikv-server", args);
    await says(store, "the store serves");

    const twice = run("tikv-server", storeArgs(first.endpoint, "store-b", [ports[2], ports[3]]));
    expect([await twice.ended, twice.output()]).toEqual([1, expect.stringContaining("code=72302")]);
    const samePort = run("tikv-server", storeArgs(first.endpoint, "store-c", [ports[0], ports[3]]));
    expect([await samePort.ended, samePort.output()]).toEqual([1, expect.stringContaining("cannot listen")]);
    store.child.kill("SIGTERM");
    expect(await store.ended).toBe(0);

    const elsewhere = run("tikv-server", storeArgs(second.endpoint, "store-b", [ports[2], ports[3]]));
    expect([await elsewhere.ended, elsewhere.output()]).toEqual([1, expect.stringContaining("code=72103")]);
    const file = run("tikv-server", ["--config", join(folder, "none.toml")]);
    expect([await file.ended, file.output()]).toEqual([1, expect.stringContaining("code=72301")]);
    const marker = await readFile(join(folder, "store-b", "STORE"), "utf8");
    expect(marker).toBe('{"format":1,"enableTtl":false}\n');
    for (const { pd } of [first, second]) pd.child.kill("SIGTERM");
    await Promise.all([first.pd.ended, second.pd.ended]);
  });
});

describe("a store's process and its placement driver", { timeout: 60_000 }, () => {
  test("it waits for one that comes late, and says so; it ends with 0 while it waits", async () => {
    const [client, peer, port, status] = (await freePorts(4)) as [number, number, number, number];
    const args = storeArgs(`127.0.0.1:${client}`, "store-early", [port, status]);
    const given = run("tikv-server", args);
    await says(given, "no placement driver answers yet");
    given.child.kill("SIGTERM");
    expect(await given.ended).toBe(0);

    const store = run("tikv-server", args);
    await says(store, "no placement driver answers yet");
    const ready = await fetch(`http://127.0.0.1:${status}/ready`);
    expect([ready.status, await ready.text()]).toEqual([500, "not serving: it starts, and waits for a placement driver\n"]);
    const urls = ["--client-urls", `http://127.0.0.1:${client}`, "--peer-urls", `http://127.0.0.1:${peer}`];
    const pd = run("pd-server", ["--name", "pd-late", "--data-dir", join(folder, "pd-late"), ...urls]);
    await says(store, "the store serves");
    for (const each of [store, pd]) each.child.kill("SIGTERM");
    expect(await store.ended).toBe(0);
    await pd.ended;
  });

  test("it serves on while there is none, and says that it is alone", async () => {
    await writeFile(join(folder, "quick.toml"), `[raftstore]\npd-store-heartbeat-tick-interval = "1s"\n`);
    const first = await startPd("pd-away");
    const ports = (await freePorts(2)) as [number, number];
    const args = [...storeArgs(first.endpoint, "store-away", ports), "--config", join(folder, "quick.toml")];
    const store = run("tikv-server", args);
    await says(store, "the store serves");
    first.pd.child.kill("SIGKILL");
    await first.pd.ended;
    await says(store, "the placement driver hears nothing of this store");
    using client = createRpcClient(world, `127.0.0.1:${ports[0]}`);
    const context = { region_id: 2, region_epoch: { conf_ver: 1, version: 1 } };
    const put = await client.request(methods.RawPut, { context, key: Buffer.from("alone"), value: Buffer.from("v") });
    expect([put.region_error, put.error]).toEqual([null, ""]);
    store.child.kill("SIGTERM");
    expect(await store.ended).toBe(0);
  });

  test("a copy of a store's folder is refused while that store runs", async () => {
    await writeFile(join(folder, "often.toml"), `[raftstore]\npd-store-heartbeat-tick-interval = "1s"\n`);
    const { pd, endpoint } = await startPd("pd-copy");
    const ports = (await freePorts(4)) as [number, number, number, number];
    const withConfig = (name: string, at: readonly [number, number]) => [
      ...storeArgs(endpoint, name, at),
      "--config",
      join(folder, "often.toml"),
    ];
    let store = run("tikv-server", withConfig("store-one", [ports[0], ports[1]]));
    await says(store, "the store serves");
    store.child.kill("SIGTERM");
    await store.ended;
    await cp(join(folder, "store-one"), join(folder, "store-two"), { recursive: true });
    store = run("tikv-server", withConfig("store-one", [ports[0], ports[1]]));
    await says(store, "the store serves");
    const copy = run("tikv-server", withConfig("store-two", [ports[2], ports[3]]));
    expect([await copy.ended, copy.output()]).toEqual([1, expect.stringContaining("code=72104")]);
    // Nothing is heard of it: it has moved. It comes back, and is not the store any more.
    store.child.kill("SIGSTOP");
    const moved = run("tikv-server", withConfig("store-two", [ports[2], ports[3]]));
    await says(moved, "the store serves");
    store.child.kill("SIGCONT");
    expect([await store.ended, store.output()]).toEqual([1, expect.stringContaining("code=72104")]);
    const back = run("tikv-server", withConfig("store-one", [ports[0], ports[1]]));
    expect([await back.ended, back.output()]).toEqual([1, expect.stringContaining("code=72104")]);
    for (const each of [moved, { child: pd.child }]) each.child.kill("SIGTERM");
    await Promise.all([moved.ended, pd.ended]);
  });
});

/** Files of a certificate of its own, for clients and servers. */
async function makeCertificate(commonName: string): Promise<{ readonly cert: string; readonly key: string }> {
  const [cert, key] = [join(folder, `${commonName}.crt`), join(folder, `${commonName}.key`)];
  const subject = ["-subj", `/CN=${commonName}`, "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"];
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const { code, stderr } = await world.processes.run("openssl", ["req", ...kind, ...subject, "-keyout", key, "-out", cert]);
  if (code !== 0) throw new Error(stderr);
  return { cert, key };
}

describe("two stores' processes with one port each", { timeout: 60_000 }, () => {
  /** Two replicas: nothing is acknowledged unless frames go both ways, and the second replica began as a snapshot. */
  async function replicate(name: string, tls: TlsFiles | null, pdArgs: readonly string[], storeConfig: string) {
    await writeFile(join(folder, `${name}.toml`), `[replication]\nmax-replicas = 2\n`);
    await writeFile(join(folder, `${name}-store.toml`), storeConfig);
    const { pd, endpoint } = await startPd(name, ["--config", join(folder, `${name}.toml`), ...pdArgs], tls === null ? "http" : "https");
    const ports = await freePorts(2);
    const withTls = tls === null ? {} : { tls };
    const stores = ports.map((port, i) => {
      const place = [`--addr=127.0.0.1:${port}`, "--status-addr=", `--data-dir=${join(folder, `${name}-${i}`)}`];
      return run("tikv-server", [`--pd=${endpoint}`, "--config", join(folder, `${name}-store.toml`), ...place]);
    });
    await Promise.all(stores.map((store) => says(store, "the store serves")));
    const client = createPdClient(world, { endpoints: [endpoint], ...withTls });
    const places = (await client.getStores()).map(({ address, peerAddress }) => ({ address, peerAddress }));
    expect(places).toHaveLength(2);
    for (const { address, peerAddress } of places) expect(peerAddress).toBe(address);
    for (const [i, { child }] of stores.entries()) expect(await listeningPorts(world, child.pid ?? 0)).toEqual([ports[i]]);

    const region = async () => await client.getRegion(new Uint8Array(0));
    await expect.poll(async () => (await region())?.meta.peers.map(({ role }) => role), { timeout: 30_000 }).toEqual(["voter", "voter"]);
    const put = async (key: string) => {
      const found = await region();
      const leader = await client.getStore(found?.leader?.storeId ?? 0);
      using rpc = createRpcClient(world, `${tls === null ? "http" : "https"}://${leader?.address}`, withTls);
      const epoch = { conf_ver: found?.meta.epoch.confVer ?? 0, version: found?.meta.epoch.version ?? 0 };
      const peer = { id: found?.leader?.id ?? 0, store_id: found?.leader?.storeId ?? 0 };
      const context = { region_id: found?.meta.id ?? 0, region_epoch: epoch, peer };
      const answer = await rpc.request(methods.RawPut, { context, key: Buffer.from(key), value: new Uint8Array(100_000) });
      return answer.region_error;
    };
    for (let i = 0; i < 20; i++) await expect.poll(() => put(`k${i}`)).toBeNull();
    return {
      port: ports[0] as number,
      output: () => stores.map((store) => store.output()).join(""),
      stop: async () => {
        client.close();
        for (const { child } of [...stores, pd]) child.kill("SIGTERM");
        expect(await Promise.all(stores.map(({ ended }) => ended))).toEqual([0, 0]);
        await pd.ended;
      },
    };
  }

  test("replicate over the ports that clients use", async () => {
    const cluster = await replicate("plain", null, [], "");
    await cluster.stop();
  });

  test("with TLS only those take part whose certificate has an allowed name", async () => {
    const [ours, other] = await Promise.all([makeCertificate("store"), makeCertificate("other")]);
    const read = (path: string) => readFile(path);
    const ca = join(folder, "ca.crt");
    await writeFile(ca, Buffer.concat([await read(ours.cert), await read(other.cert)]));
    const tls = { ca: await read(ca), cert: await read(ours.cert), key: await read(ours.key) };
    const lines = [`ca-path = "${ca}"`, `cert-path = "${ours.cert}"`, `key-path = "${ours.key}"`, `cert-allowed-cn = ["store"]`];
    const pdArgs = ["-cacert", ca, "-cert", ours.cert, "-key", ours.key];
    const cluster = await replicate("tls", tls, pdArgs, ["[security]", ...lines, ""].join("\n"));
    const stranger = connectTls({
      host: "127.0.0.1",
      port: cluster.port,
      ca: tls.ca,
      cert: await read(other.cert),
      key: await read(other.key),
    });
    stranger.on("error", () => {});
    stranger.write(peerPrefix);
    await new Promise((resolve) => stranger.once("close", resolve));
    await expect.poll(() => cluster.output()).toContain("is not allowed");
    await cluster.stop();
  });
});
