export { type CallOptions, createRpcClient, type RpcClient, type RpcClientOptions, type RpcStream } from "./client.ts";
export { isRpcError, RpcError, rpcErrors, type RpcStatus, rpcStatusNames } from "./errors.ts";
export { type DecodeOptions, loadSchema, type Message, type MethodCodec, type Schema, type ServiceCodec } from "./schema.ts";
export {
  type CallContext,
  createServer,
  type RpcServer,
  type ServerLimits,
  type ServerOptions,
  type ServerStream,
  type ServiceRegistration,
  type StreamHandler,
  type UnaryHandler,
} from "./server.ts";
