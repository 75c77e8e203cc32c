/** What every stock client has to show; the files beside this one run it, so that they can run side by side. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeWorld, seededRandom } from "@skein/base";
import { planTopology, type RegionCluster, startRegionCluster } from "@skein/cli";
import { createKvClient } from "@skein/kvclient";
import { seeds } from "@skein/sim";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Harm, harm } from "./harm.ts";
import { type ClientName, type ClientProgram, type ClientReport, prepareClient, runClient } from "./stock-client.ts";

export interface SuiteOptions {
  readonly client: ClientName;
  /** How its keys begin: `go` in `raw-go-…`. */
  readonly keys: string;
  /** Checks that must have been made. */
  readonly rawChecks: number;
  readonly txnChecks: number;
}

/** Time to live has to be switched on, as in the field. Elections take 2.5 to 5 s instead of four times that: the tests wait for some. */
const storeConfig = [
  "[storage]",
  "enable-ttl = true",
  "[raftstore]",
  'raft-base-tick-interval = "250ms"',
  'raft-store-max-leader-lease = "2s"',
  "",
].join("\n");
const bankSeconds = 16;

export function stockClientSuite({ client, keys, rawChecks, txnChecks }: SuiteOptions): void {
  const world = nodeWorld();
  const stamp = String(process.pid);
  let folder = "";
  let program: ClientProgram;
  let cluster: RegionCluster;

  beforeAll(async () => {
    program = await prepareClient(world, client);
    folder = await mkdtemp(join(tmpdir(), "skein-clients-"));
    cluster = await startRegionCluster(world, folder, {
      topology: planTopology({ pds: 1, stores: 3, labels: [] }),
      network: "loopback",
      storeConfig,
    });
    await cluster.untilReady();
  }, 480_000);
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
    if (folder !== "") await rm(folder, { recursive: true, force: true });
  });

  const split = async (at: readonly string[], isRaw: boolean) => {
    await using kv = createKvClient(world, { endpoints: cluster.pdEndpoints });
    await kv.split(
      at.map((key) => Buffer.from(key)),
      { isRaw },
    );
  };
  /**
   * What a garbage collection does with locks that were left behind, again and again: a transfer that began before the end may leave
   * some long after it. The Rust client (and Python's, which is made of it) needs somebody else to do so: its readers give up at a lock
   * whose primary was never written, and at an async commit that was abandoned; its own collection commits an async commit of which one
   * region was rolled back and another one holds locks.
   */
  const settleFrom = async (fromMs: number, { pdEndpoints }: RegionCluster, signal: AbortSignal) => {
    await using kv = createKvClient(world, { endpoints: pdEndpoints });
    try {
      for (let waitMs = fromMs; ; waitMs = 3_000) {
        await world.clock.sleep(waitMs, signal);
        await kv.gc(await kv.timestamp());
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  };
  const expectAll = async ({ passed, failed, text, code }: ClientReport, checks: number) => {
    const why = failed.length > 0 || code !== 0 ? `${text}\n${await cluster.logs()}` : "";
    expect(failed, why).toEqual([]);
    expect(code, why).toBe(0);
    expect(passed.length).toBe(checks);
  };

  describe(`the stock client: ${client}`, () => {
    test("transactions", async () => {
      await split(
        Array.from({ length: 9 }, (_, i) => `txn-${keys}-${stamp}-many-0${i + 1}000`),
        false,
      );
      await expectAll(await runClient(world, program, [cluster.pdEndpoints.join(","), "txn"], { stamp }), txnChecks);
    });

    test.each(seeds({ fixed: 1 }))("a bank across splits, leader changes and killed stores, seed %i", async (seed) => {
      const random = seededRandom(seed, "harm");
      const account = (number: number) => `bank-${keys}-${stamp}-account-${String(number).padStart(5, "0")}`;
      const ended = new AbortController();
      const over = new AbortController();
      let harmed: Promise<Harm> | null = null;
      let settled: Promise<void> | null = null;
      const report = await runClient(world, program, [cluster.pdEndpoints.join(","), "bank", String(bankSeconds)], {
        stamp,
        onLine: (line) => {
          if (line !== "started") return;
          world.clock.timer((bankSeconds - 2) * 1_000, () => ended.abort());
          harmed = harm(world, cluster, random, { splitKeys: [6, 12, 18, 3, 9, 15, 21].map(account) }, ended.signal);
          harmed.catch(() => {}); // awaited below
          settled = settleFrom((bankSeconds + 1) * 1_000, cluster, over.signal);
          settled.catch(() => {}); // awaited below
        },
      });
      ended.abort();
      over.abort();
      await (settled as Promise<void> | null);
      const done = (await (harmed as Promise<Harm> | null)) ?? { splits: 0, transfers: 0, kills: 0 };
      await expectAll(report, 1);
      expect(done.splits).toBeGreaterThan(0);
      expect(done.transfers).toBeGreaterThan(0);
      expect(done.kills).toBeGreaterThan(0);
    });

    // the last one: regions that begin at a plain key are none of a transactional client's
    test("raw", async () => {
      const part = (name: string) => `raw-${keys}-${stamp}-${name}-00`;
      await split(
        ["batch", "scan", "range"].flatMap((name) => [`${part(name)}15`, `${part(name)}3`]),
        true,
      );
      await expectAll(await runClient(world, program, [cluster.pdEndpoints.join(","), "raw"], { stamp }), rawChecks);
    });
  });
}
