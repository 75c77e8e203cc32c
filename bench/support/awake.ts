/**
 * Cores that do not sleep. A virtual core that has nothing to do gives itself back to its host, and to be woken costs it more than a
 * message costs: what two processes say to each other in turn is then the machine's figure, not theirs. A process of the lowest
 * priority on each core keeps them awake; it gives way at once to whatever else wants to run.
 */
import { availableParallelism } from "node:os";
import type { World } from "@skein/base";

export async function withCoresAwake<T>(world: World, run: () => Promise<T>): Promise<T> {
  const spinners = Array.from({ length: availableParallelism() }, () =>
    world.processes.spawn("chrt", ["--idle", "0", process.execPath, "-e", "for (;;);"]),
  );
  try {
    return await run();
  } finally {
    for (const each of spinners) each.kill("SIGKILL");
    await Promise.all(spinners.map(({ exited }) => exited));
  }
}
