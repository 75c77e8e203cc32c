/** What the kernel counts of processes. */
import type { World } from "@skein/base";

/** `man 5 proc`: user and system time are in these. */
const ticksPerSecond = 100;

/** Processor time of all of them together, of the user's and the system's kind. */
export async function cpuSecondsOf(world: World, pids: readonly number[]): Promise<number> {
  let ticks = 0;
  for (const pid of pids) {
    const stat = Buffer.from(await world.disk.readFile(`/proc/${pid}/stat`)).toString("latin1");
    // The name before it may have spaces.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / ticksPerSecond;
}
