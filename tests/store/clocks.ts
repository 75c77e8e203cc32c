/** The wall clocks of a cluster's processes, each of which can be set while it runs (`shifted-clock.ts`). */
import { join } from "node:path";
import type { World } from "@skein/base";
import { checkoutFolder } from "@skein/servers";

export interface Clocks {
  /** What processes are to be started with. */
  readonly env: (name: string) => Readonly<Record<string, string>>;
  /** From the true time; a process that is started later has it, too. */
  set(name: string, offsetMs: number): Promise<void>;
  /** All clocks are right again. */
  heal(): Promise<void>;
}

export function createClocks(world: World, folder: string): Clocks {
  const wrong = new Set<string>();
  const fileOf = (name: string) => join(folder, `${name}.clock`);
  const set = async (name: string, offsetMs: number) => {
    wrong.add(name);
    await world.disk.writeFileAtomic(fileOf(name), Buffer.from(String(offsetMs)));
  };
  return {
    env: (name) => ({
      NODE_OPTIONS: `--import=${join(checkoutFolder, "tests", "store", "shifted-clock.ts")}`,
      SKEIN_CLOCK_FILE: fileOf(name),
    }),
    set,
    heal: async () => {
      for (const name of wrong) await set(name, 0);
      wrong.clear();
    },
  };
}
