/** What a release holds: each executable, where it starts, and what it is for. */

export interface Executable {
  /** Its name on the command line; its launcher is `bin/<name>.ts`. */
  readonly name: string;
  readonly describe: string;
}

export const executables: readonly Executable[] = [
  { name: "dm-master", describe: "schedules migration tasks and answers dmctl and the OpenAPI" },
  { name: "dm-worker", describe: "copies and replicates for the sources it is bound to" },
  { name: "dmctl", describe: "the console of the migration cluster" },
];
