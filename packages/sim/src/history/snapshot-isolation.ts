/**
 * Do recorded transactions keep snapshot isolation? The store tells the timestamps that it worked with, so no search is needed:
 * what each of them saw and overwrote is compared with what the timestamps say. Values must be unique in the whole history.
 *
 *   reads    at ts   see the newest version with commit ts ≤ ts                       (dirty, stale, fractured and future reads)
 *   writes           no other commit of the key in (base ts, commit ts]               (lost updates; base = start, or the lock's ts)
 *   real time        who begins after an acknowledgement has a start ts that is not below that commit ts (one that a store
 *                    chose may be the next that the oracle gives)
 */

export interface RecordedTransaction {
  readonly name: string;
  readonly startTs: bigint;
  /** `unknown`: the commit had no answer; it may have happened. */
  readonly outcome: "committed" | "aborted" | "unknown";
  /** Null unless it is committed, and known. */
  readonly commitTs: bigint | null;
  /** At `ts`: the start, or the timestamp of a lock. Own writes that were read back do not belong here. */
  readonly reads: readonly { readonly key: string; readonly value: string | null; readonly ts: bigint }[];
  /** `baseTs`: what the writer knew when it wrote: its start, or the timestamp of the lock on this key. Null deletes. */
  readonly writes: readonly { readonly key: string; readonly value: string | null; readonly baseTs: bigint }[];
  /** Real time of one clock: before the first call, after the last answer. */
  readonly beganMs: number;
  readonly endedMs: number;
}

interface Version {
  readonly commitTs: bigint;
  readonly value: string | null;
  readonly writer: RecordedTransaction;
}

/** What is wrong, in words; empty when nothing is. */
export function checkSnapshotIsolation(history: readonly RecordedTransaction[]): string[] {
  const wrong: string[] = [];
  const versions = new Map<string, Version[]>();
  const writers = new Map<string, RecordedTransaction>();
  for (const transaction of history) {
    if (transaction.outcome === "committed" && transaction.writes.length > 0) {
      if (transaction.commitTs === null || transaction.commitTs <= transaction.startTs)
        wrong.push(`${transaction.name}: committed at ${transaction.commitTs}, started at ${transaction.startTs}`);
    }
    for (const { key, value } of transaction.writes) {
      if (value !== null) writers.set(`${key}\0${value}`, transaction);
      if (transaction.outcome !== "committed" || transaction.commitTs === null) continue;
      const list = versions.get(key) ?? [];
      list.push({ commitTs: transaction.commitTs, value, writer: transaction });
      versions.set(key, list);
    }
  }
  for (const list of versions.values()) list.sort((a, b) => (a.commitTs < b.commitTs ? -1 : 1));

  // commits of unknown outcome that somebody saw: when they can have happened
  const windows = new Map<RecordedTransaction, { after: bigint; until: bigint }>();
  const unseen: { readonly reader: RecordedTransaction; readonly key: string; readonly after: bigint; readonly ts: bigint }[] = [];
  for (const reader of history) {
    for (const { key, value, ts } of reader.reads) {
      const newest = newestAt(versions.get(key) ?? [], ts);
      if (value === (newest?.value ?? null)) {
        unseen.push({ reader, key, after: newest?.commitTs ?? 0n, ts });
        continue;
      }
      const writer = value === null ? undefined : writers.get(`${key}\0${value}`);
      const saw = `${reader.name} at ${ts} read ${key} = ${value}`;
      if (value !== null && writer === undefined) wrong.push(`${saw}, which nobody wrote`);
      else if (writer?.outcome === "aborted") wrong.push(`${saw} of ${writer.name}, which was rolled back`);
      else if (writer?.outcome === "unknown") {
        const window = windows.get(writer) ?? { after: writer.startTs, until: ts };
        if (newest !== undefined && newest.commitTs > window.after) window.after = newest.commitTs;
        if (ts < window.until) window.until = ts;
        windows.set(writer, window);
      } else if (writer === undefined && hasUnknownDelete(history, key, ts)) continue;
      else
        wrong.push(
          `${saw}${writer === undefined ? "" : ` of ${writer.name} (committed at ${writer.commitTs})`}, but the newest version is ${newest?.value ?? null}${newest === undefined ? "" : ` of ${newest.writer.name}, committed at ${newest.commitTs}`}`,
        );
    }
  }
  for (const [writer, { after, until }] of windows) {
    if (after >= until) wrong.push(`${writer.name}: its writes were seen at ${until} and cannot have been committed after ${after}`);
    const keys = new Set(writer.writes.map(({ key }) => key));
    for (const read of unseen)
      if (keys.has(read.key) && read.reader !== writer && read.after <= after && read.ts >= until)
        wrong.push(`${read.reader.name} at ${read.ts} did not see ${writer.name} in ${read.key}, which others saw at ${until}`);
  }

  for (const [key, list] of versions)
    for (let i = 1; i < list.length; i++) {
      const earlier = list[i - 1];
      const later = list[i];
      if (earlier === undefined || later === undefined) continue;
      if (earlier.commitTs === later.commitTs && earlier.writer !== later.writer)
        wrong.push(`${key}: ${earlier.writer.name} and ${later.writer.name} both committed at ${later.commitTs}`);
      const base = later.writer.writes.find((write) => write.key === key)?.baseTs ?? later.writer.startTs;
      if (earlier.writer !== later.writer && earlier.commitTs > base)
        wrong.push(
          `${later.writer.name} (based on ${base}) overwrote ${key} of ${earlier.writer.name}, committed at ${earlier.commitTs}: a lost update`,
        );
    }

  const acknowledged = history
    .flatMap(({ name, outcome, commitTs, endedMs }) => (outcome === "committed" && commitTs !== null ? [{ name, commitTs, endedMs }] : []))
    .sort((a, b) => a.endedMs - b.endedMs);
  const beginnings = [...history].sort((a, b) => a.beganMs - b.beganMs);
  let newest = { name: "", commitTs: 0n };
  let next = 0;
  for (const { name, startTs, beganMs } of beginnings) {
    for (let each = acknowledged[next]; each !== undefined && each.endedMs < beganMs; each = acknowledged[++next])
      if (each.commitTs > newest.commitTs) newest = each;
    if (startTs < newest.commitTs)
      wrong.push(`${name} started at ${startTs} after ${newest.name} was acknowledged with commit ts ${newest.commitTs}`);
  }
  return wrong;
}

function newestAt(versions: readonly Version[], ts: bigint): Version | undefined {
  let low = 0;
  let high = versions.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((versions[middle]?.commitTs ?? 0n) <= ts) low = middle + 1;
    else high = middle;
  }
  return versions[low - 1];
}

function hasUnknownDelete(history: readonly RecordedTransaction[], key: string, ts: bigint): boolean {
  return history.some(
    ({ outcome, startTs, writes }) =>
      outcome === "unknown" && startTs < ts && writes.some((write) => write.key === key && write.value === null),
  );
}

/**
 * Long fork: keys are written once each, readers read them all. Any two reads must be comparable: what the one saw and the other
 * did not, and the other way round, cannot both be. Gives the first two that are not.
 */
export function findLongFork(reads: readonly ReadonlyMap<string, string | null>[]): readonly [number, number] | null {
  // sorted by how much they saw, each must contain the one before it
  const sorted = reads
    .map((read, index) => ({ index, seen: new Set([...read].flatMap(([key, value]) => (value === null ? [] : [key]))) }))
    .sort((a, b) => a.seen.size - b.seen.size);
  for (let i = 1; i < sorted.length; i++) {
    const [smaller, larger] = [sorted[i - 1], sorted[i]];
    if (smaller !== undefined && larger !== undefined && [...smaller.seen].some((key) => !larger.seen.has(key)))
      return [smaller.index, larger.index];
  }
  return null;
}
