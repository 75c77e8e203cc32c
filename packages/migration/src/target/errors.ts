/** Coded errors of work on the target, in the product's table. */
import { define } from "@skein/base";

export const targetErrors = {
  /** The target cannot be reached, or hung up before anything was written. */
  driver: define({
    code: 10001,
    class: "database",
    scope: "downstream",
    level: "high",
    message: () => "database driver error",
    workaround: "Please check the database connection and the database config in configuration file.",
  }),
  /** The connection was lost while a COMMIT was under way: whether it was done is not known. */
  invalidConnection: define({
    code: 10003,
    class: "database",
    scope: "downstream",
    level: "high",
    message: () => "database driver (invalid connection)",
    workaround: "Please resume the task: what was under way is applied again in safe mode.",
  }),
  queryFailed: define({
    code: 10005,
    class: "database",
    scope: "downstream",
    level: "high",
    message: (statement: string) => `query statement failed: ${statement}`,
  }),
  executeFailed: define({
    code: 10006,
    class: "database",
    scope: "downstream",
    level: "high",
    message: (statement: string) => `execute statement failed: ${statement}`,
  }),
  /** Another worker has taken this source over; nothing of the refused transaction was written. */
  fenced: define({
    code: 10101,
    class: "database",
    scope: "downstream",
    level: "high",
    message: (source: string, own: number, current: number, worker: string) =>
      `the writes of source ${source} now belong to worker ${worker} (epoch ${current}; this one has epoch ${own})`,
    workaround: "Nothing needs to be done: this worker has stopped writing. `query-status` shows the worker that goes on.",
  }),
  /** The old owner's connections did not end in time. */
  takeOverFailed: define({
    code: 10102,
    class: "database",
    scope: "downstream",
    level: "high",
    message: (source: string, waitedMs: number) =>
      `the previous worker's transactions of source ${source} did not end within ${waitedMs} ms`,
    workaround:
      "Please look for long transactions on the meta schema's fence table in the target (SHOW PROCESSLIST), end them, and resume the task.",
  }),
};
