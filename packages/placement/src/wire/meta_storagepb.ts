/** The metadata store as clients of the placement driver read and watch it: a part of etcd's calls. */
import { big, bool, bytes, embed, i64, many, message, names, serverStream, service, text, unary } from "@skein/rpc";

export const errorTypeNames = ["OK", "UNKNOWN", "DATA_COMPACTED"] as const;
export type ErrorType = (typeof errorTypeNames)[number] | "unrecognized";

export type Error = { readonly type: ErrorType; readonly message: string };
export const Error = message<Error>("meta_storagepb.Error", { type: names(1, errorTypeNames), message: text(2) });

export type RequestHeader = { readonly cluster_id: bigint; readonly source: string };
export const RequestHeader = message<RequestHeader>("meta_storagepb.RequestHeader", { cluster_id: big(1), source: text(2) });

export type ResponseHeader = { readonly cluster_id: bigint; readonly error: Error | null; readonly revision: number };
export const ResponseHeader = message<ResponseHeader>("meta_storagepb.ResponseHeader", {
  cluster_id: big(1),
  error: embed(2, Error),
  revision: i64(3),
});

export type KeyValue = {
  readonly key: Uint8Array;
  readonly create_revision: number;
  readonly mod_revision: number;
  readonly version: number;
  readonly value: Uint8Array;
  readonly lease: bigint;
};
export const KeyValue = message<KeyValue>("meta_storagepb.KeyValue", {
  key: bytes(1),
  create_revision: i64(2),
  mod_revision: i64(3),
  version: i64(4),
  value: bytes(5),
  lease: big(6),
});

export const eventTypeNames = ["PUT", "DELETE"] as const;
export type EventType = (typeof eventTypeNames)[number] | "unrecognized";

export type Event = { readonly type: EventType; readonly kv: KeyValue | null; readonly prev_kv: KeyValue | null };
export const Event = message<Event>("meta_storagepb.Event", {
  type: names(1, eventTypeNames),
  kv: embed(2, KeyValue),
  prev_kv: embed(3, KeyValue),
});

export type WatchRequest = {
  readonly header: RequestHeader | null;
  readonly key: Uint8Array;
  readonly range_end: Uint8Array;
  readonly start_revision: number;
  readonly prev_kv: boolean;
};
export const WatchRequest = message<WatchRequest>("meta_storagepb.WatchRequest", {
  header: embed(1, RequestHeader),
  key: bytes(2),
  range_end: bytes(3),
  start_revision: i64(4),
  prev_kv: bool(5),
});

export type WatchResponse = {
  readonly header: ResponseHeader | null;
  readonly compact_revision: number;
  readonly events: readonly Event[];
};
export const WatchResponse = message<WatchResponse>("meta_storagepb.WatchResponse", {
  header: embed(1, ResponseHeader),
  compact_revision: i64(2),
  events: many(embed(3, Event)),
});

export type GetRequest = {
  readonly header: RequestHeader | null;
  readonly key: Uint8Array;
  readonly range_end: Uint8Array;
  readonly limit: number;
  readonly revision: number;
};
export const GetRequest = message<GetRequest>("meta_storagepb.GetRequest", {
  header: embed(1, RequestHeader),
  key: bytes(2),
  range_end: bytes(3),
  limit: i64(4),
  revision: i64(5),
});

export type GetResponse = {
  readonly header: ResponseHeader | null;
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  readonly count: number;
};
export const GetResponse = message<GetResponse>("meta_storagepb.GetResponse", {
  header: embed(1, ResponseHeader),
  kvs: many(embed(2, KeyValue)),
  more: bool(3),
  count: i64(4),
});

export type PutRequest = {
  readonly header: RequestHeader | null;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly lease: bigint;
  readonly prev_kv: boolean;
};
export const PutRequest = message<PutRequest>("meta_storagepb.PutRequest", {
  header: embed(1, RequestHeader),
  key: bytes(2),
  value: bytes(3),
  lease: big(4),
  prev_kv: bool(5),
});

export type PutResponse = { readonly header: ResponseHeader | null; readonly prev_kv: KeyValue | null };
export const PutResponse = message<PutResponse>("meta_storagepb.PutResponse", {
  header: embed(1, ResponseHeader),
  prev_kv: embed(2, KeyValue),
});

export const metaStorage = service("meta_storagepb.MetaStorage", {
  Watch: serverStream(WatchRequest, WatchResponse),
  Get: unary(GetRequest, GetResponse),
  Put: unary(PutRequest, PutResponse),
});
