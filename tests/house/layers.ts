/** Who may import whom. The table is the rule; `layers.test.ts` holds it, and TypeScript's project references say the same. */

export interface Layer {
  /** What its code may import. */
  readonly imports: readonly string[];
}

/** Imports run downwards only. A package that is not in the table fails the test: put it where it belongs first. */
export const layers: Readonly<Record<string, Layer>> = {
  base: { imports: [] },
  sim: { imports: ["base"] },
  rpc: { imports: ["base"] },
  raft: { imports: ["base"] },
  mysql: { imports: ["base"] },
  servers: { imports: ["base"] },
  metastore: { imports: ["base", "rpc"] },
  migration: { imports: ["base", "rpc", "metastore", "mysql"] },
  placement: { imports: ["base", "rpc", "metastore"] },
  store: { imports: ["base", "rpc", "raft", "placement"] },
  kvclient: { imports: ["base", "rpc", "placement", "store"] },
  sql: { imports: ["base", "mysql", "kvclient"] },
  "shared-disk": { imports: ["base", "rpc", "sql"] },
  operator: { imports: ["base", "rpc"] },
  dashboard: { imports: ["base", "rpc"] },
  cli: {
    imports: [
      "base",
      "rpc",
      "raft",
      "metastore",
      "mysql",
      "servers",
      "migration",
      "placement",
      "store",
      "kvclient",
      "sql",
      "shared-disk",
      "operator",
      "dashboard",
    ],
  },
};

/** Entries of packages besides their index: what a user needs without the whole package. Their `package.json` exports them. */
export const entries: Readonly<Record<string, readonly string[]>> = {
  placement: ["client", "testing", "wire"],
  store: ["testing", "wire"],
};

/** Folders that are as pure as a `core/`, and are called by their subject. */
export const pureFolders: readonly RegExp[] = [/\/core\//, /^packages\/mysql\/src\/gtid\//];

/** What tests may import besides what their package may. */
export const testImports: readonly string[] = ["base", "sim", "servers"];

/** Node's modules that only the World may touch. */
export const worldModules: readonly string[] = [
  "net",
  "tls",
  "dgram",
  "dns",
  "dns/promises",
  "fs",
  "fs/promises",
  "child_process",
  "cluster",
  "timers",
  "timers/promises",
];

/** What only the World may call, as it looks in code without comments and strings. */
export const worldCalls: readonly { readonly what: string; readonly pattern: RegExp }[] = [
  { what: "Date.now", pattern: /\bDate\s*\.\s*now\b/ },
  { what: "new Date() without a time", pattern: /\bnew\s+Date\s*(\(\s*\)|(?![\w\s(]))/ },
  { what: "performance.now", pattern: /\bperformance\s*\.\s*now\b/ },
  { what: "Math.random", pattern: /\bMath\s*\.\s*random\b/ },
  { what: "randomUUID", pattern: /\brandomUUID\b/ },
  { what: "a timer of Node", pattern: /(?<![.\w])set(Timeout|Interval|Immediate)\s*\(/ },
  { what: "process.env", pattern: /\bprocess\s*\.\s*env\b/ },
];

/** Files that may do what only the World may, each with its reason. */
export const worldFiles: readonly { readonly path: RegExp; readonly reason: string }[] = [
  { path: /^packages\/base\/src\/world\//, reason: "it is the World" },
  { path: /\/main\.ts$/, reason: "launchers build the World" },
  { path: /^packages\/sim\/src\/(seeds|scenario|simulation)\.ts$/, reason: "it is the World's other half" },
  { path: /^packages\/servers\/src\/releases\.ts$/, reason: "who runs the tests chooses their servers by the environment" },
  { path: /\.test\.ts$/, reason: "tests are outside of the system" },
  { path: /\/testing\//, reason: "helpers of tests are outside of the system" },
];
