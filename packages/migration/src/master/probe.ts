/** Whether a worker answers: a connection of its own for each probe, so that no state of an older one can hide a death. */
import type { TlsFiles, World } from "@skein/base";

export type ProbeResult = "alive" | "refused" | "silent";

/** Asks for `/status` over HTTP: a frozen process accepts connections, but does not answer. */
export async function probe(
  world: World,
  addr: string,
  options: { readonly timeoutMs: number; readonly tls?: TlsFiles },
): Promise<ProbeResult> {
  const { host, port } = splitAddress(addr);
  const limit = new AbortController();
  const timer = world.clock.timer(options.timeoutMs, () => limit.abort(new DOMException("no answer in time", "TimeoutError")));
  try {
    const stream = await world.network.connect({
      host,
      port,
      timeoutMs: options.timeoutMs,
      signal: limit.signal,
      ...(options.tls === undefined ? {} : { tls: options.tls }),
    });
    try {
      return await new Promise<ProbeResult>((resolve) => {
        const silent = () => resolve("silent");
        limit.signal.addEventListener("abort", silent, { once: true });
        if (limit.signal.aborted) silent();
        stream.once("data", () => resolve("alive"));
        stream.once("error", silent);
        stream.once("close", silent);
        stream.write(`GET /status HTTP/1.0\r\nHost: ${addr}\r\n\r\n`);
      });
    } finally {
      stream.on("error", () => {}); // what happens to it from here on is nobody's concern
      stream.destroy();
    }
  } catch (error) {
    return (error as { readonly code?: string }).code === "ECONNREFUSED" ? "refused" : "silent";
  } finally {
    timer.cancel();
  }
}

/** `host:port`, or `[v6]:port`. */
export function splitAddress(addr: string): { readonly host: string; readonly port: number } {
  const at = addr.lastIndexOf(":");
  return { host: addr.slice(0, at).replace(/^\[(.*)\]$/, "$1"), port: Number(addr.slice(at + 1)) };
}
