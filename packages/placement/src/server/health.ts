/** gRPC's own question whether a server serves. */
import { message, names, serverStream, service, text, unary } from "@skein/rpc";

export type HealthCheckRequest = { readonly service: string };
export const HealthCheckRequest = message<HealthCheckRequest>("grpc.health.v1.HealthCheckRequest", { service: text(1) });

export const servingStatusNames = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"] as const;
export type HealthCheckResponse = { readonly status: (typeof servingStatusNames)[number] | "unrecognized" };
export const HealthCheckResponse = message<HealthCheckResponse>("grpc.health.v1.HealthCheckResponse", {
  status: names(1, servingStatusNames),
});

export const health = service("grpc.health.v1.Health", {
  Check: unary(HealthCheckRequest, HealthCheckResponse),
  Watch: serverStream(HealthCheckRequest, HealthCheckResponse),
});
