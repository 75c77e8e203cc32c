/** What peers send that do not speak what a port speaks, that lie about lengths, or that never end. */
import type { Random } from "@skein/base";
import { preface } from "./raw-bytes.ts";

const mib = 1024 * 1024;

/** An HTTP/1.1 request. `length` may be a lie. */
export const http = (line: string, body: string | Uint8Array = "", length = body.length) =>
  [`${line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${length}\r\n\r\n`, body] as const;

/** Parts of one connection each, by what they are: a port of any kind ends it, or answers, and goes on. */
export function oddBytes(random: Random): Readonly<Record<string, readonly (string | Uint8Array)[]>> {
  return {
    "random bytes": [random.bytes(64 * 1024)],
    "nothing but zeros": [new Uint8Array(mib)],
    "TLS where none is spoken": [Buffer.from("1603010200010001fc0303", "hex"), random.bytes(512)],
    "a preface, then garbage": [preface, random.bytes(64 * 1024)],
    "a frame that claims 16 MiB": [preface, Buffer.from("ffffff000000000001", "hex"), new Uint8Array(mib)],
    "settings without end": [preface, Buffer.concat(Array.from({ length: 20_000 }, () => Buffer.from("000000040000000000", "hex")))],
    "pings without end": [
      preface,
      Buffer.from("000000040000000000", "hex"),
      Buffer.concat(Array.from({ length: 20_000 }, () => Buffer.from("0000080600000000000102030405060708", "hex"))),
    ],
    "streams that are reset at once": [
      preface,
      Buffer.from("000000040000000000", "hex"),
      Buffer.concat(
        Array.from({ length: 10_000 }, (_, i) => {
          const frames = Buffer.from("00000101040000000082000004030000000000000008", "hex");
          frames.writeUInt32BE(i * 2 + 1, 5);
          frames.writeUInt32BE(i * 2 + 1, 15);
          return frames;
        }),
      ),
    ],
    "headers without end": [`GET / HTTP/1.1\r\n${`x-fill: ${"y".repeat(1000)}\r\n`.repeat(1000)}`],
    "a path without end": [`GET /${"a".repeat(mib)} HTTP/1.1\r\n\r\n`],
    "a path that is no URL": http("GET //"),
    "another path that is no URL": http("GET http://[::bad"),
    "broken escapes": http("GET /pd/api/v1/store/%E0%A4%A"),
    "a way up": http("GET /pd/api/v1/../../../../etc/passwd"),
    "a way up in escapes": http("POST /pd/api/v1/admin/persist-file/..%2f..%2f..%2ftmp%2fowned", "{}"),
    "names of the prototype": http("GET /pd/api/v1/config/__proto__/constructor"),
    "a path of many parts": http(`GET ${"/a".repeat(7_000)}`),
    "a body of 64 MiB and one": [
      `POST /pd/api/v1/config HTTP/1.1\r\nhost: x\r\ncontent-length: ${64 * mib + 1}\r\n\r\n`,
      ...Array.from({ length: 65 }, () => new Uint8Array(mib)),
    ],
    "a body that never comes": http("POST /pd/api/v1/config", "{", 2 ** 50),
    "chunks with a bad length": ["POST /pd/api/v1/config HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzzzz\r\n"],
    "both ways to say a length": [
      "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    ],
  };
}
