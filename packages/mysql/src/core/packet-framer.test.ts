import { seededRandom } from "@skein/base";
import { expect, test } from "vitest";
import { frameCommand, framePacket, PacketFramer, PacketTooLargeError } from "./packet-framer.ts";

function collect(limit = 1 << 30) {
  const packets: Buffer[] = [];
  const framer = new PacketFramer((bytes, start, end) => packets.push(Buffer.from(bytes.subarray(start, end))), limit);
  return { packets, framer };
}

test("packets come out whole, however the bytes are cut", () => {
  const random = seededRandom(5);
  const payloads = Array.from({ length: 300 }, () => Buffer.from(random.bytes(random.below(400))));
  const stream = Buffer.concat(payloads.map((payload) => framePacket(payload, 0)));
  for (let run = 0; run < 20; run++) {
    const { packets, framer } = collect();
    for (let at = 0; at < stream.length; ) {
      const next = Math.min(stream.length, at + random.between(1, run < 5 ? 7 : 5000));
      framer.feed(Buffer.from(stream.subarray(at, next)));
      at = next;
    }
    expect(packets).toEqual(payloads);
  }
});

test("payloads of 16 MiB and more are split and joined, also at the exact size", () => {
  for (const length of [0xff_fffe, 0xff_ffff, 0x100_0000, 0x1ff_fffe]) {
    const payload = Buffer.alloc(length, 7);
    const framed = framePacket(payload, 3);
    expect(framed[3]).toBe(3);
    const { packets, framer } = collect();
    for (let at = 0; at < framed.length; at += 65_536) framer.feed(framed.subarray(at, at + 65_536));
    expect(packets.length).toBe(1);
    expect(packets[0]?.equals(payload)).toBe(true);
  }
});

test("a payload over the limit is refused before it is collected", () => {
  const { framer } = collect(1000);
  expect(() => framer.feed(Buffer.from([0xe9, 3, 0, 0]))).toThrow(PacketTooLargeError);
});

test("commands in both encodings", () => {
  expect([...frameCommand(3, "é", "utf8")]).toEqual([3, 0, 0, 0, 3, 0xc3, 0xa9]);
  expect([...frameCommand(3, "é", "latin1")]).toEqual([2, 0, 0, 0, 3, 0xe9]);
  expect(frameCommand(3, "x".repeat(0x100_0000), "latin1").length).toBe(0x100_0001 + 8);
});
