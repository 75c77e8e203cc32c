/** The result of prechecks in the shape that scripts read. */
export type CheckState = "success" | "warn" | "fail";

export interface CheckProblem {
  readonly severity: "warn" | "fail";
  readonly short_error: string;
  readonly self?: string;
  readonly other?: string;
}

export interface CheckResult {
  readonly id: number;
  readonly name: string;
  readonly desc: string;
  readonly state: CheckState;
  readonly errors?: readonly CheckProblem[];
  readonly instruction?: string;
  /** `address of db instance - host:port` */
  readonly extra?: string;
}

export interface CheckReport {
  readonly results: readonly CheckResult[];
  readonly summary: {
    readonly passed: boolean;
    readonly total: number;
    readonly successful: number;
    readonly failed: number;
    readonly warning: number;
  };
}

/** Successes are counted, not listed; the lists are cut to the counts that the user asked for, failures first. */
export function reportOf(
  results: readonly CheckResult[],
  limits: { readonly errorsMax: number; readonly warningsMax: number },
): CheckReport {
  const count = (state: CheckState) => results.filter((result) => result.state === state).length;
  const failed = results.filter(({ state }) => state === "fail").slice(0, Math.max(0, limits.errorsMax));
  const warned = results.filter(({ state }) => state === "warn").slice(0, Math.max(0, limits.warningsMax));
  return {
    results: [...failed, ...warned],
    summary: {
      passed: count("fail") === 0,
      total: results.length,
      successful: count("success"),
      failed: count("fail"),
      warning: count("warn"),
    },
  };
}

export const checkHead = "fail to check synchronization configuration with type";

/** The report as it stands inside the messages. */
export function detailOf(report: CheckReport): string {
  return JSON.stringify(report, null, "\t").replaceAll("\n", "\n\t");
}

/** What `check-task` and `start-task` say when nothing failed; "" when nothing was checked. */
export function passedText(report: CheckReport): string {
  if (report.summary.total === 0) return "";
  if (report.summary.warning === 0) return "pre-check is passed. ";
  return `${checkHead}: no errors but some warnings\n    \tdetail: ${detailOf(report)}`;
}
