/** The field's health check: `grpc.health.v1.Health`. */
import { type Implementation, implement, message, names, RpcError, serverStream, service, text, unary } from "@skein/rpc";

type HealthCheckRequest = { readonly service: string };
const HealthCheckRequest = message<HealthCheckRequest>("grpc.health.v1.HealthCheckRequest", { service: text(1) });

const statusNames = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"] as const;
type HealthCheckResponse = { readonly status: (typeof statusNames)[number] | "unrecognized" };
const HealthCheckResponse = message<HealthCheckResponse>("grpc.health.v1.HealthCheckResponse", { status: names(1, statusNames) });

export const health = service("grpc.health.v1.Health", {
  Check: unary(HealthCheckRequest, HealthCheckResponse),
  Watch: serverStream(HealthCheckRequest, HealthCheckResponse),
});

/** `services` are those that may be asked for by name; "" is the whole server. */
export function serveHealth(services: readonly string[], isServing: () => boolean): Implementation {
  const known = new Set(["", ...services]);
  const status = () => (isServing() ? ("SERVING" as const) : ("NOT_SERVING" as const));
  return implement(health, {
    Check: ({ service: name }) => {
      if (!known.has(name)) throw new RpcError("not_found", `unknown service ${name}`);
      return { status: status() };
    },
    // Says how it is and stays open: a server that ends breaks the connection.
    Watch: (call) => ({
      message: ({ service: name }) => void call.send({ status: known.has(name) ? status() : "SERVICE_UNKNOWN" }),
      end: () => {},
    }),
  });
}
