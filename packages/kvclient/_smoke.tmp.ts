import { nodeWorld } from "@skein/base";
import { createKvClient } from "./src/index.ts";
const kv = createKvClient(nodeWorld(), { endpoints: ["127.0.0.1:23790"] });
const b = (s: string) => Buffer.from(s);
const raw = kv.raw();
for (let i = 0; i < 4; i++)
  await kv.transact(async (tx) => {
    for (let j = 0; j < 25; j++) tx.put(b(`acc${i * 25 + j}`), b("100"));
  });
await kv.split([b("acc25"), b("acc5"), b("acc75")]);
const lat: number[] = [];
let n = 0,
  errs = 0;
let max = 0;
const start = performance.now();
const secs = Number(process.argv[2] ?? 8);
const modes = [{}, { pessimistic: true }, { asyncCommit: true }, { onePc: true }] as any[];
let sums = 0;
await Promise.all([
  ...Array.from({ length: 32 }, async (_, w) => {
    while (performance.now() - start < secs * 1000) {
      const t0 = performance.now();
      try {
        const [x, y] = [Math.floor(Math.random() * 100), Math.floor(Math.random() * 100)];
        if (x === y) continue;
        await kv.transact(
          async (tx) => {
            const [fx, fy] = [Number(Buffer.from((await tx.get(b("acc" + x)))!)), Number(Buffer.from((await tx.get(b("acc" + y)))!))];
            tx.put(b("acc" + x), b(String(fx - 1)));
            tx.put(b("acc" + y), b(String(fy + 1)));
          },
          modes[w % 4],
        );
        n++;
      } catch (e: any) {
        errs++;
        if (errs < 6) console.log("ERR", e.message?.slice(0, 300));
      }
      const dt = performance.now() - t0;
      if (dt > max) max = dt;
    }
  }),
  (async () => {
    while (performance.now() - start < secs * 1000) {
      try {
        const s = await kv.snapshot();
        const all = await s.batchGet(Array.from({ length: 100 }, (_, i) => b("acc" + i)));
        const sum = [...all].reduce((a: number, x: any) => a + Number(Buffer.from(x.value ?? x[1])), 0);
        if (sum !== 10000) console.log("SUM", sum, [...all].length);
        sums++;
      } catch (e: any) {
        console.log("CHK", e.message?.slice(0, 200));
      }
    }
  })(),
]);
console.log("txn", n, "errs", errs, "checks", sums, "max ms", Math.round(max));
await kv.close();
