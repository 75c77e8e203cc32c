/** The wall clocks of a cluster's processes, each of which can be set while it runs (`shifted-clock.ts`; etcd: `process-clock.ts`). */
import { join } from "node:path";
import type { World } from "@skein/base";
import type { RegionProcess } from "@skein/cli";
import { checkoutFolder } from "@skein/servers";
import { descendants, setProcessClock, whyNoProcessClocks } from "./process-clock.ts";

export interface Clocks {
  /** What processes are to be started with. */
  readonly env: (name: string) => Readonly<Record<string, string>>;
  /** From the true time; a process that is started later has it, too. */
  set(name: string, offsetMs: number): Promise<void>;
  /** That of the etcd beside a placement driver. False when there is none, or it cannot be set here. */
  setEtcd(pd: RegionProcess, offsetMs: number): Promise<boolean>;
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
  const wrongEtcds = new Set<number>();
  const setEtcd = async (pd: RegionProcess, offsetMs: number) => {
    if (whyNoProcessClocks() !== null) return false;
    const pids = await descendants(pd.pid, "etcd");
    for (const pid of pids) {
      wrongEtcds.add(pid);
      await setProcessClock(world, pid, Math.round(offsetMs / 1000));
    }
    return pids.length > 0;
  };
  return {
    env: (name) => ({
      NODE_OPTIONS: `--import=${join(checkoutFolder, "tests", "store", "shifted-clock.ts")}`,
      SKEIN_CLOCK_FILE: fileOf(name),
    }),
    set,
    setEtcd,
    heal: async () => {
      for (const pid of wrongEtcds) await setProcessClock(world, pid, 0).catch(() => {}); // one that was killed has the right time again
      wrongEtcds.clear();
      for (const name of wrong) await set(name, 0);
      wrong.clear();
    },
  };
}
