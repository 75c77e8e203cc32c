/** The application that never stops: small transactions against the source, and a heartbeat row by which the lag is measured. */
import type { Random, World } from "@skein/base";
import { openSql, type SqlEndpoint } from "@skein/servers";

export interface WriterCounts {
  readonly transactions: number;
  /** Number of the newest heartbeat row, and when it was committed by the World's clock. */
  readonly heartbeat: number;
}

export const heartbeatTable = `CREATE TABLE shop.heartbeat (id INT NOT NULL PRIMARY KEY, beat BIGINT NOT NULL, at_ms BIGINT NOT NULL)`;

export interface WriterOptions {
  readonly random: Random;
  readonly customers: number;
  readonly orders: number;
  readonly products: number;
  /** The rest of the two cores is for the migration. */
  readonly transactionsPerSecond: number;
  /** Ends the writing in order: after a transaction. */
  readonly stop: AbortSignal;
}

const heartbeatMs = 200;

/** Runs until `stop`; gives what was written. `onCommit` hears of each transaction. */
export async function runWriter(
  world: World,
  source: SqlEndpoint,
  options: WriterOptions,
  onCommit: (counts: WriterCounts) => void,
): Promise<WriterCounts> {
  await using session = await openSql(source);
  const startedMs = world.clock.monotonicMs();
  let transactions = 0;
  let heartbeat = 0;
  let lastBeatMs = Number.NEGATIVE_INFINITY;
  let nextOrder = 1_000_000_000;
  const beat = async () => {
    heartbeat++;
    lastBeatMs = world.clock.monotonicMs();
    await session.query(`REPLACE INTO shop.heartbeat VALUES (1, ${heartbeat}, ${Math.round(world.clock.nowMs())})`);
  };
  while (!options.stop.aborted) {
    const dueMs = startedMs + (transactions / options.transactionsPerSecond) * 1000;
    const waitMs = dueMs - world.clock.monotonicMs();
    if (waitMs > 5) await world.clock.sleep(Math.min(waitMs, heartbeatMs));
    if (world.clock.monotonicMs() - lastBeatMs >= heartbeatMs) await beat();
    if (waitMs > heartbeatMs) continue;
    await session.query(`BEGIN; ${transaction(options, () => nextOrder++).join("; ")}; COMMIT`);
    transactions++;
    onCommit({ transactions, heartbeat });
  }
  await beat();
  return { transactions, heartbeat };
}

function transaction({ random, customers, orders, products }: WriterOptions, newOrder: () => number): string[] {
  const customer = random.between(1, customers);
  const order = random.between(1, orders);
  const sku = `SKU-${String(random.between(1, products)).padStart(8, "0")}`;
  const amount = (random.below(100_000) / 100).toFixed(2);
  const kind = random.float();
  if (kind < 0.45) {
    const id = newOrder();
    return [
      `INSERT INTO shop.ord VALUES (${id}, ${customer}, 'new', ${amount}, NOW(6), NULL, 'naïve café 🦢')`,
      ...Array.from(
        { length: random.between(1, 4) },
        (_, i) => `INSERT INTO shop.order_item VALUES (${id}, ${i + 1}, '${sku}', ${random.between(1, 9)}, ${amount}, 0)`,
      ),
      `UPDATE shop.product SET stock = stock - 1 WHERE sku = '${sku}'`,
    ];
  }
  if (kind < 0.7)
    return [
      `UPDATE shop.ord SET status = 'sent', paid_at = NOW() WHERE id = ${order}`,
      `UPDATE shop.customer SET balance = balance - ${amount} WHERE id = ${customer}`,
    ];
  if (kind < 0.8)
    return [
      `UPDATE shop.customer SET email = CONCAT('moved', ${random.u32()}, '@example.net'), flags = b'101', settings = '{"theme": "dark"}' WHERE id = ${customer}`,
    ];
  if (kind < 0.9)
    return [
      `INSERT INTO crm.contact (id, customer_id, kind, at, duration, place, body, attachment) VALUES (UUID(), ${customer}, 'call', NOW(3), '00:01:02.5', POINT(1, 2), 'called back', NULL)`,
    ];
  if (kind < 0.97) return [`DELETE FROM shop.order_item WHERE order_id = ${order}`, `DELETE FROM shop.ord WHERE id = ${order}`];
  return [`UPDATE shop.order_item SET line = line + 100 WHERE order_id = ${order}`]; // the key itself changes
}
