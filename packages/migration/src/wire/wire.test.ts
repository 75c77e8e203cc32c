import { describe, expect, test } from "vitest";
import { masterWire, wireSchema, workerWire } from "./wire.ts";

describe("wire", () => {
  test("has every documented call", () => {
    expect(masterWire.methods.size).toBe(30);
    expect(workerWire.methods.size).toBe(11);
  });

  test("prints 64-bit integers as text, enums as names, an unset message as null and only the set member of a choice", () => {
    const bytes = wireSchema.encode("pb.SubTaskStatus", { name: "t1", stage: "Running", unit: "Sync", sync: { totalEvents: 9 } });
    expect(wireSchema.decode("pb.SubTaskStatus", bytes)).toMatchObject({
      name: "t1",
      stage: "Running",
      unit: "Sync",
      result: null,
      unresolvedDDLLockID: "",
      sync: { totalEvents: "9", synced: false, ioTotalBytes: "0" },
      validation: null,
    });
  });

  test("stock bytes: field numbers of the status answer", () => {
    // result=1 true, sourceStatus=3{source=1 "s", worker=2 "w"}, subTaskStatus=4{name=1 "t", stage=2 Paused}
    const bytes = Uint8Array.from([0x08, 1, 0x1a, 6, 0x0a, 1, 0x73, 0x12, 1, 0x77, 0x22, 5, 0x0a, 1, 0x74, 0x10, 3]);
    expect(wireSchema.decode("pb.QueryStatusResponse", bytes)).toMatchObject({
      result: true,
      sourceStatus: { source: "s", worker: "w" },
      subTaskStatus: [{ name: "t", stage: "Paused" }],
    });
  });
});
