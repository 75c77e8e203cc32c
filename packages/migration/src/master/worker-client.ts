/** Calls to workers: a deadline each, at most so many at once a worker, and 38008 when none comes back. */
import { type TlsFiles, type World } from "@skein/base";
import { createRpcClient, isRpcError, type Message, type RpcClient } from "@skein/rpc";
import { dmErrors } from "../errors.ts";
import { workerWire } from "../wire/wire.ts";

export interface WorkerClients extends Disposable {
  /** Throws 38008 when the worker does not answer, 38018 when too many calls wait for it. */
  call(addr: string, method: string, request: Message, signal?: AbortSignal, deadlineMs?: number): Promise<Message>;
}

export function createWorkerClients(
  world: World,
  options: { readonly timeoutMs: number; readonly callsMax: number; readonly tls?: TlsFiles },
): WorkerClients {
  const clients = new Map<string, { readonly client: RpcClient; calls: number }>();
  return {
    call: async (addr, method, request, signal, deadlineMs) => {
      let entry = clients.get(addr);
      if (entry === undefined) {
        entry = { client: createRpcClient(world, addr, options.tls === undefined ? {} : { tls: options.tls }), calls: 0 };
        clients.set(addr, entry);
      }
      if (entry.calls >= options.callsMax) throw dmErrors.emitOpportunity([addr]);
      entry.calls++;
      try {
        return await entry.client.call(workerWire, method, request, {
          deadlineMs: Math.min(options.timeoutMs, deadlineMs ?? options.timeoutMs),
          ...(signal === undefined ? {} : { signal }),
        });
      } catch (error) {
        if (isRpcError(error)) throw dmErrors.grpcRequest([], error);
        throw error;
      } finally {
        entry.calls--;
      }
    },
    [Symbol.dispose]: () => {
      for (const { client } of clients.values()) client.close();
    },
  };
}
