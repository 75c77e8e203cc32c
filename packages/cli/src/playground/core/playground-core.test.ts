import { describe, expect, test } from "vitest";
import { sumOfMetric } from "./metrics.ts";
import { labelText, planTopology, TopologyError } from "./topology.ts";
import { fitted, type PlaygroundView, renderTable } from "./view.ts";

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

  test.each([
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
  expect(fitted(["12345"], 4)).toEqual(["123…"]);
});

test("a metric is summed over its series, and others with a longer name do not count", () => {
  const text = '# HELP a b\na_total{type="x",le="1 2"} 3\na_total{type="y"} 4\na_total_more 100\nb 1e3\n';
  expect(sumOfMetric(text, "a_total")).toBe(7);
  expect(sumOfMetric(text, "a_total", (labels) => labels.includes('"y"'))).toBe(4);
  expect(sumOfMetric(text, "b")).toBe(1000);
  expect(sumOfMetric(text, "c")).toBeNull();
});
