import { expect, test } from "vitest";
import { countReport, leftOut, progressOf } from "./vitest-report.ts";

const missing =
  "CodedError: [code=90001:class=servers:scope=internal:level=high], Message: mysqld is not installed on this machine, Workaround: x";

test("counts what passed and failed, and lists what the machine cannot run", () => {
  const report = {
    testResults: [
      {
        name: "/r/a.test.ts",
        status: "failed",
        message: "",
        assertionResults: [
          { status: "passed", fullName: "one", failureMessages: [] },
          { status: "failed", fullName: "two", failureMessages: ["Error: no"] },
          { status: "failed", fullName: "three", failureMessages: [missing] },
        ],
      },
      { name: "/r/b.test.ts", status: "failed", message: "SyntaxError", assertionResults: [] },
      { name: "/r/c.test.ts", status: "failed", message: missing, assertionResults: [{ status: "skipped", fullName: "four" }] },
      { name: "/r/e.test.ts", status: "failed", message: "", assertionResults: [{ status: "skipped", fullName: "six" }] },
      { name: "/r/f.test.ts", status: "failed", message: "", assertionResults: [{ status: "skipped", fullName: "seven" }] },
      { name: "/r/d.test.ts", status: "passed", message: "", assertionResults: [{ status: "pending", fullName: "five" }] },
    ],
  };
  const reason = "mysqld is not installed on this machine";
  const log = ` FAIL  |integration| e.test.ts > group\n${missing}\n FAIL  |integration| f.test.ts > group\nError: a real one\n`;
  expect(countReport(JSON.stringify(report), "/r", log)).toEqual({
    passed: 1,
    failed: 3,
    failedNames: ["a.test.ts > two", "b.test.ts", "f.test.ts"],
    notRun: [
      { name: "a.test.ts > three", reason },
      { name: "c.test.ts > four", reason },
      { name: "e.test.ts > six", reason },
      { name: "f.test.ts > seven", reason: "the test was skipped" },
      { name: "d.test.ts > five", reason: "the test was pending" },
    ],
  });
});

test("reads from the log how far a run is, and what was left out of a test", () => {
  const log = [
    " ✓ |e2e| tests/a.e2e.test.ts (13 tests) 435259ms",
    "   ✓ one of them 29777ms",
    " ❯ |e2e| tests/b.e2e.test.ts (7 tests | 2 failed) 14011ms",
    "     × another 49ms",
    " ✓ tests/c.test.ts (1 test) 3ms",
    "left out: clock etcd: setting another program's clock takes root",
    "left out: clock etcd: setting another program's clock takes root",
  ].join("\n");
  expect(progressOf(log)).toEqual({ files: 3, tests: 21, failed: 2 });
  expect(leftOut(log)).toEqual([{ name: "clock etcd", reason: "setting another program's clock takes root" }]);
});
