/**
 * Workers that are killed or frozen at any transaction or DDL of the full copy and of replication, as the units run them, between
 * real servers, while the source is written to: at the end both sides are equal, and who was frozen has written nothing since.
 */
import { nodeWorld, type Random, seededRandom, type World } from "@skein/base";
import { openConnection } from "@skein/mysql";
import { type DatabaseServer, startMariadb, startMysql } from "@skein/servers";
import { repeatCommand, seeds } from "@skein/sim";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { emptyTableFilter, type SubtaskConfig } from "./config/subtask-config.ts";
import { rowsOf } from "./copy/testing/fixture.ts";
import { endpointOf } from "./sync/sync-unit.ts";
import { plainStart, testSubtask } from "./testing/subtask.ts";
import { stepsOf } from "./worker/core/subtask.ts";
import { firstStep, openUnit } from "./worker/open-unit.ts";

const world = nodeWorld();
/** Of a machine that is busy with other tests. */
const secondsPerSeedMax = 20;

/** Statements of the source, some of which it refuses. */
class Work {
  readonly #random: Random;
  readonly #schema: string;
  #columns = 0;
  #tables = 0;

  constructor(random: Random, schema: string) {
    this.#random = random;
    this.#schema = schema;
  }

  setUp(): string {
    const s = this.#schema;
    const numbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);
    return `CREATE DATABASE ${s} CHARACTER SET utf8mb4;
      CREATE TABLE ${s}.a (id INT PRIMARY KEY, u INT NULL UNIQUE, v VARCHAR(40), KEY v (v));
      CREATE TABLE ${s}.b (k VARCHAR(20) PRIMARY KEY, n INT);
      CREATE TABLE ${s}.c (n INT, v VARCHAR(10));
      CREATE TABLE ${s}.e (id INT PRIMARY KEY AUTO_INCREMENT, v INT);
      INSERT INTO ${s}.a VALUES ${numbers(400)
        .map((n) => `(${n}, ${n % 3 === 0 ? "NULL" : n}, 'row ${n}')`)
        .join()};
      INSERT INTO ${s}.b VALUES ${numbers(100)
        .map((n) => `('key ${n}', ${n})`)
        .join()};
      INSERT INTO ${s}.c VALUES ${numbers(40)
        .map((n) => `(${n % 5}, 'v${n % 7}')`)
        .join()}`;
  }

  next(count: number): string {
    return Array.from({ length: count }, () => this.#transaction()).join(";");
  }

  #transaction(): string {
    const s = this.#schema;
    const r = this.#random;
    if (r.chance(0.03)) return `ALTER TABLE ${s}.a ADD COLUMN x${this.#columns++} INT DEFAULT ${r.below(9)}`;
    if (r.chance(0.02))
      return `CREATE TABLE ${s}.t${this.#tables++} (id INT PRIMARY KEY) AS SELECT id FROM ${s}.a WHERE id < ${r.below(50)}`;
    if (r.chance(0.02)) return `TRUNCATE TABLE ${s}.e`;
    const statements = Array.from({ length: r.between(1, 4) }, () => this.#statement());
    return `START TRANSACTION; ${statements.join("; ")}; ${r.chance(0.1) ? "ROLLBACK" : "COMMIT"}`;
  }

  #statement(): string {
    const s = this.#schema;
    const r = this.#random;
    const id = r.between(1, 450);
    switch (r.below(8)) {
      case 0:
        return `INSERT IGNORE INTO ${s}.a (id, u, v) VALUES (${id}, ${r.chance(0.3) ? "NULL" : r.below(500)}, 'new')`;
      case 1:
        return `UPDATE IGNORE ${s}.a SET u = ${r.below(500)}, v = CONCAT(v, '.') WHERE id = ${id}`;
      case 2:
        return `UPDATE IGNORE ${s}.a SET id = ${r.between(1, 450)} WHERE id = ${id}`;
      case 3:
        return `DELETE FROM ${s}.a WHERE id = ${id}`;
      case 4:
        return `REPLACE INTO ${s}.b VALUES ('key ${r.below(120)}', ${id})`;
      case 5:
        return `UPDATE IGNORE ${s}.b SET k = 'key ${r.below(120)}' WHERE n = ${r.below(120)}`;
      case 6:
        return r.chance(0.6)
          ? `INSERT INTO ${s}.c VALUES (${r.below(5)}, 'v${r.below(7)}')`
          : `DELETE FROM ${s}.c WHERE n = ${r.below(5)} LIMIT 2`;
      default:
        return `INSERT INTO ${s}.e (v) VALUES (${id}), (${id + 1})`;
    }
  }
}

/** The mark is in the target. */
async function caughtUp(config: SubtaskConfig, schema: string, ended: Promise<unknown>): Promise<void> {
  await using source = await openConnection(world, endpointOf(config.from), { mode: "text" });
  await using target = await openConnection(world, endpointOf(config.to), { mode: "text" });
  const mark = String(Math.round(world.clock.monotonicMs() * 1000) % 2_000_000_000);
  await source.execute(`REPLACE INTO ${schema}.mark VALUES (1, ${mark})`);
  const isOver = Symbol("over");
  const over = ended.then(() => isOver);
  for (let tries = 0; tries < 3000; tries++) {
    const { rows } = await target.query(`SELECT n FROM ${schema}.mark`).catch(() => ({ rows: [] }));
    if (rows[0]?.[0] === mark) return;
    if ((await Promise.race([over, world.clock.sleep(10)])) === isOver) return;
  }
  throw new Error("the mark did not arrive");
}

const died = new DOMException("died here", "AbortError");

describe.each([
  ["MariaDB to MariaDB", startMariadb, startMariadb, { fixed: 15, fresh: 5 }],
  // A low watermark takes a second there, and each life of the copy takes some.
  ["MySQL to MariaDB", startMysql, startMariadb, { fixed: 2, fresh: 0.5 }],
] as const)("%s", (name, startSource, startTarget, counts) => {
  let source: DatabaseServer;
  let target: DatabaseServer;
  beforeAll(async () => {
    [source, target] = await Promise.all([startSource(world, { gtid: true }), startTarget(world)]);
  });
  afterAll(async () => {
    await source[Symbol.asyncDispose]();
    await target[Symbol.asyncDispose]();
  });

  async function runSeed(seed: number): Promise<{ readonly deaths: number; readonly frozen: number }> {
    const random = seededRandom(seed, `crash-${name}`);
    const schema = `c${seed}`;
    const work = new Work(seededRandom(seed, "work"), schema);
    await source.sql(`${work.setUp()}; CREATE TABLE ${schema}.mark (id INT PRIMARY KEY, n INT)`);
    const config = testSubtask(source, target, {
      name: schema,
      mode: "all",
      sourceId: "src-1",
      serverId: 100 + (seed % 100_000),
      blockAllowList: { ...emptyTableFilter, doDbs: [schema] },
    });
    const steps = stepsOf("all");
    const thaw: (() => void)[] = [];
    const lives: Promise<void>[] = [];
    let deaths = 0;
    let frozen = 0;

    /** Resolves with true when replication has caught up, with false when the worker died or froze. */
    const live = async (number: number, countdown: number, freezes: boolean, writing: Promise<unknown>): Promise<boolean> => {
      const killer = new AbortController();
      const fell = Promise.withResolvers<false>();
      let gate: Promise<void> | null = null;
      const at = async (point: string): Promise<void> => {
        if (point.startsWith("target:")) countdown--;
        if (countdown === 0 && gate === null) {
          if (freezes) {
            frozen++;
            const { promise, resolve } = Promise.withResolvers<void>();
            gate = promise;
            thaw.push(resolve);
          } else {
            deaths++;
            killer.abort(died);
          }
          fell.resolve(false);
        }
        if (gate !== null) await gate;
        killer.signal.throwIfAborted();
      };
      const inWorld: World = { ...world, faults: { at } };
      const context = {
        world: inWorld,
        config,
        start: plainStart,
        worker: `w${number}`,
        signal: killer.signal,
        flagsUsed: async () => {},
      };
      const life = (async () => {
        let step = await firstStep(steps, context);
        for (; step < steps.length; step++) {
          await using unit = await openUnit(steps[step] as (typeof steps)[number], context);
          const ended = unit.run(killer.signal);
          ended.catch(() => {}); // awaited below
          if (steps[step] === "sync") {
            await writing;
            await caughtUp(
              config,
              schema,
              ended.catch(() => {}),
            );
            await unit.stop(5000);
          }
          await ended;
        }
        return true;
      })();
      const settled = life.then(
        () => {},
        () => {},
      );
      lives.push(settled);
      const outcome = await Promise.race([life, fell.promise]);
      if (killer.signal.aborted) await settled;
      return outcome;
    };

    for (let number = 1, isDone = false; !isDone; number++) {
      await source.sql(work.next(random.between(0, 12))).catch(() => {}); // a statement that the source refuses ends the batch
      const writing = source.sql(work.next(random.between(0, 12))).catch(() => {});
      // Later lives get further; the last one meets no harm.
      const countdown = number > 12 ? -1 : random.between(1, 10 + 6 * number);
      isDone = await live(number, countdown, random.chance(0.3), writing).catch((error: unknown) => {
        if (error === died) return false;
        throw error;
      });
      await writing;
    }
    for (const resolve of thaw) resolve();
    await Promise.all(lives);

    const list = `SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = '${schema}' ORDER BY 1`;
    const names = (await source.sql(list)).map((row) => String(row["name"]));
    expect((await target.sql(list)).map((row) => String(row["name"]))).toEqual(names);
    for (const table of names) {
      expect(await rowsOf(target, `\`${schema}\`.\`${table}\``), table).toEqual(await rowsOf(source, `\`${schema}\`.\`${table}\``));
    }
    await source.sql(`DROP DATABASE ${schema}`);
    await target.sql(`DROP DATABASE ${schema}`);
    return { deaths, frozen };
  }

  const all = seeds(counts);
  // the long run has many more of them
  const timeout = Math.max(180_000, all.length * secondsPerSeedMax * 1000);
  test("killed or frozen anywhere, the next worker goes on, and both sides end equal", { timeout }, async () => {
    let deaths = 0;
    let frozen = 0;
    for (const seed of all) {
      try {
        const run = await runSeed(seed);
        deaths += run.deaths;
        frozen += run.frozen;
      } catch (error) {
        throw new Error(`seed ${seed}: ${repeatCommand(seed, "packages/migration/src/crash.integration.test.ts")}`, { cause: error });
      }
    }
    if (process.env["SKEIN_SEED"] === undefined) {
      expect(deaths).toBeGreaterThan(counts.fixed);
      expect(frozen).toBeGreaterThan(counts.fixed / 3);
    }
  });
});
