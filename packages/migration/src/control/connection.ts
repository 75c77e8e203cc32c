/** dmctl's connection: the first endpoint that accepts; asked again once when a master went away. */
import type { CodedError, TlsFiles, World } from "@skein/base";
import { createRpcClient, isRpcError, type Message, type RpcClient } from "@skein/rpc";
import { dmErrors } from "../errors.ts";
import { masterWire } from "../wire/wire.ts";

export interface MasterConnection extends Disposable {
  call(method: string, request: Message, signal: AbortSignal): Promise<Message>;
}

const dialTimeoutMs = 3000;
const messageBytesMax = 64 * 1024 * 1024;

/** Throws 48001 when no endpoint accepts. */
export async function connectMaster(
  world: World,
  options: { readonly endpoints: readonly string[]; readonly tls: TlsFiles | null; readonly timeoutMs: number },
): Promise<MasterConnection> {
  const dial = async (bytesMax = messageBytesMax): Promise<RpcClient> => {
    let last: unknown = "no endpoint is given";
    for (const endpoint of options.endpoints) {
      const at = endpoint.lastIndexOf(":");
      try {
        const socket = await world.network.connect({
          host: endpoint.slice(0, at).replace(/^\[|\]$/g, ""),
          port: Number(endpoint.slice(at + 1)),
          timeoutMs: dialTimeoutMs,
        });
        socket.destroy();
        return createRpcClient(world, endpoint, {
          deadlineMs: options.timeoutMs,
          messageBytesMax: bytesMax,
          ...(options.tls === null ? {} : { tls: options.tls }),
        });
      } catch (error) {
        last = error;
      }
    }
    throw unreachable(options.endpoints, last);
  };

  let client = await dial();
  const replace = async (bytesMax?: number) => {
    client.close();
    client = await dial(bytesMax);
  };
  return {
    call: async (method, request, signal) => {
      try {
        return await client.call(masterWire, method, request, { signal });
      } catch (error) {
        if (isRpcError(error, "unavailable")) await replace();
        else if (isRpcError(error, "resource_exhausted")) await replace(8 * messageBytesMax);
        else throw error;
        return client.call(masterWire, method, request, { signal });
      }
    },
    [Symbol.dispose]: () => client.close(),
  };
}

function unreachable(endpoints: readonly string[], cause: unknown): CodedError {
  return dmErrors.dmctlConnect([endpoints.join(",")], cause);
}
