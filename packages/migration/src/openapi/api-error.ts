import { isCodedError } from "@skein/base";
import { RpcError } from "@skein/rpc";

/** An answer of 400 with a body of one of the documented forms, or of 404 without one. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly kind: "coded" | "request" | "missing";
  /** 0 when the error has no code. */
  readonly code: number;

  constructor(kind: ApiError["kind"], message: string, code = 0) {
    super(message);
    this.kind = kind;
    this.code = code;
  }
}

/** `{"error_code": …, "error_msg": …}` for whatever was thrown. */
export function codedForm(error: unknown): { readonly error_code: number; readonly error_msg: string } {
  if (error instanceof ApiError) return { error_code: error.code, error_msg: error.message };
  if (isCodedError(error)) return { error_code: error.code, error_msg: error.message };
  const text = error instanceof RpcError ? error.text : error instanceof Error ? error.message : String(error);
  return { error_code: codeIn(text), error_msg: text };
}

/** Answers of the master carry the code inside of their text. */
export function failure(message: string): ApiError {
  return new ApiError("coded", message, codeIn(message));
}

function codeIn(text: string): number {
  return Number(/^\[code=(\d+):/.exec(text)?.[1] ?? 0);
}
