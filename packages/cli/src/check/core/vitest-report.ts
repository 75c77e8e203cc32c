/** Reads what `vitest --reporter=json` writes. */

export interface SuiteCounts {
  readonly passed: number;
  readonly failed: number;
  /** Tests that this machine cannot run, with the reason. */
  readonly notRun: readonly { readonly name: string; readonly reason: string }[];
  readonly failedNames: readonly string[];
}

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages?: readonly string[] | null;
    }[];
  }[];
}

/** A program that is not installed: `servers.programMissing`. */
const missing = /\[code=90001:[^\]]*\], Message: ([^\n,]+)/;

/** `log` is what vitest printed: only there is the error of a preparation inside a `describe`. */
export function countReport(text: string, root: string, log = ""): SuiteCounts {
  const report = JSON.parse(text) as Report;
  let passed = 0;
  const failedNames: string[] = [];
  const notRun: { name: string; reason: string }[] = [];
  for (const file of report.testResults) {
    const fileName = file.name.startsWith(`${root}/`) ? file.name.slice(root.length + 1) : file.name;
    const fileReason = missing.exec(file.message ?? "")?.[1] ?? (file.message === "" ? reasonInLog(log, fileName) : undefined);
    let counted = 0;
    for (const test of file.assertionResults) {
      const name = `${fileName} > ${test.fullName}`;
      const reason = missing.exec((test.failureMessages ?? []).join("\n"))?.[1] ?? (test.status === "passed" ? undefined : fileReason);
      if (test.status === "passed") passed++;
      else if (reason !== undefined) notRun.push({ name, reason });
      else if (test.status === "failed") failedNames.push(name);
      else notRun.push({ name, reason: `the test was ${test.status}` });
      if (test.status === "failed" || reason !== undefined) counted++;
    }
    // a file that could not be loaded, or whose preparation failed, has no failed test of its own
    if (file.status === "failed" && counted === 0) {
      if (fileReason === undefined) failedNames.push(fileName);
      else notRun.push({ name: fileName, reason: fileReason });
    }
  }
  return { passed, failed: failedNames.length, notRun, failedNames };
}

/** How far a run is, by what vitest prints when a file is through. */
export function progressOf(log: string): { readonly files: number; readonly tests: number; readonly failed: number } {
  let [files, tests, failed] = [0, 0, 0];
  for (const [, count = "0", bad = "0"] of log.matchAll(/^ [✓❯] .*\.test\.ts \((\d+) tests?(?: \| (\d+) failed)?.*\)/gmu)) {
    files++;
    tests += Number(count);
    failed += Number(bad);
  }
  return { files, tests, failed };
}

/** Parts of a test that this machine cannot do; a test prints `left out: <what>: <why>`. */
export function leftOut(log: string): { readonly name: string; readonly reason: string }[] {
  const found = new Map<string, string>();
  for (const [, what = "", why = ""] of log.matchAll(/^left out: ([^:\n]+): (.+)$/gm)) found.set(what, why);
  return [...found].map(([name, reason]) => ({ name, reason }));
}

/** The missing program, when the log blames it for every failure of this file. */
function reasonInLog(log: string, fileName: string): string | undefined {
  const lines = log.split("\n");
  const reasons = lines.flatMap((line, i) =>
    line.trimStart().startsWith("FAIL ") && line.includes(fileName) ? [missing.exec(lines[i + 1] ?? "")?.[1]] : [],
  );
  return reasons.every((reason) => reason !== undefined) ? reasons[0] : undefined;
}
