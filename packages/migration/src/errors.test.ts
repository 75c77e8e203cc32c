import { describe, expect, test } from "vitest";
import { asCodedError, dmErrors } from "./errors.ts";

describe("the error table", () => {
  test("uses each code once", () => {
    const codes = Object.values(dmErrors).map(({ code }) => code);
    expect(codes.filter((code, index) => codes.indexOf(code) !== index)).toEqual([]);
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
