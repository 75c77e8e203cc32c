/**
 * What the original serves and this program does not: each route says so with a coded error and what to do instead, as a script that
 * asks for it must not take silence for success.
 */
import { pdErrors } from "../errors.ts";
import { type HttpMethod, type HttpRoute, refusal } from "./http-routes.ts";

const v1 = "/pd/api/v1";

interface Unserved {
  readonly path: string;
  readonly methods: readonly HttpMethod[];
  readonly what: string;
  /** A whole sentence. */
  readonly instead: string;
}

const recovery = {
  what: "Recovery of regions that lost most of their replicas",
  instead: "Start the failed stores again on their data; stores whose regions keep a majority are taken out with: pd-ctl store delete.",
} as const;
const plugins = {
  what: "Loading of plugins (shared objects of Go programs)",
  instead: "Add one of the schedulers that are there: pd-ctl scheduler add --help.",
} as const;

const unserved: readonly Unserved[] = [
  { path: `${v1}/admin/unsafe/remove-failed-stores`, methods: ["POST"], ...recovery },
  { path: `${v1}/admin/unsafe/remove-failed-stores/show`, methods: ["GET"], ...recovery },
  { path: `${v1}/plugin`, methods: ["POST", "DELETE"], ...plugins },
  {
    path: `${v1}/tso/allocator/transfer/:name`,
    methods: ["POST"],
    what: "An allocator of timestamps for each data centre",
    instead: "All timestamps come from the leader; to move it: pd-ctl member leader transfer.",
  },
];

export function unservedRoutes(): readonly HttpRoute[] {
  return unserved.flatMap(({ path, methods, what, instead }) =>
    methods.map(
      (method): HttpRoute => ({
        method,
        path,
        handle: () => {
          throw refusal(501, pdErrors.unsupported([what, instead]).detail);
        },
      }),
    ),
  );
}
