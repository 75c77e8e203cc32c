/**
 * Builds the stock clients into the cache: `node tests/clients/prepare.ts`. `./skein test` runs it beside the other suites, as the head
 * of a process group; when its standard input ends, which it does with whoever started it, the group ends with its compilers.
 */
import { nodeWorld } from "@skein/base";
import { clientNames, prepareClient } from "./stock-client.ts";

const world = nodeWorld();
process.stdin.on("end", () => process.kill(0, "SIGTERM"));
process.stdin.resume();

// one after the other: each uses all processors, and the one that takes longest is the first
for (const name of clientNames) {
  const startedMs = world.clock.monotonicMs();
  const seconds = () => ((world.clock.monotonicMs() - startedMs) / 1000).toFixed(1);
  try {
    await prepareClient(world, name);
    process.stdout.write(`${name}: ready after ${seconds()} s\n`);
  } catch (error) {
    // its suite tries again, and says why
    process.stdout.write(`${name}: not built after ${seconds()} s: ${String(error)}\n`);
  }
}
process.exit(0);
