/**
 * HTTP routes as data: each part of the placement driver lists its own, the server finds, guards and answers them.
 *
 *   { method: "GET", path: "/pd/api/v1/store/:id", handle: ({ params }) => json(store(params.id)) }
 *
 * Segments that begin with ":" are parameters; "*" as the last one takes the rest. A request on a follower is forwarded to the leader
 * unless the route answers everywhere; before the cluster is bootstrapped a route answers 500 unless it says otherwise.
 */
import type { PdServices } from "./services.ts";

export type HttpMethod = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface PdHttpRequest {
  readonly method: HttpMethod;
  /** Of the path, with percent signs decoded as UTF-8. */
  readonly params: Readonly<Record<string, string>>;
  /** The bytes of a parameter of the path: keys need not be text. */
  paramBytes(name: string): Uint8Array;
  readonly query: URLSearchParams;
  /** The bytes of a parameter of the query, null when it is not there. */
  queryBytes(name: string): Uint8Array | null;
  readonly body: Uint8Array;
  /**
   * The body as JSON; whole numbers beyond 2^53 are bigint. Throws a `HttpRefusal` 400 `{code: "input", msg, data: {Offset}}` with the
   * text that the original's clients know.
   */
  json(): unknown;
  /** By lower-case name; "" when it was not sent. */
  header(name: string): string;
  readonly signal: AbortSignal;
  readonly pd: PdServices;
}

/**
 * `json`: two spaces, a newline at the end; bigints are written as numbers, absent (`undefined`) members are left out.
 * `isCompact`: one line without a newline, as octets (what the original does for regions).
 */
export type PdHttpAnswer =
  | { readonly status: number; readonly json: unknown; readonly isCompact?: boolean; readonly headers?: Readonly<Record<string, string>> }
  | {
      readonly status: number;
      readonly text: string;
      /** Default `text/plain; charset=utf-8`; "" sends none. */
      readonly type?: string;
      readonly headers?: Readonly<Record<string, string>>;
    };

export interface HttpRoute {
  readonly method: HttpMethod;
  /** Whole, from `/pd/api/v1/…` on. */
  readonly path: string;
  /** Answers before the cluster is bootstrapped, too. */
  readonly isEarly?: boolean;
  /** Every member answers for itself; default: the leader does. */
  readonly isLocal?: boolean;
  /** What is thrown: `HttpRefusal` as it says, a coded error as 500 with its detail as a JSON text. */
  readonly handle: (request: PdHttpRequest) => PdHttpAnswer | Promise<PdHttpAnswer>;
}

/** The registry to which parts give their routes. Two routes of one method and path are a bug of ours. */
export interface HttpRoutes {
  add(routes: readonly HttpRoute[]): void;
}

/** Thrown by a handler to answer so. */
export class HttpRefusal extends Error {
  override readonly name = "HttpRefusal";
  readonly answer: PdHttpAnswer;
  constructor(answer: PdHttpAnswer) {
    super("json" in answer ? String(answer.json) : answer.text);
    this.answer = answer;
  }
}

export function json(value: unknown, status = 200): PdHttpAnswer {
  return { status, json: value };
}

/** 400 `{code: "input", msg, data}`, as the original answers a body that it cannot take. */
export function inputRefusal(msg: string, data: Readonly<Record<string, unknown>> = {}): HttpRefusal {
  return new HttpRefusal({ status: 400, json: { code: "input", msg, data } });
}

/** `status` with the text as a JSON string. */
export function refusal(status: number, text: string): HttpRefusal {
  return new HttpRefusal({ status, json: text });
}
