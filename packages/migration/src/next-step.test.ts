import { MysqlServerError } from "@skein/mysql";
import { describe, expect, test } from "vitest";
import { dmErrors } from "./errors.ts";
import { withNextStep } from "./next-step.ts";

const refused = (errno: number, text: string) => new MysqlServerError(errno, "HY000", text);

describe("the next step after a server's refusal", () => {
  test("a full disk, a lacking privilege and a refused password each name their remedy, also deep in a chain", () => {
    const full = dmErrors.databaseExecute(["INSERT"], new Error("batch", { cause: refused(1114, "The table 't' is full") }));
    expect(withNextStep(full)).toMatchObject({ code: 10006, workaround: expect.stringContaining("room"), rawCause: "batch" });
    const noSpace = refused(3, "Error writing file './t.MAD' (Errcode: 28 \"No space left on device\")");
    expect(withNextStep(dmErrors.databaseExecute(["x"], noSpace)).workaround).toContain("room");
    expect(withNextStep(dmErrors.databaseExecute(["x"], refused(1142, "denied"))).workaround).toContain("grant");
    expect(withNextStep(dmErrors.databaseDriver([], refused(1045, "denied"))).workaround).toContain("password");
  });
  test("purged logs say how to begin anew; other errors of the dump thread keep the code's advice", () => {
    const error = (text: string) => withNextStep(dmErrors.binlogEvent([text], refused(1236, text)));
    expect(error("Could not find first log file name in binary log index file").workaround).toContain("--remove-meta");
    expect(error("bogus data in log event").workaround).toContain("mysqlbinlog");
  });
  test("an unknown refusal still says what to do, and what no server said stays as it is", () => {
    expect(withNextStep(dmErrors.databaseExecute(["x"], refused(1999, "?"))).workaround).toContain("resume-task");
    const own = dmErrors.databaseBadConnection([]);
    expect(withNextStep(own)).toBe(own);
  });
});
