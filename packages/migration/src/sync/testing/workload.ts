/** Random row changes on tables with several unique keys, from a seed: statements for the source, some of which it will refuse. */
import type { Random } from "@skein/base";

export class RandomWorkload {
  readonly #random: Random;
  readonly #schema: string;
  #columns = 0;

  constructor(random: Random, schema: string) {
    this.#random = random;
    this.#schema = schema;
  }

  setUp(): string {
    const s = this.#schema;
    return `CREATE DATABASE ${s} CHARACTER SET utf8mb4;
      CREATE TABLE ${s}.a (id INT PRIMARY KEY, u INT NULL UNIQUE, n INT);
      CREATE TABLE ${s}.b (x INT, y VARCHAR(20), u1 VARCHAR(20) NOT NULL, u2 INT, n INT, PRIMARY KEY (x, y), UNIQUE KEY u1 (u1(3)), UNIQUE KEY u2 (u2, n));
      CREATE TABLE ${s}.c (n INT, v VARCHAR(10));
      CREATE TABLE ${s}.d (k VARCHAR(20) PRIMARY KEY, n INT);
      CREATE TABLE ${s}.seq (seq INT PRIMARY KEY);
      CREATE TABLE ${s}.big (id INT PRIMARY KEY, s VARCHAR(100), v INT);
      INSERT INTO ${s}.seq SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 10000 * e.n FROM ${["a", "b", "c", "d", "e"]
        .map(
          (t) =>
            `(SELECT 0 n UNION SELECT 1 UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6 UNION SELECT 7 UNION SELECT 8 UNION SELECT 9) ${t}`,
        )
        .join(", ")}`;
  }

  /** Transactions; a statement that breaks a key is ignored by the source. */
  next(count: number): string {
    const parts: string[] = [];
    for (let at = 0; at < count; at++) {
      parts.push("START TRANSACTION");
      for (let n = this.#random.between(1, 5); n > 0; n--) parts.push(this.#statement());
      parts.push(this.#random.chance(0.1) ? "ROLLBACK" : "COMMIT");
    }
    if (this.#random.chance(0.3))
      parts.push(`ALTER TABLE ${this.#schema}.a ADD COLUMN x${this.#columns++} INT DEFAULT ${this.#random.below(10)}`);
    return parts.join(";");
  }

  #statement(): string {
    const s = this.#schema;
    const r = this.#random;
    const id = r.below(60);
    const other = r.below(60);
    const text = () => r.pick(["ab", "AB", "abc", "äb", "ß", "ss", "x y", "q"]) + r.below(4);
    switch (r.below(12)) {
      case 0:
      case 1:
        return `INSERT IGNORE INTO ${s}.a (id, u, n) VALUES (${id}, ${r.chance(0.3) ? "NULL" : other}, ${r.below(9)})`;
      case 2:
        return `UPDATE IGNORE ${s}.a SET u = ${r.chance(0.2) ? "NULL" : other}, n = n + 1 WHERE id = ${id}`;
      case 3:
        return `UPDATE IGNORE ${s}.a SET id = ${other} WHERE id = ${id}`;
      case 4:
        return `DELETE FROM ${s}.a WHERE ${r.chance(0.5) ? "id" : "u"} = ${id}`;
      case 5:
        return `REPLACE INTO ${s}.a (id, u, n) VALUES (${id}, ${other}, 0)`;
      case 6:
        return `INSERT IGNORE INTO ${s}.b VALUES (${r.below(5)}, '${text()}', '${text()}${id}', ${r.chance(0.2) ? "NULL" : other}, ${r.below(3)})`;
      case 7:
        return `UPDATE IGNORE ${s}.b SET u1 = '${text()}${id}', n = ${r.below(3)}, y = '${text()}' WHERE x = ${r.below(5)} LIMIT 2`;
      case 8:
        return `DELETE FROM ${s}.b WHERE x = ${r.below(5)} LIMIT 1`;
      case 9:
        return r.chance(0.6)
          ? `INSERT INTO ${s}.c VALUES (${r.below(5)}, '${text()}')`
          : `DELETE FROM ${s}.c WHERE n = ${r.below(5)} LIMIT 2`;
      case 10:
        return `REPLACE INTO ${s}.d VALUES ('${text()}', ${id})`;
      default:
        return r.chance(0.5) ? `UPDATE IGNORE ${s}.d SET k = '${text()}' WHERE n < ${id} LIMIT 1` : `DELETE FROM ${s}.d WHERE n = ${id}`;
    }
  }
}
