import { define } from "@skein/base";

/** What users of the placement driver's client get. Codes 71901–71920. */
export const pdClientErrors = {
  unavailable: define({
    code: 71901,
    class: "pd-client",
    scope: "internal",
    level: "high",
    message: (what: string, endpoints: string, waitedMs: number) =>
      `no placement driver answered ${what} within ${waitedMs} ms; asked ${endpoints}`,
    workaround: "Please check that a majority of the placement drivers runs and that the endpoints can be reached from here.",
  }),
  clusterMismatch: define({
    code: 71902,
    class: "pd-client",
    scope: "internal",
    level: "high",
    message: (endpoint: string, actual: bigint, expected: bigint) => `${endpoint} belongs to cluster ${actual}, not to cluster ${expected}`,
    workaround: "Please give only endpoints of one cluster.",
  }),
  refused: define({
    code: 71903,
    class: "pd-client",
    scope: "internal",
    level: "medium",
    message: (what: string, type: string, text: string) => `the placement driver refused ${what}: ${type} ${text}`,
    workaround: "Please read the reason; the placement driver's log has more of it.",
  }),
  notBootstrapped: define({
    code: 71904,
    class: "pd-client",
    scope: "internal",
    level: "medium",
    message: (what: string) => `the cluster has no store yet: ${what} cannot be answered`,
    workaround: "Please start the first store, then try again.",
  }),
  closed: define({
    code: 71905,
    class: "pd-client",
    scope: "internal",
    level: "low",
    message: () => "the client of the placement driver is closed",
    workaround: "Please open a new client.",
  }),
  timestampFellBack: define({
    code: 71906,
    class: "pd-client",
    scope: "internal",
    level: "high",
    message: (got: bigint, before: bigint) => `the placement driver gave timestamp ${got} after ${before}`,
    workaround: "Please stop writing transactions and check whether the placement driver's data was put back to an older state.",
  }),
  noEndpoints: define({
    code: 71907,
    class: "pd-client",
    scope: "internal",
    level: "high",
    message: () => "no endpoint of a placement driver was given",
    workaround: "Please give at least one, as host:port or as a URL.",
  }),
};
