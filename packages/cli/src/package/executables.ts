/** What a release holds: each executable, where it starts, and what it is for. */

export interface Executable {
  /** Its name on the command line and in `bin/`. */
  readonly name: string;
  /** The launcher, from the root of the checkout. */
  readonly entry: string;
  readonly describe: string;
}

export const executables: readonly Executable[] = [
  {
    name: "dm-master",
    entry: "packages/migration/src/master/main.ts",
    describe: "schedules migration tasks and answers dmctl and the OpenAPI",
  },
  { name: "dm-worker", entry: "packages/migration/src/worker/main.ts", describe: "copies and replicates for the sources it is bound to" },
  { name: "dmctl", entry: "packages/migration/src/control/main.ts", describe: "the console of the migration cluster" },
];
