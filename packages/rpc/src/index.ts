export {
  type CallOptions,
  type ClientStream,
  type ClientStreamListener,
  createRpcClient,
  type RpcClient,
  type RpcClientOptions,
  type RpcStream,
} from "./client.ts";
export {
  big,
  bool,
  bytes,
  type Choice,
  type Codec,
  choice,
  double,
  embed,
  type Field,
  type Input,
  i32,
  i64,
  many,
  message,
  names,
  rawBytes,
  text,
  u32,
  u64,
} from "./codec/codec.ts";
export { Reader } from "./codec/reader.ts";
export { isRpcError, RpcError, type RpcStatus, rpcErrors, rpcStatusNames } from "./errors.ts";
export { AnswerRoom, answerRoom, smallAnswerBytes } from "./grpc/answer-room.ts";
export { ByteBudget, receivedBytes } from "./grpc/byte-budget.ts";
export { type DecodeOptions, loadSchema, type Message, type MethodCodec, type Schema, type ServiceCodec } from "./schema.ts";
export {
  createServer,
  type PrefixedConnections,
  type RpcServer,
  type ServerLimits,
  type ServerOptions,
  type ServerStream,
  type ServiceRegistration,
  type StreamHandler,
  type UnaryHandler,
} from "./server.ts";
export {
  type CallContext,
  clientStream,
  duplex,
  type Handlers,
  type Implementation,
  implement,
  type Method,
  type Methods,
  type Service,
  type StreamCall,
  type StreamListener,
  type StreamMethod,
  type StreamStart,
  serverStream,
  service,
  type UnaryCall,
  type UnaryMethod,
  unary,
} from "./service.ts";
