import { describe, expect, test } from "vitest";
import { configDocument, launch, parseSize } from "./config.ts";

const run = (argv: readonly string[], files: Readonly<Record<string, string>> = {}) =>
  launch(argv, {
    versionText: "TiKV\nRelease Version: x\n",
    readFile: (path) => {
      const text = files[path];
      if (text === undefined) throw new Error("no such file");
      return text;
    },
  });
const config = (argv: readonly string[], file = "") => {
  const what = run([...argv, "--config", "tikv.toml"], { "tikv.toml": file });
  if (what.kind !== "run") throw new Error(what.text);
  return what.config;
};
const refusal = (file: string, argv: readonly string[] = []) => {
  const what = run([...argv, "--config", "tikv.toml"], { "tikv.toml": file });
  return what.kind === "refuse" ? what.text : what.kind;
};

describe("what an operator's file says", () => {
  test("labels, addresses, sizes and durations are taken; flags win", () => {
    const it = config(
      ["--addr", "127.0.0.1:1", "--pd", "a:1,b:2", "--labels", "zone=west"],
      `
[server]
addr = "0.0.0.0:20160"
advertise-addr = "10.63.10.30:20160"
labels = { zone = "east", rack = "east-1", host = "30" }
[storage]
data-dir = "/data/tikv"
enable-ttl = true
[raftstore]
raft-base-tick-interval = "500ms"
raft-entry-max-size = "4MB"
capacity = "10GiB"
[coprocessor]
region-split-size = "96MB"
[log.file]
filename = "/log/tikv.log"
[pessimistic-txn]
wait-for-lock-timeout = "2s"
`,
    );
    expect([it.addr, it.advertiseAddr, it.dataDir, it.enableTtl, it.log.file, it.capacityBytes]).toEqual([
      "127.0.0.1:1",
      "10.63.10.30:20160",
      "/data/tikv",
      true,
      "/log/tikv.log",
      10 * 1024 ** 3,
    ]);
    expect(it.labels).toEqual([{ key: "zone", value: "west" }]);
    expect(it.pdEndpoints).toEqual(["a:1", "b:2"]);
    expect([it.integer("raftstore.raft-base-tick-interval"), it.integer("coprocessor.region-max-size")]).toEqual([500, 144 * 1024 ** 2]);
    // The default lease would be longer than an election of these ticks.
    expect(it.integer("raftstore.raft-store-max-leader-lease")).toBe(4500);
    expect(it.warnings).toEqual([]);
    expect(configDocument(it)).toMatchObject({
      server: { labels: { zone: "west" } },
      raftstore: { "raft-entry-max-size": "4MiB", "raft-base-tick-interval": "500ms" },
    });
  });

  test("nothing is passed over in silence: what is not known, and what has no effect here, is named in coded warnings", () => {
    const it = config([], '[server]\nadress = "x"\n[rocksdb]\nmax-open-files = 10\n[nope]\na = 1\n');
    expect(it.warnings).toEqual([
      expect.stringMatching(/code=72307.*unknown configuration option server\.adress/),
      expect.stringMatching(/code=72307.*unknown configuration option \[nope\]/),
      expect.stringMatching(/code=72308.*without effect in this store: \[rocksdb\],/),
    ]);
    // A default that is written down is no wish.
    const idle = config(
      [],
      '[raftstore]\nprevote = true\nstore-pool-size = 4\n[storage.flow-control]\nenable = false\n[security.encryption.master-key]\ntype = "file"\n',
    );
    expect(idle.warnings).toEqual([
      expect.stringContaining(
        "without effect in this store: raftstore.store-pool-size, storage.flow-control.enable, security.encryption.master-key,",
      ),
    ]);
  });

  test("the sample names what has an effect, is taken as it is, and is what a start without a file does", () => {
    const sample = run(["--print-sample-config"]);
    if (sample.kind !== "print") throw new Error(sample.kind);
    const plain = run([]);
    if (plain.kind !== "run") throw new Error(plain.kind);
    const it = config([], sample.text);
    expect(it.warnings).toEqual([]);
    expect(configDocument(it)).toEqual(configDocument(plain.config));
    expect(sample.text).toContain('[raftstore]\nraft-base-tick-interval = "1s"');
  });

  test.each([
    ["[server", "tikv.toml"],
    ['[server]\naddr = "nowhere"', "server.addr"],
    ['[server]\nadvertise-addr = "0.0.0.0:20160"', "no address that others can reach"],
    ['[server]\nlabels = { zone = "a b" }', "server.labels"],
    ['[raftstore]\nraft-base-tick-interval = "fast"', "raft-base-tick-interval"],
    ["[raftstore]\nraft-election-timeout-ticks = 2", "must be greater than raft-heartbeat-ticks"],
    ['[raftstore]\nraft-store-max-leader-lease = "20s"', "raft-store-max-leader-lease"],
    ['[raftstore]\nraft-entry-max-size = "big"', "is not a size"],
    ["[raftstore]\nprevote = 1", "neither true nor false"],
    ["[storage]\napi-version = 2", "api-version"],
    ['[log]\nlevel = "loud"', "log.level"],
    ['[security]\nca-path = "x"', "belong together"],
    ["[pd]\nendpoints = []", "pd.endpoints"],
    ['[coprocessor]\nregion-split-size = "96MB"\nregion-max-size = "1MB"', "region-max-size"],
    ['[security.encryption]\ndata-encryption-method = "aes256-ctr"', "put the data folder on an encrypted disk"],
    ['[storage]\nengine = "partitioned-raft-kv"', "storage.engine"],
    ["[coprocessor]\nregion-split-keys = 10\nregion-max-keys = 9", "region-max-keys"],
  ])("%j is refused with its name", (file, named) => {
    const text = refusal(file);
    expect(text).toContain("[code=72301:class=tikv-server");
    expect(text).toContain(named);
    expect(text.split("tikv.toml").length - 1, "the file is named once").toBeLessThanOrEqual(1);
  });
});

describe("flags", () => {
  test("print and leave", () => {
    expect(run(["-V"])).toEqual({ kind: "print", text: "TiKV\nRelease Version: x\n" });
    expect(run(["--help"]).kind).toBe("print");
    expect(run(["--config-check", "--config", "t"], { t: "[server]\nx = 1" })).toEqual({
      kind: "print",
      text: expect.stringMatching(/^warning: .*code=72307.*server\.x.*\nconfig check successful\n$/),
    });
  });
  test("that are not known, or have no value, are refused", () => {
    for (const argv of [["--nope"], ["--addr"], ["--config", "missing"], ["leftover"], ["--labels", "zone"], ["--pd", "x"]])
      expect([argv, run(argv).kind]).toEqual([argv, "refuse"]);
    expect(refusal("", ["--nope"])).toBe("Unknown option '--nope'; see tikv-server --help\n");
  });
});

test("sizes", () => {
  expect(["1", "1KB", "2KiB", "3MB", "1.5GiB", "4 GB", "7B"].map(parseSize)).toEqual([
    1,
    1024,
    2048,
    3 * 1024 ** 2,
    1.5 * 1024 ** 3,
    4 * 1024 ** 3,
    7,
  ]);
  expect(["", "MB", "-1KB", "1XB", "1KBs"].map(parseSize)).toEqual([null, null, null, null, null]);
});
