/** Character sets by the collation ids that the protocol and the binlog carry, and decoding of the ones that names are written in. */
import type { ByteString } from "./value.ts";

const idsOfCharset: Readonly<Record<string, readonly number[]>> = {
  armscii8: [32, 64],
  ascii: [11, 65],
  big5: [1, 84],
  binary: [63],
  cp1250: [26, 34, 44, 66, 99],
  cp1251: [14, 23, 50, 51, 52],
  cp1256: [57, 67],
  cp1257: [29, 58, 59],
  cp850: [4, 80],
  cp852: [40, 81],
  cp866: [36, 68],
  cp932: [95, 96],
  dec8: [3, 69],
  eucjpms: [97, 98],
  euckr: [19, 85],
  gb18030: [248, 249, 250],
  gb2312: [24, 86],
  gbk: [28, 87],
  geostd8: [92, 93],
  greek: [25, 70],
  hebrew: [16, 71],
  hp8: [6, 72],
  keybcs2: [37, 73],
  koi8r: [7, 74],
  koi8u: [22, 75],
  latin1: [5, 8, 15, 31, 47, 48, 49, 94],
  latin2: [2, 9, 21, 27, 77],
  latin5: [30, 78],
  latin7: [20, 41, 42, 79],
  macce: [38, 43],
  macroman: [39, 53],
  sjis: [13, 88],
  swe7: [10, 82],
  tis620: [18, 89],
  ucs2: [35, 90],
  ujis: [12, 91],
  utf16: [54, 55],
  utf16le: [56, 62],
  utf32: [60, 61],
  utf8mb3: [33, 76, 83],
  utf8mb4: [45, 46],
};

/** Ranges of ids that belong to one charset: first, last, charset. */
const ranges: readonly (readonly [number, number, string])[] = [
  [101, 124, "utf16"],
  [128, 159, "ucs2"],
  [160, 183, "utf32"],
  [192, 223, "utf8mb3"],
  [224, 247, "utf8mb4"],
  [255, 575, "utf8mb4"],
  [576, 607, "utf8mb3"],
  [608, 639, "utf8mb4"],
  [640, 671, "ucs2"],
  [672, 703, "utf16"],
  [736, 767, "utf32"],
  [2048, 2303, "utf8mb3"],
  [2304, 2559, "utf8mb4"],
  [2560, 2815, "ucs2"],
  [2816, 3071, "utf16"],
  [3072, 3327, "utf32"],
];

const charsetOfId: ReadonlyMap<number, string> = new Map(
  Object.entries(idsOfCharset).flatMap(([charset, ids]) => ids.map((id): [number, string] => [id, charset])),
);

/** MariaDB's NO PAD collations have the id of the padding one plus this. */
const noPadIds = 1024;

/** Lower case name, or null for an id that is not known. */
export function charsetOfCollation(id: number): string | null {
  const plain = id >= noPadIds && id < 2 * noPadIds ? id - noPadIds : id;
  const known = charsetOfId.get(plain);
  if (known !== undefined) return known;
  return ranges.find(([first, last]) => first <= plain && plain <= last)?.[2] ?? null;
}

/** Names of the same sets in the WHATWG encoding standard; those that are missing there stay undecoded. */
const encodings: Readonly<Record<string, string>> = {
  big5: "big5",
  cp1250: "windows-1250",
  cp1251: "windows-1251",
  cp1256: "windows-1256",
  cp1257: "windows-1257",
  cp866: "ibm866",
  cp932: "shift_jis",
  eucjpms: "euc-jp",
  euckr: "euc-kr",
  gb18030: "gb18030",
  gb2312: "gbk",
  gbk: "gbk",
  greek: "iso-8859-7",
  hebrew: "iso-8859-8",
  koi8r: "koi8-r",
  koi8u: "koi8-u",
  latin1: "windows-1252", // the servers' latin1 is cp1252
  latin2: "iso-8859-2",
  latin5: "windows-1254",
  latin7: "iso-8859-13",
  macroman: "macintosh",
  sjis: "shift_jis",
  tis620: "windows-874",
  ujis: "euc-jp",
  ucs2: "utf-16be",
  utf16: "utf-16be",
  utf16le: "utf-16le",
};

/** Bytes in a charset as text; a charset that cannot be decoded here is read as UTF-8, which is right for its ASCII part. */
export function decodeText(bytes: Uint8Array, charset: string | null): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const encoding = charset === null ? undefined : encodings[charset];
  if (encoding !== undefined) return new TextDecoder(encoding, { ignoreBOM: true }).decode(bytes);
  if (charset === "utf32") {
    let text = "";
    for (let at = 0; at + 4 <= buffer.length; at += 4) {
      const point = buffer.readUInt32BE(at);
      text += point <= 0x10_ffff ? String.fromCodePoint(point) : "�";
    }
    return text;
  }
  return buffer.toString("utf8");
}

/** UTF-8 bytes of a text, a character each. */
export function utf8ByteString(text: string): ByteString {
  return Buffer.from(text, "utf8").toString("latin1");
}
