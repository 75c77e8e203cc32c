/**
 * Configuration that programs beside the cluster share: items under a path of the metadata store, by name. Reads and watches are served
 * by every member; the store itself says what holds.
 */
import { isAbort, isCodedError } from "@skein/base";
import { type Metastore, metastoreErrors, type Operation } from "@skein/metastore";
import { type Input, RpcError, type StreamCall, type StreamListener } from "@skein/rpc";
import { detailOf } from "../errors.ts";
import type * as pdpb from "../wire/pdpb.ts";

const defaultPath = "/global/config/";
const changesMax = 128;

/** An item of an answer: what it holds is in `payload`, `value` is of older clients and stays empty. */
interface Item {
  readonly name: string;
  readonly value: "";
  readonly kind: "PUT" | "DELETE";
  readonly payload?: Uint8Array;
  readonly error?: Input<pdpb.Error>;
}

/** Slashes as file paths have them: none doubled, none at the end. */
function keyOf(path: string, name: string): string {
  return `${path === "" ? defaultPath : path}/${name}`.replace(/\/+/g, "/").replace(/(.)\/$/, "$1");
}

export interface GlobalConfig {
  store(request: pdpb.StoreGlobalConfigRequest): Promise<Input<pdpb.StoreGlobalConfigResponse>>;
  load(request: pdpb.LoadGlobalConfigRequest): Promise<Input<pdpb.LoadGlobalConfigResponse>>;
  watch(call: StreamCall<pdpb.WatchGlobalConfigResponse>): StreamListener<pdpb.WatchGlobalConfigRequest>;
}

export function createGlobalConfig(store: Metastore): GlobalConfig {
  return {
    store: async ({ changes, config_path: path }) => {
      if (changes.length > changesMax)
        return { error: { type: "UNKNOWN", message: `${changes.length} changes at once, the most is ${changesMax}` } };
      const operations = changes.map((item): Operation => {
        const key = keyOf(path, item.name);
        if (item.kind === "DELETE") return { op: "delete", select: { key } };
        return { op: "put", key, value: item.value === "" ? item.payload : item.value };
      });
      try {
        await store.txn({ success: operations });
        return {};
      } catch (error) {
        if (!isCodedError(error)) throw error;
        return { error: { type: "UNKNOWN", message: detailOf(error) } };
      }
    },
    load: async ({ names, config_path: path }) => {
      if (names.length === 0) {
        const { items, revision } = await store.range({ prefix: keyOf(path, "") });
        return { items: items.map(({ key, value }): Item => ({ name: key, value: "", kind: "PUT", payload: value })), revision };
      }
      const items: Item[] = [];
      for (const name of names) {
        const item = await store.get(keyOf(path, name));
        if (item !== null) items.push({ name, value: "", kind: "PUT", payload: item.value });
        else
          items.push({
            name,
            value: "",
            kind: "PUT",
            error: { type: "GLOBAL_CONFIG_NOT_FOUND", message: `global config ${name} not found` },
          });
      }
      return { items, revision: (await store.status()).revision };
    },
    watch: (call) =>
      answerWith(call, async ({ config_path: path, revision }, signal, send) => {
        const batches = store.watch({ prefix: keyOf(path, "") }, { signal, ...(revision > 0 ? { fromRevision: revision } : {}) });
        for await (const batch of batches)
          await send({
            changes: batch.events.map(
              (event): Item =>
                event.kind === "put"
                  ? { name: event.item.key, value: "", kind: "PUT", payload: event.item.value }
                  : { name: event.key, value: "", kind: "DELETE" },
            ),
            revision: batch.revision,
          });
      }),
  };
}

/** A stream with one request whose answers come by and by; what is behind waits for the caller to read. Ends when the caller goes. */
export function answerWith<Q, A>(
  call: StreamCall<A>,
  run: (request: Q, signal: AbortSignal, send: (answer: Input<A>) => Promise<void>) => Promise<void>,
): StreamListener<Q> {
  const controller = new AbortController();
  let isAsked = false;
  let room = Promise.withResolvers<void>();
  const send = async (answer: Input<A>) => {
    if (call.send(answer)) return;
    room = Promise.withResolvers<void>();
    await room.promise;
    controller.signal.throwIfAborted();
  };
  return {
    message: (request) => {
      if (isAsked) throw new RpcError("invalid_argument", "a watch has one request");
      isAsked = true;
      void run(request, controller.signal, send).then(
        () => call.end(),
        (error: unknown) => {
          if (controller.signal.aborted || isAbort(error)) return;
          call.fail(metastoreErrors.compacted.is(error) ? new RpcError("out_of_range", error.detail, error) : error);
        },
      );
    },
    end: () => {},
    drained: () => room.resolve(),
    gone: () => {
      controller.abort(new DOMException("the caller has gone", "AbortError"));
      room.resolve();
    },
  };
}
