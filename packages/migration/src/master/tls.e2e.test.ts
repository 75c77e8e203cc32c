/** Real processes that speak TLS with each other: who is let in by its certificate, and who is not. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Child, freePort, nodeWorld } from "@skein/base";
import { createRpcClient, isRpcError } from "@skein/rpc";
import { whyNotEtcd } from "@skein/servers";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { masterWire } from "../wire/wire.ts";

const world = nodeWorld();
const bin = resolve(import.meta.dirname, "../../../../bin");
let folder = "";
let children: { readonly name: string; readonly child: Child }[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "skein-tls-"));
  const openssl = async (...args: readonly string[]) => {
    const done = await world.processes.run("openssl", args, { cwd: folder });
    if (done.code !== 0) throw new Error(done.stderr);
  };
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await openssl("req", "-x509", ...newKey, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test CA");
  await writeFile(join(folder, "ext"), "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n");
  for (const name of ["dm-master", "dm-worker", "dmctl", "stranger"]) {
    await openssl("req", ...newKey, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
    const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "ext"];
    await openssl("x509", "-req", "-in", `${name}.csr`, "-out", `${name}.pem`, ...signed);
  }
}, 30_000);
afterEach(async () => {
  for (const { child } of children) child.kill("SIGTERM");
  for (const { child } of children) await child.exited;
  children = [];
}, 30_000);
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const file = (name: string) => join(folder, name);
const tlsFlags = (name: string) => [`-ssl-ca=${file("ca.pem")}`, `-ssl-cert=${file(`${name}.pem`)}`, `-ssl-key=${file(`${name}.key`)}`];
const tlsToml = (name: string) => `ssl-ca = "${file("ca.pem")}"\nssl-cert = "${file(`${name}.pem`)}"\nssl-key = "${file(`${name}.key`)}"\n`;
const logOf = (name: string) => readFile(file(`${name}.log`), "utf8").catch(() => "");

function start(program: "dm-master" | "dm-worker", name: string, flags: readonly string[]): void {
  const all = ["-name", name, "-log-file", file(`${name}.log`), ...flags];
  children.push({ name, child: world.processes.spawn(join(bin, program), all, { outputFile: file(`${name}.out`) }) });
}

async function dmctl(address: string, flags: readonly string[], ...words: readonly string[]): Promise<string> {
  const { stdout, stderr } = await world.processes.run(join(bin, "dmctl"), [
    "-master-addr",
    address,
    "-rpc-timeout=5s",
    ...flags,
    ...words,
  ]);
  return stdout + stderr;
}

async function until<T>(what: string, look: () => Promise<T | null | false>, limitMs = 20_000): Promise<T> {
  const end = world.clock.monotonicMs() + limitMs;
  for (let last: unknown = "nothing"; ; ) {
    const found = await look().catch((error: unknown) => {
      last = error;
      return null;
    });
    if (found !== null && found !== false) return found;
    if (world.clock.monotonicMs() > end) {
      const logs = await Promise.all(children.map(async ({ name }) => `── ${name}\n${(await logOf(name)).slice(-3000)}`));
      throw new Error(`${what}: not within ${limitMs} ms; last: ${String(last)}\n${logs.join("\n")}`);
    }
    await world.clock.sleep(50); // the processes can only be asked
  }
}

/** `ListMember` over one connection of its own. */
async function listMembers(address: string, name: string | null): Promise<string> {
  const read = async (path: string) => await readFile(file(path));
  const identity = name === null ? {} : { cert: await read(`${name}.pem`), key: await read(`${name}.key`) };
  using client = createRpcClient(world, address, { tls: { ca: await read("ca.pem"), ...identity }, deadlineMs: 5000 });
  return JSON.stringify(await client.call(masterWire, "ListMember", {}));
}

test("a master and a worker with certificates: they find each other; strangers are refused by both", async () => {
  const [masterPort, workerPort] = [await freePort(world), await freePort(world)];
  const address = `127.0.0.1:${masterPort}`;
  const config = file("master.toml");
  await writeFile(config, `${tlsToml("dm-master")}cert-allowed-cn = ["dm-master", "dm-worker", "dmctl"]\n`);
  start("dm-master", "m1", ["-config", config, "-master-addr", address, "-data-dir", file("m1")]);
  const workerFlags = ["-worker-addr", `127.0.0.1:${workerPort}`, "-join", address, "-cert-allowed-cn", "dm-master,dmctl"];
  start("dm-worker", "w1", [...tlsFlags("dm-worker"), ...workerFlags]);

  await until("the worker is free", async () => (await listMembers(address, "dmctl")).includes('"stage":"free"'));
  const seen = await dmctl(address, tlsFlags("dmctl"), "list-member", "--worker");
  expect(seen).toContain('"result": true');
  expect(seen).toContain('"stage": "free"');

  for (const client of [null, "stranger"] as const)
    await expect(listMembers(address, client)).rejects.toSatisfy((error) => isRpcError(error, "unavailable"));
  expect(await dmctl(address, tlsFlags("stranger"), "list-member")).not.toContain('"result": true');
  expect(await dmctl(address, [], "list-member")).not.toContain('"result": true');
  await until("the master tells why", async () => (await logOf("m1")).includes('common name \\"stranger\\" is not allowed'));

  const ask = (identity: readonly string[]) =>
    world.processes.run("curl", ["-sS", "--cacert", file("ca.pem"), ...identity, `https://127.0.0.1:${workerPort}/status`]);
  const allowed = await ask(["--cert", file("dm-master.pem"), "--key", file("dm-master.key")]);
  expect(allowed).toMatchObject({ code: 0 });
  expect((await ask(["--cert", file("stranger.pem"), "--key", file("stranger.key")])).code).not.toBe(0);
  expect((await ask([])).code).not.toBe(0);
  for (const name of ["m1", "w1"]) expect(await readFile(file(`${name}.out`), "utf8")).not.toMatch(/Warning/);
}, 60_000);

test("without allowed names a client needs the CA only, as the field's tools expect", async () => {
  const address = `127.0.0.1:${await freePort(world)}`;
  start("dm-master", "m2", [...tlsFlags("dm-master"), "-master-addr", address, "-data-dir", file("m2")]);
  await until("the master answers", () => listMembers(address, null));
  expect(await dmctl(address, [`-ssl-ca=${file("ca.pem")}`], "list-member", "--master")).toContain('"result": true');
  // curl and Prometheus agree on HTTP/2 where it is offered, as it is for gRPC.
  for (const [option, version] of [
    ["--http1.1", "1.1"],
    ["--http2", "2"],
  ] as const)
    for (const path of ["/status", "/metrics", "/apis/v1alpha1/members?master=true"]) {
      const form = ["-sS", option, "--cacert", file("ca.pem"), "-o", "/dev/null", "-w", "%{http_version} %{http_code}"];
      const answer = await world.processes.run("curl", [...form, `https://${address}${path}`]);
      expect([path, answer.stdout]).toEqual([path, `${version} 200`]);
    }
}, 60_000);

const whyNot = await whyNotEtcd(world);
test.runIf(whyNot === null)(
  "two masters whose stores speak TLS: both lead or forward, and a stranger's connection to the store's peer port is refused",
  async () => {
    const ports = await Promise.all(Array.from({ length: 4 }, () => freePort(world)));
    const cluster = `c1=https://127.0.0.1:${ports[2]},c2=https://127.0.0.1:${ports[3]}`;
    for (const at of [0, 1]) {
      // Without a scheme: it follows from the certificates.
      const peers = ["-peer-urls", `127.0.0.1:${ports[at + 2]}`, "-initial-cluster", cluster];
      const flags = ["-master-addr", `127.0.0.1:${ports[at]}`, "-data-dir", file(`c${at + 1}`), ...peers];
      start("dm-master", `c${at + 1}`, [...tlsFlags("dm-master"), "-cert-allowed-cn", "dm-master", "-cert-allowed-cn", "dmctl", ...flags]);
    }
    for (const at of [0, 1])
      await until(`master ${at + 1} answers`, async () => {
        const text = await listMembers(`127.0.0.1:${ports[at]}`, "dmctl");
        return text.includes('"c1"') && text.includes('"c2"') && !text.includes('"alive":false') && text.includes('"leader"');
      });
    const peer = (name: string) =>
      world.processes.run(
        "curl",
        ["-sS", "--http1.1", "--cacert", file("ca.pem"), "--cert", file(`${name}.pem`), "--key", file(`${name}.key`)].concat(
          `https://127.0.0.1:${ports[2]}/members`,
        ),
      );
    expect(await peer("dm-master")).toMatchObject({ code: 0, stdout: expect.stringContaining("peerURLs") });
    expect((await peer("stranger")).code).not.toBe(0);
  },
  60_000,
);
