/** Launcher of tikv-server. */
import { runTikvServer } from "../packages/store/src/server/main.ts";

await runTikvServer(process.argv.slice(2));
