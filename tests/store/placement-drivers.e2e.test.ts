/**
 * A playground of three placement drivers as a user starts it: its leader is killed, cut off, frozen from a second terminal while
 * clients read and write. Stores go on at once; what needs a timestamp waits for the next leader, and nothing is lost.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Child, nodeWorld } from "@skein/base";
import { whyNoNamespaces } from "@skein/cli";
import { createKvClient } from "@skein/kvclient";
import { checkoutFolder } from "@skein/servers";
import { expect, test } from "vitest";

const world = nodeWorld();
const main = join(checkoutFolder, "packages/cli/src/main.ts");
const name = `pds-${process.pid}`;
/** A lease of 5 s, an election of etcd's members, and a machine that is busy with other tests. */
const gapMsMax = 30_000;

const ctl = async (...words: readonly string[]) => {
  const { code, stdout, stderr } = await world.processes.run(process.execPath, [main, "playground", "ctl", "--name", name, ...words]);
  return { code, text: stdout + stderr };
};

/** Until the table tells it: it can only be asked. */
async function untilStatus(child: Child, pattern: RegExp): Promise<string> {
  let last = "";
  for (const endMs = world.clock.monotonicMs() + 60_000; world.clock.monotonicMs() < endMs; ) {
    last = (await ctl("status")).text;
    if (pattern.test(last)) return last;
    await Promise.race([world.clock.sleep(250), child.exited]);
  }
  throw new Error(`the table never told ${pattern}:\n${last}`);
}

/** Numbers that are written one after the other until the end, and how long the longest of these took. */
class Series {
  written = 0;
  longestMs = 0;
  readonly #write: (number: number) => Promise<unknown>;

  constructor(write: (number: number) => Promise<unknown>) {
    this.#write = write;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const beganMs = world.clock.monotonicMs();
      await this.#write(this.written);
      this.written++;
      this.longestMs = Math.max(this.longestMs, world.clock.monotonicMs() - beganMs);
      await world.clock.sleep(5); // not to take all of a small machine
    }
  }

  /** When so many more have been written. */
  async advance(count: number): Promise<void> {
    const wanted = this.written + count;
    for (const endMs = world.clock.monotonicMs() + 2 * gapMsMax; this.written < wanted; await world.clock.sleep(20))
      if (world.clock.monotonicMs() > endMs) throw new Error(`${this.written} of ${wanted} were written`);
  }
}

const bytes = (text: string) => new TextEncoder().encode(text);

test("three placement drivers: stores and clients go on when the leader is killed, cut off or frozen", { timeout: 300_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "skein-pds-"));
  try {
    const child = world.processes.spawn(process.execPath, [main, "playground", "--pd", "3", "--name", name], { env: { TMPDIR: folder } });
    let text = "";
    const ready = Promise.withResolvers<void>();
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (part: Buffer) => {
        text += part.toString("utf8");
        if (/ready: --pd \S+ for/.test(text)) ready.resolve();
      });
    await Promise.race([ready.promise, child.exited.then(({ code }) => Promise.reject(new Error(`it ended with code ${code}:\n${text}`)))]);
    try {
      const endpoints = (/ready: --pd (\S+) for/.exec(text)?.[1] ?? "").split(",");
      expect(endpoints).toHaveLength(3);
      await using client = createKvClient(world, { endpoints });
      const raw = client.raw({ patienceMs: 2 * gapMsMax });
      const puts = new Series((number) => raw.put(bytes(`put-${number}`), bytes(String(number))));
      const transactions = new Series((number) =>
        client.transact(async (transaction) => transaction.put(bytes(`transaction-${number}`), bytes(String(number)))),
      );
      const stop = new AbortController();
      const working = Promise.all([puts.run(stop.signal), transactions.run(stop.signal)]);
      working.catch(() => {}); // awaited below
      const leader = async () => /(pd-\d) \S+ \(leader\)/.exec(await untilStatus(child, /pd-\d \S+ \(leader\)( ·|\n)/))?.[1] ?? "";
      const another = (than: string) => new RegExp(`(?!${than})pd-\\d \\S+ \\(leader\\)( ·|\\n)`);

      await transactions.advance(20);
      const killed = await leader();
      expect(await ctl("kill", killed)).toEqual({ code: 0, text: `${killed} was killed (kill -9)\n` });
      await untilStatus(child, another(killed));
      await transactions.advance(20);
      expect((await ctl("restart", killed)).code).toBe(0);
      expect((await ctl("add-store", "zone=west")).text).toContain("store-4 was added");
      await untilStatus(child, /store-4 +\d+ +Up +runs/);

      const frozen = await leader();
      expect((await ctl("pause", frozen)).code).toBe(0);
      await untilStatus(child, another(frozen));
      await transactions.advance(20);
      expect((await ctl("resume", frozen)).code).toBe(0);

      if ((await whyNoNamespaces(world)) === null) {
        const cut = await leader();
        // a store on the leader's side: it can hear of no other one
        expect((await ctl("partition", cut, "store-4")).text).toBe(`${cut}, store-4 are cut off\n`);
        await untilStatus(child, another(cut));
        await transactions.advance(20);
        expect((await ctl("heal")).code).toBe(0);
        await untilStatus(child, /store-4 +\d+ +Up +runs/);
      } else expect((await ctl("partition", "pd-1")).text).toContain("cannot cut off anybody");

      await puts.advance(20);
      stop.abort();
      await working;
      expect(puts.longestMs, text).toBeLessThan(gapMsMax);
      expect(transactions.longestMs, text).toBeLessThan(gapMsMax);
      const pairs = await raw.scan({ start: bytes("put-"), end: bytes("put."), limit: puts.written + 1 });
      const found = new Set(pairs.map(({ key }) => Buffer.from(key).toString()));
      const snapshot = await client.snapshot();
      for await (const { key } of snapshot.scan({ start: bytes("transaction-"), end: bytes("transaction."), keysOnly: true }))
        found.add(Buffer.from(key).toString());
      const wanted = [
        ...Array.from({ length: puts.written }, (_, i) => `put-${i}`),
        ...Array.from({ length: transactions.written }, (_, i) => `transaction-${i}`),
      ];
      expect(wanted.filter((key) => !found.has(key))).toEqual([]);
    } finally {
      child.kill("SIGINT");
      await child.exited;
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
