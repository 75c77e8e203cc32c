/** The tables of `README.md` name tests that exist, and leave out neither a trap nor a call that stock clients make. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkoutFolder } from "@skein/servers";
import { tikvpb } from "@skein/store/wire";
import { expect, test } from "vitest";

const text = readFileSync(join(checkoutFolder, "tests", "clients", "README.md"), "utf8");
const [, traps = "", calls = ""] = text.split(/^## /m);
const rowsOf = (table: string) =>
  table.split("\n").flatMap((line) =>
    line.startsWith("| ")
      ? [
          line
            .split("|")
            .slice(1, -1)
            .map((cell) => cell.trim()),
        ]
      : [],
  );

/** Of the services that the four clients call. */
const placementCalls = [
  "GetMembers",
  "GetClusterInfo",
  "Tso",
  "GetRegion",
  "GetPrevRegion",
  "GetRegionByID",
  "ScanRegions",
  "GetStore",
  "GetAllStores",
  "ScatterRegion",
  "GetOperator",
  "UpdateGCSafePoint",
  "GetGCSafePoint",
  "UpdateServiceGCSafePoint",
  "AcquireTokenBuckets",
  "Check",
];
/** Of a store, what only newer clients, tidb-server or stores among themselves call. */
const otherCalls = new Set(
  [
    "Coprocessor CoprocessorStream ReadIndex MvccGetByKey MvccGetByStartTs CheckLeader GetLockWaitInfo GetLockWaitHistory",
    "GetHealthFeedback BroadcastTxnStatus KvFlush KvBufferBatchGet",
  ].flatMap((line) => line.split(" ")),
);

test("each trap has a row, each call of the clients is in one", () => {
  const held = rowsOf(traps).map(([cell = ""]) => /^T\d+/.exec(cell)?.[0]);
  expect(held.filter((name) => name !== undefined)).toEqual(Array.from({ length: 19 }, (_, index) => `T${index + 1}`));
  const listed = new Set(rowsOf(calls).flatMap(([cell = ""]) => cell.split(", ")));
  const storeCalls = Object.keys(tikvpb.tikv.methods).filter((name) => !otherCalls.has(name));
  expect([...placementCalls, ...storeCalls].filter((name) => !listed.has(name))).toEqual([]);
});

test("each test that a row names is in the file that it names", () => {
  const missing: string[] = [];
  let count = 0;
  for (const [, cell = ""] of [...rowsOf(traps), ...rowsOf(calls)])
    for (const [, file = "", name = ""] of cell.matchAll(/`([^`]+)` › (.*?)(?=; `|$)/g)) {
      count++;
      const source = readFileSync(join(checkoutFolder, file), "utf8");
      if (![`"${name}`, `'${name}`, `\`${name}`].some((start) => source.includes(start))) missing.push(`${file}: ${name}`);
    }
  expect(missing).toEqual([]);
  expect(count).toBeGreaterThan(60);
});
