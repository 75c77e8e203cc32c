import { define } from "@skein/base";

/** gRPC's status codes by number; a call that the network cut is `unavailable`. */
export const rpcStatusNames = [
  "ok",
  "cancelled",
  "unknown",
  "invalid_argument",
  "deadline_exceeded",
  "not_found",
  "already_exists",
  "permission_denied",
  "resource_exhausted",
  "failed_precondition",
  "aborted",
  "out_of_range",
  "unimplemented",
  "internal",
  "unavailable",
  "data_loss",
  "unauthenticated",
] as const;
/** gRPC's status of an answer, in lower case. */
export type RpcStatus = (typeof rpcStatusNames)[number];

/** A call that was answered with a status, or not at all. `text` is the other side's, without the status. */
export class RpcError extends Error {
  override readonly name = "RpcError";
  readonly status: RpcStatus;
  readonly text: string;
  constructor(status: RpcStatus, text: string, cause?: unknown) {
    // The form that the field's clients print.
    super(`rpc error: code = ${goName(status)} desc = ${text}`, cause === undefined ? undefined : { cause });
    this.status = status;
    this.text = text;
  }
  /** gRPC's number of the status. */
  get code(): number {
    return rpcStatusNames.indexOf(this.status);
  }
}

/** Whether it is the answer of a call, with this status if one is named. */
export function isRpcError(error: unknown, status?: RpcStatus): error is RpcError {
  return error instanceof RpcError && (status === undefined || error.status === status);
}

/** `deadline_exceeded` → `DeadlineExceeded` */
function goName(status: RpcStatus): string {
  if (status === "ok") return "OK";
  if (status === "cancelled") return "Canceled";
  return status.replace(/(^|_)([a-z])/g, (_all, _mark, letter: string) => letter.toUpperCase());
}

export const rpcErrors = {
  listenFailed: define({
    code: 62001,
    class: "rpc",
    scope: "internal",
    level: "high",
    message: (address: string) => `cannot listen on ${address}`,
    workaround: "Please check that the address belongs to this host and that no other process uses the port.",
  }),
  malformedMessage: define({
    code: 62002,
    class: "rpc",
    scope: "internal",
    level: "medium",
    message: (why: string) => `malformed message: ${why}`,
    workaround: "Please check that the other side is of a version that speaks this protocol.",
  }),
};
