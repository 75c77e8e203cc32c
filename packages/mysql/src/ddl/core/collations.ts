/** Character sets and collations of the families: which belongs to which, widths, defaults, and the nearest one elsewhere. */
import type { ServerFlavor } from "./lexer.ts";

/** Bytes of the longest character, and the compiled-in default collation. */
const charsets: Record<string, readonly [bytesMax: number, collation: string]> = {
  armscii8: [1, "armscii8_general_ci"],
  ascii: [1, "ascii_general_ci"],
  big5: [2, "big5_chinese_ci"],
  binary: [1, "binary"],
  cp1250: [1, "cp1250_general_ci"],
  cp1251: [1, "cp1251_general_ci"],
  cp1256: [1, "cp1256_general_ci"],
  cp1257: [1, "cp1257_general_ci"],
  cp850: [1, "cp850_general_ci"],
  cp852: [1, "cp852_general_ci"],
  cp866: [1, "cp866_general_ci"],
  cp932: [2, "cp932_japanese_ci"],
  dec8: [1, "dec8_swedish_ci"],
  eucjpms: [3, "eucjpms_japanese_ci"],
  euckr: [2, "euckr_korean_ci"],
  gb18030: [4, "gb18030_chinese_ci"],
  gb2312: [2, "gb2312_chinese_ci"],
  gbk: [2, "gbk_chinese_ci"],
  geostd8: [1, "geostd8_general_ci"],
  greek: [1, "greek_general_ci"],
  hebrew: [1, "hebrew_general_ci"],
  hp8: [1, "hp8_english_ci"],
  keybcs2: [1, "keybcs2_general_ci"],
  koi8r: [1, "koi8r_general_ci"],
  koi8u: [1, "koi8u_general_ci"],
  latin1: [1, "latin1_swedish_ci"],
  latin2: [1, "latin2_general_ci"],
  latin5: [1, "latin5_turkish_ci"],
  latin7: [1, "latin7_general_ci"],
  macce: [1, "macce_general_ci"],
  macroman: [1, "macroman_general_ci"],
  sjis: [2, "sjis_japanese_ci"],
  swe7: [1, "swe7_swedish_ci"],
  tis620: [1, "tis620_thai_ci"],
  ucs2: [2, "ucs2_general_ci"],
  ujis: [3, "ujis_japanese_ci"],
  utf16: [4, "utf16_general_ci"],
  utf16le: [4, "utf16le_general_ci"],
  utf32: [4, "utf32_general_ci"],
  utf8mb3: [3, "utf8mb3_general_ci"],
  utf8mb4: [4, "utf8mb4_general_ci"],
};

/** `utf8` → `utf8mb3`, lower case. */
export function canonicalCharset(name: string): string {
  const lower = name.toLowerCase();
  return lower === "utf8" ? "utf8mb3" : lower;
}

/** `utf8_bin` → `utf8mb3_bin`, lower case. */
export function canonicalCollation(name: string): string {
  const lower = name.toLowerCase();
  return lower.startsWith("utf8_") ? `utf8mb3_${lower.slice(5)}` : lower;
}

export function charsetBytesMax(charset: string): number {
  return charsets[canonicalCharset(charset)]?.[0] ?? 4;
}

/** `overrides`: what the server says in other ways (`character_set_collations`, `default_collation_for_utf8mb4`). */
export function defaultCollation(charset: string, flavor: ServerFlavor, overrides: Readonly<Record<string, string>> = {}): string {
  const name = canonicalCharset(charset);
  const override = overrides[name];
  if (override !== undefined) return override;
  if (name === "utf8mb4" && flavor === "mysql") return "utf8mb4_0900_ai_ci";
  return charsets[name]?.[1] ?? `${name}_general_ci`;
}

/** Null when the name alone does not tell: MariaDB's `uca1400_ai_ci` goes with any Unicode charset. */
export function charsetOfCollation(collation: string): string | null {
  const name = canonicalCollation(collation);
  if (name === "binary") return "binary";
  const prefix = name.slice(0, name.indexOf("_"));
  return Object.hasOwn(charsets, prefix) ? prefix : null;
}

export function binaryCollation(charset: string): string {
  const name = canonicalCharset(charset);
  return name === "binary" ? "binary" : `${name}_bin`;
}

export type DdlDialect = "mysql" | "mariadb" | "tidb";

export interface Mapped {
  readonly name: string;
  /** Says what differs, when something does. */
  readonly note?: string;
}

const tidbCharsets = new Set(["utf8", "utf8mb3", "utf8mb4", "ascii", "latin1", "binary", "gbk", "gb18030"]);
const tidbCollations = new Set([
  "utf8mb4_bin",
  "utf8mb4_general_ci",
  "utf8mb4_unicode_ci",
  "utf8mb4_0900_ai_ci",
  "utf8mb4_0900_bin",
  "utf8_bin",
  "utf8_general_ci",
  "utf8_unicode_ci",
  "ascii_bin",
  "latin1_bin",
  "binary",
  "gbk_bin",
  "gbk_chinese_ci",
  "gb18030_bin",
  "gb18030_chinese_ci",
]);

const onlyInMysql = new Set(["gb18030"]);

export function mapCharset(charset: string, dialect: DdlDialect): Mapped {
  const name = canonicalCharset(charset);
  if (dialect === "tidb") {
    if (!tidbCharsets.has(name)) return { name: "utf8mb4", note: `character set ${name} becomes utf8mb4` };
    return { name: name === "utf8mb3" ? "utf8" : name };
  }
  if (dialect === "mariadb" && onlyInMysql.has(name)) return { name: "utf8mb4", note: `character set ${name} becomes utf8mb4` };
  return { name: charset };
}

/** Languages as MariaDB's uca1400 names and MySQL's 0900 names call them. */
const languages: readonly (readonly [uca1400: string, mysql: string])[] = [
  ["croatian", "hr"],
  ["czech", "cs"],
  ["danish", "da"],
  ["esperanto", "eo"],
  ["estonian", "et"],
  ["german2", "de_pb"],
  ["hungarian", "hu"],
  ["icelandic", "is"],
  ["latvian", "lv"],
  ["lithuanian", "lt"],
  ["polish", "pl"],
  ["roman", "la"],
  ["romanian", "ro"],
  ["slovak", "sk"],
  ["slovenian", "sl"],
  ["spanish", "es"],
  ["spanish2", "es_trad"],
  ["swedish", "sv"],
  ["turkish", "tr"],
  ["vietnamese", "vi"],
];

const mariadb0900 = /^utf8mb4_(?:([a-z_]+?)_)?0900_(bin|as_cs|as_ci|ai_ci)$/;
const uca1400 = /^(?:([a-z0-9]+)_)?uca1400_(?:([a-z0-9]+)_)?(nopad_)?(ai|as)_(ci|cs)$/;

/** Without a note, the collation compares alike in the target. */
export function mapCollation(collation: string, dialect: DdlDialect): Mapped {
  const name = canonicalCollation(collation);
  if (dialect === "mariadb") {
    const found = mariadb0900.exec(name);
    if (found !== null) {
      const [, language, strength] = found;
      if (strength === "bin") return { name: "utf8mb4_nopad_bin", note: `collation ${name} becomes utf8mb4_nopad_bin` };
      const word = languages.find(([, mysql]) => mysql === language)?.[0];
      const mapped = `utf8mb4_uca1400_${word === undefined ? "" : `${word}_`}nopad_${strength}`;
      return { name: mapped, note: `collation ${name} becomes ${mapped}` };
    }
    if (name.startsWith("gb18030")) return { name: "utf8mb4_general_ci", note: `collation ${name} becomes utf8mb4_general_ci` };
    return { name: collation };
  }
  const found = uca1400.exec(name);
  const nopad = /^([a-z0-9]+)_(?:([a-z0-9]+)_)?nopad_(bin|ci)$/.exec(name);
  let mapped = name;
  if (found !== null) {
    const [, charset = "utf8mb4", language, , accents, letterCase] = found;
    const short = languages.find(([word]) => word === language)?.[1];
    if (charset === "utf8mb4") {
      const strength = accents === "as" && letterCase === "ci" ? "as_ci" : letterCase === "cs" ? "as_cs" : "ai_ci";
      // MySQL has as_ci without a language only.
      const withLanguage = short !== undefined && strength !== "as_ci";
      mapped = `utf8mb4_${withLanguage ? `${short}_` : ""}0900_${strength}`;
    } else mapped = letterCase === "cs" ? `${charset}_bin` : `${charset}_unicode_520_ci`;
  } else if (nopad !== null) {
    const [, charset = "utf8mb4", family, strength] = nopad;
    if (strength === "bin") mapped = charset === "utf8mb4" ? "utf8mb4_0900_bin" : `${charset}_bin`;
    else mapped = charset === "utf8mb4" ? "utf8mb4_0900_ai_ci" : `${charset}_${family ?? "general"}_ci`;
  }
  if (dialect === "tidb") {
    const short = mapped.startsWith("utf8mb3_") ? `utf8_${mapped.slice(8)}` : mapped;
    if (tidbCollations.has(short)) mapped = short;
    else {
      const charset = mapCharset(charsetOfCollation(mapped) ?? "utf8mb4", "tidb").name;
      if (charset === "binary") mapped = "binary";
      else if (charset === "ascii" || charset === "latin1" || /_(?:bin|cs)$/.test(short)) mapped = `${charset}_bin`;
      else mapped = charset === "utf8" || charset === "utf8mb4" ? `${charset}_unicode_ci` : `${charset}_chinese_ci`;
    }
    // TiDB's own spelling of the same collation is no difference.
    return mapped === short ? { name: mapped } : { name: mapped, note: `collation ${name} becomes ${mapped}` };
  }
  if (mapped === name) return { name: collation };
  return { name: mapped, note: `collation ${name} becomes ${mapped}` };
}
