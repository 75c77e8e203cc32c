/** `/apis/v1alpha1`: the gRPC service as JSON over HTTP, two-space indent, all fields. A command that fails is still 200. */
import { isCodedError } from "@skein/base";
import { type Message, RpcError } from "@skein/rpc";
import { printMessage } from "../control/print-message.ts";
import type { MasterMethod, MasterService } from "../master/master-service.ts";
import { masterWire, wireSchema } from "../wire/wire.ts";
import { matchPath } from "./match-path.ts";

interface GatewayRoute {
  readonly method: string;
  readonly path: string;
  readonly call: MasterMethod;
}

const routes: readonly GatewayRoute[] = [
  { method: "POST", path: "/tasks", call: "StartTask" },
  { method: "PUT", path: "/tasks/{name}", call: "OperateTask" },
  { method: "GET", path: "/tasks/{name}", call: "GetCfg" },
  { method: "GET", path: "/subtasks/{name}", call: "GetSubTaskCfg" },
  { method: "GET", path: "/status/{name}", call: "QueryStatus" },
  { method: "PUT", path: "/sources", call: "OperateSource" },
  { method: "GET", path: "/members", call: "ListMember" },
  { method: "DELETE", path: "/members/{type}/{name}", call: "OfflineMember" },
  { method: "PUT", path: "/leader/{op}", call: "OperateLeader" },
  { method: "PUT", path: "/schema", call: "OperateSchema" },
  { method: "PUT", path: "/errors", call: "HandleError" },
];

export async function answerGateway(
  service: MasterService,
  method: string,
  url: URL,
  body: Uint8Array,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly text: string }> {
  const path = url.pathname.slice("/apis/v1alpha1".length);
  for (const each of routes) {
    const params = each.method === method ? matchPath(each.path, path) : null;
    if (params === null) continue;
    const { requestType, responseType } = wireSchema.root.lookupService(masterWire.name).methods[each.call] as {
      readonly requestType: string;
      readonly responseType: string;
    };
    let request: Message;
    try {
      request = requestOf(`pb.${requestType}`, params, url.searchParams, body);
    } catch (error) {
      return failure(400, 3, error instanceof Error ? error.message : String(error));
    }
    try {
      return { status: 200, text: printMessage(`pb.${responseType}`, await service[each.call](request, signal), 2) };
    } catch (error) {
      if (error instanceof RpcError) return failure(500, error.code, error.text);
      if (isCodedError(error)) return failure(500, 2, error.message);
      throw error;
    }
  }
  const isPathKnown = routes.some((each) => matchPath(each.path, path) !== null);
  return isPathKnown ? failure(501, 12, "Method Not Allowed") : failure(501, 12, "Not Implemented");
}

/** Body, query and path make one request; the path wins. Throws what cannot be read. */
function requestOf(type: string, params: Readonly<Record<string, string>>, query: URLSearchParams, body: Uint8Array): Message {
  const fields: Record<string, unknown> = {};
  if (body.length > 0) {
    const value: unknown = JSON.parse(new TextDecoder().decode(body));
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("the body is no JSON object");
    Object.assign(fields, value);
  }
  const message = wireSchema.root.lookupType(type);
  for (const [name, value] of query) {
    const field = message.fields[name];
    if (field === undefined) continue;
    if (field.repeated) fields[name] = [...((fields[name] ?? []) as readonly unknown[]), value];
    else fields[name] = field.type === "bool" ? value === "true" : value;
  }
  Object.assign(fields, params);
  for (const [name, field] of Object.entries(message.fields)) {
    field.resolve();
    const value = fields[name];
    // `2` and `"2"` and `"Pause"` all name an enum's value; another word is a mistake and not the first value.
    if (value === undefined || field.resolvedType === null || !("values" in field.resolvedType)) continue;
    const { values, valuesById } = field.resolvedType;
    const number = typeof value === "string" && value in values ? values[value] : Number(value);
    if (number === undefined || valuesById[number] === undefined) throw new Error(`invalid value for enum type: ${JSON.stringify(value)}`);
    fields[name] = number;
  }
  return wireSchema.complete(type, fields);
}

function failure(status: number, code: number, message: string): { readonly status: number; readonly text: string } {
  return { status, text: `{\n  "code": ${code},\n  "message": ${JSON.stringify(message)},\n  "details": [\n  ]\n}` };
}
