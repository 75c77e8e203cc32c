import { describe, expect, test } from "vitest";
import { whyEnded } from "./log-lines.ts";
import { sumOfMetric } from "./metrics.ts";
import { parseSaved, planAgain, type SavedPlayground, savedText } from "./saved.ts";
import { labelText, locationLabels, planTopology, TopologyError } from "./topology.ts";
import { type PlaygroundView, renderTable } from "./view.ts";

describe("what a playground consists of", () => {
  test("zones in turn, and labels of single stores", () => {
    const { pds, stores } = planTopology({
      pds: 3,
      stores: 4,
      zones: "east:2,west:2",
      labels: ["store-1=host=h1,disk=ssd", "store-4=zone=far"],
    });
    expect(pds).toEqual(["pd-1", "pd-2", "pd-3"]);
    expect(stores.map(({ name, labels }) => `${name} ${labelText(labels)}`)).toEqual([
      "store-1 zone=east,host=h1,disk=ssd",
      "store-2 zone=east",
      "store-3 zone=west",
      "store-4 zone=far",
    ]);
  });

  test("without a number there are as many stores as the zones name, or three", () => {
    expect(planTopology({ pds: 1, zones: "east:2,west:2", labels: [] }).stores).toHaveLength(4);
    expect(planTopology({ pds: 1, labels: [] }).stores).toHaveLength(3);
  });

  test("labels that tell a place are the location labels, the widest first", () => {
    const labels = ["store-1=host=h1,rack=r1,disk=ssd"];
    expect(locationLabels(planTopology({ pds: 1, zones: "east:2,west:1", labels }))).toEqual(["zone", "rack", "host"]);
    expect(locationLabels(planTopology({ pds: 1, labels: ["store-1=disk=ssd"] }))).toEqual([]);
  });

  test.each([
    [{ pds: 1, zones: "east:0", labels: [] }, "and east:0 is none of it"],
    [{ pds: 1, zones: "a b:1", labels: [] }, "and a b:1 is none of it"],
    [{ pds: 1, zones: "east:9999", labels: [] }, "at most 50"],
    [{ pds: 2, stores: 3, labels: [] }, "--pd is 1 or 3, not 2"],
    [{ pds: 1, stores: 3, zones: "east:2", labels: [] }, "--zones names 2 stores, --stores is 3"],
    [{ pds: 1, stores: 3, zones: "east", labels: [] }, "and east is none of it"],
    [{ pds: 1, stores: 3, labels: ["store-4=zone=east"] }, "with one of 3 stores"],
    [{ pds: 1, stores: 3, labels: ["store-1=zone"] }, "zone is no label: say key=value"],
  ])("%j is refused", (flags, text) => {
    expect(() => planTopology(flags)).toThrow(TopologyError);
    expect(() => planTopology(flags)).toThrow(text);
  });
});

test("the table tells what is dead, cut off and not known", () => {
  const view: PlaygroundView = {
    pds: [{ name: "pd-1", process: "runs", isCutOff: false, isLeader: true, url: "http://127.0.0.1:2379" }],
    stores: [
      {
        name: "store-1",
        id: 1,
        process: "runs",
        isCutOff: true,
        state: "Disconnected",
        labels: "zone=east",
        regions: 12,
        leaders: 4,
        requestsPerSecond: 99.6,
        used: "10MiB",
        address: "127.0.0.1:20160",
      },
      {
        name: "store-10",
        id: null,
        process: "dead",
        isCutOff: false,
        state: "",
        labels: "",
        regions: null,
        leaders: null,
        requestsPerSecond: null,
        used: "",
        address: "127.0.0.1:20161",
      },
    ],
    regions: 12,
  };
  expect(renderTable(view)).toEqual([
    "12 regions · 100 requests/s · pd-1 http://127.0.0.1:2379 (leader)",
    "store     id  state         process  regions  leaders  req/s   used  labels     address",
    "store-1    1  Disconnected  cut off       12        4    100  10MiB  zone=east  127.0.0.1:20160",
    "store-10   –  –             dead           –        –      –      –  –          127.0.0.1:20161",
  ]);
});

test("in a narrow terminal the address gives way, then what is used, then the end of the labels; placement drivers take a line each", () => {
  const store = (number: number, labels: string): PlaygroundView["stores"][number] => ({
    name: `store-${number}`,
    id: number,
    process: "runs",
    isCutOff: false,
    state: "Up",
    labels,
    regions: 1,
    leaders: 0,
    requestsPerSecond: 0,
    used: "0B",
    address: `198.19.229.${number}:20160`,
  });
  const pd = (number: number) => ({
    name: `pd-${number}`,
    process: "runs" as const,
    isCutOff: false,
    isLeader: number === 3,
    url: `http://198.19.229.${number}:2379`,
  });
  const view: PlaygroundView = {
    pds: [1, 2, 3].map(pd),
    stores: [store(1, "zone=east"), store(2, "zone=east,rack=east-1,host=30")],
    regions: 1,
  };
  expect(renderTable(view, 80)).toEqual([
    "1 region · 0 requests/s",
    "pd-1 http://198.19.229.1:2379",
    "pd-2 http://198.19.229.2:2379",
    "pd-3 http://198.19.229.3:2379 (leader)",
    "store    id  state  process  regions  leaders  req/s  labels",
    "store-1   1  Up     runs           1        0      0  zone=east",
    "store-2   2  Up     runs           1        0      0  zone=east,rack=east-1,hos…",
  ]);
  for (const columns of [1, 20, 60, 79, 80, 100, 200])
    for (const line of renderTable(view, columns)) expect(line.length).toBeLessThanOrEqual(columns);
  expect(renderTable(view, 120)[1]).toContain("pd-1 ");
  expect(renderTable(view, 120).at(-1)).toContain("198.19.229.2:20160");
});

describe("a data folder that is used again", () => {
  const saved: SavedPlayground = {
    topology: planTopology({ pds: 3, stores: 2, labels: ["store-2=zone=west"] }),
    addresses: { subnet: null, ports: new Map([["pd-1 2379", 40_001]]) },
  };
  const again = (flags: Parameters<typeof planAgain>[1]) =>
    planAgain(saved.topology, flags).stores.map(({ name, labels }) => `${name} ${labelText(labels)}`);

  test("is read as it was written, and nothing else is taken for one", () => {
    expect(parseSaved(savedText(saved))).toEqual(saved);
    const text = savedText(saved);
    for (const bad of ["", "null", "{}", text.slice(0, -3), text.replace('"pds": 3', '"pds": 2'), text.replace("40001", "70000")])
      expect(parseSaved(bad)).toBeNull();
  });

  test("has what it had; more stores may come, labels be changed", () => {
    expect(planAgain(saved.topology, { labels: [] }).pds).toHaveLength(3);
    expect(again({ labels: [] })).toEqual(["store-1 ", "store-2 zone=west"]);
    expect(again({ stores: 3, labels: ["store-1=zone=east"] })).toEqual(["store-1 zone=east", "store-2 zone=west", "store-3 "]);
    expect(again({ zones: "north:2", labels: [] })).toEqual(["store-1 zone=north", "store-2 zone=north"]);
  });

  test("is not used by fewer stores, or another number of placement drivers", () => {
    expect(() => again({ stores: 1, labels: [] })).toThrow("has 2 stores");
    expect(() => again({ pds: 1, labels: [] })).toThrow("of 3 pd-servers, --pd is 1");
  });
});

test("a process ended by what was fatal, not by what it said afterwards", () => {
  expect(whyEnded("[INFO] a\n[FATAL] the disk is full\n[INFO] has stopped\n")).toBe("[FATAL] the disk is full");
  expect(whyEnded("[INFO] a\n[INFO] b\n")).toBe("[INFO] b");
  expect(whyEnded("x".repeat(400))).toHaveLength(300);
  expect(whyEnded("")).toBeNull();
});

test("a metric is summed over its series, and others with a longer name do not count", () => {
  const text = '# HELP a b\na_total{type="x",le="1 2"} 3\na_total{type="y"} 4\na_total_more 100\nb 1e3\n';
  expect(sumOfMetric(text, "a_total")).toBe(7);
  expect(sumOfMetric(text, "a_total", (labels) => labels.includes('"y"'))).toBe(4);
  expect(sumOfMetric(text, "b")).toBe(1000);
  expect(sumOfMetric(text, "c")).toBeNull();
});
