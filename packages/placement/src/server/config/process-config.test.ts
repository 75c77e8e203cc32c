import { describe, expect, test } from "vitest";
import { type Launch, launchPd, type PdConfig } from "./process-config.ts";

const launch = (argv: readonly string[], file = ""): Launch => launchPd(argv, { hostname: "h", cwd: "/work", readFile: () => file });
const run = (argv: readonly string[], file = ""): PdConfig => {
  const launched = launch(["-config", "pd.toml", ...argv], file);
  if (launched.kind !== "run") throw new Error(JSON.stringify(launched));
  return launched.config;
};

test("defaults", () => {
  expect(run([])).toMatchObject({
    name: "pd-h",
    dataDir: "default.pd-h",
    clientUrls: ["http://127.0.0.1:2379"],
    advertisePeerUrls: ["http://127.0.0.1:2380"],
    initialCluster: "pd-h=http://127.0.0.1:2380",
    leaseS: 5,
    tsoSaveIntervalMs: 5000,
    undefinedItems: [],
  });
});

test("the file of two data centres: nested labels, the mode, an item that nobody knows", () => {
  const config = run(
    [],
    `[replication]
location-labels = ["zone", "rack", "host"]
[replication-mode]
replication-mode = "dr-auto-sync"
[replication-mode.dr-auto-sync]
label-key = "zone"
primary = "east"
dr = "west"
primary-replicas = 2
dr-replicas = 1
wait-store-timeout = "1m"
wait-sync-timeout = "1m"
pause-region-split = true
`,
  );
  expect(config.dynamic.replication.locationLabels).toEqual(["zone", "rack", "host"]);
  expect(config.dynamic.replicationMode).toMatchObject({
    mode: "dr-auto-sync",
    drAutoSync: { labelKey: "zone", primaryReplicas: 2, waitStoreTimeoutMs: 60_000, pauseRegionSplit: true },
  });
  expect(config.undefinedItems).toEqual(["replication-mode.dr-auto-sync.wait-sync-timeout"]);
});

test("modes: every spelling is one, what is none is the plain one", () => {
  const mode = (text: string) => run([], `[replication-mode]\nreplication-mode = "${text}"`).dynamic.replicationMode.mode;
  expect(["DR_AUTO_SYNC", "dr-auto-sync", "bogus"].map(mode)).toEqual(["dr-auto-sync", "dr-auto-sync", "majority"]);
});

describe("what is refused, in one line", () => {
  test.each([
    ['[schedule]\nmax-store-down-time = "bogus"', 'time: invalid duration "bogus"'],
    ['[schedule]\nleader-schedule-limit = "x"', "toml: cannot load TOML value of type string into a Go integer"],
    ["[schedule]\nlow-space-ratio = 1.5", "low-space-ratio should between 0 and 1"],
    ['[replication]\nlocation-labels = ["zone"]\nisolation-level = "rack"', "isolation-level must be one of location-labels or empty"],
    ["[log]\nlevel = 'loud'", "log level loud is illegal"],
    ["[security]\ncacert-path = 'ca.pem'", "security: cacert-path, cert-path and key-path must be given together"],
  ])("%s", (file, message) => {
    expect(launch(["-config", "pd.toml"], file)).toEqual({ kind: "refuse", message });
    expect(launch(["-config", "pd.toml", "-config-check"], file)).toEqual({ kind: "refuse", message });
  });

  test("flags", () => {
    expect(launch(["-nosuch"])).toEqual({ kind: "refuse", message: "flag provided but not defined: -nosuch" });
    expect(launch(["-join", "http://a:1", "-initial-cluster", "m=http://b:2"])).toEqual({
      kind: "refuse",
      message: "-initial-cluster and -join can not be provided at the same time",
    });
    expect(launch(["-data-dir", "pd", "-log-file", "./pd/log/pd.log"])).toEqual({
      kind: "refuse",
      message: "log directory shouldn't be the subdirectory of data directory",
    });
    expect(launch(["-client-urls", "127.0.0.1:2379"])).toMatchObject({ kind: "refuse" });
    expect(launch(["-V"])).toEqual({ kind: "print", what: "version" });
  });
});

test("config-check", () => {
  expect(launch(["-config", "pd.toml", "--config-check"])).toEqual({ kind: "checked", message: "config check successful" });
  expect(launch(["-config", "pd.toml", "--config-check"], "nosuch = 1\n[schedule]\nfoo = 2")).toEqual({
    kind: "checked",
    message: "Config contains undefined item: nosuch, schedule.foo",
  });
});

test("flags win over the file", () => {
  expect(run(["--name=m", "-L", "debug"], 'name = "other"\nlease = 3\n')).toMatchObject({ name: "m", leaseS: 3, log: { level: "debug" } });
});
