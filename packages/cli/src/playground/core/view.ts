/** The live table as lines of text. */

export interface StoreView {
  readonly name: string;
  /** Id in the cluster; null until the placement driver knows it. */
  readonly id: number | null;
  readonly process: "runs" | "dead" | "paused";
  readonly isCutOff: boolean;
  /** As the placement driver calls it: Up, Disconnected, Down, Offline, Tombstone; empty while it is not known. */
  readonly state: string;
  readonly labels: string;
  readonly regions: number | null;
  readonly leaders: number | null;
  /** Requests a second of clients; null while they cannot be asked. */
  readonly requestsPerSecond: number | null;
  /** `10MiB` */
  readonly used: string;
  readonly address: string;
}

export interface PdView {
  readonly name: string;
  readonly process: StoreView["process"];
  readonly isCutOff: boolean;
  readonly isLeader: boolean;
  readonly url: string;
}

export interface PlaygroundView {
  readonly pds: readonly PdView[];
  readonly stores: readonly StoreView[];
  /** Regions of the cluster; null while no placement driver answers. */
  readonly regions: number | null;
}

const titles = ["store", "id", "state", "process", "regions", "leaders", "req/s", "used", "labels", "address"] as const;
type Title = (typeof titles)[number];
const numbers: ReadonlySet<Title> = new Set<Title>(["id", "regions", "leaders", "req/s", "used"]);
/** In this order they give way in a narrow terminal: half an address serves nobody. */
const leastNeeded: readonly Title[] = ["address", "used"];

/** No line is longer than `columns`. */
export function renderTable(view: PlaygroundView, columns: number = Number.POSITIVE_INFINITY): string[] {
  let shown: readonly Title[] = titles;
  let table = tableOf(view, shown);
  for (const title of leastNeeded) {
    if (longest(table) <= columns) break;
    shown = shown.filter((each) => each !== title);
    table = tableOf(view, shown);
  }
  const sum = view.stores.reduce((total, { requestsPerSecond }) => total + (requestsPerSecond ?? 0), 0);
  const pds = view.pds.map((pd) => {
    const what = processText(pd);
    return `${pd.name} ${pd.url}${pd.isLeader ? " (leader)" : ""}${what === "runs" ? "" : ` (${what})`}`;
  });
  const facts = `${count(view.regions)} ${view.regions === 1 ? "region" : "regions"} · ${Math.round(sum)} requests/s`;
  const oneLine = [facts, ...pds].join(" · ");
  return fitted([...(oneLine.length <= columns ? [oneLine] : [facts, ...pds]), ...table], columns);
}

function tableOf(view: PlaygroundView, shown: readonly Title[]): string[] {
  const rows: string[][] = [
    [...titles],
    ...view.stores.map((store) => [
      store.name,
      store.id === null ? "–" : String(store.id),
      store.state === "" ? "–" : store.state,
      processText(store),
      count(store.regions),
      count(store.leaders),
      store.requestsPerSecond === null ? "–" : String(Math.round(store.requestsPerSecond)),
      store.used === "" ? "–" : store.used,
      store.labels === "" ? "–" : store.labels,
      store.address,
    ]),
  ];
  const cells = shown.map((title) => {
    const column = rows.map((row) => row[titles.indexOf(title)] ?? "");
    const width = longest(column);
    return column.map((cell) => (numbers.has(title) ? cell.padStart(width) : cell.padEnd(width)));
  });
  return rows.map((_, row) =>
    cells
      .map((column) => column[row])
      .join("  ")
      .trimEnd(),
  );
}

const fitted = (lines: readonly string[], columns: number): string[] =>
  lines.map((line) => (line.length > columns ? `${line.slice(0, Math.max(0, columns - 1))}…` : line));
const longest = (lines: readonly string[]) => Math.max(...lines.map(({ length }) => length));

const count = (value: number | null) => (value === null ? "–" : String(value));
const processText = ({ process, isCutOff }: { readonly process: StoreView["process"]; readonly isCutOff: boolean }) =>
  isCutOff && process !== "dead" ? (process === "paused" ? "paused, cut off" : "cut off") : process;
