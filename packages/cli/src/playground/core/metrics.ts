/** Reads one number out of Prometheus text: the sum of all series of a metric. */
export function sumOfMetric(text: string, name: string, accept: (labels: string) => boolean = () => true): number | null {
  let sum = 0;
  let found = false;
  for (const line of text.split("\n")) {
    if (!line.startsWith(name)) continue;
    const [, labels = "", value] = /^(?:\{(.*)\})?\s+(\S+)/.exec(line.slice(name.length)) ?? [];
    if (value === undefined || !accept(labels)) continue;
    sum += Number(value);
    found = true;
  }
  return found ? sum : null;
}
