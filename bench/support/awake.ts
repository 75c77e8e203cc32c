/**
 * Cores that do not sleep. A virtual core that has nothing to do gives itself back to its host, and to be woken costs it more than a
 * message costs: what two processes say to each other in turn is then the machine's figure, not theirs. A process of low priority on
 * each core keeps them awake, and takes a hundredth of them from whatever else wants to run. (With the scheduler's idle priority the
 * core would still count as one to wake.)
 */
import { availableParallelism } from "node:os";
import type { World } from "@skein/base";

export async function withCoresAwake<T>(world: World, run: () => Promise<T>): Promise<T> {
  const spinners = Array.from({ length: availableParallelism() }, () =>
    world.processes.spawn("nice", ["-n", "19", process.execPath, "-e", "for (;;);"]),
  );
  try {
    return await run();
  } finally {
    for (const each of spinners) each.kill("SIGKILL");
    await Promise.all(spinners.map(({ exited }) => exited));
  }
}
