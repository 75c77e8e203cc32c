import { nodeWorld } from "@skein/base";
import { runScenario, type ScenarioStep, scenarioFiles, updateScenarios } from "@skein/sim";
import { describe, expect, test } from "vitest";
import { createMemoryRegions } from "../testing/memory-region-kv.ts";
import { kvrpcpb } from "../wire/index.ts";
import { decodeKey, encodeKey, keyOfVersion, maxTs, timestampOf } from "./core/keys.ts";
import { decodeLock, decodeWrite } from "./core/records.ts";
import { LeaderDetector } from "./deadlock.ts";
import { Transactions } from "./transactions.ts";

const bytes = (text: string) => new Uint8Array(Buffer.from(text));

/** `7` is the timestamp of 7 ms, `7.2` the second after it, `max` the end of time. */
function tsOf(text: string): bigint {
  if (text === "max") return maxTs;
  const [ms = "0", logical = "0"] = text.split(".");
  return (BigInt(ms) << 18n) | BigInt(logical);
}
function tsText(ts: bigint): string {
  if (ts === maxTs) return "max";
  const logical = ts & 0x3ffffn;
  return logical === 0n ? String(ts >> 18n) : `${ts >> 18n}.${logical}`;
}

/** What is not a default, as `name=value`. Errors carry timestamps in their text. */
function show(value: unknown): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString();
  if (typeof value === "bigint") return tsText(value);
  if (typeof value === "string") return value.replaceAll(/TimeStamp\((\d+)\)/g, (_all, ts: string) => tsText(BigInt(ts)));
  if (Array.isArray(value)) return `[${value.map(show).join(", ")}]`;
  if (typeof value !== "object" || value === null) return String(value);
  const fields = Object.entries(value).filter(
    ([, each]) =>
      each !== null &&
      each !== undefined &&
      each !== 0 &&
      each !== 0n &&
      each !== "" &&
      each !== false &&
      (each as Uint8Array).length !== 0,
  );
  const named = fields.filter(([name, each]) => !(name === "action" && each === "NoAction"));
  return named
    .map(([name, each]) =>
      typeof each === "object" && !Array.isArray(each) && !(each instanceof Uint8Array)
        ? `${name}{${show(each)}}`
        : `${name}=${show(each)}`,
    )
    .join(" ");
}

const ops = { put: "Put", del: "Del", lock: "Lock", insert: "Insert", absent: "CheckNotExists" } as const;

function runner() {
  const regions = createMemoryRegions();
  const world = nodeWorld();
  const ending = new AbortController();
  const transactions = new Transactions({
    kv: regions.store(1),
    clock: world.clock,
    detector: new LeaderDetector({ clock: world.clock }),
    timestamp: async () => 0n,
    signal: ending.signal,
  });
  const at = regions.contextFor(new Uint8Array(0));

  return async ({ command, args }: ScenarioStep): Promise<string> => {
    const flags = new Map(args.map((arg) => [arg.split("=")[0] as string, arg.slice(arg.indexOf("=") + 1)]));
    const has = (name: string) => args.includes(name);
    const ts = (name: string) => tsOf(flags.get(name) ?? "0");
    const keys = () =>
      (flags.get("keys") ?? "")
        .split(",")
        .filter((key) => key !== "")
        .map(bytes);
    const number = (name: string, otherwise: number) => Number(flags.get(name) ?? otherwise);
    const list = (name: string) =>
      (flags.get(name) ?? "")
        .split(",")
        .filter((each) => each !== "")
        .map(tsOf);
    const context = kvrpcpb.Context.complete({
      resolved_locks: list("resolved"),
      committed_locks: list("committed"),
      isolation_level: has("rc") ? "RC" : "SI",
    });
    const mutations = args.flatMap((arg) => {
      const match = /^(put|del|lock|insert|absent):([^=]+)(?:=(.*))?$/.exec(arg);
      if (match === null) return [];
      const value = match[3] === "LONG" ? "x".repeat(300) : (match[3] ?? "");
      return [{ op: ops[match[1] as keyof typeof ops], key: bytes(match[2] as string), value: bytes(value) }];
    });
    const primary = bytes(flags.get("primary") ?? Buffer.from(mutations[0]?.key ?? keys()[0] ?? []).toString());
    const answer = async (): Promise<object> => {
      switch (command) {
        case "read-at":
          transactions.concurrency.observe(ts("ts"));
          return {};
        case "prewrite":
          return transactions.prewrite(
            kvrpcpb.PrewriteRequest.complete({
              mutations,
              primary_lock: primary,
              start_version: ts("start"),
              lock_ttl: number("ttl", 3),
              txn_size: 1,
              for_update_ts: ts("for-update"),
              min_commit_ts: ts("min"),
              max_commit_ts: ts("max"),
              use_async_commit: has("async"),
              secondaries: mutations.slice(1).map(({ key }) => key),
              try_one_pc: has("1pc"),
              pessimistic_actions: mutations.map(() => (has("pessimistic") ? "DO_PESSIMISTIC_CHECK" : "SKIP_PESSIMISTIC_CHECK")),
            }),
            at,
          );
        case "commit":
          return transactions.commit(
            kvrpcpb.CommitRequest.complete({ keys: keys(), start_version: ts("start"), commit_version: ts("commit") }),
            at,
          );
        case "rollback":
          return transactions.batchRollback(kvrpcpb.BatchRollbackRequest.complete({ keys: keys(), start_version: ts("start") }), at);
        case "cleanup":
          return transactions.cleanup(
            kvrpcpb.CleanupRequest.complete({ key: keys()[0] ?? bytes(""), start_version: ts("start"), current_ts: ts("now") }),
            at,
          );
        case "status":
          return transactions.checkTxnStatus(
            kvrpcpb.CheckTxnStatusRequest.complete({
              primary_key: primary,
              lock_ts: ts("start"),
              caller_start_ts: ts("caller"),
              current_ts: ts("now"),
              rollback_if_not_exist: has("rollback"),
              force_sync_commit: has("force"),
              resolving_pessimistic_lock: has("pessimistic"),
              verify_is_primary: has("verify"),
            }),
            at,
          );
        case "secondaries":
          return transactions.checkSecondaryLocks(
            kvrpcpb.CheckSecondaryLocksRequest.complete({ keys: keys(), start_version: ts("start") }),
            at,
          );
        case "heartbeat":
          return transactions.txnHeartBeat(
            kvrpcpb.TxnHeartBeatRequest.complete({ primary_lock: primary, start_version: ts("start"), advise_lock_ttl: number("ttl", 0) }),
            at,
          );
        case "resolve":
          return transactions.resolveLock(
            kvrpcpb.ResolveLockRequest.complete({ start_version: ts("start"), commit_version: ts("commit"), keys: keys() }),
            at,
          );
        case "lock":
          return transactions.pessimisticLock(
            kvrpcpb.PessimisticLockRequest.complete({
              mutations: keys().map((key) => ({
                op: "PessimisticLock" as const,
                key,
                assertion: has("absent") ? ("NotExist" as const) : ("None" as const),
              })),
              primary_lock: primary,
              start_version: ts("start"),
              for_update_ts: ts("for-update"),
              min_commit_ts: ts("min"),
              lock_ttl: number("ttl", 20),
              wait_timeout: -1,
              return_values: has("values"),
              check_existence: has("existence"),
              lock_only_if_exists: has("if-exists"),
            }),
            at,
          );
        case "unlock":
          return transactions.pessimisticRollback(
            kvrpcpb.PessimisticRollbackRequest.complete({ keys: keys(), start_version: ts("start"), for_update_ts: ts("for-update") }),
            at,
          );
        case "get":
          return transactions.get(kvrpcpb.GetRequest.complete({ context, key: keys()[0] ?? bytes(""), version: ts("ts") }), at);
        case "batch-get":
          return transactions.batchGet(kvrpcpb.BatchGetRequest.complete({ context, keys: keys(), version: ts("ts") }), at);
        case "scan":
          return transactions.scan(
            kvrpcpb.ScanRequest.complete({
              context,
              start_key: bytes(flags.get("from") ?? ""),
              end_key: bytes(flags.get("to") ?? ""),
              version: ts("ts"),
              limit: number("limit", 100),
              reverse: has("reverse"),
              key_only: has("keys-only"),
            }),
            at,
          );
        case "scan-lock":
          return transactions.scanLock(kvrpcpb.ScanLockRequest.complete({ max_version: ts("max"), limit: number("limit", 100) }), at);
        case "gc":
          return { removed: await transactions.gc(ts("safe-point"), at) };
        case "delete-range":
          return transactions.deleteRange(
            kvrpcpb.DeleteRangeRequest.complete({ start_key: bytes(flags.get("from") ?? ""), end_key: bytes(flags.get("to") ?? "") }),
            at,
          );
        default:
          throw new Error(`no such command: ${command}`);
      }
    };
    if (command === "records") {
      const lines: string[] = [];
      const all = { start: new Uint8Array(0), end: new Uint8Array(0) };
      const user = (key: Uint8Array) => Buffer.from(decodeKey(key) ?? []).toString();
      for await (const block of regions.engine.scan("lock", all))
        for (const { key, value } of block) lines.push(`lock ${user(key)}: ${show({ ...decodeLock(value), lastChange: null })}`);
      for await (const block of regions.engine.scan("write", all))
        for (const { key, value } of block)
          lines.push(`write ${user(keyOfVersion(key))}@${tsText(timestampOf(key))}: ${show(decodeWrite(value))}`);
      for await (const block of regions.engine.scan("default", all))
        for (const { key, value } of block)
          lines.push(`value ${user(keyOfVersion(key))}@${tsText(timestampOf(key))}: ${value.length} bytes`);
      return lines.length === 0 ? "none" : lines.join("\n");
    }
    const done = show(await answer());
    return done === "" ? "ok" : done;
  };
}

test("keys keep their order when they are encoded, and come back", () => {
  const samples = ["", "a", "ab", "abcdefg", "abcdefgh", "abcdefghi", "abcdefgh\0", "abc\0", "b", "\xff\xff"].map(
    (text) => new Uint8Array(Buffer.from(text, "latin1")),
  );
  for (const a of samples) {
    expect(Buffer.from(decodeKey(encodeKey(a)) ?? [1]).equals(Buffer.from(a))).toBe(true);
    for (const b of samples) expect(Math.sign(Buffer.compare(encodeKey(a), encodeKey(b)))).toBe(Math.sign(Buffer.compare(a, b)));
  }
  expect(Buffer.from(encodeKey(bytes("abc"))).toString("hex")).toBe("6162630000000000fa");
  expect(Buffer.from(encodeKey(bytes(""))).toString("hex")).toBe("0000000000000000f7");
  expect(Buffer.from(encodeKey(bytes("12345678"))).toString("hex")).toBe("3132333435363738ff0000000000000000f7");
});

describe("scenarios", () => {
  test.each(scenarioFiles(new URL("scenarios", import.meta.url).pathname))("$name", async (file) => {
    const { actual, expected } = await runScenario(file.text, runner());
    if (updateScenarios) file.update(actual);
    else expect(actual).toBe(expected);
  });
});
