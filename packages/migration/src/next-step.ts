/** What the one who reads a failure can do about it, where the server's own error number tells more than the product's code does. */
import type { CodedError } from "@skein/base";
import { MysqlServerError } from "@skein/mysql";

const makeRoom = "Please make room on the server's disk or raise its size limit; the task goes on by itself or by `resume-task`.";
const grant = "Please grant the account what the server names, then `resume-task`. `check-task` lists all that is lacking.";
const login =
  "Please check user and password in the configuration (`operate-source update`, or `stop-task` and `start-task` with a changed task file) or at the server; then `resume-task`.";
const startAgain =
  "The source has purged logs that the task still needs, so it cannot go on from here. Copy anew: `stop-task`, then `start-task --remove-meta`; rows that the source has deleted meanwhile must be removed from the target first.";

const steps: ReadonlyMap<number, string> = new Map([
  [1005, "Please look in the server's answer why the table cannot be made (no room, no privilege), mend it, then `resume-task`."],
  [1021, makeRoom],
  [1044, grant],
  [1045, login],
  [1062, "Please look whether somebody else writes to the target; remove the row that is in the way, then `resume-task`."],
  [1114, makeRoom],
  [1142, grant],
  [1143, grant],
  [1146, "Please create the table at the target, or skip the statement with `binlog skip`; then `resume-task`."],
  [1153, "Please raise `max_allowed_packet` at the server, then `resume-task`."],
  [1205, "Please look for the session that holds the lock, then `resume-task`."],
  [1227, grant],
  [1236, startAgain],
  [1290, "Please make the server writable (`read_only`), then `resume-task`."],
  [1836, "Please make the server writable (`read_only`), then `resume-task`."],
  [3675, makeRoom],
]);
const otherwise = "Please look at the server's answer, mend what it names, then `resume-task`.";
/** Their own advice is about other causes. */
const overridden: ReadonlySet<number> = new Set([10001, 36069]);

/** The same error with the next step for what the server said; one that has its own keeps it. */
export function withNextStep(error: CodedError): CodedError {
  let cause: unknown = error.cause;
  while (cause instanceof Error && !(cause instanceof MysqlServerError)) cause = cause.cause;
  if (!(cause instanceof MysqlServerError)) return error;
  // Whatever could not be written, ENOSPC is why; the number is that of the place where the server noticed.
  const isFull = /Errcode: 28\b|errno: 28\b|No space left on device/i.test(cause.message);
  const step = isFull
    ? makeRoom
    : cause.errno === 1236 && !/could not find|purged/i.test(cause.message)
      ? undefined
      : steps.get(cause.errno);
  if (error.workaround !== "" && (step === undefined || !overridden.has(error.code))) return error;
  return error.with({ workaround: step ?? otherwise });
}
