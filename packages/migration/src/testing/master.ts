/** A master of this process for tests: embedded metadata, no pre-check, nothing to clean in targets. */
import { join } from "node:path";
import type { World } from "@skein/base";
import { launchMaster } from "../config/process-config.ts";
import { type Master, startMaster } from "../master/dm-master.ts";

export async function startTestMaster(
  world: World,
  options: { readonly name: string; readonly folder: string; readonly address: string; readonly flags?: readonly string[] },
): Promise<Master> {
  const { name, folder, address, flags = [] } = options;
  const launched = launchMaster(["-name", name, "-master-addr", address, "-data-dir", join(folder, name), ...flags], {
    hostname: "h",
    readFile: () => "",
  });
  if (launched.kind !== "run") throw new Error(JSON.stringify(launched));
  return await startMaster(world, {
    config: launched.config,
    versionText: "v\n",
    parts: { checkTask: async () => ({ passed: true, text: "pre-check is passed. " }), removeMeta: async () => {} },
  });
}
