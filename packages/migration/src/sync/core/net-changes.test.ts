import { type Random, seededRandom } from "@skein/base";
import { parseCreateTable, type Row, type TableDefinition } from "@skein/mysql";
import { describe, expect, test } from "vitest";
import { NetChanges } from "./net-changes.ts";
import { type BatchLimits, type Lane, planBatch } from "./plan-batch.ts";
import { planTable, type TablePlan } from "./table-plan.ts";

const limits: BatchLimits = { lanesMax: 4, statementRowsMax: 3, statementBytesMax: 1000, laneRowsMin: 2, multipleRows: true };

function table(sql: string): TableDefinition {
  return parseCreateTable(sql, { flavor: "mariadb", schema: "s" });
}

function plan(sql: string, target = sql): TablePlan {
  return planTable(table(sql), table(target));
}

const statementsOf = (lanes: readonly Lane[]) => lanes.flatMap(({ statements }) => statements);

describe("statements", () => {
  const simple = plan("CREATE TABLE t (id INT NOT NULL, v VARCHAR(20), n INT, PRIMARY KEY (id)) DEFAULT CHARSET=utf8mb4");

  test("S1: changes of one row become one, and rows that came and went leave no trace", () => {
    const changes = new NetChanges();
    changes.insert(simple, [1, "a", 1], false);
    changes.update(simple, [1, "a", 1], [1, "b", 1], false);
    changes.insert(simple, [2, "x", 2], false);
    changes.delete(simple, [2, "x", 2], false);
    changes.update(simple, [3, "c", 3], [3, "c", 4], false);
    changes.update(simple, [3, "c", 4], [3, "c", 5], false);
    changes.delete(simple, [4, "d", 4], false);
    expect(statementsOf(planBatch(changes, { ...limits, laneRowsMin: 100 }))).toEqual([
      "DELETE FROM `s`.`t` WHERE `id` IN (4)",
      "INSERT INTO `s`.`t` (`id`,`v`,`n`) VALUES (1,'b',1)",
      "INSERT INTO `s`.`t` (`id`,`v`,`n`) VALUES (3,'c',5) ON DUPLICATE KEY UPDATE `n`=VALUES(`n`)",
    ]);
    expect(changes.changeCount).toBe(7);
  });

  test("safe mode: every row is replaced or removed, also what came and went", () => {
    const changes = new NetChanges();
    changes.insert(simple, [2, "x", 2], true);
    changes.delete(simple, [2, "x", 2], true);
    changes.update(simple, [3, "c", 3], [5, null, 4], true);
    expect(statementsOf(planBatch(changes, { ...limits, laneRowsMin: 100 }))).toEqual([
      "DELETE FROM `s`.`t` WHERE `id` IN (2,3)",
      "REPLACE INTO `s`.`t` (`id`,`v`,`n`) VALUES (5,NULL,4)",
    ]);
  });

  test("values: quotes, bytes, charsets of both sides, floats, negative zero, generated columns, keys of several columns", () => {
    const source =
      "CREATE TABLE t (a VARCHAR(9) CHARACTER SET latin1 NOT NULL, b BIGINT UNSIGNED NOT NULL, f FLOAT, j JSON, g INT GENERATED ALWAYS AS (b) STORED, e ENUM('x'), d DECIMAL(9,2), PRIMARY KEY (a,b)) DEFAULT CHARSET=utf8mb4";
    const target = source.replace("latin1", "utf8mb4");
    const mixed = plan(source, target);
    const changes = new NetChanges();
    changes.insert(mixed, ["'\\\xe4\0", 18446744073709551615n, -0, "{}", 1, "x", "-1.50"], false);
    changes.delete(mixed, ["q", 1, 1.5, null, 1, null, null], false);
    changes.delete(mixed, ["r", 2, 1.5, null, 1, null, null], false);
    expect(statementsOf(planBatch(changes, { ...limits, laneRowsMin: 100 }))).toEqual([
      "DELETE FROM `s`.`t` WHERE (`a`=_latin1'q' AND `b`=1) OR (`a`=_latin1'r' AND `b`=2)",
      "INSERT INTO `s`.`t` (`a`,`b`,`f`,`j`,`e`,`d`) VALUES (_latin1'''\\\\\xe4\\0',18446744073709551615,-0e0,'{}',_utf8mb4'x',-1.50)",
    ]);
  });

  test("S4: a table without a key keeps its order in one lane, and compares everything", () => {
    const keyless = plan("CREATE TABLE k (a INT, b FLOAT, UNIQUE KEY (a))");
    const changes = new NetChanges();
    changes.insert(keyless, [1, 1.1], false);
    changes.update(keyless, [1, 1.1], [null, 2], false);
    changes.delete(keyless, [null, 2], false);
    changes.insert(simple, [1, "a", 1], false);
    const lanes = planBatch(changes, limits);
    expect(lanes).toHaveLength(1);
    expect(lanes[0]).toMatchObject({ onceTables: [{ schema: "s", table: "k" }], rowCount: 4 });
    expect(statementsOf(lanes)).toEqual([
      "INSERT INTO `s`.`t` (`id`,`v`,`n`) VALUES (1,'a',1)",
      "INSERT INTO `s`.`k` (`a`,`b`) VALUES (1,1.1)",
      "UPDATE `s`.`k` SET `a`=NULL,`b`=2 WHERE `a` = 1 AND `b` = 1.100000023841858 LIMIT 1",
      "DELETE FROM `s`.`k` WHERE `a` IS NULL AND `b` = 2 LIMIT 1",
    ]);
  });

  test("a statement ends at its limits of rows and bytes", () => {
    const changes = new NetChanges();
    for (let id = 0; id < 7; id++) changes.insert(simple, [id, "v", 0], false);
    expect(statementsOf(planBatch(changes, { ...limits, lanesMax: 1 }))).toHaveLength(3);
    expect(statementsOf(planBatch(changes, { ...limits, lanesMax: 1, statementBytesMax: 1 }))).toHaveLength(7);
    expect(statementsOf(planBatch(changes, { ...limits, lanesMax: 1, multipleRows: false }))).toHaveLength(7);
  });
});

/** A table with unique keys in memory: what the server would do with the planned entries, refusals included. */
class ModelTable {
  readonly rows = new Map<number, Row>();
  readonly #fold = (value: unknown) => (typeof value === "string" ? value.toLowerCase() : value);

  conflict(row: Row): number | null {
    for (const [id, other] of this.rows) {
      if (id === row[0]) return id;
      if (row[1] !== null && other[1] === row[1]) return id;
      if (row[2] !== null && this.#fold(other[2]) === this.#fold(row[2])) return id;
    }
    return null;
  }
  insert(row: Row): void {
    if (this.conflict(row) !== null) throw new Error(`duplicate: ${JSON.stringify(row)}`);
    this.rows.set(row[0] as number, row);
  }
  replace(row: Row): void {
    for (let id = this.conflict(row); id !== null; id = this.conflict(row)) this.rows.delete(id);
    this.rows.set(row[0] as number, row);
  }
  upsert(row: Row, changed: readonly number[]): void {
    const id = this.conflict(row);
    if (id === null) return this.insert(row);
    if (id !== row[0]) throw new Error(`update hits another row: ${JSON.stringify(row)}`);
    const next = [...(this.rows.get(id) as Row)];
    for (const column of changed) next[column] = row[column] ?? null;
    this.rows.set(id, next);
  }
  contents(): string {
    return JSON.stringify([...this.rows.entries()].sort(([a], [b]) => a - b));
  }
  copy(): ModelTable {
    const copy = new ModelTable();
    for (const [id, row] of this.rows) copy.rows.set(id, row);
    return copy;
  }
}

/** Runs a statement of the forms that are made for the model's table. */
function execute(model: ModelTable, statement: string): void {
  const removal = /^DELETE FROM `s`.`m` WHERE `id` IN \((.*)\)$/.exec(statement);
  if (removal !== null) {
    for (const id of (removal[1] as string).split(",")) model.rows.delete(Number(id));
    return;
  }
  const put = /^(INSERT|REPLACE) INTO `s`.`m` \(`id`,`u`,`w`,`n`\) VALUES (.*?)( ON DUPLICATE KEY UPDATE (.*))?$/.exec(statement);
  if (put === null) throw new Error(`not understood: ${statement}`);
  const rows = JSON.parse(
    `[${(put[2] as string).replaceAll("(", "[").replaceAll(")", "]").replaceAll("NULL", "null").replaceAll("'", '"')}]`,
  ) as Row[];
  const changed = [...(put[4] ?? "").matchAll(/`(\w)\w*`=/g)].map(([, name]) => "iuwn".indexOf(name as string));
  for (const row of rows) {
    if (put[4] !== undefined) model.upsert(row, changed);
    else if (put[1] === "REPLACE") model.replace(row);
    else model.insert(row);
  }
}

/** Lanes in any interleaving of their statements. */
function interleave(lanes: readonly (readonly string[])[], random: Random): string[] {
  const queues = lanes.map((statements) => [...statements]).filter(({ length }) => length > 0);
  const order: string[] = [];
  while (queues.length > 0) {
    const at = random.below(queues.length);
    order.push((queues[at] as string[]).shift() as string);
    if (queues[at]?.length === 0) queues.splice(at, 1);
  }
  return order;
}

/** Transactions of a source that refuses duplicates, as changes. */
function randomChange(source: ModelTable, random: Random): { readonly before: Row | null; readonly after: Row | null } | null {
  const id = random.below(25);
  const row: Row = [
    id,
    random.chance(0.2) ? null : random.below(25),
    random.chance(0.2) ? null : random.pick(["a", "A", "b", "B", "c ", "ä", "d"]),
    random.below(5),
  ];
  const before = source.rows.get(id) ?? null;
  if (before === null) {
    if (source.conflict(row) !== null) return null;
    source.insert(row);
    return { before: null, after: row };
  }
  source.rows.delete(id);
  if (random.chance(0.3)) return { before, after: null };
  const kept = random.chance(0.4);
  const after: Row = kept
    ? [id, before[1] ?? null, before[2] ?? null, random.below(5)]
    : [random.chance(0.3) ? random.below(25) : id, row[1] ?? null, row[2] ?? null, random.below(5)];
  if (source.conflict(after) !== null) {
    source.rows.set(id, before);
    return null;
  }
  source.insert(after);
  return { before, after };
}

describe("S1, S2, S3, S7: parallel application against the serial result", () => {
  const sql =
    "CREATE TABLE m (id INT NOT NULL, u INT, w VARCHAR(5), n INT, PRIMARY KEY (id), UNIQUE KEY u (u), UNIQUE KEY w (w)) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci";
  const model = plan(sql);

  test.each(Array.from({ length: 150 }, (_, seed) => seed))(
    "any interleaving of the lanes, and a replay in safe mode after a crash: seed %i",
    (seed) => {
      const random = seededRandom(seed);
      const source = new ModelTable();
      const target = new ModelTable();
      const history: { readonly before: Row | null; readonly after: Row | null }[] = [];
      const take = (
        changes: NetChanges,
        { before, after }: { readonly before: Row | null; readonly after: Row | null },
        isSafe: boolean,
      ) => {
        if (before === null) changes.insert(model, after as Row, isSafe);
        else if (after === null) changes.delete(model, before, isSafe);
        else changes.update(model, before, after, isSafe);
      };
      for (let round = 0; round < 8; round++) {
        const checkpoint = history.length;
        const changes = new NetChanges();
        for (let n = random.between(1, 30); n > 0; n--) {
          const change = randomChange(source, random);
          if (change === null) continue;
          history.push(change);
          take(changes, change, false);
        }
        const lanes = planBatch(changes, limits);
        const crashed = random.chance(0.3);
        // A crash: some lanes are in the target, some are not.
        const done = crashed ? lanes.filter(() => random.chance(0.5)) : lanes;
        for (const statement of interleave(
          done.map(({ statements }) => statements),
          random,
        ))
          execute(target, statement);
        if (crashed) {
          const replay = new NetChanges();
          for (const change of history.slice(checkpoint)) take(replay, change, true);
          for (const statement of interleave(
            planBatch(replay, limits).map(({ statements }) => statements),
            random,
          ))
            execute(target, statement);
        }
        expect(target.contents(), `seed ${seed} round ${round}`).toBe(source.contents());
      }
    },
  );
});
