/** The least that a question and its answer cost on this machine: ten bytes to another process over TCP, and ten bytes back. */
import { connect } from "node:net";
import type { BenchContext } from "@skein/cli";

const bytes = Buffer.alloc(10);
const server = `
  const listener = require("node:net").createServer((socket) => { socket.setNoDelay(true); socket.pipe(socket); });
  listener.listen(0, "127.0.0.1", () => console.log(listener.address().port));
`;

/** Exchanges within `seconds`, one after the other; latencies in milliseconds. */
export async function exchanges({ world, signal }: BenchContext, seconds: number): Promise<{ rate: number; latencies: number[] }> {
  const child = world.processes.spawn(process.execPath, ["-e", server]);
  try {
    const { stdout } = child;
    if (stdout === null) throw new Error("the echo server has no output");
    const port = await new Promise<number>((resolve) => stdout.once("data", (text) => resolve(Number(text))));
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    const startedMs = world.clock.monotonicMs();
    const latencies: number[] = [];
    await new Promise<void>((resolve, reject) => {
      let sentMs = startedMs;
      socket.on("error", reject);
      socket.on("data", () => {
        const nowMs = world.clock.monotonicMs();
        latencies.push(nowMs - sentMs);
        if (nowMs >= startedMs + seconds * 1000 || signal.aborted) return resolve();
        sentMs = nowMs;
        socket.write(bytes);
      });
      socket.write(bytes);
    });
    socket.destroy();
    return { rate: (latencies.length / (world.clock.monotonicMs() - startedMs)) * 1000, latencies };
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
}
