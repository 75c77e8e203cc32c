/** A placement driver as a process of its own, and what benches ask it. */
import { join } from "node:path";
import { type Child, freePort } from "@skein/base";
import type { BenchContext } from "@skein/cli";
import { checkoutFolder } from "@skein/servers";

export interface PlacementDriver extends AsyncDisposable {
  readonly url: string;
  /** A figure of its metrics page, by its name and labels as they stand there; 0 when it is not there. */
  metric(line: string): Promise<number>;
  get(path: string): Promise<string>;
  /** Ends the process without a word and starts it on the same data; milliseconds until it answers for the cluster. */
  restart(): Promise<number>;
}

export async function startPlacementDriver({ world, folder, signal }: BenchContext): Promise<PlacementDriver> {
  const program = join(checkoutFolder, "bin", "pd-server");
  const url = `http://127.0.0.1:${await freePort(world)}`;
  const spawn = () =>
    world.processes.spawn(
      program,
      ["-name", "pd", "-data-dir", join(folder, "pd"), "-client-urls", url, "-log-file", join(folder, "pd.log")],
      {
        outputFile: join(folder, "pd.out"),
      },
    );
  let child: Child = spawn();
  const get = async (path: string) => {
    const answer = await fetch(url + path);
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return await answer.text();
  };
  const until = async (path: string) => {
    for (;;) {
      signal.throwIfAborted();
      if (
        await get(path).then(
          () => true,
          () => false,
        )
      )
        return;
      await world.clock.sleep(10, signal);
    }
  };
  const kill = async () => {
    child.kill("SIGKILL");
    await child.exited;
  };
  await until("/pd/api/v1/cluster");
  return {
    url,
    get,
    metric: async (line) => {
      const found = (await get("/metrics")).split("\n").find((each) => each.startsWith(`${line} `));
      return found === undefined ? 0 : Number(found.slice(line.length + 1));
    },
    restart: async () => {
      await kill();
      const startedMs = world.clock.monotonicMs();
      child = spawn();
      await until("/pd/api/v1/min-resolved-ts");
      return world.clock.monotonicMs() - startedMs;
    },
    [Symbol.asyncDispose]: kill,
  };
}
