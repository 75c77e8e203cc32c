import { define } from "@skein/base";

/** Servers that were started as children. */
export const serverErrors = {
  programMissing: define({
    code: 90001,
    class: "servers",
    scope: "internal",
    level: "high",
    message: (program: string) => `${program} is not installed on this machine`,
    workaround: "Run `./skein setup`, which installs the database servers that the demo, benchmarks and tests need.",
  }),
  startFailed: define({
    code: 90002,
    class: "servers",
    scope: "internal",
    level: "high",
    message: (program: string, what: string, logEnd: string) => `${program} did not start: ${what}\n${logEnd}`,
    workaround: "The end of the server's own log is in the message.",
  }),
} as const;
