/** Pushed-down computation: known so far that it can be refused. */
import { big, bool, bytes, embed, i64, many, message, text, u64 } from "@skein/rpc";
import * as errorpb from "./errorpb.ts";
import * as kvrpcpb from "./kvrpcpb.ts";

export type KeyRange = { readonly start: Uint8Array; readonly end: Uint8Array };
export const KeyRange = message<KeyRange>("coprocessor.KeyRange", { start: bytes(1), end: bytes(2) });

export type Request = {
  readonly context: kvrpcpb.Context | null;
  readonly tp: number;
  readonly data: Uint8Array;
  readonly start_ts: bigint;
  readonly ranges: readonly KeyRange[];
  readonly is_cache_enabled: boolean;
  readonly cache_if_match_version: number;
  readonly schema_ver: number;
  readonly is_trace_enabled: boolean;
  readonly paging_size: number;
  readonly connection_id: number;
  readonly connection_alias: string;
};
export const Request = message<Request>("coprocessor.Request", {
  context: embed(1, kvrpcpb.Context),
  tp: i64(2),
  data: bytes(3),
  start_ts: big(7),
  ranges: many(embed(4, KeyRange)),
  is_cache_enabled: bool(5),
  cache_if_match_version: u64(6),
  schema_ver: i64(8),
  is_trace_enabled: bool(9),
  paging_size: u64(10),
  connection_id: u64(12),
  connection_alias: text(13),
});

export type Response = {
  readonly data: Uint8Array;
  readonly region_error: errorpb.Error | null;
  readonly locked: kvrpcpb.LockInfo | null;
  readonly other_error: string;
  readonly range: KeyRange | null;
  readonly is_cache_hit: boolean;
  readonly cache_last_version: number;
  readonly can_be_cached: boolean;
};
export const Response = message<Response>("coprocessor.Response", {
  data: bytes(1),
  region_error: embed(2, errorpb.Error),
  locked: embed(3, kvrpcpb.LockInfo),
  other_error: text(4),
  range: embed(5, KeyRange),
  is_cache_hit: bool(7),
  cache_last_version: u64(8),
  can_be_cached: bool(9),
});
