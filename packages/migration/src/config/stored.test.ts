import { describe, expect, test } from "vitest";
import { createPasswordCipher, parseSecretKey } from "./crypto.ts";
import { parseSource } from "./source-yaml.ts";
import { sourceFromToml, sourceToToml, subtaskFromToml, subtaskToToml } from "./stored.ts";
import { makeSubtasks, parseTask, taskToYaml } from "./task-yaml.ts";

/** As the original stored them. */
const storedSubtask = String.raw`is-sharding = false
shard-mode = ""
strict-optimistic-shard-mode = false
online-ddl = true
shadow-table-rules = ["^_(.+)_(?:new|gho)$"]
trash-table-rules = ["^_(.+)_(?:ghc|del|old)$"]
online-ddl-scheme = ""
case-sensitive = false
collation_compatible = "loose"
name = "t2"
mode = "all"
ignore-checking-items = ["replication_privilege", "dump_privilege", "conn_number"]
source-id = "src-2"
server-id = 0
flavor = ""
meta-schema = "dm_meta"
heartbeat-update-interval = 1
heartbeat-report-interval = 10
enable-heartbeat = false
timezone = ""
relay-dir = ""
use-relay = false
route-rules = []
filter-rules = []
mapping-rule = []
expression-filter = []
mydumper-path = "./bin/mydumper"
threads = 4
chunk-filesize = "64"
statement-size = 0
rows = 0
where = ""
skip-tz-utc = true
extra-args = ""
pool-size = 16
dir = "./dumped_data.t2"
sorting-dir-physical = "./dumped_data.t2.sorting"
import-mode = "logical"
on-duplicate = ""
on-duplicate-logical = "replace"
on-duplicate-physical = "none"
disk-quota-physical = 0
checksum-physical = "required"
analyze = "optional"
range-concurrency = 0
compress-kv-pairs = ""
pd-addr = ""
meta-file = ""
worker-count = 16
batch = 100
queue-size = 1024
checkpoint-flush-interval = 30
compact = false
multiple-rows = false
max-retry = 0
auto-fix-gtid = false
enable-gtid = false
disable-detect = false
safe-mode = false
safe-mode-duration = "60s"
enable-ansi-quotes = false
log-level = ""
log-file = ""
log-format = ""
log-rotate = ""
pprof-addr = ""
status-addr = ""
clean-dump-file = true
ansi-quotes = false

[from]
  host = "127.0.0.1"
  port = 18307
  user = "dm"
  password = "pw123"

[to]
  host = "127.0.0.1"
  port = 18400
  user = "dm"
  password = "pw123"

[block-allow-list]
  do-dbs = ["shop2"]

[ValidatorCfg]
  mode = "none"
  worker-count = 4
  validate-interval = "10s"
  check-interval = "5s"
  row-error-delay = "30m0s"
  meta-flush-interval = "5m0s"
  batch-query-size = 100
  max-pending-row-size = "500m"
  max-pending-row-count = 2147483647
  start-time = ""

[experimental]
  async-checkpoint-flush = false`;
const storedSource = String.raw`enable = true
enable-gtid = true
auto-fix-gtid = false
relay-dir = "relay-dir"
meta-dir = ""
flavor = "mariadb"
charset = ""
enable-relay = false
relay-binlog-name = ""
relay-binlog-gtid = ""
source-id = "src-1"
server-id = 429516529
case-sensitive = false

[from]
  host = "127.0.0.1"
  port = 18306
  user = "dm"
  password = "pw123"

[purge]
  interval = 3600
  expires = 0
  remain-space = 15

[checker]
  check-enable = true
  backoff-rollback = "5m0s"
  backoff-max = "5m0s"
  check-interval = "5s"
  backoff-min = "1s"
  backoff-jitter = true
  backoff-factor = 2.0`;

const keysOf = (toml: string) =>
  toml
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => line.trim().replace("[ ", "[").replace(" ]", "]"));

describe("what is stored", () => {
  const source = sourceFromToml(storedSource);
  const subtask = subtaskFromToml(storedSubtask.replaceAll("src-2", "src-1"), source);

  test("the original's subtasks are read, and written with its keys", () => {
    expect(subtask).toMatchObject({
      name: "t2",
      mode: "all",
      sourceId: "src-1",
      flavor: "mariadb",
      serverId: 429516529,
      enableGtid: true,
      loader: { dir: "./dumped_data.t2", poolSize: 16 },
      syncer: { checkpointFlushIntervalMs: 30_000, safeModeDurationMs: 60_000 },
      blockAllowList: { doDbs: ["shop2"] },
      to: { port: 18400, user: "dm" },
    });
    const written = keysOf(subtaskToToml(subtask, source));
    // The source's part stays with the source, and lists that are empty may be left out by the original.
    const expected = keysOf(storedSubtask).filter((line) => !/^(source-id|host|port|rows =)/.test(line));
    expect(expected.filter((line) => !written.includes(line))).toEqual([]);
  });

  test("written and read back, nothing is lost", () => {
    expect(subtaskFromToml(subtaskToToml(subtask, source), source)).toEqual(subtask);
    expect(sourceFromToml(sourceToToml(source))).toEqual(source);
    expect(
      keysOf(storedSource)
        .filter((line) => !keysOf(sourceToToml(source)).includes(line))
        .map((line) => line.replace(/ =.*/, "")),
    ).toEqual([
      "backoff-factor", // 2.0, and here 2
    ]);
  });

  test("every block of a task goes through", () => {
    const yaml = [
      "name: t9\ntask-mode: incremental\nshard-mode: optimistic\ntimezone: '+08:00'\nonline-ddl: false\nclean-dump-file: false",
      "target-database: {host: h, port: 4000, user: u, password: p, session: {sql_mode: ANSI}, security: {ssl-ca-base64: YWJj}}",
      "mysql-instances:",
      "  - source-id: src-1",
      "    meta: {binlog-name: mysql-bin.000003, binlog-pos: 154}",
      "    route-rules: [r]\n    filter-rules: [f]\n    expression-filters: [e]\n    block-allow-list: b",
      "routes: {r: {schema-pattern: a*, table-pattern: t*, target-schema: s, target-table: t, extract-table: {table-regexp: 't(.*)', target-column: c}}}",
      "filters: {f: {schema-pattern: a*, events: [truncate table], sql-pattern: ['^DROP'], action: Ignore}}",
      "expression-filter: {e: {schema: a, table: t, insert-value-expr: 'x > 1'}}",
      "block-allow-list: {b: {do-dbs: [a*], ignore-tables: [{db-name: a, tbl-name: log}]}}",
      "experimental: {async-checkpoint-flush: true}",
    ].join("\n");
    const own = parseSource("source-id: src-1\nfrom: {host: h}\nfilters: [{schema-pattern: z, events: [all], action: Ignore}]");
    const [made] = makeSubtasks(parseTask(yaml), new Map([["src-1", own]]));
    if (made === undefined) throw new Error("no subtask");
    expect(subtaskFromToml(subtaskToToml(made, own), own)).toEqual(made);
    // A filter of the source goes with the source, also when it is taken away later.
    expect(subtaskFromToml(subtaskToToml(made, own), { ...own, filters: [] }).filters).toHaveLength(1);
    const shown = taskToYaml([subtaskFromToml(subtaskToToml(made, own), null)], { mask: true });
    expect(shown).toContain("expr-filter-01");
    expect(shown).toContain("password: '******'");
  });

  test("what was not stored by us is 20004", () => {
    expect(() => subtaskFromToml("name = 1", source)).toThrow(/code=20004/);
    expect(() => subtaskFromToml("= =", source)).toThrow(/code=20004/);
    expect(() => sourceFromToml("port = [")).toThrow(/code=20004/);
  });

  test("passwords are stored as typed and come out in clear", () => {
    const cipher = createPasswordCipher(parseSecretKey("ab".repeat(32)), (length) => new Uint8Array(length).fill(7));
    const typed = cipher.encrypt("secret");
    const stored = subtaskToToml(subtask).replaceAll('password = "pw123"', `password = "${typed}"`);
    const read = subtaskFromToml(stored, source, { decrypt: (text) => cipher.decrypt(text) });
    expect(read.to.password.reveal()).toBe("secret");
    expect(read.from.password.reveal()).toBe("pw123");
  });
});

describe("passwords", () => {
  const key = "a529b7665997f043a30ac8fadcb51d6aa032c226ab5b7750530b12b8c1a16a48";
  let draw = 0;
  const cipher = createPasswordCipher(parseSecretKey(`${key}\n`), (length) => new Uint8Array(length).fill(++draw));

  test("what the original encrypted is decrypted", () => {
    expect(cipher.decrypt("dT2ks40l+7biHGb8yiE8oEB1SA2FqQ==")).toBe("pw123");
  });

  test("each encryption differs, and decrypts to the same", () => {
    const [a, b] = [cipher.encrypt("pass wörd"), cipher.encrypt("pass wörd")];
    expect(a).not.toBe(b);
    expect([cipher.decrypt(a), cipher.decrypt(b)]).toEqual(["pass wörd", "pass wörd"]);
  });

  test("what is not encrypted is taken as it is", () => {
    for (const text of ["", "plain", "cGxhaW4=", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", "%%"]) expect(cipher.decrypt(text)).toBe(text);
    expect(createPasswordCipher(null, () => new Uint8Array(16)).decrypt("x")).toBe("x");
  });

  test("without a key nothing is encrypted; a bad key is 20067", () => {
    expect(() => createPasswordCipher(null, () => new Uint8Array(16)).encrypt("x")).toThrow(
      /^secret key not initialized. To enable encryption:/,
    );
    expect(() => parseSecretKey("abcd")).toThrow(/code=20067/);
    expect(() => parseSecretKey("x".repeat(64))).toThrow(/code=20067/);
  });
});
