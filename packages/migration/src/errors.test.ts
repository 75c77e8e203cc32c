import { describe, expect, test } from "vitest";
import { asCodedError, dmErrors } from "./errors.ts";

/**
 * What the original answered when it was run. A master names itself as the class of what it refuses in a configuration or at a
 * database, and the scope of a database's error is that of the connection: here are the table's own.
 */
const seen = `
  10001 database not-set high; 10005 database not-set high; 10006 database not-set high; 11006 functional internal high
  11050 functional internal high; 11111 functional internal medium; 11118 functional internal low; 11128 functional internal medium
  20001 config internal medium; 20003 config internal medium; 20008 config internal medium; 20011 config internal medium
  20013 config internal medium; 20014 config internal medium; 20019 config internal medium; 20020 config internal medium
  20023 config internal medium; 20026 config internal medium; 20031 config internal medium; 20033 config internal medium
  20038 config internal high; 20051 config internal low; 22003 binlog-op internal high; 26005 task-check internal medium
  30037 relay-unit internal high; 36024 sync-unit internal low; 36064 sync-unit internal high; 38008 dm-master internal high
  38019 dm-master internal high; 38020 dm-master internal high; 38022 dm-master internal high; 38029 dm-master internal high
  38032 dm-master internal high; 38038 dm-master internal high; 38040 dm-master internal high; 38043 dm-master internal high
  38045 dm-master internal medium; 38048 dm-master internal low; 38058 dm-master internal high; 40005 dm-worker internal medium
  40006 dm-worker internal medium; 40051 dm-worker internal high; 40054 dm-worker internal high; 40077 dm-worker internal high
  40082 dm-worker internal high; 42501 ha internal high; 43006 validator not-set medium; 44009 schema-tracker internal medium
  46003 scheduler internal medium; 46004 scheduler internal medium; 46005 scheduler internal medium; 46006 scheduler internal medium
  46007 scheduler internal medium; 46008 scheduler internal medium; 46009 dm-master internal medium; 46010 dm-master internal medium
  46012 scheduler internal medium; 46014 scheduler internal medium; 46017 dm-master internal medium; 46018 scheduler internal medium
  46020 scheduler internal high; 46021 scheduler internal high; 46022 scheduler internal high; 46028 scheduler internal low
  46029 scheduler internal low; 46033 scheduler internal low; 46035 scheduler internal low; 48001 dmctl internal high
  48002 dmctl internal medium; 49001 openapi internal high
`
  .split(/[;\n]/)
  .map((line) => line.trim().split(" "))
  .filter((parts) => parts.length === 4)
  .map(([code, ...facts]) => [Number(code), ...facts] as [number, string, string, string]);

describe("the error table", () => {
  test("uses each code once", () => {
    const codes = Object.values(dmErrors).map(({ code }) => code);
    expect(codes.filter((code, index) => codes.indexOf(code) !== index)).toEqual([]);
  });

  test.each(seen)("%i is of class %s, scope %s, level %s, as it was seen", (code, ...facts) => {
    const found = Object.values(dmErrors).find((one) => one.code === code);
    expect([found?.class, found?.scope, found?.level]).toEqual(facts);
  });

  test("prints the forms that scripts know", () => {
    expect(dmErrors.sourceHasTasks(["oa-1", ["oat"]]).message).toBe(
      "[code=46010:class=dm-master:scope=internal:level=medium], Message: source with name oa-1 need to operate has existing tasks [oat], Workaround: Please `stop-task` first.",
    );
    expect(dmErrors.workerTransformation(["w4", "bound", "bound"]).message).toBe(
      "[code=46006:class=scheduler:scope=internal:level=medium], Message: invalid stage transformation for dm-worker w4, from bound to bound",
    );
  });

  test("gives 50000 to what has no code, and leaves codes alone", () => {
    expect(asCodedError(new Error("odd")).code).toBe(50000);
    const known = dmErrors.notLeader([]);
    expect(asCodedError(known)).toBe(known);
  });
});
